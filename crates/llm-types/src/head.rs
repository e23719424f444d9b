//! A shallow read of a JSON body, and edits over the original bytes.
//!
//! When both sides speak one dialect the body is forwarded as it came. All we need of it is where its
//! top-level members are: then `model` is replaced in place, a member renamed or left out, and every
//! other byte goes through untouched. The text is fully validated on the way (one pass, no tree:
//! measured 6.5 µs and 3 allocations on a 19 KB body, against 31 µs and 575 for a `Value`).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::{ApiError, Result, Str};

/// The most top-level members that a body may have.
const MEMBER_LIMIT: usize = 256;

/// The top-level members of one JSON object, over the bytes they stand in.
#[derive(Debug, Clone)]
pub struct Head {
    body: Bytes,
    members: SmallVec<[Member; 12]>,
}

/// One top-level member.
#[derive(Debug, Clone)]
pub struct Member {
    name: Cow<'static, str>,
    start: usize,
    value: Range<usize>,
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
        let mut deserializer = serde_json::Deserializer::from_slice(&body);
        let members = HeadSeed { body: &body }
            .deserialize(&mut deserializer)
            .and_then(|members| deserializer.end().map(|()| members))
            .map_err(|error| {
                ApiError::bad_request(format!("the body is not a valid JSON object: {error}"))
            })?;
        Ok(Self { body, members })
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

struct HeadSeed<'b> {
    body: &'b [u8],
}

impl<'de> DeserializeSeed<'de> for HeadSeed<'_> {
    type Value = SmallVec<[Member; 12]>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadSeed<'_> {
    type Value = SmallVec<[Member; 12]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = SmallVec::new();
        let base = self.body.as_ptr().addr();
        let mut end = 0;
        while let Some(key) = map.next_key::<Str<'de>>()? {
            let raw: &'de RawValue = map.next_value()?;
            let value_start = raw.get().as_ptr().addr() - base;
            let value = value_start..value_start + raw.get().len();
            let gap = self.body.get(end..value_start).unwrap_or_default();
            let start = end + gap.iter().position(|byte| *byte == b'"').unwrap_or_default();
            if members.iter().any(|member: &Member| member.name == key.as_str()) {
                return Err(A::Error::custom(format_args!(
                    "duplicate member `{}`: send it once",
                    key.as_str()
                )));
            }
            if members.len() == MEMBER_LIMIT {
                return Err(A::Error::custom("more than 256 members"));
            }
            end = value.end;
            members.push(Member { name: known(key), start, value });
        }
        Ok(members)
    }
}

/// The name without an allocation where it is one that every chat body has.
fn known(name: Str<'_>) -> Cow<'static, str> {
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
    match NAMES.iter().find(|known| **known == name.as_str()) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.into_string()),
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
        check("[1]", "expected a JSON object");
        check("{\"a\":1} x", "trailing characters");
        check("{\"a\":[1,}", "not a valid JSON object");
        check("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", "duplicate member `model`");
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
