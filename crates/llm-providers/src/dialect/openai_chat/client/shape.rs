//! What the events of a running text have in common.
//!
//! From chunk to chunk only the text itself changes: what stands before and behind it is the same to the byte.
//! An event of the remembered shape therefore is text and nothing else, which two comparisons tell; only other
//! events have to be searched.

use memchr::memchr2;

/// What comes before the text of a delta.
const TEXT: &[u8] = b"\"content\":\"";
/// The longest frame around a text that is remembered, in bytes.
const LIMIT: usize = 2048;

/// What stands around the text of a delta.
#[derive(Debug, Default)]
pub(super) struct Shape {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Shape {
    /// Whether the event differs from the one that was learned in nothing but its text, which is not empty.
    pub(super) fn fits(&self, event: &[u8]) -> bool {
        if self.head.is_empty() {
            return false;
        }
        let text = event.strip_prefix(&*self.head).and_then(|rest| rest.strip_suffix(&*self.tail));
        // Without quotes and escapes it cannot be anything but the inside of one string.
        text.is_some_and(|text| !text.is_empty() && memchr2(b'"', b'\\', text).is_none())
    }

    /// Remembers what stands around the text of this event, if it has one.
    pub(super) fn learn(&mut self, event: &[u8]) {
        let Some(start) = memchr::memmem::find(event, TEXT).map(|at| at + TEXT.len()) else {
            return;
        };
        let text = event.get(start..).unwrap_or_default();
        let end = memchr2(b'"', b'\\', text).filter(|at| text.get(*at) == Some(&b'"'));
        let (Some(end), true) = (end, event.len() <= LIMIT) else {
            return;
        };
        self.head.clear();
        self.head.extend_from_slice(event.get(..start).unwrap_or_default());
        self.tail.clear();
        self.tail.extend_from_slice(text.get(end..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str, rest: &str) -> Vec<u8> {
        let head = r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":""#;
        format!("{head}{text}{rest}\n\n").into_bytes()
    }

    #[test]
    fn only_the_text_may_differ() {
        const REST: &str = r#""},"finish_reason":null}]}"#;
        let mut shape = Shape::default();
        assert!(!shape.fits(&event("Hi", REST)));
        shape.learn(&event("Hi", REST));
        let check = |text: &str, rest: &str, expect| {
            assert_eq!(shape.fits(&event(text, rest)), expect, "{text} {rest}");
        };
        check(" there", REST, true);
        check("é", REST, true);
        check("", REST, false);
        check("a\\n", REST, false);
        check("Hi", r#""},"finish_reason":"stop"}]}"#, false);
        check("Hi", r#""},"finish_reason":null}],"usage":{"total_tokens":1}}"#, false);
        check(r#"a"},"finish_reason":"stop"}],"x":[{"delta":{"content":"b"#, REST, false);
        assert!(!shape.fits(b"data: [DONE]\n\n"));
    }

    #[test]
    fn an_event_without_text_teaches_nothing() {
        let mut shape = Shape::default();
        shape.learn(b"data: {\"choices\":[]}\n\n");
        shape.learn(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\\\"b\"}}]}\n\n");
        assert!(!shape.fits(b"data: {\"choices\":[]}\n\n"));
        assert!(shape.head.is_empty());
    }
}
