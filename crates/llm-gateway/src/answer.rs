//! What an attempt brought, before it is handed to the client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use llm_providers::codec::ReplyCx;
use llm_providers::target::Target;
use llm_providers::transport::ByteStream;
use llm_types::{Changes, Dialect, Output, RateLimits, Usage};

use crate::attempt::Attempt;
use crate::dispatch::Later;
use crate::relay::Relay;

/// An answer, whole or begun.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) body: ReplyBody,
    /// Who answers.
    pub(crate) target: Arc<Target>,
    /// What of the request was lost or altered on the way.
    pub(crate) changes: Changes,
    /// What the provider says of its limits.
    pub(crate) rate_limits: Option<RateLimits>,
    /// The account of it.
    pub(crate) attempt: Attempt,
}

/// All of a body, as the client is to get it.
pub(crate) struct Whole {
    pub(crate) body: Bytes,
    pub(crate) usage: Option<Usage>,
    /// The model that it names, where that is another.
    pub(crate) served: Option<Arc<str>>,
    /// Its content type, where that is not JSON.
    pub(crate) kind: Option<HeaderValue>,
    /// It is not complete.
    pub(crate) later: Option<Box<Later>>,
}

/// Its body.
pub(crate) enum ReplyBody {
    /// All of it.
    Whole(Whole),
    /// Vectors that are not written yet: as text they are large, and nobody needs the request any more when they are.
    Vectors { output: Output, cx: Box<ReplyCx>, usage: Option<Usage>, served: Option<Arc<str>> },
    /// A stream whose first content is here.
    Stream { upstream: ByteStream, relay: Box<Relay> },
    /// A stream written from a whole answer, with a pause between its chunks.
    Written { chunks: VecDeque<Bytes>, usage: Option<Usage>, served: Option<Arc<str>>, pause: Duration },
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Vectors { .. } => "Vectors",
            Self::Stream { .. } => "Stream",
            Self::Written { .. } => "Written",
        })
    }
}

/// The pause between the chunks of the built-in provider, so that its stream looks like one.
const MOCK_PAUSE: Duration = Duration::from_millis(10);

/// The pause between the chunks of an answer that is written here and not streamed by an upstream.
pub(crate) fn pause(target: &Target) -> Duration {
    if target.dialect() == Dialect::Mock { MOCK_PAUSE } else { Duration::ZERO }
}

/// The chunks as a stream, with a pause after each.
pub(crate) fn paced(chunks: VecDeque<Bytes>, pause: Duration) -> ByteStream {
    Box::pin(stream::unfold(chunks, move |mut chunks| async move {
        loop {
            let chunk = chunks.pop_front()?;
            if chunk.is_empty() {
                continue;
            }
            if !pause.is_zero() && !chunks.is_empty() {
                tokio::time::sleep(pause).await;
            }
            return Some((Ok(chunk), chunks));
        }
    }))
}
