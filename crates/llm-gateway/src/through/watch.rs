//! What is read of an answer on its way through: what it used, and who answered.
//!
//! Nothing is held back for it, and nothing of it is an error: an answer that cannot be read goes through all the same.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use llm_providers::codec::{ClientCodec, Seen, StreamTap, Tapped};
use llm_providers::frame::Framing;
use llm_providers::target::Target;
use llm_providers::{dialect, own_api};
use llm_types::{Op, Usage};

use super::reading::Reading;
use crate::belief::Belief;

/// The largest answer that is kept to be read at its end, in bytes: of a larger one nothing is known.
const WHOLE_LIMIT: usize = 32 * 1024 * 1024;
/// The largest event that is read, in bytes: a picture may be in one, and what it used beside it.
const EVENT_LIMIT: usize = 32 * 1024 * 1024;

/// Reads an answer on its way.
#[derive(Debug)]
pub(super) struct Watch {
    way: How,
    usage: Option<Usage>,
    model: Option<String>,
    /// Which usage is believed; `None`: any.
    belief: Option<Belief>,
    /// About as many tokens.
    pub(super) pieces: u64,
}

#[derive(Debug)]
enum How {
    /// All of it at its end, by the dialect that it may be in.
    Whole { pieces: Vec<Bytes>, size: usize, dialects: Vec<(&'static dyn ClientCodec, Op)> },
    /// Event by event.
    Events {
        framing: Framing,
        tap: Option<Box<dyn StreamTap>>,
        tail: BytesMut,
        /// How much of the tail is known to hold no event's end.
        searched: usize,
    },
    /// Nothing is read.
    Blind,
}

impl Watch {
    /// Watches the answer to a call; `framing`: how its events are told apart, where it is a stream of them.
    pub(super) fn of(
        reading: &Reading,
        target: &Target,
        headers: &HeaderMap,
        framing: Option<Framing>,
    ) -> Self {
        let own = reading.front.and_then(|(front, _)| Some((dialect::client(front.dialect)?, front.op)));
        let native = || dialect::client(target.dialect()).map(|codec| (codec, reading.asked.op));
        let way = match framing {
            // What is no front's is read by the dialect of its provider.
            Some(framing) => {
                let tap = own.or_else(|| native().filter(|_| reading.acts));
                let tap = tap.map(|(codec, op)| codec.stream_tap(op));
                How::Events { framing, tap, tail: BytesMut::new(), searched: 0 }
            }
            None if reading.acts => {
                let dialects = own.or_else(native).into_iter().collect();
                How::Whole { pieces: Vec::new(), size: 0, dialects }
            }
            None => How::Blind,
        };
        let implied = || reading.implied(target);
        let usage = own_api::told_by_headers(headers).or_else(implied).filter(|_| reading.acts);
        Self { way, usage, model: None, belief: None, pieces: 0 }
    }

    /// Watches nothing: what it is an answer to costs nothing.
    pub(super) fn blind() -> Self {
        Self { way: How::Blind, usage: None, model: None, belief: None, pieces: 0 }
    }

    /// Which usage is believed.
    pub(super) fn believing(self, belief: Belief) -> Self {
        Self { belief: Some(belief), ..self }
    }

    /// What the answer used, as far as it said so and can be believed; zeros say nothing.
    pub(super) fn usage(&self) -> Option<&Usage> {
        let tapped = match &self.way {
            How::Events { tap: Some(tap), .. } => tap.usage(),
            _ => None,
        };
        let is_true = |usage: &Usage| self.belief.as_ref().is_none_or(|belief| belief.holds(usage));
        let told = [tapped, self.usage.as_ref()].into_iter().flatten();
        told.filter(|usage| !usage.is_empty()).find(|usage| is_true(usage))
    }

    /// The model that the answer names.
    pub(super) fn model(&self) -> Option<&str> {
        match &self.way {
            How::Events { tap: Some(tap), .. } => tap.model().or(self.model.as_deref()),
            _ => self.model.as_deref(),
        }
    }

    /// Whether something is known only at the end.
    pub(super) fn reads_at_end(&self) -> bool {
        matches!(self.way, How::Whole { .. })
    }

    /// Looks at the next bytes.
    pub(super) fn see(&mut self, chunk: &Bytes) {
        match &mut self.way {
            How::Blind => {}
            How::Whole { pieces, size, .. } => {
                *size += chunk.len();
                if *size > WHOLE_LIMIT {
                    self.way = How::Blind;
                } else {
                    pieces.push(chunk.clone());
                }
            }
            How::Events { tail, .. } => {
                tail.extend_from_slice(chunk);
                let bytes = self.whole_events();
                self.events(&bytes);
            }
        }
    }

    /// The events that are complete.
    fn whole_events(&mut self) -> Bytes {
        let How::Events { framing, tail, searched, .. } = &mut self.way else { return Bytes::new() };
        let mut end = framing.first_end(tail, *searched).unwrap_or(0);
        while end > 0
            && let Some((event, _)) = framing.split(tail.get(end..).unwrap_or_default())
        {
            end += event.len();
        }
        let whole = tail.split_to(end).freeze();
        *searched = tail.len();
        if tail.len() > EVENT_LIMIT {
            self.usage = self.usage().cloned();
            self.model = self.model().map(str::to_owned);
            self.way = How::Blind;
        }
        whole
    }

    fn events(&mut self, bytes: &[u8]) {
        let How::Events { framing, .. } = self.way else { return };
        let mut rest = bytes;
        while let Some((event, after)) = framing.split(rest) {
            rest = after;
            let How::Events { tap, .. } = &mut self.way else { return };
            let is_told = tap.as_mut().map(|tap| {
                let content = matches!(tap.see(event), Seen::Content);
                (content, tap.usage().is_some())
            });
            self.pieces += u64::from(is_told.is_none_or(|(content, _)| content));
            if framing == Framing::Messages || is_told.is_some_and(|(_, is_told)| is_told) {
                continue;
            }
            for line in event.split(|byte| *byte == b'\n') {
                let data = if framing == Framing::Lines { Some(line) } else { line.strip_prefix(b"data:") };
                if let Some(data) = data {
                    self.take(own_api::told(data.trim_ascii()));
                }
            }
        }
    }

    fn take(&mut self, Tapped { usage, model }: Tapped<'_>) {
        self.usage = usage.filter(|usage| !usage.is_empty()).or(self.usage.take());
        self.model = self.model.take().or_else(|| model.map(std::borrow::Cow::into_owned));
    }

    /// The answer is over.
    pub(super) fn finish(&mut self) {
        match &mut self.way {
            How::Blind => {}
            How::Events { framing, tail, .. } => {
                let mut last = tail.split();
                if let Some(end) = framing.lacks(&last) {
                    last.extend_from_slice(end);
                    self.events(&last);
                }
            }
            How::Whole { pieces, size, dialects } => {
                let body = match std::mem::take(pieces).as_slice() {
                    [one] => one.clone(),
                    pieces => {
                        let mut all = BytesMut::with_capacity(*size);
                        pieces.iter().for_each(|piece| all.extend_from_slice(piece));
                        all.freeze()
                    }
                };
                let dialects = std::mem::take(dialects);
                let bodies = own_api::bodies(&body);
                let read = bodies.iter().flat_map(|body| {
                    dialects.iter().filter_map(move |(codec, op)| codec.tap(*op, body).ok())
                });
                let usual = bodies.iter().map(|body| own_api::told(body));
                let first = bodies.first().map(|body| own_api::told(body));
                let says = |tapped: &Tapped<'_>| tapped.usage.as_ref().is_some_and(|usage| !usage.is_empty());
                let told = read.chain(usual).find(says).or(first);
                if let Some(told) = told {
                    self.take(told);
                }
            }
        }
    }
}
