//! A look at a few top-level members of an answer that goes through as it comes.

use crate::scan::{Keys, Quoted, Scanner};

/// What a [`glance`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'b, const N: usize> {
    /// The raw values of the members that were asked for, in that order.
    pub values: [Option<&'b [u8]>; N],
    /// Whether an object inside a member may have the key that was looked for.
    pub nested: bool,
    /// Whether there are other members than those.
    pub others: bool,
}

/// Finds members of a JSON object, and whether a key occurs in any object inside, in one pass over the text and
/// without an allocation. `None` where a closer look is needed: the text is not one JSON object, has one of the
/// members twice, or writes a key with escapes.
#[must_use]
pub fn glance<'b, const N: usize>(body: &'b [u8], names: [&str; N], nested: &str) -> Option<Glance<'b, N>> {
    let mut scanner = Scanner::new(body);
    let mut keys = Watch { body, key: nested.as_bytes(), seen: false };
    let (mut values, mut others) = ([None; N], false);
    scanner.space();
    if !scanner.eat(b'{') {
        return None;
    }
    scanner.space();
    let mut open = !scanner.eat(b'}');
    while open {
        let key = scanner.string().ok()?;
        if key.is_escaped(body) {
            return None;
        }
        let key = body.get(key.inside)?;
        scanner.colon().ok()?;
        let start = scanner.at();
        scanner.value(1, &mut keys).ok()?;
        let at = names.iter().position(|name| name.as_bytes() == key);
        others |= at.is_none();
        if let Some(at) = at {
            let value = values.get_mut(at)?;
            if value.is_some() {
                return None;
            }
            *value = body.get(start..scanner.at());
        }
        open = scanner.more(b'}').ok()?;
    }
    scanner.space();
    (scanner.at() == body.len()).then_some(Glance { values, nested: keys.seen, others })
}

/// Looks for one key.
struct Watch<'b> {
    body: &'b [u8],
    key: &'b [u8],
    seen: bool,
}

impl Keys for Watch<'_> {
    fn nested(&mut self, key: Quoted) {
        // An escaped key may be any key.
        let escaped = key.is_escaped(self.body);
        self.seen |= escaped || self.body.get(key.inside) == Some(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_and_nested_keys_seen() {
        let check = |body: &str, expect: Option<([Option<&str>; 2], bool)>| {
            let seen = glance(body.as_bytes(), ["a", "b"], "error");
            let expect = expect.map(|(values, nested): ([Option<&str>; 2], bool)| {
                (values.map(|v| v.map(str::as_bytes)), nested)
            });
            assert_eq!(seen.map(|seen| (seen.values, seen.nested)), expect, "{body}");
        };
        check(r#"{"a": [1, 2] , "b":{"c":null}}"#, Some(([Some("[1, 2]"), Some(r#"{"c":null}"#)], false)));
        check(r#" {"x":{"a":1}} "#, Some(([None, None], false)));
        check(r#"{"a":[{"error":1}]}"#, Some(([Some(r#"[{"error":1}]"#), None], true)));
        check(r#"{"error":1}"#, Some(([None, None], false)));
        check(r#"{"a":{"err\u006fr":1}}"#, Some(([Some(r#"{"err\u006fr":1}"#), None], true)));
        check(r#"{"a":"\"error\":"}"#, Some(([Some(r#""\"error\":""#), None], false)));
        check(r#"{}"#, Some(([None, None], false)));
        check(r#"{"a":1,"a":2}"#, None);
        check(r#"{"\u0061":1}"#, None);
        check(r#"{"a":1"#, None);
        check(r#"{"a":1} x"#, None);
        check("[]", None);
        let others = |body: &str| glance(body.as_bytes(), ["a", "b"], "").map(|seen| seen.others);
        assert_eq!([others(r#"{"b":1}"#), others(r#"{"b":1,"c":{}}"#)], [Some(false), Some(true)]);
    }
}
