//! The body of a request: whole, or a stream.
//!
//! A whole body is kept in pieces, so that a large prompt is not copied to change its model name; it can
//! be sent again to another deployment. A stream cannot.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use llm_types::{ApiError, Piece, Segments};
use smallvec::SmallVec;

use super::ByteStream;
use super::filed::Filed;

/// The body of a request to a provider.
pub enum RequestBody {
    /// All of it, in pieces.
    Whole {
        /// The pieces not sent yet, last first.
        pieces: SmallVec<[Piece; 4]>,
    },
    /// All of it, some of which lies in a file: that is read as it is sent.
    Filed(Box<Filed>),
    /// As it comes.
    Stream(ByteStream),
}

impl RequestBody {
    /// The same once more, with nothing of it copied; `None`: it comes as a stream, and only once.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Whole { pieces } => Some(Self::Whole { pieces: pieces.clone() }),
            Self::Filed(filed) => Some(Self::Filed(Box::new(filed.again()))),
            Self::Stream(_) => None,
        }
    }
}

impl From<Segments> for RequestBody {
    fn from(segments: Segments) -> Self {
        let is_held = segments.is_held();
        let mut pieces = segments.into_pieces();
        pieces.retain(|piece| !piece.is_empty());
        pieces.reverse();
        if is_held { Self::Whole { pieces } } else { Self::Filed(Box::new(Filed::new(pieces))) }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { pieces } => {
                let left: usize = pieces.iter().map(Piece::len).sum();
                write!(f, "RequestBody({left} bytes)")
            }
            Self::Filed(filed) => write!(f, "RequestBody({} bytes)", filed.left()),
            Self::Stream(_) => f.write_str("RequestBody(stream)"),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        match self.get_mut() {
            Self::Whole { pieces } => {
                let next = pieces.last_mut().and_then(Piece::take_next);
                if pieces.last().is_some_and(Piece::is_empty) {
                    pieces.pop();
                }
                Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
            }
            Self::Filed(filed) => filed.poll_next(cx).map_ok(Frame::data),
            Self::Stream(stream) => stream.as_mut().poll_next(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { pieces } => pieces.is_empty(),
            Self::Filed(filed) => filed.left() == 0,
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { pieces } => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            Self::Filed(filed) => SizeHint::with_exact(filed.left() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
