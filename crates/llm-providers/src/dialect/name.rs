//! Tool names and call ids that an API with a narrow pattern for them accepts.
//!
//! Both come from elsewhere (another provider's ids, a framework's dotted names), must match a narrow
//! pattern here, must stay distinct, and have to be the same in the tools, the history and the choice.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use llm_types::Str;

/// The tool names of one request.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Names {
    /// As the client knows them, to as sent.
    sent: HashMap<String, String>,
    /// As sent, as the client knows them; in the order of appearance.
    rewritten: Vec<(String, String)>,
}

impl Names {
    /// Settles how each of `names` is sent, in at most `limit` characters. `reserved` are names that other
    /// tools of the request bear.
    pub(in crate::dialect) fn new<'n>(
        names: impl Iterator<Item = &'n str>,
        reserved: &[Cow<'_, str>],
        limit: usize,
    ) -> Self {
        let mut seen = HashSet::new();
        let names: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
        let mut taken: HashSet<String> = reserved.iter().map(|name| name.to_string()).collect();
        let fits = |name: &str| is_name(name, limit) && !reserved.iter().any(|other| other == name);
        taken.extend(names.iter().filter(|name| fits(name)).map(|name| (*name).to_owned()));
        let mut next: HashMap<String, usize> = HashMap::new();
        let mut out = Self::default();
        for name in names.into_iter().filter(|name| !fits(name)) {
            let base = sanitise(name, limit);
            let count = next.entry(base.clone()).or_insert(1);
            let mut sent = base.clone();
            while !taken.insert(sent.clone()) {
                *count += 1;
                let suffix = format!("_{count}");
                sent = base.chars().take(limit.saturating_sub(suffix.len())).chain(suffix.chars()).collect();
            }
            out.rewritten.push((sent.clone(), name.to_owned()));
            out.sent.insert(name.to_owned(), sent);
        }
        out
    }

    /// The name as it is sent.
    pub(in crate::dialect) fn sent<'n>(&self, name: &'n str) -> Str<'n> {
        match self.sent.get(name) {
            Some(sent) => sent.clone().into(),
            None => name.into(),
        }
    }

    /// As sent, as the client knows them.
    pub(in crate::dialect) fn into_memo(self) -> Vec<(String, String)> {
        self.rewritten
    }
}

fn is_name(name: &str, limit: usize) -> bool {
    (1..=limit).contains(&name.len()) && name.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn words(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if u8::try_from(c).is_ok_and(is_word) { c } else { '_' })
}

fn sanitise(name: &str, limit: usize) -> String {
    if name.is_empty() { "tool".to_owned() } else { words(name).take(limit).collect() }
}

/// The ids of the tool calls of one conversation.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Ids<'r> {
    calls: Vec<Open<'r>>,
    /// Places in `calls`, by the client's id.
    by_id: HashMap<&'r str, VecDeque<usize>>,
    /// Places in `calls` of those without an id, by the tool's name.
    by_name: HashMap<&'r str, VecDeque<usize>>,
    /// Ids in use, with the last number that was put behind each.
    used: HashMap<String, usize>,
    minted: usize,
}

#[derive(Debug)]
struct Open<'r> {
    name: &'r str,
    arguments: &'r str,
    sent: String,
    answered: bool,
}

/// The call that a result answers.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Answers<'r> {
    /// This one, of this tool.
    Call {
        /// Its id as sent.
        id: String,
        /// The tool's name.
        name: &'r str,
    },
    /// One that was answered before.
    Again,
    /// None that is in the conversation; its id as sent.
    Unknown(String),
}

impl<'r> Ids<'r> {
    /// The id of a call as it is sent: its own made to fit, or a new one where it has none or another
    /// call had it before.
    /// `None`: the same call again, which has no result yet either.
    pub(in crate::dialect) fn call(
        &mut self,
        id: &'r str,
        name: &'r str,
        arguments: &'r str,
    ) -> Option<String> {
        let last = self.by_id.get(id).and_then(|queue| queue.back()).and_then(|at| self.calls.get(*at));
        let again =
            last.is_some_and(|last| !last.answered && last.name == name && last.arguments == arguments);
        if again && !id.is_empty() {
            return None;
        }
        let sent = if id.is_empty() { self.mint() } else { self.distinct(words(id).collect()) };
        let at = self.calls.len();
        self.calls.push(Open { name, arguments, sent: sent.clone(), answered: false });
        self.by_id.entry(id).or_default().push_back(at);
        if id.is_empty() {
            self.by_name.entry(name).or_default().push_back(at);
        }
        Some(sent)
    }

    /// The call that a result answers: of those with its id the earliest that has no result yet; a
    /// result without an id goes by the tool's name, then by order.
    pub(in crate::dialect) fn result(&mut self, id: &'r str, name: Option<&str>) -> Answers<'r> {
        let named = match name {
            Some(name) if id.is_empty() => next(&self.calls, self.by_name.get_mut(name)),
            _ => None,
        };
        let at = named.or_else(|| next(&self.calls, self.by_id.get_mut(id)));
        if let Some(call) = at.and_then(|at| self.calls.get_mut(at)) {
            call.answered = true;
            return Answers::Call { id: call.sent.clone(), name: call.name };
        }
        if !id.is_empty() && self.by_id.contains_key(id) {
            return Answers::Again;
        }
        Answers::Unknown(if id.is_empty() { self.mint() } else { words(id).collect() })
    }

    fn mint(&mut self) -> String {
        let id = format!("call_{}", self.minted);
        self.minted += 1;
        self.distinct(id)
    }

    fn distinct(&mut self, id: String) -> String {
        let Some(mut count) = self.used.get(&id).copied() else {
            self.used.insert(id.clone(), 1);
            return id;
        };
        loop {
            count += 1;
            let candidate = format!("{id}_{count}");
            if !self.used.contains_key(&candidate) {
                self.used.insert(id, count);
                self.used.insert(candidate.clone(), 1);
                return candidate;
            }
        }
    }
}

/// Takes the next call that has no result yet.
fn next(calls: &[Open<'_>], queue: Option<&mut VecDeque<usize>>) -> Option<usize> {
    let queue = queue?;
    while let Some(at) = queue.pop_front() {
        if calls.get(at).is_some_and(|call| !call.answered) {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_stay_distinct() {
        let long = "x".repeat(200);
        let names = ["a.b", "a/b", "ok-1", "a_b", "", "größe", "json", long.as_str(), "a.b"];
        let names = Names::new(names.into_iter(), &[Cow::Borrowed("json")], 128);
        let check = |client: &str, sent: &str| assert_eq!(names.sent(client).as_str(), sent, "{client}");
        check("ok-1", "ok-1");
        check("a_b", "a_b");
        check("a.b", "a_b_2");
        check("a/b", "a_b_3");
        check("", "tool");
        check("größe", "gr__e");
        check("json", "json_2");
        check(&long, &"x".repeat(128));
        let memo = names.into_memo();
        assert!(memo.contains(&("a_b_2".to_owned(), "a.b".to_owned())), "{memo:?}");
        assert!(memo.iter().all(|(sent, _)| is_name(sent, 128)), "{memo:?}");
    }

    #[test]
    fn ids_fit_stay_distinct_and_find_their_call() {
        let mut ids = Ids::default();
        let sent = |id: &str| Some(id.to_owned());
        let call = |id: &str, name| Answers::Call { id: id.to_owned(), name };
        assert_eq!(ids.call("a:1", "f", "{}"), sent("a_1"));
        assert_eq!(ids.call("a:1", "f", "{}"), None);
        assert_eq!(ids.call("a.1", "g", "{}"), sent("a_1_2"));
        assert_eq!(ids.call("", "f", "{}"), sent("call_0"));
        assert_eq!(ids.call("", "g", "{}"), sent("call_1"));
        assert_eq!(ids.result("a.1", None), call("a_1_2", "g"));
        assert_eq!(ids.result("a:1", None), call("a_1", "f"));
        assert_eq!(ids.result("a:1", None), Answers::Again);
        assert_eq!(ids.result("", Some("g")), call("call_1", "g"));
        assert_eq!(ids.result("", Some("other")), call("call_0", "f"));
        assert_eq!(ids.result("gone!", None), Answers::Unknown("gone_".to_owned()));
        assert_eq!(ids.call("a:1", "f", "{}"), sent("a_1_3"));
        assert_eq!(ids.result("a:1", None), call("a_1_3", "f"));
        assert_eq!(ids.call("x", "f", "1"), sent("x"));
        assert_eq!(ids.call("x", "f", "2"), sent("x_2"));
    }
}
