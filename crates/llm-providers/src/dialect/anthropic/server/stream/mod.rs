//! A streamed answer as the events of the Messages API.
//!
//! The rules that its clients rely on: `message_start` once and first; blocks numbered from 0, one after the
//! other, each closed before the next begins; `message_delta` with why the answer ended and what it used;
//! `message_stop`. Upstreams that send several calls at once are put in order: one call is live, the others
//! wait. A block begins with its first content, so that there are no empty ones.

mod live;
mod queue;

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::{ApiError, Delta, Dialect, Event, EventSink, Extra, Finish, Flow, PartStart, Start, Usage};

use super::encode::{Message, message_id};
use super::error;
use super::finish::{Held, stop_reason};
use super::usage::{self, Beside, Counts, rest};
use crate::codec::{ReplyCx, StreamEncoder};
use crate::dialect::json;
use live::Live;
use queue::Queue;

/// The event that means nothing.
pub(super) const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// Writes the events of one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    cx: ReplyCx,
    out: BytesMut,
    /// What `message_start` will say.
    start: Option<Start<'static>>,
    started: bool,
    usage: Option<Usage>,
    /// Anthropic's own members of the answer.
    members: Extra,
    finish: Option<Finish>,
    held: Held,
    /// How many blocks began.
    blocks: u32,
    live: Option<Live>,
    queue: Queue,
    failed: bool,
}

impl Encoder {
    /// An encoder for one stream.
    pub(super) fn new(cx: ReplyCx) -> Self {
        Self {
            cx,
            out: BytesMut::new(),
            start: None,
            started: false,
            usage: None,
            members: Extra::default(),
            finish: None,
            held: Held::default(),
            blocks: 0,
            live: None,
            queue: Queue::default(),
            failed: false,
        }
    }

    /// `message_start`, once: it waits for the first content, so that it can tell what the prompt used.
    fn begin(&mut self) {
        if self.started {
            return;
        }
        self.started = true;
        let start = self.start.take().unwrap_or_default();
        let counts = self.usage.clone().unwrap_or_default();
        // The end says only what comes later.
        let own = std::mem::take(&mut self.members);
        let members = Some(&own);
        let message = Message {
            id: message_id(&start.id, &self.cx.id),
            model: if start.model.is_empty() { &self.cx.model } else { &start.model },
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: usage::counts(&counts, Beside { tier: start.service_tier.as_deref(), members }),
            members,
        };
        self.out.put_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        json::value(&mut self.out, &message);
        self.out.put_slice(b"}\n\n");
    }

    fn part_start(&mut self, part: u32, start: PartStart<'_>) {
        match &start {
            PartStart::ToolCall { .. } => self.held.calls = true,
            PartStart::Refusal => self.held.refusal = true,
            _ => {}
        }
        if self.live.as_ref().is_some_and(Live::is_over) {
            self.end_live();
        }
        if self.live.is_some() {
            self.queue.start(part, start);
        } else {
            self.live = Some(Live::new(part, start));
        }
    }

    fn part_delta(&mut self, part: u32, delta: Delta<'_>) {
        match self.live.take() {
            Some(mut live) if live.part == part => {
                live.delta(delta, self);
                self.live = Some(live);
            }
            other => {
                self.live = other;
                self.queue.delta(part, delta);
            }
        }
    }

    fn part_end(&mut self, part: u32) {
        if self.live.as_ref().is_some_and(|live| live.part == part) {
            self.end_live();
        } else {
            self.queue.end(part);
        }
    }

    /// Ends the live part; those that wait go out until one of them is not over.
    fn end_live(&mut self) {
        if let Some(live) = self.live.take() {
            live.end(self);
        }
        while let Some(waiting) = self.queue.next() {
            let mut live = Live::new(waiting.part, waiting.start);
            for delta in waiting.deltas {
                live.delta(delta, self);
            }
            if !waiting.ended {
                self.live = Some(live);
                return;
            }
            live.end(self);
        }
    }

    fn end_all(&mut self) {
        while self.live.is_some() {
            self.end_live();
        }
    }

    /// A block begins: its number.
    fn open(&mut self, block: impl FnOnce(&mut BytesMut)) -> u32 {
        self.begin();
        let index = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        self.out.put_slice(b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        json::number(&mut self.out, u64::from(index));
        self.out.put_slice(b",\"content_block\":");
        block(&mut self.out);
        self.out.put_slice(b"}\n\n");
        index
    }

    /// A piece of a block; `delta` writes what stands in its object.
    fn piece(&mut self, index: u32, delta: impl FnOnce(&mut BytesMut)) {
        self.out.put_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        json::number(&mut self.out, u64::from(index));
        self.out.put_slice(b",\"delta\":{");
        delta(&mut self.out);
        self.out.put_slice(b"}}\n\n");
    }

    fn close(&mut self, index: u32) {
        self.out.put_slice(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        json::number(&mut self.out, u64::from(index));
        self.out.put_slice(b"}\n\n");
    }

    /// `message_delta`: why the answer ended, and what it used.
    fn end_message(&mut self) {
        let reason = stop_reason(self.finish.as_ref(), self.held);
        let sequence = self.finish.as_ref().and_then(|finish| finish.stop_sequence.as_deref());
        let counts: Counts<'_> =
            usage::counts(self.usage.as_ref().unwrap_or(&Usage::default()), Beside::default());
        let out = &mut self.out;
        out.put_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":");
        json::string(out, reason);
        out.put_slice(b",\"stop_sequence\":");
        json::value(out, &sequence);
        for (name, value) in rest(&self.members).filter(|(name, _)| *name != CONTEXT) {
            put_member(out, name, value.get());
        }
        out.put_slice(b"},\"usage\":");
        json::value(out, &counts);
        if let Some(value) = self.members.get(CONTEXT) {
            put_member(out, CONTEXT, value.get());
        }
        out.put_slice(b"}\n\n");
    }
}

/// The member that stands beside the delta, not in it.
const CONTEXT: &str = "context_management";

/// `,"name":value`
fn put_member(out: &mut BytesMut, name: &str, value: &str) {
    out.put_u8(b',');
    json::string(out, name);
    out.put_u8(b':');
    out.put_slice(value.as_bytes());
}

impl EventSink for Encoder {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match event {
            Event::Start(start) => {
                if let Event::Start(start) = Event::Start(start).into_owned() {
                    self.start.get_or_insert(start);
                }
            }
            Event::PartStart { choice: 0, part, start } => self.part_start(part, start),
            Event::Delta { choice: 0, part, delta } => self.part_delta(part, delta),
            Event::PartEnd { choice: 0, part } => self.part_end(part),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice: 0, finish } => {
                self.end_all();
                self.finish = Some(finish);
            }
            Event::Error(error) => {
                self.fail(&error);
                return Flow::Break(());
            }
            Event::Opaque { choice: None, dialect: Dialect::Anthropic, members } => {
                for (name, value) in members.iter() {
                    self.members.set(name, value.to_owned());
                }
            }
            // Further choices have no form here, and members of another dialect no meaning.
            Event::PartStart { .. }
            | Event::Delta { .. }
            | Event::PartEnd { .. }
            | Event::Finish { .. }
            | Event::Opaque { .. } => {}
        }
        Flow::Continue(())
    }
}

impl StreamEncoder for Encoder {
    fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn finish(&mut self) {
        if self.failed {
            return;
        }
        // Nothing was written here: the bytes of another stream went out, which lack their last event.
        let other = !self.started && self.start.is_none() && self.live.is_none() && self.finish.is_none();
        if !other {
            self.end_all();
            self.begin();
            self.end_message();
        }
        self.out.put_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    fn fail(&mut self, error: &ApiError) {
        self.failed = true;
        self.out.put_slice(b"event: error\ndata: ");
        self.out.put_slice(&error::body(error).1);
        self.out.put_slice(b"\n\n");
    }
}
