//! Where in a request something is: `messages[2].content[1].image_url`.
//!
//! A path is a chain of borrowed steps on the stack, so that it costs nothing until an error or a
//! change needs its text. For an error of serde the rest of the path is found from its position.

use std::fmt;

use llm_types::{ApiError, Result};
use serde::Deserialize;

/// A place in the request.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect) enum Path<'p> {
    /// The request itself.
    Root,
    /// A member.
    Key(&'p Path<'p>, &'p str),
    /// An element of a list.
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// A member of what is here.
    pub(in crate::dialect) fn key(&'p self, name: &'p str) -> Path<'p> {
        Path::Key(self, name)
    }

    /// An element of the list that is here.
    pub(in crate::dialect) fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    /// An error about what is here.
    pub(in crate::dialect) fn error(&self, what: impl fmt::Display) -> ApiError {
        let path = self.to_string();
        ApiError::bad_request(format!("`{path}` {what}")).with_param(path)
    }

    /// Reads the JSON that is here.
    pub(in crate::dialect) fn read<'a, T: Deserialize<'a>>(&self, json: &'a str) -> Result<T> {
        serde_json::from_str(json).map_err(|error| {
            let mut path = self.to_string();
            path.push_str(&locate(json, &error));
            match path.trim_start_matches('.') {
                "" => ApiError::bad_request(format!("the request is not what it should be: {error}")),
                path => ApiError::bad_request(format!("`{path}` is not what it should be: {error}"))
                    .with_param(path),
            }
        })
    }
}

/// Refuses text that no text can be: half a surrogate pair. What reads answers takes it, since an answer is paid for.
///
/// # Errors
/// Names the member that holds it.
pub(in crate::dialect) fn without_halves(json: &str) -> Result<()> {
    let bytes = json.as_bytes();
    // A `\uXXXX` at this place, as a number.
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr::memchr(b'\\', rest)).map(|at| from + at) {
        from = match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at + 12,
            Some(0xd800..=0xdfff) => {
                let path = steps(json, at);
                let path = path.trim_start_matches('.');
                let message = format!(
                    "`{path}` holds half a surrogate pair (\\ud800 to \\udfff): send whole characters"
                );
                return Err(ApiError::bad_request(message).with_param(path));
            }
            Some(_) => at + 6,
            None => at + 2,
        };
    }
    Ok(())
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, name) => f.write_str(name),
            Self::Key(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// One step down, as the text before the error shows it.
enum Step {
    Key(String),
    Index(usize),
}

/// The path from the top of `json` to where `error` stopped.
fn locate(json: &str, error: &serde_json::Error) -> String {
    let line_start: usize =
        json.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    steps(json, (line_start + error.column()).min(json.len()))
}

/// The path from the top of `json` to a place in it.
fn steps(json: &str, end: usize) -> String {
    let mut steps: Vec<Step> = Vec::new();
    let mut bytes = json.bytes().take(end).enumerate();
    let mut key_next = false;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'{' => {
                steps.push(Step::Key(String::new()));
                key_next = true;
            }
            b'[' => {
                steps.push(Step::Index(0));
                key_next = false;
            }
            b'}' | b']' => {
                steps.pop();
                key_next = false;
            }
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Key(_)) => key_next = true,
                None => {}
            },
            b'"' => {
                let mut escaped = false;
                let close = bytes.by_ref().find(|(_, byte)| {
                    let closes = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    closes
                });
                if let (true, Some((close, _)), Some(Step::Key(name))) = (key_next, close, steps.last_mut()) {
                    json.get(at + 1..close).unwrap_or_default().clone_into(name);
                    key_next = false;
                }
            }
            _ => {}
        }
    }
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(name) if name.is_empty() => {}
            Step::Key(name) => {
                path.push('.');
                path.push_str(&name);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read to fail")]
    struct Deep {
        a: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read to fail")]
    struct Inner {
        b: Option<u32>,
        c: Option<Vec<String>>,
    }

    #[test]
    fn an_error_names_the_member_at_fault() {
        let check = |json: &str, expect: &str| {
            let root = Path::Root;
            let base = root.key("x");
            let error = base.read::<Deep>(json).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(expect), "{json}");
        };
        check(r#"{"a":[{"b":1},{"b":"no"}]}"#, "x.a[1].b");
        check("{\"a\":[{\"b\":1},\n{\"b\":1,\n\"c\":[\"}\",3]}]}", "x.a[1].c[1]");
        check(r#"{"z\"]":{"q":[1,2]},"a":[{"b":{}}]}"#, "x.a[0].b");
        check(r#"{"a":7}"#, "x.a");
        let error = Path::Root.read::<Deep>("7").unwrap_err();
        assert_eq!(error.param, None);
        assert!(error.message.starts_with("the request is not"), "{error}");
    }

    #[test]
    fn half_a_pair_is_found_and_whole_ones_are_not() {
        for whole in [r#"{"a":"\ud83d\ude00 \u00e9 \\\\ud800 \n"}"#, "{}", r#"["\\\\"]"#, "\"\\u12"] {
            without_halves(whole).unwrap();
        }
        for (json, expect) in [
            (r#"{"a":["x",{"b":"y\ud800"}]}"#, "a[1].b"),
            (r#"{"a":"\ude00\ud83d"}"#, "a"),
            (r#"{"b":1,"a":"\\\\\ud83d\u0041"}"#, "a"),
            (r#"{"a":"\uD83D"}"#, "a"),
        ] {
            assert_eq!(without_halves(json).unwrap_err().param.as_deref(), Some(expect), "{json}");
        }
    }
}
