//! A body in pieces.
//!
//! A large body need not be copied to change a word of it, nor to stand as base64 in one of JSON: what is sent so is
//! written while it is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

/// How many bytes are written as base64 at once: whole groups of three, so that nothing is padded but the end.
const GROUPS: usize = 3 * 16 * 1024;

/// A stretch of a body.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes that are sent as they are.
    Plain(Bytes),
    /// Bytes that are sent as base64, with `=` at its end.
    Base64(Bytes),
}

impl Piece {
    /// How many bytes of it are sent.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Base64(bytes) => bytes.len().div_ceil(3) * 4,
        }
    }

    /// Whether nothing of it is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    /// The bytes behind it, as they lie.
    #[must_use]
    pub fn held(&self) -> &Bytes {
        match self {
            Self::Plain(bytes) | Self::Base64(bytes) => bytes,
        }
    }

    /// What is sent next of it, which is then behind us; `None`: nothing is left.
    pub fn take_next(&mut self) -> Option<Bytes> {
        match self {
            Self::Plain(bytes) => Some(std::mem::take(bytes)),
            Self::Base64(bytes) => {
                let next = bytes.split_to(bytes.remaining().min(GROUPS));
                Some(Bytes::from(STANDARD.encode(next)))
            }
        }
        .filter(|next| !next.is_empty())
    }
}

/// A body in pieces, so that a large one need not be copied to change a word of it.
#[derive(Debug, Clone, Default)]
pub struct Segments(SmallVec<[Piece; 4]>);

impl FromIterator<Bytes> for Segments {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(Piece::Plain).collect())
    }
}

impl FromIterator<Piece> for Segments {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        Self(pieces.into_iter().collect())
    }
}

impl Segments {
    /// Bodies up to this many bytes are joined: one copy is cheaper than several writes.
    const JOIN: usize = 16 * 1024;

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Piece::len).sum()
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Piece::is_empty)
    }

    /// The pieces as they lie, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.0.iter()
    }

    /// The pieces; a small body in one.
    #[must_use]
    pub fn into_pieces(self) -> SmallVec<[Piece; 4]> {
        if self.0.len() > 1 && self.len() <= Self::JOIN {
            return SmallVec::from_iter([Piece::Plain(self.to_bytes())]);
        }
        self.0
    }

    /// What is sent, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> {
        self.0.iter().flat_map(|piece| {
            let mut left = piece.clone();
            std::iter::from_fn(move || left.take_next())
        })
    }

    /// The whole body in one buffer.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if let [Piece::Plain(one)] = &*self.0 {
            return one.clone();
        }
        let mut out = BytesMut::with_capacity(self.len());
        self.chunks().for_each(|chunk| out.put_slice(&chunk));
        out.freeze()
    }
}

impl From<Bytes> for Segments {
    fn from(body: Bytes) -> Self {
        Self(SmallVec::from_iter([Piece::Plain(body)]))
    }
}

impl From<Vec<u8>> for Segments {
    fn from(body: Vec<u8>) -> Self {
        Self::from(Bytes::from(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_written_while_it_is_sent() {
        for length in [0, 1, 2, 3, 100, GROUPS - 1, GROUPS, GROUPS + 1, 3 * GROUPS + 2] {
            let sound: Bytes = (0..length).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
            let plain = |text: &'static str| Piece::Plain(Bytes::from_static(text.as_bytes()));
            let body: Segments =
                [plain("{\"data\":\""), Piece::Base64(sound.clone()), plain("\"}")].into_iter().collect();
            let expect = format!("{{\"data\":\"{}\"}}", STANDARD.encode(&sound));
            assert_eq!((body.len(), body.to_bytes()), (expect.len(), Bytes::from(expect)), "{length}");
            let longest = body.chunks().map(|chunk| chunk.len()).max().unwrap_or_default();
            assert!(longest <= GROUPS / 3 * 4, "{length}: {longest} at once");
            let held = body.pieces().any(|piece| piece.held().as_ptr() == sound.as_ptr());
            assert!(held || length == 0, "{length}: it was copied");
        }
    }
}
