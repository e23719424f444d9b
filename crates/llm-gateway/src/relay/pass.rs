//! The same dialect on both sides: complete events go on as the bytes they are.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use llm_providers::codec::{Seen, ServerCodec, StreamEncoder, StreamTap};
use llm_providers::frame::{is_whole, split_event};
use llm_providers::mark::Mark;
use llm_types::{ApiError, ErrorKind, Result};

use super::{Facts, UsageEvent, push};

/// The largest incomplete event that is held, in bytes: a picture in base64 must fit.
const TAIL_LIMIT: usize = 32 * 1024 * 1024;
/// The longest end of an event, in bytes: a line's end and an empty line, `\n\r\n`.
const BREAK: usize = 3;

/// Lets complete events through.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) tap: Box<dyn StreamTap>,
    pub(super) tail: BytesMut,
    pub(super) usage: UsageEvent,
    pub(super) done: bool,
    /// The client's own frame around the events, where it is another.
    pub(super) frame: Option<Box<dyn StreamEncoder>>,
    /// The provider's own words that it broke off, and what came behind them.
    pub(super) parting: Vec<Bytes>,
    /// Goes into the ids.
    pub(super) mark: Option<(&'static dyn ServerCodec, Arc<Mark>)>,
}

impl Pass {
    pub(super) fn new(tap: Box<dyn StreamTap>, usage: UsageEvent) -> Self {
        Self { tap, tail: BytesMut::new(), usage, done: false, frame: None, parting: Vec::new(), mark: None }
    }

    pub(super) fn feed(&mut self, chunk: Bytes, facts: &mut Facts, out: &mut VecDeque<Bytes>) -> Result<()> {
        let Some(mut frame) = self.frame.take() else {
            return self.events(chunk, facts, out);
        };
        let mut events = VecDeque::new();
        let result = self.events(chunk, facts, &mut events);
        for run in &events {
            let mut rest: &[u8] = run;
            while let Some((event, after)) = split_event(rest) {
                frame.pass(event);
                rest = after;
            }
        }
        push(out, frame.take());
        self.frame = Some(frame);
        // In another frame only its own error is one.
        self.parting.clear();
        result
    }

    fn events(&mut self, chunk: Bytes, facts: &mut Facts, out: &mut VecDeque<Bytes>) -> Result<()> {
        let bytes = if self.tail.is_empty() {
            chunk
        } else {
            // Only the new bytes can end the event: a large one must not be read again with each chunk.
            let from = self.tail.len().saturating_sub(BREAK - 1);
            self.tail.extend_from_slice(&chunk);
            if split_event(self.tail.get(from..).unwrap_or_default()).is_none() {
                return self.bounded();
            }
            self.tail.split().freeze()
        };
        // From `run` to `at`: complete events that go on together.
        let (mut run, mut at) = (0, 0);
        let mut failed = None;
        while let Some((event, _)) = split_event(bytes.get(at..).unwrap_or_default()) {
            let end = at + event.len();
            let seen = self.tap.see(event);
            if let (Seen::Quiet | Seen::Content, Some(heard)) = (&seen, &mut facts.heard) {
                heard.event(event, u64::from(matches!(seen, Seen::Content)));
            }
            match seen {
                Seen::Quiet => {}
                Seen::Content => {
                    facts.content = true;
                    facts.pieces += 1;
                }
                Seen::Usage if self.usage == UsageEvent::Withheld => {
                    push(out, bytes.slice(run..at));
                    run = end;
                }
                Seen::Usage => {}
                Seen::Done => self.done = true,
                Seen::Error(error) => {
                    failed = Some(error);
                    break;
                }
                Seen::Failed(error) => {
                    let said = self.marked(event).unwrap_or_else(|| bytes.slice(at..end));
                    self.parting = vec![said, bytes.slice(end..)];
                    failed = Some(error);
                    break;
                }
            }
            if run < end
                && let Some(marked) = self.marked(event)
            {
                push(out, bytes.slice(run..at));
                push(out, marked);
                run = end;
            }
            at = end;
        }
        if let Some(error) = failed {
            push(out, bytes.slice(run..at));
            return Err(error);
        }
        if self.done {
            // Nothing more is looked at: what comes behind the last event goes on as it comes.
            push(out, bytes.slice(run..));
            return Ok(());
        }
        if run == 0 && at == bytes.len() {
            // The usual case: whole events and nothing else.
            push(out, bytes);
            return Ok(());
        }
        push(out, bytes.slice(run..at));
        self.tail.extend_from_slice(bytes.get(at..).unwrap_or_default());
        self.bounded()
    }

    /// The upstream closed its stream. Some do so without the blank line behind their last event, which may be
    /// the one with the usage; half an event is none.
    pub(super) fn finish(&mut self, facts: &mut Facts, out: &mut VecDeque<Bytes>) -> Result<()> {
        let mut tail = self.tail.split();
        if !self.done && is_whole(&tail) {
            let end: &[u8] = if tail.ends_with(b"\n") { b"\n" } else { b"\n\n" };
            tail.extend_from_slice(end);
            self.feed(tail.freeze(), facts, out)?;
        }
        if self.tap.is_done() {
            if let Some(frame) = &mut self.frame {
                frame.finish();
                push(out, frame.take());
            }
            return Ok(());
        }
        Err(ApiError::upstream(ErrorKind::Connection, "the upstream's stream ended before it was complete"))
    }

    /// An event with its mark in its ids, where it needs one.
    fn marked(&self, event: &[u8]) -> Option<Bytes> {
        let (front, mark) = self.mark.as_ref()?;
        front.mark_event(event, mark)
    }

    fn bounded(&self) -> Result<()> {
        if self.tail.len() > TAIL_LIMIT {
            return Err(ApiError::upstream(
                ErrorKind::UpstreamFormat,
                "an event of the upstream's stream is larger than 32 MiB",
            ));
        }
        Ok(())
    }
}
