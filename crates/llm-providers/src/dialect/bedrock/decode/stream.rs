//! Streamed answers to events.

use std::borrow::Cow;

use llm_types::{
    ApiError, Dialect, ErrorKind, Event, EventSink, Extra, Flow, RawValue, Result, Start, Usage, Wtf8,
};

use super::super::model::Model;
use super::super::usage::{service, usage};
use super::super::wire::{BlockDelta, BlockStart, DeltaPayload, ReasoningDelta, Stopped, Text};
use super::block::{OpenBlock, Out, unreadable};
use super::error::in_stream;
use super::finish::{Answered, finish};
use crate::codec::{DecodeCx, Memo, StreamDecoder};
use crate::dialect::think::{Piece, Splitter, Tags};
use crate::frame::{EventMessage, EventStreamFrames, MessageKind};

/// Reads a streamed answer.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    frames: EventStreamFrames,
    state: State,
}

#[derive(Debug)]
struct State {
    memo: Memo,
    model: String,
    started: bool,
    open: Option<OpenBlock>,
    /// What thoughts within text stand between, where the model has such.
    tags: Option<&'static Tags>,
    /// The block of text that is split there.
    split: Option<(u32, Splitter)>,
    parts: u32,
    answered: Answered,
    /// The members of the model's own answer, which come before the usage that they belong to.
    fields: Option<Box<RawValue>>,
    /// The answer ended; what was used may follow.
    stopped: bool,
    done: bool,
}

impl Decoder {
    /// A decoder for the answer to one call.
    pub(in super::super) fn new(cx: &DecodeCx<'_>) -> Self {
        Self {
            frames: EventStreamFrames::default(),
            state: State {
                memo: cx.memo.clone(),
                model: cx.model.to_owned(),
                started: false,
                open: None,
                tags: Model::of(cx.model).tags(),
                split: None,
                parts: 0,
                answered: Answered::default(),
                fields: None,
                stopped: false,
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
        self.frames.feed(chunk, |message| state.message(&message, sink))
    }

    fn finish(&mut self, _sink: &mut dyn EventSink) -> Result<()> {
        // Usage is the last word. An answer that ended without it is complete all the same.
        if self.state.done || (self.state.stopped && self.frames.is_whole()) {
            self.state.done = true;
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
    fn message(&mut self, message: &EventMessage<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.done {
            return Ok(Flow::Continue(()));
        }
        if message.kind != MessageKind::Event {
            self.done = true;
            return Ok(sink.event(Event::Error(in_stream(message))));
        }
        match message.name {
            "messageStart" => Ok(self.start(sink)),
            "contentBlockStart" => self.begin(message.payload, sink),
            "contentBlockDelta" => self.delta(message.payload, sink),
            "contentBlockStop" => self.end(sink),
            "messageStop" => self.stop(message.payload, sink),
            "metadata" => self.metadata(message.payload, sink),
            // An event that is not known yet.
            _ => Ok(Flow::Continue(())),
        }
    }

    fn start(&mut self, sink: &mut dyn EventSink) -> Flow {
        if std::mem::replace(&mut self.started, true) {
            return Flow::Continue(());
        }
        sink.event(Event::Start(Start { model: Cow::Borrowed(&self.model), ..Start::default() }))
    }

    fn begin(&mut self, payload: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let event: BlockStart<'_> = serde_json::from_slice(payload).map_err(unreadable)?;
        if self.start(sink).is_break() || self.end(sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        let mut out = Out { sink, part: self.parts };
        let start = event.start.unwrap_or_default();
        let begun = OpenBlock::begin(
            event.index.unwrap_or_default(),
            start,
            (&self.memo, &mut self.answered),
            &mut out,
        )?;
        Ok(self.opened(begun))
    }

    fn opened(&mut self, begun: Option<(OpenBlock, Flow)>) -> Flow {
        let Some((block, flow)) = begun else { return Flow::Continue(()) };
        self.open = Some(block);
        self.parts += 1;
        flow
    }

    fn delta(&mut self, payload: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let event: BlockDelta<'_> = serde_json::from_slice(payload).map_err(unreadable)?;
        let Some(delta) = event.delta else { return Ok(Flow::Continue(())) };
        let index = event.index.unwrap_or_default();
        match (self.tags, &delta) {
            (Some(tags), DeltaPayload { text: Some(text), citation: None, .. }) => {
                self.tagged((index, tags), text.0.clone(), sink)
            }
            _ => {
                let other = self.split.as_ref().is_some_and(|(split, _)| *split != index);
                if other && self.end(sink)?.is_break() {
                    return Ok(Flow::Break(()));
                }
                self.piece(index, delta, sink)
            }
        }
    }

    /// A piece of a text that thoughts may stand in.
    fn tagged(
        &mut self,
        (index, tags): (u32, &'static Tags),
        text: Wtf8<'_>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        if self.split.as_ref().is_none_or(|(split, _)| *split != index) {
            if self.end(sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
            self.split = Some((index, Splitter::of(tags)));
        }
        let mut pieces = Vec::new();
        if let Some((_, splitter)) = &mut self.split {
            splitter.push(text, |piece| pieces.push(piece));
        }
        self.pieces(index, pieces, sink)
    }

    fn pieces(&mut self, index: u32, pieces: Vec<Piece>, sink: &mut dyn EventSink) -> Result<Flow> {
        for piece in pieces {
            let thoughts = matches!(piece, Piece::Thought(_));
            let (Piece::Thought(text) | Piece::Text(text)) = &piece;
            let text = Some(Text(Wtf8::from(text.as_str())));
            let other = self.open.as_ref().is_some_and(|open| open.is_thoughts() != thoughts);
            if other && self.close(sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
            let delta = match thoughts {
                true => DeltaPayload {
                    reasoning: Some(ReasoningDelta { text, ..ReasoningDelta::default() }),
                    ..DeltaPayload::default()
                },
                false => DeltaPayload { text, ..DeltaPayload::default() },
            };
            if self.piece(index, delta, sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }

    fn piece(&mut self, index: u32, delta: DeltaPayload<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.open.as_ref().is_none_or(|open| open.index != index) {
            if self.start(sink).is_break() || self.close(sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
            let begun = OpenBlock::with(index, &delta, &mut Out { sink, part: self.parts });
            if self.opened(begun).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        match &mut self.open {
            Some(open) => open.delta(delta, sink),
            None => Ok(Flow::Continue(())),
        }
    }

    /// Ends a block of the upstream's.
    fn end(&mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        if let Some((index, mut splitter)) = self.split.take() {
            let mut pieces = Vec::new();
            splitter.finish(|piece| pieces.push(piece));
            if self.pieces(index, pieces, sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        self.close(sink)
    }

    /// Ends the part that is open.
    fn close(&mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        match self.open.take() {
            Some(open) => open.end(sink),
            None => Ok(Flow::Continue(())),
        }
    }

    fn stop(&mut self, payload: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let event: Stopped<'_> = serde_json::from_slice(payload).map_err(unreadable)?;
        if self.start(sink).is_break() || self.end(sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        self.stopped = true;
        let reason = event.stop_reason.unwrap_or_default();
        let mut members = Extra::default();
        if let Some(fields) = event.fields {
            let fields = fields.0.into_owned();
            members.set("additionalModelResponseFields", fields.clone());
            self.fields = Some(fields);
        }
        if told(members, sink).is_break() {
            return Ok(Flow::Break(()));
        }
        Ok(sink.event(Event::Finish { choice: 0, finish: finish(reason.as_str(), self.answered) }))
    }

    fn metadata(&mut self, payload: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let event: Stopped<'_> = serde_json::from_slice(payload).map_err(unreadable)?;
        let Stopped { stop_reason: _, fields: _, usage: counts, metrics: _, padding: _, extra } = event;
        // Before the answer has ended nothing says that this is its last event.
        self.done = self.stopped;
        if let Some(counts) = counts {
            let fields = self.fields.as_deref().map(Into::into);
            let service = service(extra.get("serviceTier"));
            let used = Usage { service, ..usage(&counts, fields.as_ref()) };
            if sink.event(Event::Usage(used)).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(told(extra.to_extra(), sink))
    }
}

/// Members of the whole answer.
fn told(members: Extra, sink: &mut dyn EventSink) -> Flow {
    if members.is_empty() {
        return Flow::Continue(());
    }
    sink.event(Event::Opaque { choice: None, dialect: Dialect::Bedrock, members: Cow::Owned(members) })
}
