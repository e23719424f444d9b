//! Amazon's binary event stream (`application/vnd.amazon.eventstream`).
//!
//! Written here and not taken from a crate for the reasons of [`super::SseFrames`]: a message that lies whole
//! in a chunk is handed on without a copy, and its size is bounded before anything is gathered. Both check
//! sums are verified, so that a flipped bit is an error and never another answer.
//!
//! ```text
//! u32 total | u32 headers | u32 crc of the 8 bytes before | headers | payload | u32 crc of all before
//! ```

use flate2::Crc;
use llm_types::{ApiError, ErrorKind, Flow, Result};

/// The largest message that is read, in bytes (the format's own bound is 24 MiB).
const MESSAGE_LIMIT: usize = 24 * 1024 * 1024;
/// Both lengths and their check sum.
const PRELUDE: usize = 12;
/// The check sum at the end.
const TRAILER: usize = 4;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageKind {
    /// An event of the stream.
    #[default]
    Event,
    /// An error that the service describes.
    Exception,
    /// An error of the stream itself.
    Error,
}

/// One message.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventMessage<'a> {
    /// What it is.
    pub kind: MessageKind,
    /// The type of the event or exception, or the code of the error.
    pub name: &'a str,
    /// The words of an error.
    pub text: &'a str,
    /// What it holds.
    pub payload: &'a [u8],
}

/// Cuts a byte stream into messages.
#[derive(Debug, Default)]
pub struct EventStreamFrames {
    tail: Vec<u8>,
}

impl EventStreamFrames {
    /// Reads the next bytes and hands on each message that they complete. Stops when `each` breaks.
    ///
    /// # Errors
    /// When a message is malformed or too large, its check sums are wrong, or `each` fails.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(EventMessage<'_>) -> Result<Flow>,
    ) -> Result<Flow> {
        let mut rest = chunk;
        while !self.tail.is_empty() {
            let wanted = total(&self.tail)?.unwrap_or(PRELUDE);
            let (more, after) = rest.split_at(wanted.saturating_sub(self.tail.len()).min(rest.len()));
            self.tail.extend_from_slice(more);
            rest = after;
            match total(&self.tail)? {
                Some(total) if self.tail.len() >= total => {
                    let whole = std::mem::take(&mut self.tail);
                    if each(read(&whole)?)?.is_break() {
                        return Ok(Flow::Break(()));
                    }
                }
                _ if rest.is_empty() => return Ok(Flow::Continue(())),
                _ => {}
            }
        }
        while let Some(total) = total(rest)? {
            let Some((message, after)) = rest.split_at_checked(total) else { break };
            rest = after;
            if each(read(message)?)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        self.tail.extend_from_slice(rest);
        Ok(Flow::Continue(()))
    }

    /// Whether the bytes so far end with a whole message.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.tail.is_empty()
    }
}

/// The length of the message that `bytes` begin with, as it says itself; `None`: that is not there, or none can have it.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?);
    usize::try_from(length).ok().filter(|length| (PRELUDE + TRAILER..=MESSAGE_LIMIT).contains(length))
}

/// The length of the message that `bytes` begin with; `None`: its prelude is not there yet.
fn total(bytes: &[u8]) -> Result<Option<usize>> {
    let Some((prelude, _)) = bytes.split_at_checked(PRELUDE) else { return Ok(None) };
    let (lengths, sum) = prelude.split_at(PRELUDE - 4);
    if number(sum) != checksum(lengths) {
        return Err(broken("the check sum of a message's lengths is wrong"));
    }
    let (total, headers) = lengths.split_at(4);
    let (total, headers) = (size(total), size(headers));
    if total > MESSAGE_LIMIT {
        return Err(broken("a message is larger than 24 MiB"));
    }
    if total < headers.saturating_add(PRELUDE + TRAILER) {
        return Err(broken("a message is shorter than its headers"));
    }
    Ok(Some(total))
}

/// Reads a message of exactly these bytes.
fn read(message: &[u8]) -> Result<EventMessage<'_>> {
    let short = || broken("a message is cut short");
    let (body, sum) = message.split_at_checked(message.len().saturating_sub(TRAILER)).ok_or_else(short)?;
    if number(sum) != checksum(body) {
        return Err(broken("the check sum of a message is wrong"));
    }
    let headers = size(body.get(4..8).ok_or_else(short)?);
    let (_, rest) = body.split_at_checked(PRELUDE).ok_or_else(short)?;
    let (mut headers, payload) = rest.split_at_checked(headers).ok_or_else(short)?;
    let mut out = EventMessage { payload, ..EventMessage::default() };
    while !headers.is_empty() {
        let (name, value, after) = header(headers).ok_or_else(|| broken("a header cannot be read"))?;
        headers = after;
        match (name, value) {
            (":message-type", "exception") => out.kind = MessageKind::Exception,
            (":message-type", "error") => out.kind = MessageKind::Error,
            (":event-type" | ":exception-type" | ":error-code", value) => out.name = value,
            (":error-message", value) => out.text = value,
            _ => {}
        }
    }
    Ok(out)
}

/// Takes the first header off: its name, its value if that is a text, and what follows.
fn header(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (name, rest) = counted(bytes, 1)?;
    let (kind, rest) = rest.split_first()?;
    let width = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (value, rest) = counted(rest, 2)?;
            let text = if *kind == 7 { std::str::from_utf8(value).ok()? } else { "" };
            return Some((std::str::from_utf8(name).ok()?, text, rest));
        }
        _ => return None,
    };
    Some((std::str::from_utf8(name).ok()?, "", rest.get(width..)?))
}

/// As many bytes as the first `width` bytes say.
fn counted(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_at_checked(width)?;
    rest.split_at_checked(size(count))
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

fn size(bytes: &[u8]) -> usize {
    usize::try_from(number(bytes)).unwrap_or(usize::MAX)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn broken(why: &str) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, format!("the upstream's event stream is broken: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by hand after the format's description: an event and an exception.
    const EVENT: &str = "0000009d00000057b9bbf89f0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a224869227d2c2270223a226162227d8b38b268";
    const EXCEPTION: &str = "00000090000000618e91a9b70f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b226d657373616765223a22546f6f206d616e79207265717565737473227de67f8005";

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |c: &u8| u8::try_from(char::from(*c).to_digit(16).unwrap()).unwrap();
        hex.as_bytes().chunks(2).map(|pair| (digit(&pair[0]) << 4) | digit(&pair[1])).collect()
    }

    fn stream() -> Vec<u8> {
        [bytes(EVENT), bytes(EXCEPTION), bytes(EVENT)].concat()
    }

    fn gather<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Result<(Vec<String>, bool)> {
        let mut frames = EventStreamFrames::default();
        let mut out = Vec::new();
        for chunk in chunks {
            let _ = frames.feed(chunk, |message| {
                let payload = String::from_utf8_lossy(message.payload);
                out.push(format!("{:?} {} {payload}", message.kind, message.name));
                Ok(Flow::Continue(()))
            })?;
        }
        Ok((out, frames.is_whole()))
    }

    fn expected() -> Vec<String> {
        let event = r#"Event contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"ab"}"#;
        let exception = r#"Exception throttlingException {"message":"Too many requests"}"#;
        [event, exception, event].map(str::to_owned).to_vec()
    }

    #[test]
    fn any_cut_gives_the_same_messages() {
        let stream = stream();
        for cut in 0..=stream.len() {
            let (a, b) = stream.split_at(cut);
            assert_eq!(gather([a, b]).unwrap(), (expected(), true), "cut at {cut}");
        }
        assert_eq!(gather(stream.chunks(1)).unwrap(), (expected(), true));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let stream = bytes(EVENT);
        for bit in 0..stream.len() * 8 {
            let mut flipped = stream.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            for size in [1, flipped.len()] {
                let error = gather(flipped.chunks(size)).unwrap_err();
                assert_eq!(error.kind, ErrorKind::UpstreamFormat, "bit {bit}: {error}");
            }
        }
    }

    #[test]
    fn a_message_that_is_cut_off_is_seen() {
        let stream = stream();
        for end in 0..bytes(EVENT).len() {
            assert_eq!(gather([&stream[..end]]).unwrap(), (Vec::new(), end == 0), "{end}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let check = |total: u32, headers: u32, expect: &str| {
            let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
            prelude.extend(checksum(&prelude).to_be_bytes());
            assert!(gather([prelude.as_slice()]).unwrap_err().message.contains(expect), "{total} {headers}");
        };
        check(u32::MAX, 0, "larger than 24 MiB");
        check(15, 0, "shorter than its headers");
        check(100, 90, "shorter than its headers");
        check(100, u32::MAX, "shorter than its headers");
    }

    /// A message with these headers' bytes and no payload.
    fn framed(headers: &[u8]) -> Vec<u8> {
        let total = u32::try_from(headers.len() + PRELUDE + TRAILER).unwrap();
        let mut out = total.to_be_bytes().to_vec();
        out.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
        out.extend(checksum(&out).to_be_bytes());
        out.extend_from_slice(headers);
        out.extend(checksum(&out).to_be_bytes());
        out
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let mut headers = Vec::new();
        for (kind, width) in [(0_u8, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
            headers.extend([1, b'a', kind]);
            headers.extend(vec![0; width]);
        }
        headers.extend([1, b'b', 6, 0, 2, 1, 2, 11]);
        headers.extend(b":event-type");
        headers.extend([7, 0, 4]);
        headers.extend(b"ping");
        assert_eq!(gather([framed(&headers).as_slice()]).unwrap().0, ["Event ping "]);
        let error = gather([framed(&[1, b'a', 10]).as_slice()]).unwrap_err();
        assert!(error.message.contains("header"), "{error}");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let _ = gather(chunks.iter().map(Vec::as_slice));
        }

        #[test]
        fn no_header_makes_it_panic(headers in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = gather([framed(&headers).as_slice()]);
        }
    }
}
