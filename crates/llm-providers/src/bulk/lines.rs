//! Lines of a file as it comes.

use bytes::{Buf, Bytes, BytesMut};
use llm_types::{ApiError, ErrorKind, Result};

/// The longest line, in bytes.
const LINE_LIMIT: usize = 16 * 1024 * 1024;

/// Cuts a file into lines.
#[derive(Debug, Default)]
pub struct Lines {
    tail: BytesMut,
    /// How much of it is known to hold no end of a line.
    seen: usize,
    number: u64,
}

impl Lines {
    /// Takes the next bytes.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.tail.extend_from_slice(chunk);
    }

    /// The next whole line, counted from 1, with its end; `None`: more bytes are needed.
    ///
    /// # Errors
    /// 413 for a line that is too long.
    pub fn next_line(&mut self) -> Result<Option<(u64, Bytes)>> {
        let rest = self.tail.get(self.seen..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', rest) else {
            self.seen = self.tail.len();
            if self.seen > LINE_LIMIT {
                let message = format!("line {} is longer than {LINE_LIMIT} bytes: split it", self.number + 1);
                return Err(ApiError::new(ErrorKind::TooLarge, message).with_param("file"));
            }
            return Ok(None);
        };
        // A copy: a slice would keep all that came with it for as long as it is kept.
        let length = self.seen + end + 1;
        let line = Bytes::copy_from_slice(self.tail.get(..length).unwrap_or_default());
        self.tail.advance(length);
        (self.seen, self.number) = (0, self.number + 1);
        Ok(Some((self.number, line)))
    }

    /// The last line, where the file does not end with the end of one.
    pub fn last_line(&mut self) -> Option<(u64, Bytes)> {
        self.seen = 0;
        let line = self.tail.split().freeze();
        (!line.is_empty()).then(|| {
            self.number += 1;
            (self.number, line)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_wherever_the_file_is_cut() {
        let file = b"{\"a\":1}\r\n\n{\"b\":2}\nend";
        let expect = ["{\"a\":1}\r\n", "\n", "{\"b\":2}\n", "end"];
        for at in 0..file.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            let (one, two) = file.split_at(at);
            for chunk in [one, two] {
                lines.feed(chunk);
                while let Some(line) = lines.next_line().unwrap() {
                    found.push(line);
                }
            }
            found.extend(lines.last_line());
            let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
            let texts: Vec<&[u8]> = found.iter().map(|(_, line)| &line[..]).collect();
            assert_eq!((numbers, texts), (vec![1, 2, 3, 4], expect.map(str::as_bytes).to_vec()), "{at}");
        }
        assert_eq!(Lines::default().last_line(), None);
    }

    #[test]
    fn a_line_is_bounded() {
        let mut lines = Lines::default();
        lines.feed(&vec![b'x'; LINE_LIMIT + 1]);
        assert_eq!(lines.next_line().unwrap_err().kind, ErrorKind::TooLarge);
    }
}
