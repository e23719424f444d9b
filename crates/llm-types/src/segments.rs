//! A body in pieces.
//!
//! A large body need not be copied to change a word of it, nor to stand as base64 in one of JSON: what is sent so is
//! written while it is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::{Content, Result};

/// How many bytes are written as base64 at once: whole groups of three, so that nothing is padded but the end.
const GROUPS: usize = 3 * 16 * 1024;
/// The same of what is read from a file, which takes a call of the kernel each time; what is written of it has 256 KiB.
const FILED_GROUPS: usize = 3 * 64 * 1024;
/// How many bytes are read from a file at once.
const FILED: usize = 256 * 1024;

/// A stretch of a body.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes that are sent as they are.
    Plain(Content),
    /// Bytes that are sent as base64, with `=` at its end.
    Base64(Content),
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self::Plain(Content::Held(bytes))
    }
}

impl Piece {
    /// How many bytes of it are sent.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(content) => content.len(),
            Self::Base64(content) => content.len().div_ceil(3) * 4,
        }
    }

    /// Whether nothing of it is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.content().is_empty()
    }

    /// What is behind it.
    #[must_use]
    pub const fn content(&self) -> &Content {
        match self {
            Self::Plain(content) | Self::Base64(content) => content,
        }
    }

    /// The bytes behind it, as they lie; `None`: they are in a file.
    #[must_use]
    pub const fn held(&self) -> Option<&Bytes> {
        self.content().held()
    }

    /// What is sent next of it, which is then behind us; `None`: nothing is left. Of what lies in a file it is read now: it
    /// takes as long as the disk does.
    ///
    /// # Errors
    /// As [`Content::read`]; nothing is left of it then.
    pub fn take_next(&mut self) -> Option<Result<Bytes>> {
        if self.is_empty() {
            return None;
        }
        let next = match self {
            Self::Plain(Content::Held(bytes)) => Ok(std::mem::take(bytes)),
            Self::Plain(content) => content.split_to(FILED).read(),
            Self::Base64(content) => {
                let groups = if content.held().is_some() { GROUPS } else { FILED_GROUPS };
                content.split_to(groups).read().map(|next| Bytes::from(STANDARD.encode(next)))
            }
        };
        if next.is_err() {
            *self = Self::from(Bytes::new());
        }
        Some(next)
    }
}

/// A body in pieces, so that a large one need not be copied to change a word of it.
#[derive(Debug, Clone, Default)]
pub struct Segments(SmallVec<[Piece; 4]>);

impl FromIterator<Bytes> for Segments {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(Piece::from).collect())
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
        if self.0.len() > 1 && self.len() <= Self::JOIN && self.is_held() {
            return SmallVec::from_iter([Piece::from(self.to_bytes())]);
        }
        self.0
    }

    /// Whether all of it is in memory.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.iter().all(|piece| piece.held().is_some())
    }

    /// What is sent, in order. What cannot be read of a file is an error in its place.
    pub fn chunks(&self) -> impl Iterator<Item = Result<Bytes>> {
        self.0.iter().flat_map(|piece| {
            let mut left = piece.clone();
            std::iter::from_fn(move || left.take_next())
        })
    }

    /// The whole body in one buffer, for those that are in memory. One with a stretch of a file that cannot be read is
    /// empty: see [`Segments::read`].
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.read().unwrap_or_default()
    }

    /// The whole body in one buffer.
    ///
    /// # Errors
    /// As [`Content::read`].
    pub fn read(&self) -> Result<Bytes> {
        if let [Piece::Plain(one)] = &*self.0 {
            return one.read();
        }
        let mut out = BytesMut::with_capacity(self.len());
        for chunk in self.chunks() {
            out.put_slice(&chunk?);
        }
        Ok(out.freeze())
    }
}

impl From<Content> for Segments {
    fn from(body: Content) -> Self {
        Self(SmallVec::from_iter([Piece::Plain(body)]))
    }
}

impl From<Bytes> for Segments {
    fn from(body: Bytes) -> Self {
        Self::from(Content::Held(body))
    }
}

impl From<Vec<u8>> for Segments {
    fn from(body: Vec<u8>) -> Self {
        Self::from(Bytes::from(body))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::Stretch;

    fn sound(length: usize) -> Bytes {
        (0..length).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect()
    }

    fn plain(text: &'static str) -> Piece {
        Piece::from(Bytes::from_static(text.as_bytes()))
    }

    fn filed(sound: &[u8]) -> Content {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(sound).unwrap();
        Content::from(Stretch::whole(file).unwrap())
    }

    fn longest(body: &Segments) -> usize {
        body.chunks().map(|chunk| chunk.unwrap().len()).max().unwrap_or_default()
    }

    #[test]
    fn base64_is_written_while_it_is_sent() {
        for length in [0, 1, 2, 3, 100, GROUPS - 1, GROUPS, GROUPS + 1, 3 * GROUPS + 2] {
            let sound = sound(length);
            let base64 = Piece::Base64(sound.clone().into());
            let body: Segments = [plain("{\"data\":\""), base64, plain("\"}")].into_iter().collect();
            let expect = format!("{{\"data\":\"{}\"}}", STANDARD.encode(&sound));
            assert_eq!((body.len(), body.to_bytes()), (expect.len(), Bytes::from(expect)), "{length}");
            assert!(longest(&body) <= GROUPS / 3 * 4, "{length}: {} at once", longest(&body));
            let is_it = |piece: &Piece| piece.held().is_some_and(|held| held.as_ptr() == sound.as_ptr());
            assert!(body.pieces().any(is_it) || length == 0, "{length}: it was copied");
        }
    }

    #[test]
    fn a_file_is_read_while_it_is_sent() {
        for length in [0, 1, 2, 3, FILED_GROUPS, FILED_GROUPS + 1, FILED + 1, 3 * FILED + 2] {
            let sound = sound(length);
            let file = filed(&sound);
            let body: Segments = [plain("<"), Piece::Plain(file.clone()), Piece::Base64(file), plain(">")]
                .into_iter()
                .collect();
            let expect = [b"<", &*sound, STANDARD.encode(&sound).as_bytes(), b">"].concat();
            assert_eq!((body.len(), body.read().unwrap()), (expect.len(), Bytes::from(expect)), "{length}");
            assert!(longest(&body) <= FILED, "{length}: {} at once", longest(&body));
            assert!(!body.is_held() && body.into_pieces().len() == 4, "{length}: it was read to be joined");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&sound(3 * FILED)).unwrap();
        let again = file.try_clone().unwrap();
        let file = Content::from(Stretch::whole(file).unwrap());
        again.set_len(FILED as u64 + 1).unwrap();
        for piece in [Piece::Plain(file.clone()), Piece::Base64(file)] {
            let body: Segments = [piece].into_iter().collect();
            let chunks: Vec<_> = body.chunks().collect();
            assert_eq!(chunks.iter().filter(|chunk| chunk.is_err()).count(), 1);
            assert!(chunks.last().is_some_and(Result::is_err), "nothing follows it");
            assert!(body.read().is_err() && body.to_bytes().is_empty());
        }
    }
}
