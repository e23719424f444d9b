//! Texts that stand somewhere inside a member, under keys that are looked for: found in one pass, and put in place of
//! others over the original bytes.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;

use crate::Head;
use crate::scan::{Fault, Keys, Quoted, Scanner};

/// What is looked for inside a member.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Texts under these keys, also those of an array there.
    pub keys: &'a [&'a str],
    /// What is below these keys is not looked at.
    pub skip: &'a [&'a str],
    /// Nor are the texts of an object with one of these as its `type`; whatever is below it is.
    pub skip_kinds: &'a [&'a str],
}

/// A text that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// The text, escapes resolved.
    pub text: String,
    /// Where it stands: `messages[0].content[1].file_id`.
    pub path: String,
    /// In the member, with its quotes.
    at: Range<usize>,
    depth: usize,
}

impl Head {
    /// The texts inside a member that are looked for, in its order. All of them where a key is there twice.
    #[must_use]
    pub fn texts_inside(&self, member: &str, search: Search<'_>) -> Vec<Inside> {
        let Some(text) = self.get(member) else { return Vec::new() };
        let mut walk =
            Walk { text, scanner: Scanner::new(text), search, member, path: Vec::new(), found: Vec::new() };
        // The body was read whole: there is no fault in it.
        let _ = walk.value(1, false);
        walk.found
    }

    /// The JSON of a member with other texts in place of some that were found in it, in its order.
    #[must_use]
    pub fn member_with<'t>(
        &self,
        member: &str,
        texts: impl Iterator<Item = (&'t Inside, &'t str)>,
    ) -> Option<Bytes> {
        let json = self.get(member)?;
        let mut out = Vec::with_capacity(json.len());
        let mut done = 0;
        for (found, text) in texts {
            out.extend_from_slice(json.get(done..found.at.start)?);
            serde_json::to_writer(&mut out, text).ok()?;
            done = found.at.end;
        }
        out.extend_from_slice(json.get(done..)?);
        Some(out.into())
    }
}

enum Step {
    Key(String),
    Nth(usize),
}

struct Walk<'s, 'b> {
    text: &'b [u8],
    scanner: Scanner<'b>,
    search: Search<'s>,
    member: &'s str,
    path: Vec<Step>,
    found: Vec<Inside>,
}

/// Nobody wants to know of keys in what is passed.
struct Ignore;

impl Keys for Ignore {
    fn nested(&mut self, _: Quoted) {}
}

impl Walk<'_, '_> {
    fn value(&mut self, depth: usize, wanted: bool) -> Result<(), Fault> {
        match self.scanner.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth, wanted),
            Some(b'"') if wanted => {
                let quoted = self.scanner.string()?;
                self.note(&quoted, depth);
                Ok(())
            }
            _ => self.scanner.value(depth, &mut Ignore),
        }
    }

    fn array(&mut self, depth: usize, wanted: bool) -> Result<(), Fault> {
        self.scanner.enter(depth)?;
        let mut open = !self.scanner.eat(b']');
        for nth in 0.. {
            if !open {
                break;
            }
            self.path.push(Step::Nth(nth));
            self.value(depth + 1, wanted)?;
            self.path.pop();
            open = self.scanner.more(b']')?;
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        let before = self.found.len();
        let (mut named, mut others) = (false, false);
        self.scanner.enter(depth)?;
        let mut open = !self.scanner.eat(b'}');
        while open {
            let key = self.scanner.string()?;
            let key = self.read(&key);
            self.scanner.colon()?;
            if self.search.skip.contains(&&*key) {
                self.scanner.value(depth + 1, &mut Ignore)?;
            } else if key == "type" && self.scanner.peek() == Some(b'"') {
                let kind = self.scanner.string()?;
                let is_skipped = self.search.skip_kinds.contains(&&*self.read(&kind));
                named |= is_skipped;
                others |= !is_skipped;
            } else {
                let wanted = self.search.keys.contains(&&*key);
                self.path.push(Step::Key(key));
                self.value(depth + 1, wanted)?;
                self.path.pop();
            }
            open = self.scanner.more(b'}')?;
        }
        // Of a type that is there twice either may count.
        if named && !others {
            let mut nth = 0;
            self.found.retain(|found| {
                nth += 1;
                nth <= before || found.depth != depth + 1
            });
        }
        Ok(())
    }

    fn note(&mut self, quoted: &Quoted, depth: usize) {
        let mut path = self.member.to_owned();
        for step in &self.path {
            let _ = match step {
                Step::Key(key) => write!(path, ".{key}"),
                Step::Nth(nth) => write!(path, "[{nth}]"),
            };
        }
        let inside = &quoted.inside;
        let at = inside.start.saturating_sub(1)..inside.end + 1;
        self.found.push(Inside { text: self.read(quoted), path, at, depth });
    }

    /// A text, escapes resolved; as it stands where they are of no text.
    fn read(&self, quoted: &Quoted) -> String {
        let Range { start, end } = quoted.inside;
        let whole = start.checked_sub(1).and_then(|start| self.text.get(start..end + 1)).unwrap_or_default();
        serde_json::from_slice(whole).unwrap_or_else(|_| {
            String::from_utf8_lossy(self.text.get(start..end).unwrap_or_default()).into_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search<'_> =
        Search { keys: &["file_id", "file_ids"], skip: &["annotations"], skip_kinds: &["output"] };

    fn check(messages: &str, expect: &[(&str, &str)]) {
        let head = Head::scan(format!(r#"{{"model":"m","messages":{messages}}}"#).into()).unwrap();
        let found = head.texts_inside("messages", SEARCH);
        let found: Vec<(&str, &str)> = found.iter().map(|one| (&*one.path, &*one.text)).collect();
        assert_eq!(found, expect, "{messages}");
    }

    #[test]
    fn texts_are_found_wherever_they_stand() {
        check(r#""file_id""#, &[]);
        check(r#"[{"file":{"file_id":"f1"}}]"#, &[("messages[0].file.file_id", "f1")]);
        check(r#"[1, {"a":[],"b":{},"file_\u0069d" : "f\u0031"}]"#, &[("messages[1].file_id", "f1")]);
        check(r#"{"file_id":"a","file_id":"b"}"#, &[("messages.file_id", "a"), ("messages.file_id", "b")]);
        check(r#"{"file_ids":["a","b"]}"#, &[("messages.file_ids[0]", "a"), ("messages.file_ids[1]", "b")]);
        check(r#"{"file_id":{"type":"string"},"x":"file_id"}"#, &[]);
        check(r#"{"file_id":"\ud83d"}"#, &[("messages.file_id", r"\ud83d")]);
        check(
            r#"{"annotations":[{"file_id":"a"}],"text":{"file_id":"b"}}"#,
            &[("messages.text.file_id", "b")],
        );
    }

    #[test]
    fn an_object_of_a_skipped_type_hides_its_own_texts_only() {
        check(r#"[{"type":"output","file_id":"a"}]"#, &[]);
        check(r#"[{"file_id":"a","type":"out\u0070ut"},{"file_id":"b"}]"#, &[("messages[1].file_id", "b")]);
        check(r#"[{"file_id":"b"},{"file_id":"a","type":"output"}]"#, &[("messages[0].file_id", "b")]);
        check(r#"{"type":"output","x":{"file_id":"a"}}"#, &[("messages.x.file_id", "a")]);
        check(r#"{"type":"output","type":"file","file_id":"a"}"#, &[("messages.file_id", "a")]);
    }

    #[test]
    fn texts_are_replaced_and_every_other_byte_stays() {
        let body = r#"{"messages": [ {"file_id" : "one"}, {"x":"é","file_ids":["two","three"]} ]}"#;
        let head = Head::scan(body.into()).unwrap();
        let found = head.texts_inside("messages", SEARCH);
        let texts = found.iter().filter(|one| one.text != "two").zip(["\"1\"", "3"]);
        let expect = r#"[ {"file_id" : "\"1\""}, {"x":"é","file_ids":["two","3"]} ]"#;
        assert_eq!(head.member_with("messages", texts).unwrap(), expect);
    }
}
