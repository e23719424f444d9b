//! Base64 in pieces.
//!
//! Sound comes in chunks that are each encoded on their own. Their base64 may be strung together only
//! where a chunk is a multiple of three bytes; the bytes beyond that wait for the next chunk.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The bytes that wait.
#[derive(Debug, Default)]
pub(super) struct Base64Carry(Vec<u8>);

impl Base64Carry {
    /// The base64 of what was waiting and the next chunk; `None` if the chunk is not base64.
    pub(super) fn join<'a>(&mut self, chunk: &'a str) -> Option<Cow<'a, str>> {
        if self.0.is_empty() && !chunk.ends_with('=') && chunk.len().is_multiple_of(4) {
            return Some(Cow::Borrowed(chunk));
        }
        let mut bytes = std::mem::take(&mut self.0);
        STANDARD.decode_vec(chunk, &mut bytes).ok()?;
        self.0 = bytes.split_off(bytes.len() - bytes.len() % 3);
        Some(Cow::Owned(STANDARD.encode(bytes)))
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> String {
        STANDARD.encode(std::mem::take(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_one_text() {
        let bytes: Vec<u8> = (0..=50).collect();
        for size in 1..=bytes.len() {
            let mut carry = Base64Carry::default();
            let mut out = String::new();
            for chunk in bytes.chunks(size) {
                out.push_str(&carry.join(&STANDARD.encode(chunk)).unwrap());
            }
            out.push_str(&carry.finish());
            assert_eq!(STANDARD.decode(out).unwrap(), bytes, "chunks of {size}");
        }
        assert!(Base64Carry::default().join("no base64").is_none());
    }
}
