//! Answers in this dialect.
//!
//! A chunk of a stream has the shape of a whole answer, so that a whole answer is read as a stream of
//! one chunk: both give the same result by construction.

mod audio;
mod candidate;
mod error;
mod finish;
mod ground;
mod open;
mod stream;
mod tap;
mod time;
mod turn;
mod usage;

use llm_types::{ApiError, ErrorKind, Reply, ReplyBuilder, Result};

use crate::codec::DecodeCx;
use turn::{Answer, Stop};

pub(super) use error::{contained, error};
pub(super) use stream::Decoder;
pub(super) use tap::{Tap, tapped};

/// Reads a whole answer.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when it is not one, and the error in it where it holds one.
pub(super) fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Reply> {
    let mut builder = ReplyBuilder::default();
    let mut answer = Answer::new(cx);
    match answer.chunk(body, &mut builder).and_then(|()| answer.close(&mut builder)) {
        Ok(()) | Err(Stop::Asked) => {}
        Err(Stop::Said(error) | Stop::Failed(error)) => return Err(error),
    }
    if answer.is_empty() {
        return Err(ApiError::upstream(
            ErrorKind::UpstreamFormat,
            "the upstream answered without a candidate: try again",
        ));
    }
    builder.finish()
}

/// What is not of this dialect.
pub(super) fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::upstream(
        ErrorKind::UpstreamFormat,
        format!("the upstream's answer is not what Gemini answers: {error}"),
    )
}
