//! Room for what is read from addresses: counted as it arrives, so that what is too much together ends at once.

use std::fmt::{self, Display, Formatter};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderStringWriter;
use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use llm_providers::transport::ByteStream;
use llm_types::chat::Media;
use llm_types::{ApiError, media_type};

use crate::intake::BodyShare;

/// How many of the first bytes say what it is, at most.
const FIRST: usize = 16;

/// Why something is not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// What is at the address, or that nothing is.
    Why(String),
    /// There is no room for it, whatever it is.
    NoRoom(ApiError),
}

impl Display for Unread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Why(why) => f.write_str(why),
            Self::NoRoom(error) => f.write_str(&error.message),
        }
    }
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::Why(why)
    }
}

impl From<&str> for Unread {
    fn from(why: &str) -> Self {
        Self::Why(why.to_owned())
    }
}

/// What may still be read for a request.
#[derive(Debug)]
pub(super) struct Room<'s> {
    /// Holds what was read.
    share: &'s BodyShare,
    /// The most, in base64 and together.
    most: usize,
    taken: AtomicUsize,
}

impl<'s> Room<'s> {
    /// Room for so many bytes of base64 together.
    pub(super) fn of(share: &'s BodyShare, most: usize) -> Self {
        Self { share, most, taken: AtomicUsize::new(0) }
    }

    /// Reads a picture or a document of at most `limit` bytes that is to stand in so many places.
    ///
    /// # Errors
    /// Why it is not read; it takes no memory then.
    pub(super) async fn read(
        &self,
        head: &HeaderMap,
        mut body: ByteStream,
        (limit, places): (usize, usize),
    ) -> Result<Media, Unread> {
        let larger = || Unread::Why(format!("it is larger than {limit} bytes"));
        let told = head.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if told.is_some_and(|told| told > limit) {
            return Err(larger());
        }
        let held = self.share.another();
        let text = String::with_capacity(told.map(encoded).unwrap_or_default());
        let mut text = EncoderStringWriter::from_consumer(text, &STANDARD);
        let (mut first, mut size) = (Vec::with_capacity(FIRST), 0_usize);
        while let Some(chunk) = body.next().await.transpose().map_err(|error| error.message.clone())? {
            let before = encoded(size);
            size = size.saturating_add(chunk.len());
            if size > limit {
                return Err(larger());
            }
            self.take(&held, (encoded(size) - before).saturating_mul(places))?;
            first.extend(chunk.iter().take(FIRST - first.len()));
            text.write_all(&chunk).map_err(|error| error.to_string())?;
        }
        let kind = media_type(&first).ok_or("it is no PNG, JPEG, GIF, WebP or PDF")?;
        self.share.join(held);
        Ok(Media::Base64 { media_type: kind.to_owned(), data: text.into_inner() })
    }

    fn take(&self, held: &BodyShare, size: usize) -> Result<(), Unread> {
        let most = self.most;
        if self.taken.fetch_add(size, Ordering::Relaxed).saturating_add(size) > most {
            return Err(Unread::NoRoom(ApiError::bad_request(format!(
                "what is to be fetched is more than {most} bytes of base64 together: send less, or raise fetch.max_bytes"
            ))));
        }
        // Here, and in what is sent.
        held.grow(2 * size).map_err(Unread::NoRoom)
    }
}

/// How long so many bytes are in base64.
const fn encoded(size: usize) -> usize {
    size.div_ceil(3).saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use llm_types::ErrorKind;

    use super::*;
    use crate::intake::{BodyMemory, TOTAL_LIMIT};

    fn body(pieces: &[&'static [u8]]) -> ByteStream {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
        Box::pin(stream::iter(pieces))
    }

    #[tokio::test]
    async fn what_comes_in_pieces_is_told_and_encoded_as_one() {
        let memory = BodyMemory::default();
        let (share, head) = (memory.share(), HeaderMap::new());
        let read = Room::of(&share, 16).read(&head, body(&[b"GI", b"F87", b"a", b"", b"bc"]), (8, 1)).await;
        let Media::Base64 { media_type, data } = read.unwrap() else { panic!("no bytes") };
        assert_eq!((media_type.as_str(), data.as_str()), ("image/gif", "R0lGODdhYmM="));
    }

    #[tokio::test]
    async fn what_is_too_much_together_is_not_read_to_its_end() {
        let memory = BodyMemory::default();
        let (share, head) = (memory.share(), HeaderMap::new());
        let endless = || Box::pin(stream::repeat_with(|| Ok(Bytes::from_static(b"GIF87a"))));
        let room = Room::of(&share, 100);
        for (limit, places, words) in
            [(60, 1, "larger than 60"), (6000, 2, "together"), (6000, 1, "together")]
        {
            let why = room.read(&head, endless(), (limit, places)).await.unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
        // What was not read to its end takes nothing.
        let others = memory.share();
        others.grow(TOTAL_LIMIT - 15).unwrap();
        let room = Room::of(&share, 1 << 20);
        let full = room.read(&head, body(&[b"GIF87a"]), (6000, 1)).await.unwrap_err();
        assert!(matches!(&full, Unread::NoRoom(error) if error.kind == ErrorKind::Unavailable), "{full}");
        drop(others);
        let others = memory.share();
        others.grow(TOTAL_LIMIT - 16).unwrap();
        room.read(&head, body(&[b"GIF87a"]), (6000, 1)).await.unwrap();
    }
}
