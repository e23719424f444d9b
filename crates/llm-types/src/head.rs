//! A shallow read of a JSON body.
//!
//! When both sides speak one dialect the body is forwarded as it came. All we need of it is where its
//! top-level members are; `Edits` then changes those that have to change. Its structure is validated on the
//! way, in one pass and without a tree; escapes inside strings are left to whoever reads them.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::names::NameSet;
use crate::scan::{Fault, Keys, Quoted, Scanner};
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
    names: NameSet,
}

/// One top-level member.
#[derive(Debug, Clone)]
pub struct Member {
    pub(crate) name: Cow<'static, str>,
    pub(crate) start: usize,
    pub(crate) value: Range<usize>,
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
    /// A body without members.
    #[must_use]
    pub fn empty() -> Self {
        Self::opaque(Bytes::from_static(b"{}"))
    }

    /// A body that is no JSON: nothing of it is a member.
    #[must_use]
    pub fn opaque(body: Bytes) -> Self {
        Self { body, members: Vec::new(), names: NameSet::NONE }
    }

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
        let names = members.iter().fold(NameSet::NONE, |names, member| names.with(&member.name));
        Ok(Self { body, members, names })
    }

    /// Whether an object somewhere inside a member has this key. May say yes without reason where keys are
    /// escaped or many; never no of a key that is there.
    #[must_use]
    pub fn mentions(&self, member: &str, key: &str) -> bool {
        let Some(member) = self.member(member) else {
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
                let value = bytes(&member.value);
                let quoted = format!("\"{key}\"");
                memchr::memmem::find(value, quoted.as_bytes()).is_some() || has_escaped_keys(value)
            }
        }
    }

    /// Whether no object inside a member has a key but these. May say no without reason where keys are escaped or
    /// many; never yes where there is another.
    #[must_use]
    pub fn mentions_only(&self, member: &str, keys: &[&str]) -> bool {
        let Some(member) = self.member(member) else {
            return true;
        };
        let NestedKeys::All(found) = &member.keys else { return false };
        found.iter().all(|range| {
            let name = self.body.get(range.clone()).unwrap_or_default();
            keys.iter().any(|key| key.as_bytes() == name)
        })
    }

    /// The bytes that were read.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether one of these may be a member; `false`: none is.
    #[must_use]
    pub fn may_have(&self, names: NameSet) -> bool {
        self.names.meets(names)
    }

    fn member(&self, name: &str) -> Option<&Member> {
        if !self.names.may_have(name) {
            return None;
        }
        self.members.iter().find(|member| member.name == name)
    }

    /// All members in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The raw JSON of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let member = self.member(name)?;
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
        let Some(member) = self.member(name) else {
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
fn name(body: &[u8], key: Quoted) -> Option<Cow<'static, str>> {
    if key.is_escaped(body) {
        let Range { start, end } = key.inside;
        return serde_json::from_slice(body.get(start.checked_sub(1)?..end + 1)?).ok().map(Cow::Owned);
    }
    let plain = body.get(key.inside)?;
    Some(known(std::str::from_utf8(plain).ok()?))
}

/// Whether one of the keys somewhere in a value is escaped: then it may be any.
fn has_escaped_keys(value: &[u8]) -> bool {
    struct Escaped<'b>(&'b [u8], bool);
    impl Keys for Escaped<'_> {
        fn nested(&mut self, key: Quoted) {
            self.1 |= self.0.get(key.inside).is_some_and(|key| key.contains(&b'\\'));
        }
    }
    // Most have no escape that could be a letter.
    if memchr::memmem::find(value, b"\\u").is_none() {
        return false;
    }
    let mut keys = Escaped(value, false);
    Scanner::new(value).value(1, &mut keys).is_err() || keys.1
}

/// Notes each different key once.
struct Collect<'b> {
    body: &'b [u8],
    keys: NestedKeys,
}

impl Keys for Collect<'_> {
    fn nested(&mut self, Quoted { inside: key, plain: _ }: Quoted) {
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

#[cfg(test)]
mod tests;
