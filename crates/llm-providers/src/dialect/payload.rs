//! A stream in pieces, each in one of Amazon's binary messages.
//!
//! Where a message ends means nothing: the pieces are put together again and read as what they are. What the service
//! itself has to say comes between them, as an exception.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, ErrorKind, Event, EventSink, Flow, Result};

use super::openai_error as error;
use crate::codec::StreamDecoder;
use crate::frame::{EventMessage, EventStreamFrames, MessageKind};

/// Reads such a stream.
#[derive(Debug)]
pub(in crate::dialect) struct Decoder {
    frames: EventStreamFrames,
    inner: Box<dyn StreamDecoder>,
    failed: bool,
}

impl Decoder {
    /// A decoder around one of the pieces put together.
    pub(in crate::dialect) fn new(inner: Box<dyn StreamDecoder>) -> Self {
        Self { frames: EventStreamFrames::default(), inner, failed: false }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.is_done() {
            return Ok(Flow::Continue(()));
        }
        let Self { frames, inner, failed } = self;
        frames.feed(chunk, |message| {
            if *failed {
                return Ok(Flow::Continue(()));
            }
            if message.kind == MessageKind::Event {
                return inner.feed(message.payload, sink);
            }
            *failed = true;
            Ok(sink.event(Event::Error(exception(&message))))
        })
    }

    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()> {
        if self.failed {
            return Ok(());
        }
        if !self.frames.is_whole() && !self.inner.is_done() {
            let message = "the upstream's stream ended before it was complete";
            return Err(ApiError::upstream(ErrorKind::Connection, message));
        }
        self.inner.finish(sink)
    }

    fn is_done(&self) -> bool {
        self.failed || self.inner.is_done()
    }
}

/// What the service says went wrong.
fn exception(message: &EventMessage<'_>) -> ApiError {
    let mut failed = error::decode(status(message.name), &HeaderMap::new(), message.payload);
    if !message.text.is_empty() {
        message.text.clone_into(&mut failed.message);
    }
    // The status of the HTTP answer was 200.
    failed.upstream_status = None;
    failed
}

/// The status that such a failure has where no stream has begun.
fn status(name: &str) -> StatusCode {
    match name {
        "ModelStreamError" => StatusCode::FAILED_DEPENDENCY,
        "ThrottlingException" => StatusCode::TOO_MANY_REQUESTS,
        "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
