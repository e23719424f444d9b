//! Server-sent events.
//!
//! Written here and not taken from a crate, because a proxy must keep the bytes, bound the size of an
//! event, survive a character cut in two, and hand on an event that lies whole in a chunk without a
//! copy. Line ends may be LF or CRLF; comments are skipped.

use llm_types::{ApiError, ErrorKind, Flow, Result};
use memchr::memchr;

/// The largest event that is read, in bytes: a picture in base64 must fit.
const EVENT_LIMIT: usize = 32 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct SseEvent<'a> {
    /// The `event:` field, empty where there is none.
    pub name: &'a str,
    /// The `data:` field; several lines are joined by LF.
    pub data: &'a [u8],
}

/// Cuts a byte stream into events.
#[derive(Debug, Default)]
pub struct SseFrames {
    tail: Vec<u8>,
    joined: Vec<u8>,
}

impl SseFrames {
    /// Reads the next bytes and hands on each event that they complete. Events without data are
    /// skipped. Stops when `each` breaks.
    ///
    /// # Errors
    /// When an event is larger than 32 MiB, or `each` fails.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(SseEvent<'_>) -> Result<Flow>) -> Result<Flow> {
        let mut rest = chunk;
        if !self.tail.is_empty() {
            // The boundary may lie across the cut, at most three bytes back.
            let from = self.tail.len().saturating_sub(3);
            self.tail.extend_from_slice(chunk);
            let Some(end) = event_end(&self.tail, from) else {
                return self.bounded();
            };
            let whole = std::mem::take(&mut self.tail);
            let (event, after) = whole.split_at(end);
            let flow = self.dispatch(event, &mut each)?;
            rest = chunk.get(chunk.len().saturating_sub(after.len())..).unwrap_or_default();
            if flow.is_break() {
                return Ok(flow);
            }
        }
        while let Some((event, after)) = split_event(rest) {
            rest = after;
            let flow = self.dispatch(event, &mut each)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        self.tail.extend_from_slice(rest);
        self.bounded()
    }

    /// The stream is over: hands on what is left as a last event, whole or not.
    ///
    /// # Errors
    /// When `each` fails.
    pub fn finish(&mut self, mut each: impl FnMut(SseEvent<'_>) -> Result<Flow>) -> Result<Flow> {
        let tail = std::mem::take(&mut self.tail);
        self.dispatch(&tail, &mut each)
    }

    fn bounded(&self) -> Result<Flow> {
        if self.tail.len() > EVENT_LIMIT {
            return Err(ApiError::upstream(
                ErrorKind::UpstreamFormat,
                "an event of the upstream's stream is larger than 32 MiB",
            ));
        }
        Ok(Flow::Continue(()))
    }

    fn dispatch(
        &mut self,
        event: &[u8],
        each: &mut impl FnMut(SseEvent<'_>) -> Result<Flow>,
    ) -> Result<Flow> {
        let mut name = "";
        let mut data: Option<&[u8]> = None;
        self.joined.clear();
        for line in lines(event) {
            if let Some(value) = field(line, b"data") {
                match data {
                    None => data = Some(value),
                    Some(first) => {
                        if self.joined.is_empty() {
                            self.joined.extend_from_slice(first);
                        }
                        self.joined.push(b'\n');
                        self.joined.extend_from_slice(value);
                    }
                }
            } else if let Some(value) = field(line, b"event") {
                name = std::str::from_utf8(value).unwrap_or_default();
            }
        }
        match data {
            None => Ok(Flow::Continue(())),
            Some(data) => {
                let data = if self.joined.is_empty() { data } else { &self.joined };
                each(SseEvent { name, data })
            }
        }
    }
}

/// Splits off the first complete event, blank line included.
#[must_use]
pub fn split_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    event_end(bytes, 0).map(|end| bytes.split_at(end))
}

/// Whether what is left at the end of a stream is an event that lacks only its blank line, and not half of
/// one: its data is JSON in full, or the word that ends a stream.
#[must_use]
pub fn is_whole(tail: &[u8]) -> bool {
    let mut data = Vec::new();
    for value in lines(tail).filter_map(|line| field(line, b"data")) {
        data.extend_from_slice(value);
        data.push(b'\n');
    }
    let data = data.trim_ascii();
    data == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
}

/// Where the first event ends that ends behind `from`: just after its blank line.
fn event_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'\n', bytes.get(at..)?)? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The value of `name: value`, one leading space removed.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut frames = SseFrames::default();
        let mut out = Vec::new();
        let mut each = |event: SseEvent<'_>| {
            out.push((event.name.to_owned(), String::from_utf8_lossy(event.data).into_owned()));
            Ok(Flow::Continue(()))
        };
        for chunk in chunks {
            assert!(frames.feed(chunk, &mut each).unwrap().is_continue());
        }
        assert!(frames.finish(&mut each).unwrap().is_continue());
        out
    }

    const STREAM: &str = ": hi\n\nevent: a\ndata: {\"x\":\"é\"}\n\ndata: 1\ndata: 2\n\r\ndata:3\r\n\r\nretry: 5\n\nevent: b\r\ndata: tail";

    #[test]
    fn any_cut_gives_the_same_events() {
        let whole = read(&[STREAM.as_bytes()]);
        let expect = [("a", "{\"x\":\"é\"}"), ("", "1\n2"), ("", "3"), ("b", "tail")];
        assert_eq!(whole, expect.map(|(name, data)| (name.to_owned(), data.to_owned())));
        for cut in 0..=STREAM.len() {
            let (a, b) = STREAM.as_bytes().split_at(cut);
            assert_eq!(read(&[a, b]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn half_an_event_is_told_from_a_whole_one() {
        let check = |tail: &str, expect| assert_eq!(is_whole(tail.as_bytes()), expect, "{tail:?}");
        check("data: {\"a\":[1]}", true);
        check("event: x\r\ndata: {\"a\":1}\r\n", true);
        check("data: {\"a\":\ndata: 1}\n", true);
        check("data:[DONE]", true);
        check("data: [DONE", false);
        check("data: {\"a\":[1]", false);
        check("event: x\ndat", false);
        check(": comment\n", false);
        check("", false);
    }
}
