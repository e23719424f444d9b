//! A shallow read of a JSON body, and edits over the original bytes.
//!
//! When both sides speak one dialect the body is forwarded as it came. All we need of it is where its
//! top-level members are: then `model` is replaced in place, a member renamed or left out, and every
//! other byte goes through untouched. The text is fully validated on the way, in one pass and without a tree.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::scan::{Fault, Keys, Scanner};
use crate::{ApiError, Result};

/// The most top-level members that a body may have.
const MEMBER_LIMIT: usize = 256;
/// How many different keys inside a member are noted.
const KEY_LIMIT: usize = 24;

/// The top-level members of one JSON object, over the bytes they stand in.
#[derive(Debug, Clone)]
pub struct Head {
    body: Bytes,
    members: Vec<Member>,
}

/// One top-level member.
#[derive(Debug, Clone)]
pub struct Member {
    name: Cow<'static, str>,
    start: usize,
    value: Range<usize>,
    keys: NestedKeys,
}

/// The different keys of the objects inside a member, as they stand between their quotes.
#[derive(Debug, Clone)]
enum NestedKeys {
    All(Vec<Range<usize>>),
    TooMany,
}

impl Member {
    /// Its name, escapes resolved.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Head {
    /// Reads where the members of a JSON object are.
    ///
    /// # Errors
    /// [`crate::ErrorKind::BadRequest`] when the body is not one JSON object, has a member twice or has
    /// more than 256.
    pub fn scan(body: Bytes) -> Result<Self> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::bad_request("the body is empty: send a JSON object"));
        }
        let members = members(&body).map_err(|fault| not_json(&body, fault))?;
        if !body.is_ascii() && std::str::from_utf8(&body).is_err() {
            return Err(ApiError::bad_request("the body is not UTF-8: send JSON in UTF-8"));
        }
        for (index, member) in members.iter().enumerate() {
            if members.iter().take(index).any(|earlier| earlier.name == member.name) {
                let message = format!("the body has the duplicate member `{}`: send it once", member.name);
                return Err(ApiError::bad_request(message).with_param(member.name.to_string()));
            }
        }
        Ok(Self { body, members })
    }

    /// Whether an object somewhere inside a member has this key. May say yes without reason where keys are
    /// escaped or many; never no of a key that is there.
    #[must_use]
    pub fn mentions(&self, member: &str, key: &str) -> bool {
        let Some(member) = self.members.iter().find(|m| m.name == member) else {
            return false;
        };
        let bytes = |range: &Range<usize>| self.body.get(range.clone()).unwrap_or_default();
        match &member.keys {
            NestedKeys::All(keys) => keys.iter().any(|range| {
                let name = bytes(range);
                // An escaped key may be any key.
                name == key.as_bytes() || name.contains(&b'\\')
            }),
            NestedKeys::TooMany => {
                let quoted = format!("\"{key}\"");
                memchr::memmem::find(bytes(&member.value), quoted.as_bytes()).is_some()
            }
        }
    }

    /// The bytes that were read.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// All members in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The raw JSON of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let member = self.members.iter().find(|member| member.name == name)?;
        self.body.get(member.value.clone())
    }

    /// A member read as `T`; `None` when it is absent or `null`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::BadRequest`] naming the member when it is of another type.
    pub fn read<'a, T: serde::Deserialize<'a>>(&'a self, name: &str) -> Result<Option<T>> {
        match self.get(name) {
            None | Some(b"null") => Ok(None),
            Some(json) => serde_json::from_slice(json).map(Some).map_err(|error| {
                ApiError::bad_request(format!("`{name}` is not what it should be: {error}")).with_param(name)
            }),
        }
    }

    /// The members of an object that is itself a member; `None` when it is absent or `null`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::BadRequest`] when it is not an object.
    pub fn nested(&self, name: &str) -> Result<Option<Head>> {
        let Some(member) = self.members.iter().find(|member| member.name == name) else {
            return Ok(None);
        };
        let value = self.body.slice(member.value.clone());
        if &value[..] == b"null" {
            return Ok(None);
        }
        Head::scan(value)
            .map(Some)
            .map_err(|_| ApiError::bad_request(format!("`{name}` must be an object")).with_param(name))
    }
}

/// The members of the object that `body` is.
fn members(body: &[u8]) -> Result<Vec<Member>, Fault> {
    let mut scanner = Scanner::new(body);
    let mut members = Vec::with_capacity(12);
    scanner.space();
    if !scanner.eat(b'{') {
        return Err(scanner.fault("expected a JSON object"));
    }
    scanner.space();
    let mut open = !scanner.eat(b'}');
    while open {
        let start = scanner.at();
        let key = scanner.string()?;
        scanner.colon()?;
        let value = scanner.at();
        let mut keys = Collect { body, keys: NestedKeys::All(Vec::new()) };
        scanner.value(1, &mut keys)?;
        if members.len() == MEMBER_LIMIT {
            return Err(scanner.fault("more than 256 members"));
        }
        let name = name(body, key).ok_or(Fault { at: start, what: "a key that is not text" })?;
        members.push(Member { name, start, value: value..scanner.at(), keys: keys.keys });
        open = scanner.more(b'}')?;
    }
    scanner.space();
    if scanner.at() < body.len() {
        return Err(scanner.fault("trailing characters behind the object"));
    }
    Ok(members)
}

/// A key as text, escapes resolved.
fn name(body: &[u8], key: Range<usize>) -> Option<Cow<'static, str>> {
    let plain = body.get(key.clone())?;
    if plain.contains(&b'\\') {
        let quoted = body.get(key.start.checked_sub(1)?..key.end + 1)?;
        return serde_json::from_slice(quoted).ok().map(Cow::Owned);
    }
    Some(known(std::str::from_utf8(plain).ok()?))
}

/// Notes each different key once.
struct Collect<'b> {
    body: &'b [u8],
    keys: NestedKeys,
}

impl Keys for Collect<'_> {
    fn nested(&mut self, key: Range<usize>) {
        let NestedKeys::All(keys) = &mut self.keys else {
            return;
        };
        let text = self.body.get(key.clone());
        if keys.iter().any(|known| self.body.get(known.clone()) == text) {
            return;
        }
        if keys.len() == KEY_LIMIT {
            self.keys = NestedKeys::TooMany;
        } else {
            keys.push(key);
        }
    }
}

/// "… at line 1 column 7"
fn not_json(body: &[u8], fault: Fault) -> ApiError {
    let before = body.get(..fault.at).unwrap_or(body);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    ApiError::bad_request(format!(
        "the body is not a valid JSON object: {} at line {line} column {column}",
        fault.what
    ))
}

/// The name without an allocation where it is one that every chat body has.
fn known(name: &str) -> Cow<'static, str> {
    const NAMES: [&str; 12] = [
        "model",
        "messages",
        "stream",
        "stream_options",
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "tool_choice",
        "response_format",
        "top_p",
        "user",
    ];
    match NAMES.iter().find(|known| **known == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_owned()),
    }
}

/// What is to become of one member.
#[derive(Debug, Clone)]
enum Edit {
    Value(Bytes),
    Name(String),
    Remove,
}

/// A list of edits to the top-level members of a body.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    edits: SmallVec<[(usize, Edit); 4]>,
    added: SmallVec<[(String, Bytes); 2]>,
}

impl Edits {
    /// Replaces the value of a member with raw JSON, or adds the member.
    pub fn set(&mut self, head: &Head, name: &str, json: impl Into<Bytes>) {
        let json = json.into();
        match position(head, name) {
            Some(index) => self.edits.push((index, Edit::Value(json))),
            None => match self.added.iter_mut().find(|(added, _)| added == name) {
                Some((_, value)) => *value = json,
                None => self.added.push((name.to_owned(), json)),
            },
        }
    }

    /// Gives a member another name, keeping its value.
    pub fn rename(&mut self, head: &Head, from: &str, to: &str) {
        if let Some(index) = position(head, from) {
            self.edits.push((index, Edit::Name(to.to_owned())));
        }
    }

    /// Leaves a member out.
    pub fn remove(&mut self, head: &Head, name: &str) {
        if let Some(index) = position(head, name) {
            self.edits.push((index, Edit::Remove));
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.added.is_empty()
    }

    /// The edited body. Untouched stretches are slices of the original, not copies.
    #[must_use]
    pub fn apply(&self, head: &Head) -> Segments {
        if self.is_empty() {
            return Segments::from(head.body.clone());
        }
        let mut out = Splicer { body: &head.body, run: 0..0, list: SmallVec::new() };
        let first = head.members.first().map_or_else(|| brace(&head.body), |member| member.start);
        out.copy(0..first);
        let mut last: Option<usize> = None;
        for (index, member) in head.members.iter().enumerate() {
            let edits = || self.edits.iter().filter(|(at, _)| *at == index).map(|(_, edit)| edit);
            if edits().any(|edit| matches!(edit, Edit::Remove)) {
                continue;
            }
            match last {
                Some(before) if before + 1 == index => {
                    let end = head.members.get(before).map_or(member.start, |before| before.value.end);
                    out.copy(end..member.start);
                }
                Some(_) => out.push(Bytes::from_static(b",")),
                None => {}
            }
            last = Some(index);
            let name = edits().find_map(|edit| match edit {
                Edit::Name(name) => Some(name),
                Edit::Value(_) | Edit::Remove => None,
            });
            match name {
                Some(name) => out.push(quoted(name)),
                None => out.copy(member.start..member.value.start),
            }
            let value = edits().filter_map(|edit| match edit {
                Edit::Value(value) => Some(value),
                Edit::Name(_) | Edit::Remove => None,
            });
            match value.last() {
                Some(value) => out.push(value.clone()),
                None => out.copy(member.value.clone()),
            }
        }
        for (index, (name, value)) in self.added.iter().enumerate() {
            if last.is_some() || index > 0 {
                out.push(Bytes::from_static(b","));
            }
            out.push(quoted(name));
            out.push(value.clone());
        }
        let tail = head.members.last().map_or_else(|| brace(&head.body), |member| member.value.end);
        out.copy(tail..head.body.len());
        out.finish()
    }
}

fn position(head: &Head, name: &str) -> Option<usize> {
    head.members.iter().position(|member| member.name == name)
}

/// The place just behind the opening brace.
fn brace(body: &[u8]) -> usize {
    body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1)
}

/// `"name":`
fn quoted(name: &str) -> Bytes {
    let mut out = serde_json::to_vec(name).unwrap_or_default();
    out.push(b':');
    Bytes::from(out)
}

/// Joins neighbouring stretches of the original into one slice.
struct Splicer<'b> {
    body: &'b Bytes,
    run: Range<usize>,
    list: SmallVec<[Bytes; 4]>,
}

impl Splicer<'_> {
    fn copy(&mut self, range: Range<usize>) {
        if range.start == self.run.end && !self.run.is_empty() {
            self.run.end = range.end;
            return;
        }
        self.flush();
        self.run = range;
    }

    fn push(&mut self, bytes: Bytes) {
        self.flush();
        self.list.push(bytes);
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.list.push(self.body.slice(self.run.clone()));
        }
        self.run = 0..0;
    }

    fn finish(mut self) -> Segments {
        self.flush();
        Segments(self.list)
    }
}

/// A body in pieces, so that a large one need not be copied to change a word of it.
#[derive(Debug, Clone, Default)]
pub struct Segments(SmallVec<[Bytes; 4]>);

impl Segments {
    /// Bodies up to this many bytes are joined: one copy is cheaper than several writes.
    const JOIN: usize = 16 * 1024;

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    /// The pieces; a small body in one.
    #[must_use]
    pub fn into_pieces(self) -> SmallVec<[Bytes; 4]> {
        if self.0.len() > 1 && self.len() <= Self::JOIN {
            return SmallVec::from_iter([self.to_bytes()]);
        }
        self.0
    }

    /// The whole body in one buffer.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match &*self.0 {
            [one] => one.clone(),
            pieces => {
                let mut out = BytesMut::with_capacity(self.len());
                pieces.iter().for_each(|piece| out.put_slice(piece));
                out.freeze()
            }
        }
    }
}

impl From<Bytes> for Segments {
    fn from(body: Bytes) -> Self {
        Self(SmallVec::from_iter([body]))
    }
}

impl From<Vec<u8>> for Segments {
    fn from(body: Vec<u8>) -> Self {
        Self::from(Bytes::from(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(body: &'static str) -> Head {
        Head::scan(Bytes::from_static(body.as_bytes())).unwrap()
    }

    fn edit(body: &'static str, edit: impl Fn(&Head, &mut Edits)) -> String {
        let head = head(body);
        let mut edits = Edits::default();
        edit(&head, &mut edits);
        String::from_utf8(edits.apply(&head).to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn members_are_found_with_their_raw_text() {
        let head = head(" {\"mod\\u0065l\" : \"a\",\n\"messages\":[ {\"model\":\"x\"} ] }\n");
        assert_eq!(head.get("model"), Some(&b"\"a\""[..]));
        assert_eq!(head.get("messages"), Some(&b"[ {\"model\":\"x\"} ]"[..]));
        assert_eq!(head.get("absent"), None);
        assert_eq!(head.read::<String>("model").unwrap().as_deref(), Some("a"));
    }

    #[test]
    fn what_is_not_one_object_is_refused_with_a_reason() {
        let check = |body: &'static str, expect: &str| {
            let error = Head::scan(Bytes::from_static(body.as_bytes())).unwrap_err();
            assert!(error.message.contains(expect), "{body}: {error}");
        };
        check("", "empty");
        check("  ", "empty");
        check("nope", "not a valid JSON object");
        check("[1]", "expected a JSON object at line 1 column 1");
        check("{\n\"a\" 1}", "expected `:` behind a key at line 2 column 5");
        check("{\"a\":1} x", "trailing characters");
        check("{\"a\":[1,}", "not a valid JSON object");
        check("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", "duplicate member `model`");
    }

    #[test]
    fn keys_inside_a_member_are_known_without_a_search() {
        let body = r#"{"model":"content","messages":[{"role":"user","content":"\"name\": x"},{"content":[{"type":"text"}]}],"odd":{"\u0061":1}}"#;
        let head = head(body);
        let check = |member, key, expect| assert_eq!(head.mentions(member, key), expect, "{member} {key}");
        check("messages", "content", true);
        check("messages", "type", true);
        check("messages", "name", false);
        check("model", "content", false);
        check("absent", "content", false);
        check("odd", "a", true);
        let many: String = (0..40).map(|n| format!("\"k{n}\":{n},")).collect();
        let head = Head::scan(Bytes::from(format!("{{\"tools\":[{{{many}\"last\":1}}]}}"))).unwrap();
        assert!(head.mentions("tools", "last") && head.mentions("tools", "k0"));
        assert!(!head.mentions("tools", "k40"));
    }

    #[test]
    fn edits_touch_only_what_they_name() {
        let body = "{ \"model\": \"a\", \"x\" : 1,\"y\":2 , \"z\":3 }";
        assert_eq!(
            edit(body, |h, e| e.set(h, "model", "\"b\"")),
            "{ \"model\": \"b\", \"x\" : 1,\"y\":2 , \"z\":3 }"
        );
        assert_eq!(edit(body, |h, e| e.remove(h, "model")), "{ \"x\" : 1,\"y\":2 , \"z\":3 }");
        assert_eq!(edit(body, |h, e| e.remove(h, "z")), "{ \"model\": \"a\", \"x\" : 1,\"y\":2 }");
        assert_eq!(
            edit(body, |h, e| {
                e.remove(h, "x");
                e.rename(h, "y", "w");
                e.set(h, "new", "true");
            }),
            "{ \"model\": \"a\",\"w\":2 , \"z\":3,\"new\":true }"
        );
        assert_eq!(edit("{}", |h, e| e.set(h, "a", "1")), "{\"a\":1}");
        assert_eq!(edit("{\"a\":1}", |h, e| e.remove(h, "a")), "{}");
        assert_eq!(
            edit("{\"a\":1}", |h, e| {
                e.rename(h, "a", "b");
                e.set(h, "a", "2");
            }),
            "{\"b\":2}"
        );
    }

    proptest::proptest! {
        #[test]
        fn edited_bodies_stay_valid_json(
            names in proptest::collection::btree_set("[a-e]{1,2}", 0..6),
            removed in proptest::collection::vec("[a-e]{1,2}", 0..4),
            set in proptest::collection::vec("[a-f]{1,2}", 0..3),
        ) {
            let object: serde_json::Map<_, _> =
                names.iter().map(|name| (name.clone(), serde_json::json!({"v": name}))).collect();
            let head = Head::scan(Bytes::from(serde_json::to_vec(&object).unwrap())).unwrap();
            let mut edits = Edits::default();
            let mut expect = object.clone();
            for name in &removed {
                edits.remove(&head, name);
                expect.remove(name);
            }
            for name in set.iter().filter(|name| !removed.contains(name)) {
                edits.set(&head, name, "7");
                expect.insert(name.clone(), serde_json::json!(7));
            }
            let got: serde_json::Map<_, _> =
                serde_json::from_slice(&edits.apply(&head).to_bytes()).unwrap();
            proptest::prop_assert_eq!(got, expect);
        }
    }
}
