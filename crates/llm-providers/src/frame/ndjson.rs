//! JSON objects, one to a line.
//!
//! A line that lies whole in a chunk is handed on without a copy; one that is cut is kept until its end comes, within
//! bounds. Line ends may be LF or CRLF; empty lines mean nothing.

use llm_types::{ApiError, ErrorKind, Flow, Result};
use memchr::memchr;

/// The largest line that is read, in bytes.
const LINE_LIMIT: usize = 32 * 1024 * 1024;

/// Cuts a byte stream into lines.
#[derive(Debug, Default)]
pub struct JsonLines {
    tail: Vec<u8>,
}

impl JsonLines {
    /// Reads the next bytes and hands on each line that they complete. Stops when `each` breaks.
    ///
    /// # Errors
    /// When a line is larger than 32 MiB, or `each` fails.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8]) -> Result<Flow>) -> Result<Flow> {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let flow = if self.tail.is_empty() {
                hand_on(line, &mut each)?
            } else {
                self.tail.extend_from_slice(line);
                self.bounded()?;
                hand_on(&std::mem::take(&mut self.tail), &mut each)?
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        self.tail.extend_from_slice(rest);
        self.bounded()?;
        Ok(Flow::Continue(()))
    }

    /// The stream is over: hands on what is left as a last line, whole or not.
    ///
    /// # Errors
    /// When `each` fails.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8]) -> Result<Flow>) -> Result<Flow> {
        hand_on(&std::mem::take(&mut self.tail), &mut each)
    }

    fn bounded(&self) -> Result<()> {
        if self.tail.len() > LINE_LIMIT {
            let message = "a line of the upstream's stream is larger than 32 MiB";
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
        }
        Ok(())
    }
}

fn hand_on(line: &[u8], each: &mut impl FnMut(&[u8]) -> Result<Flow>) -> Result<Flow> {
    let line = line.trim_ascii();
    if line.is_empty() { Ok(Flow::Continue(())) } else { each(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = JsonLines::default();
        let mut out = Vec::new();
        let mut each = |line: &[u8]| {
            out.push(String::from_utf8_lossy(line).into_owned());
            Ok(Flow::Continue(()))
        };
        for chunk in chunks {
            assert!(lines.feed(chunk, &mut each).unwrap().is_continue());
        }
        assert!(lines.finish(&mut each).unwrap().is_continue());
        out
    }

    #[test]
    fn any_cut_gives_the_same_lines() {
        let stream = "{\"x\":\"é\"}\n\n{\"a\":\"\\n\"}\r\n\r\n [1]\n{\"tail\":1}".as_bytes();
        let whole = read(&[stream]);
        assert_eq!(whole, ["{\"x\":\"é\"}", "{\"a\":\"\\n\"}", "[1]", "{\"tail\":1}"]);
        for cut in 0..=stream.len() {
            let (a, b) = stream.split_at(cut);
            assert_eq!(read(&[a, b]), whole, "cut at {cut}");
        }
        assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_line_has_a_bound_and_a_reader_may_stop() {
        let chunk = vec![b'x'; LINE_LIMIT / 2 + 1];
        let mut lines = JsonLines::default();
        let mut none = |_: &[u8]| panic!("no line is complete");
        assert!(lines.feed(&chunk, &mut none).is_ok());
        assert_eq!(lines.feed(&chunk, &mut none).unwrap_err().kind, ErrorKind::UpstreamFormat);
        let mut seen = 0;
        let flow = JsonLines::default().feed(b"1\n2\n3\n", |_| {
            seen += 1;
            Ok(if seen == 2 { Flow::Break(()) } else { Flow::Continue(()) })
        });
        assert!(flow.unwrap().is_break());
        assert_eq!(seen, 2);
    }
}
