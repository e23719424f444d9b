//! A body of which some lies in a file.
//!
//! It is read by the threads that may wait, 256 KiB at a time, and not where the requests run: what was just written is
//! usually in memory still, but many large uploads push each other out of there, and then one slow disk would stop every
//! stream of a core. The price is two switches of thread for each piece, 20 µs or so beside the copy itself.

use std::task::{Context, Poll};

use bytes::Bytes;
use llm_types::{Piece, Result};
use smallvec::SmallVec;

/// What is left of a body, and what of it is being read.
#[derive(Debug)]
pub struct Filed {
    /// The pieces not sent yet, last first.
    pieces: SmallVec<[Piece; 4]>,
    #[cfg(feature = "tokens")]
    reading: Option<tokio::task::JoinHandle<(Piece, Option<Result<Bytes>>)>>,
}

impl Filed {
    /// Of these pieces, last first.
    pub(super) const fn new(pieces: SmallVec<[Piece; 4]>) -> Self {
        Self {
            pieces,
            #[cfg(feature = "tokens")]
            reading: None,
        }
    }

    /// The same once more, from where it is.
    pub(super) fn again(&self) -> Self {
        Self::new(self.pieces.clone())
    }

    /// How many bytes are to be sent still.
    pub(super) fn left(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// What is sent next. Behind an error there is nothing.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let next = std::task::ready!(self.poll_read(cx));
        if matches!(next, Some(Err(_))) {
            self.pieces.clear();
        }
        if self.pieces.last().is_some_and(Piece::is_empty) {
            self.pieces.pop();
        }
        Poll::Ready(next)
    }

    #[cfg(feature = "tokens")]
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        use std::pin::Pin;

        use llm_types::{ApiError, ErrorKind};

        let Some(last) = self.pieces.last_mut() else { return Poll::Ready(None) };
        let reading = match (&mut self.reading, tokio::runtime::Handle::try_current()) {
            (Some(reading), _) => reading,
            (None, Ok(runtime)) if last.held().is_none() => {
                let mut piece = last.clone();
                self.reading.insert(runtime.spawn_blocking(move || {
                    let next = piece.take_next();
                    (piece, next)
                }))
            }
            // In memory, or nobody else is there to read.
            (None, _) => return Poll::Ready(last.take_next()),
        };
        let read = std::task::ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(match read {
            Ok((piece, next)) => {
                *last = piece;
                next
            }
            Err(_) => {
                let message = "the gateway ends: the uploaded file is not read any more";
                Some(Err(ApiError::new(ErrorKind::Unavailable, message)))
            }
        })
    }

    #[cfg(not(feature = "tokens"))]
    fn poll_read(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        Poll::Ready(self.pieces.last_mut().and_then(Piece::take_next))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body::Body as _;
    use http_body_util::BodyExt as _;
    use llm_types::{Content, ErrorKind, Segments, Stretch};

    use super::super::RequestBody;
    use super::*;

    fn body(length: usize) -> (RequestBody, Vec<u8>, std::fs::File) {
        let sound: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&sound).unwrap();
        let again = file.try_clone().unwrap();
        let plain = |text: &'static str| Piece::from(Bytes::from_static(text.as_bytes()));
        let sound_piece = Piece::Plain(Content::from(Stretch::whole(file).unwrap()));
        let segments: Segments = [plain("<"), sound_piece, plain(">")].into_iter().collect();
        (RequestBody::from(segments), [b"<", &*sound, b">"].concat(), again)
    }

    #[tokio::test]
    async fn it_is_read_as_often_as_it_is_sent() {
        let (body, expect, _file) = body(600_000);
        let again = body.again().unwrap();
        for body in [body, again] {
            assert_eq!(body.size_hint().exact(), Some(600_002));
            assert_eq!(body.collect().await.unwrap().to_bytes(), expect);
        }
    }

    #[tokio::test]
    async fn one_that_was_begun_begins_again_where_it_is() {
        let (mut body, expect, _file) = body(600_000);
        for _ in 0..2 {
            body.frame().await.unwrap().unwrap();
        }
        let rest = body.again().unwrap().collect().await.unwrap().to_bytes();
        assert_eq!(rest, expect.get(1 + 256 * 1024..).unwrap());
    }

    #[test]
    fn without_a_runtime_it_is_read_as_well() {
        let (mut body, expect, _file) = body(600_000);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut sent = Vec::new();
        while let Poll::Ready(Some(frame)) = std::pin::Pin::new(&mut body).poll_frame(&mut cx) {
            sent.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert!(body.is_end_stream() && sent == expect);
    }

    #[tokio::test]
    async fn what_cannot_be_read_ends_it_with_an_error() {
        let (mut body, _, file) = body(600_000);
        file.set_len(300_000).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.map(drop));
        }
        let error = frames.pop().unwrap().unwrap_err();
        assert_eq!((error.kind, frames.len()), (ErrorKind::Internal, 2), "{error}");
    }
}
