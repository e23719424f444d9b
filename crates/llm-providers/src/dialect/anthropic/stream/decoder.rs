//! Streamed answers to events.

use std::borrow::Cow;

use llm_types::{ApiError, Dialect, ErrorKind, Event, EventSink, Extra, Finish, Flow, Result, Start, Str};

use super::super::client::{keep, stream_error};
use super::super::usage::Counts;
use super::super::wire::{self, BlockDelta, Raw, StreamEvent};
use super::block::{OpenBlock, Out, unreadable};
use super::{Answered, finish_of};
use crate::codec::{Memo, StreamDecoder};
use crate::frame::SseFrames;

/// Reads a streamed answer.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    frames: SseFrames,
    state: State,
}

#[derive(Debug)]
struct State {
    memo: Memo,
    started: bool,
    open: Option<OpenBlock>,
    parts: u32,
    counts: Counts,
    answered: Answered,
    finish: Option<Finish>,
    done: bool,
}

impl Decoder {
    /// A decoder for the answer to the call that left `memo`.
    pub(in super::super) fn new(memo: Memo) -> Self {
        Self {
            frames: SseFrames::default(),
            state: State {
                memo,
                started: false,
                open: None,
                parts: 0,
                counts: Counts::default(),
                answered: Answered::default(),
                finish: None,
                done: false,
            },
        }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.state.done {
            return Ok(Flow::Continue(()));
        }
        let state = &mut self.state;
        self.frames.feed(chunk, |event| state.data(event.data, sink))
    }

    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()> {
        if !self.state.done {
            let state = &mut self.state;
            let last = self.frames.finish(|event| state.data(event.data, sink));
            // Half an event is a stream cut short, whatever the half looks like; an error is an error.
            if let Err(error) = last
                && error.kind != ErrorKind::UpstreamFormat
            {
                return Err(error);
            }
        }
        if self.state.done {
            return Ok(());
        }
        let message = "the upstream's stream ended before it was complete";
        Err(ApiError::upstream(ErrorKind::Connection, message))
    }

    fn is_done(&self) -> bool {
        self.state.done
    }
}

impl State {
    fn data(&mut self, data: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.done || data == b"[DONE]" {
            return Ok(Flow::Continue(()));
        }
        let event: StreamEvent<'_> = match serde_json::from_slice(data) {
            Ok(event) => event,
            Err(error) => return Err(broken(data).unwrap_or_else(|| unreadable(error))),
        };
        let StreamEvent {
            kind,
            index,
            message,
            content_block,
            delta,
            usage,
            context_management,
            error,
            extra: _,
        } = event;
        if let Some(error) = error {
            return Err(stream_error(&error, data));
        }
        match kind.unwrap_or_default().as_str() {
            "message_start" => self.start(message.as_ref(), sink),
            "content_block_start" => self.block_start(index, content_block.as_ref(), sink),
            "content_block_delta" => self.block_delta(index, delta.unwrap_or_default(), sink),
            "content_block_stop" => self.block_stop(sink),
            "message_delta" => self.message_delta(delta, (usage, context_management), sink),
            "message_stop" => self.stop(sink),
            // `ping`, and whatever is new.
            _ => Ok(Flow::Continue(())),
        }
    }

    fn start(&mut self, message: Option<&Raw<'_>>, sink: &mut dyn EventSink) -> Result<Flow> {
        let message: wire::Reply<'_> = match message {
            Some(raw) => serde_json::from_str(raw.get()).map_err(unreadable)?,
            None => wire::Reply::default(),
        };
        let mut extra = message.extra.to_extra();
        let mut tier = None;
        let reported = message.usage.is_some();
        if let Some(mut usage) = message.usage {
            self.counts.merge(&usage);
            keep(&mut extra, "inference_geo", usage.inference_geo.take());
            keep(&mut extra, "speed", usage.speed.take());
            tier = usage.service_tier.take();
        }
        keep(&mut extra, "container", message.container);
        if !self.started {
            self.started = true;
            let flow = sink.event(Event::Start(Start {
                id: message.id.unwrap_or_default().0,
                model: message.model.unwrap_or_default().0,
                service_tier: tier.map(|tier| tier.0),
                ..Start::default()
            }));
            if flow.is_break() {
                return Ok(flow);
            }
        }
        if reported && sink.event(Event::Usage(self.counts.usage())).is_break() {
            return Ok(Flow::Break(()));
        }
        Ok(members(extra, sink))
    }

    fn block_start(
        &mut self,
        index: Option<u32>,
        block: Option<&Raw<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        if self.block_stop(sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        let Some(block) = block else {
            let message = "the upstream's stream opens a block without content_block";
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
        };
        let part = self.parts;
        self.parts = self.parts.saturating_add(1);
        let index = index.unwrap_or(part);
        let (open, answered, flow) = OpenBlock::start(index, block, &self.memo, &mut Out::new(sink, part))?;
        self.answered = self.answered.and(answered);
        self.open = Some(open);
        Ok(flow)
    }

    fn block_delta(
        &mut self,
        index: Option<u32>,
        delta: BlockDelta<'_>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        match &mut self.open {
            Some(open) if index.is_none_or(|index| index == open.index) => open.delta(delta, sink),
            _ => {
                let message = "the upstream's stream holds a piece of a block that is not open";
                Err(ApiError::upstream(ErrorKind::UpstreamFormat, message))
            }
        }
    }

    fn block_stop(&mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        match self.open.take() {
            Some(open) => open.end(sink),
            None => Ok(Flow::Continue(())),
        }
    }

    fn message_delta(
        &mut self,
        delta: Option<BlockDelta<'_>>,
        (usage, context_management): (Option<Raw<'_>>, Option<Raw<'_>>),
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let mut extra = Extra::default();
        if let Some(delta) = delta {
            let stop_sequence: Option<Str<'_>> = delta.stop_sequence;
            if let Some(reason) = delta.stop_reason {
                self.finish = Some(finish_of(reason.as_str(), stop_sequence, self.answered));
            }
            keep(&mut extra, "stop_details", delta.stop_details);
            keep(&mut extra, "container", delta.container);
        }
        keep(&mut extra, "context_management", context_management);
        if let Some(usage) = usage {
            let usage: wire::Usage<'_> = serde_json::from_str(usage.get()).map_err(unreadable)?;
            self.counts.merge(&usage);
            if sink.event(Event::Usage(self.counts.usage())).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(members(extra, sink))
    }

    fn stop(&mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.block_stop(sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        self.done = true;
        match self.finish.take() {
            Some(finish) => Ok(sink.event(Event::Finish { choice: 0, finish })),
            None => Ok(Flow::Continue(())),
        }
    }
}

/// Members of the whole answer.
fn members(extra: Extra, sink: &mut dyn EventSink) -> Flow {
    if extra.is_empty() {
        return Flow::Continue(());
    }
    sink.event(Event::Opaque { choice: None, dialect: Dialect::Anthropic, members: Cow::Owned(extra) })
}

/// The error that a proxy appended to half an event: it stands alone on the last line of the data.
fn broken(data: &[u8]) -> Option<ApiError> {
    let last = data.rsplit(|byte| *byte == b'\n').next()?;
    let event: StreamEvent<'_> = serde_json::from_slice(last).ok()?;
    event.error.map(|error| stream_error(&error, last))
}
