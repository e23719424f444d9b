//! What is read of an answer on its way through: what it used, and who answered.
//!
//! Nothing is held back for it, and nothing of it is an error: an answer that cannot be read goes through all the same.

use bytes::{Bytes, BytesMut};
use llm_providers::codec::{ClientCodec, Seen, StreamTap, Tapped};
use llm_providers::frame::{is_whole, split_event};
use llm_providers::{dialect, own_api};
use llm_types::{Dialect, Op, Usage};

use super::reading::Reading;

/// The largest answer that is kept to be read at its end, in bytes: of a larger one nothing is known.
const WHOLE_LIMIT: usize = 32 * 1024 * 1024;
/// The largest event that is read, in bytes.
const EVENT_LIMIT: usize = 1024 * 1024;

/// Reads an answer on its way.
#[derive(Debug)]
pub(super) struct Watch {
    way: How,
    usage: Option<Usage>,
    model: Option<String>,
    /// About as many tokens.
    pub(super) pieces: u64,
}

#[derive(Debug)]
enum How {
    /// All of it at its end, by the dialect that it may be in.
    Whole { pieces: Vec<Bytes>, size: usize, dialects: Vec<(&'static dyn ClientCodec, Op)> },
    /// Event by event.
    Events { tap: Option<Box<dyn StreamTap>>, tail: BytesMut },
    /// Nothing is read.
    Blind,
}

impl Watch {
    /// Watches the answer to a call; `provider` is what the provider speaks, `events` whether it streams.
    pub(super) fn of(reading: &Reading, provider: Dialect, events: bool) -> Self {
        let own = reading.front.and_then(|(front, _)| Some((dialect::client(front.dialect)?, front.op)));
        let way = if events {
            How::Events { tap: own.map(|(codec, op)| codec.stream_tap(op)), tail: BytesMut::new() }
        } else if reading.acts {
            let native = || dialect::client(provider).map(|codec| (codec, Op::Chat));
            let dialects = own.or_else(native).into_iter().collect();
            How::Whole { pieces: Vec::new(), size: 0, dialects }
        } else {
            How::Blind
        };
        Self { way, usage: None, model: None, pieces: 0 }
    }

    /// Watches nothing: what it is an answer to costs nothing.
    pub(super) fn blind() -> Self {
        Self { way: How::Blind, usage: None, model: None, pieces: 0 }
    }

    /// What the answer used, as far as it said so; zeros say nothing.
    pub(super) fn usage(&self) -> Option<&Usage> {
        let usage = match &self.way {
            How::Events { tap: Some(tap), .. } => tap.usage().or(self.usage.as_ref()),
            _ => self.usage.as_ref(),
        };
        usage.filter(|usage| !usage.is_empty())
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
        let How::Events { tail, .. } = &mut self.way else { return Bytes::new() };
        let mut end = 0;
        while let Some((event, _)) = split_event(tail.get(end..).unwrap_or_default()) {
            end += event.len();
        }
        let whole = tail.split_to(end).freeze();
        if tail.len() > EVENT_LIMIT {
            self.way = How::Blind;
        }
        whole
    }

    fn events(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((event, after)) = split_event(rest) {
            rest = after;
            let How::Events { tap, .. } = &mut self.way else { return };
            match tap {
                Some(tap) => self.pieces += u64::from(matches!(tap.see(event), Seen::Content)),
                None => {
                    self.pieces += 1;
                    for line in event.split(|byte| *byte == b'\n') {
                        if let Some(data) = line.strip_prefix(b"data:") {
                            let told = own_api::told(data.trim_ascii());
                            self.take(told);
                        }
                    }
                }
            }
        }
    }

    fn take(&mut self, Tapped { usage, model }: Tapped<'_>) {
        self.usage = usage.or(self.usage.take());
        self.model = self.model.take().or_else(|| model.map(std::borrow::Cow::into_owned));
    }

    /// The answer is over.
    pub(super) fn finish(&mut self) {
        match &mut self.way {
            How::Blind => {}
            How::Events { tail, .. } => {
                let mut last = tail.split();
                if is_whole(&last) {
                    last.extend_from_slice(b"\n\n");
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
                let mut tapped = dialects.into_iter().filter_map(|(codec, op)| codec.tap(op, &body).ok());
                let told =
                    tapped.find(|tapped| tapped.usage.is_some()).unwrap_or_else(|| own_api::told(&body));
                self.take(told);
            }
        }
    }
}
