//! Ids of calls that have none.
//!
//! Before Gemini 3 a result belongs to a call by name and order alone; other dialects want an id. It is made
//! from the call's place in the conversation, so that it is the same in each request that repeats the
//! conversation: prompt caches live on equal beginnings.

use std::collections::{HashMap, VecDeque};

/// What ids made here begin with.
const MADE: &str = "gcall_";

/// Whether an id was made here.
pub(super) fn is_made(id: &str) -> bool {
    id.strip_prefix(MADE).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The calls of one conversation, and which of them wait for a result.
#[derive(Debug, Default)]
pub(super) struct Calls {
    made: usize,
    /// The ids of the calls of each name, oldest first; answered ones go when they are met.
    waiting: HashMap<String, VecDeque<String>>,
    /// Every id, and whether its call was answered.
    answered: HashMap<String, bool>,
}

impl Calls {
    /// The id of the next call.
    pub(super) fn call(&mut self, id: Option<&str>, name: &str) -> String {
        let id = match id.filter(|id| !id.is_empty()) {
            Some(id) => id.to_owned(),
            None => self.make(),
        };
        self.answered.insert(id.clone(), false);
        self.waiting.entry(name.to_owned()).or_default().push_back(id.clone());
        id
    }

    fn make(&mut self) -> String {
        loop {
            let id = format!("{MADE}{}", self.made);
            self.made += 1;
            if !self.answered.contains_key(&id) {
                return id;
            }
        }
    }

    /// The call that a result belongs to: by its id, else the oldest one of this name that waits. `None`:
    /// there is no such call.
    pub(super) fn result(&mut self, id: Option<&str>, name: &str) -> Option<String> {
        let id = id.filter(|id| !id.is_empty());
        if let Some(answered) = id.and_then(|id| self.answered.get_mut(id)) {
            *answered = true;
            return id.map(str::to_owned);
        }
        self.next(name, id.is_some())
    }

    /// The oldest call of this name that waits. A result with an id of its own answers no call that has
    /// another.
    fn next(&mut self, name: &str, only_made: bool) -> Option<String> {
        let queue = self.waiting.get_mut(name)?;
        while let Some(id) = queue.pop_front() {
            if self.answered.get(&id).copied().unwrap_or_default() {
                continue;
            }
            if only_made && !is_made(&id) {
                queue.push_front(id);
                return None;
            }
            self.answered.insert(id.clone(), true);
            return Some(id);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_find_their_calls() {
        let mut calls = Calls::default();
        assert_eq!(calls.call(None, "a"), "gcall_0");
        assert_eq!(calls.call(None, "a"), "gcall_1");
        assert_eq!(calls.call(Some("own"), "b"), "own");
        assert_eq!(calls.call(Some("gcall_2"), "b"), "gcall_2");
        assert_eq!(calls.call(None, "c"), "gcall_3");
        assert_eq!(calls.result(None, "a").as_deref(), Some("gcall_0"));
        assert_eq!(calls.result(None, "a").as_deref(), Some("gcall_1"));
        assert_eq!(calls.result(None, "a"), None);
        assert_eq!(calls.result(Some("own"), "b").as_deref(), Some("own"));
        assert_eq!(calls.result(Some("given"), "c").as_deref(), Some("gcall_3"));
        assert_eq!(calls.result(Some("given"), "c"), None);
        assert_eq!(calls.result(Some("own"), "b").as_deref(), Some("own"));
    }

    #[test]
    fn only_ids_made_here_are_told_apart() {
        assert!(is_made("gcall_12"));
        assert!(!is_made("call_12") && !is_made("gcall_x") && !is_made("own"));
    }
}
