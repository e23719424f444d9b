//! How the events of a stream are told apart, by what its content type says.

use memchr::memchr;

use super::{event_stream, is_whole, split_event};

/// How much of the end of an event may have come before its last byte: `\r\n\r\n`.
const END: usize = 3;

/// How the events of a stream are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events: a blank line ends each.
    Events,
    /// Amazon's binary messages, which say how long they are.
    Messages,
    /// JSON objects, one to a line.
    Lines,
}

impl Framing {
    /// The framing of a content type; `None`: it is no stream of events.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
        let kind = content_type.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase();
        match kind.as_slice() {
            b"text/event-stream" => Some(Self::Events),
            b"application/vnd.amazon.eventstream" => Some(Self::Messages),
            b"application/x-ndjson" | b"application/ndjson" | b"application/jsonl" => Some(Self::Lines),
            _ => None,
        }
    }

    /// Splits off the first complete event, with what ends it.
    #[must_use]
    pub fn split(self, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let end = match self {
            Self::Events => return split_event(bytes),
            Self::Messages => event_stream::length(bytes)?,
            Self::Lines => memchr(b'\n', bytes)? + 1,
        };
        bytes.split_at_checked(end)
    }

    /// How long the first complete event is, where so many bytes are known to hold no event's end: a long event that
    /// comes in many chunks is searched once.
    #[must_use]
    pub fn first_end(self, bytes: &[u8], searched: usize) -> Option<usize> {
        // What ends an event may be cut anywhere.
        let from = if self == Self::Messages { 0 } else { searched.saturating_sub(END) };
        let (event, _) = self.split(bytes.get(from..)?)?;
        Some(from + event.len())
    }

    /// What lacks at the end of a stream for its rest to be an event; `None`: it is half of one.
    #[must_use]
    pub fn lacks(self, rest: &[u8]) -> Option<&'static [u8]> {
        match self {
            Self::Events => is_whole(rest).then_some(b"\n\n"),
            Self::Messages => None,
            Self::Lines => (!rest.trim_ascii().is_empty()).then_some(b"\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_says_how() {
        let check = |kind: &str, expect| assert_eq!(Framing::of(kind.as_bytes()), expect, "{kind}");
        check("text/event-stream; charset=utf-8", Some(Framing::Events));
        check("application/vnd.amazon.eventstream", Some(Framing::Messages));
        check("Application/x-ndjson", Some(Framing::Lines));
        check("application/json", None);
        check("audio/mpeg", None);
        check("", None);
    }

    #[test]
    fn what_was_searched_is_not_searched_again() {
        let check = |framing: Framing, bytes: &[u8], searched: usize, expect: Option<usize>| {
            assert_eq!(framing.first_end(bytes, searched), expect, "{framing:?} {searched}");
        };
        let event = b"data: 1\r\n\r\ndata";
        for searched in 0..=10 {
            check(Framing::Events, event, searched, Some(11));
        }
        // A blank line among what is known to hold none is not looked at.
        check(Framing::Events, b"data: 1\n\ndata: 2345\n\n", 13, Some(21));
        check(Framing::Lines, b"{\n}}}}}\n", 7, Some(8));
        let mut message = 20_u32.to_be_bytes().to_vec();
        message.resize(20, 0);
        check(Framing::Messages, &message, 19, Some(20));
    }

    #[test]
    fn what_is_complete_is_split_off() {
        let check = |framing: Framing, bytes: &[u8], expect: Option<usize>| {
            assert_eq!(framing.split(bytes).map(|(event, _)| event.len()), expect, "{framing:?}");
        };
        check(Framing::Events, b"data: 1\n\ndata", Some(9));
        check(Framing::Lines, b"{}\n{", Some(3));
        check(Framing::Lines, b"{", None);
        let mut message = 20_u32.to_be_bytes().to_vec();
        message.resize(20, 0);
        check(Framing::Messages, &message, Some(20));
        message.pop();
        check(Framing::Messages, &message, None);
        check(Framing::Messages, b"\0\0\0\x01\0\0\0\0", None);
        assert_eq!(Framing::Lines.lacks(b"{}"), Some(b"\n".as_slice()));
        assert_eq!((Framing::Lines.lacks(b" "), Framing::Events.lacks(b"data: {")), (None, None));
    }
}
