//! A streamed answer: server-sent events without a last word.
//!
//! There is no `[DONE]`. Counts, sources and, from older models, more text come behind a chunk that
//! says why the answer ended, so that only the end of the body ends the stream; `is_done` is true
//! before it only after an error.

use llm_types::{ApiError, ErrorKind, Event, EventSink, Flow, Result};

use super::turn::{Answer, Stop};
use crate::codec::{DecodeCx, StreamDecoder};
use crate::frame::SseFrames;

/// Reads a streamed answer.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    frames: SseFrames,
    answer: Answer,
    done: bool,
}

impl Decoder {
    /// Nothing came yet.
    pub(in super::super) fn new(cx: &DecodeCx<'_>) -> Self {
        Self { frames: SseFrames::default(), answer: Answer::new(cx), done: false }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let Self { frames, answer, done } = self;
        frames.feed(
            chunk,
            |event| if *done { Ok(Flow::Continue(())) } else { step(answer, done, event.data, sink) },
        )
    }

    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()> {
        if self.done {
            return Ok(());
        }
        let Self { frames, answer, done } = self;
        // What cannot be read at the end of a body was cut off.
        let flow = frames.finish(|event| step(answer, done, event.data, sink).map_err(|_| cut()))?;
        if self.done || flow.is_break() {
            return Ok(());
        }
        if !self.answer.is_complete() {
            return Err(cut());
        }
        self.done = true;
        match self.answer.close(sink) {
            Ok(()) | Err(Stop::Asked) => Ok(()),
            Err(Stop::Said(error) | Stop::Failed(error)) => Err(error),
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

fn step(answer: &mut Answer, done: &mut bool, data: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
    match answer.chunk(data, sink) {
        Ok(()) => Ok(Flow::Continue(())),
        Err(Stop::Asked) => Ok(Flow::Break(())),
        Err(Stop::Said(error)) => {
            *done = true;
            Ok(sink.event(Event::Error(error)))
        }
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn cut() -> ApiError {
    ApiError::upstream(ErrorKind::Connection, "the upstream's stream ended before it was complete")
}
