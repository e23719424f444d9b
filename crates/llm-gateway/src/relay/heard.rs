//! What was received of a streamed answer, kept small: should it break off, or say nothing of its usage, it is counted.
//!
//! The events of a running text differ in a few bytes, so of each only what differs from the one before is kept, which is
//! not much more than the text itself. They are read again, by the dialect's own decoder, only when they are counted.

use llm_providers::codec::{ClientCodec, DecodeCx, Memo};
use llm_providers::target::Target;
use llm_types::{Delta, Event, Flow, Op};

use crate::tokens;

/// The most that is kept of an answer, in bytes; the rest is taken to be like the beginning.
const MOST: usize = 64 * 1024;
/// A longer event is no text that somebody reads: it counts for one token.
const LONG: usize = 16 * 1024;
/// How many bytes are compared at once.
const STRIDE: usize = 16;

/// What was received.
#[derive(Debug)]
pub(super) struct Heard {
    kept: Kept,
    /// How many pieces of content are kept.
    pieces: u64,
}

#[derive(Debug)]
enum Kept {
    /// The provider's events, to be read with its codec.
    Events { codec: &'static dyn ClientCodec, op: Op, events: Events },
    /// What they said.
    Text(String),
}

/// Events, each as what differs from the one before.
#[derive(Debug, Default)]
struct Events {
    /// For each: how many bytes it begins with like the one before, how many it ends with, how many are between, and
    /// those.
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl Heard {
    /// Of a stream that passes through.
    pub(super) fn events(codec: &'static dyn ClientCodec, op: Op) -> Self {
        Self { kept: Kept::Events { codec, op, events: Events::default() }, pieces: 0 }
    }

    /// Of a stream that is read anyway.
    pub(super) fn text() -> Self {
        Self { kept: Kept::Text(String::new()), pieces: 0 }
    }

    /// Another deployment goes on: it is counted for its own part.
    pub(super) fn anew(&mut self) {
        *self = Self::text();
    }

    /// Takes note of an event that passes through, and whether it holds content.
    pub(super) fn event(&mut self, event: &[u8], pieces: u64) {
        if let Kept::Events { events, .. } = &mut self.kept
            && event.len() <= LONG
            && events.bytes.len() < MOST
        {
            events.push(event);
            self.pieces += pieces;
        }
    }

    /// Takes note of what was read.
    pub(super) fn delta(&mut self, delta: &Delta<'_>) {
        if let Kept::Text(text) = &mut self.kept
            && text.len() < MOST
            && say(delta, text)
        {
            self.pieces += 1;
        }
    }

    /// How many tokens an answer of so many pieces is, by whoever sends it.
    pub(super) fn tokens(&self, target: &Target, pieces: u64) -> u64 {
        let text = match &self.kept {
            Kept::Text(text) => text,
            Kept::Events { codec, op, events } => &read(*codec, *op, events, target),
        };
        let counted = tokens::of_text(target.model(), text);
        let rest = pieces.saturating_sub(self.pieces);
        let alike = counted.saturating_mul(rest).div_ceil(self.pieces.max(1));
        counted.saturating_add(alike.max(rest))
    }
}

/// The text of events.
fn read(codec: &'static dyn ClientCodec, op: Op, events: &Events, target: &Target) -> String {
    let memo = Memo::default();
    let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &memo };
    let mut decoder = codec.decoder(op, &cx);
    let mut text = String::new();
    let mut sink = |event: Event<'_>| {
        if let Event::Delta { delta, .. } = &event {
            say(delta, &mut text);
        }
        Flow::Continue(())
    };
    events.each(|event| decoder.feed(event, &mut sink).is_ok());
    text
}

/// Adds what a delta says; whether it is text.
fn say(delta: &Delta<'_>, text: &mut String) -> bool {
    match delta {
        Delta::Text(more)
        | Delta::Reasoning(more)
        | Delta::ToolArgs(more)
        | Delta::Refusal(more)
        | Delta::Transcript(more) => text.push_str(more),
        Delta::Signature(_)
        | Delta::Redacted(_)
        | Delta::Data(_)
        | Delta::ExpiresAt(_)
        | Delta::Citation(_)
        | Delta::LogProbs(_)
        | Delta::Extra(_) => return false,
    }
    true
}

impl Events {
    fn push(&mut self, event: &[u8]) {
        let start = alike(&self.last, event);
        let (before, rest) =
            (self.last.get(start..).unwrap_or_default(), event.get(start..).unwrap_or_default());
        let end = alike_at_end(before, rest);
        let middle = rest.get(..rest.len() - end).unwrap_or_default();
        for length in [start, end, middle.len()] {
            // None is longer than `LONG`.
            self.bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        }
        self.bytes.extend_from_slice(middle);
        self.last.clear();
        self.last.extend_from_slice(event);
    }

    /// Every event in its order, as long as that is wanted.
    fn each(&self, mut take: impl FnMut(&[u8]) -> bool) {
        let (mut rest, mut event) = (&*self.bytes, Vec::new());
        while let Some(([start, end, length], after)) = lengths(rest)
            && let Some((middle, after)) = after.split_at_checked(length)
        {
            let from = event.len().saturating_sub(end);
            event.splice(start.min(from)..from, middle.iter().copied());
            if !take(&event) {
                return;
            }
            rest = after;
        }
    }
}

fn lengths(bytes: &[u8]) -> Option<([usize; 3], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<6>()?;
    let [a, b, c, d, e, f] = *head;
    Some(([[a, b], [c, d], [e, f]].map(|pair| usize::from(u16::from_le_bytes(pair))), rest))
}

/// How many bytes both begin with.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let strides = one.chunks_exact(STRIDE).zip(other.chunks_exact(STRIDE));
    let whole = strides.take_while(|(one, other)| one == other).count() * STRIDE;
    let rest = one.iter().skip(whole).zip(other.iter().skip(whole));
    whole + rest.take_while(|(one, other)| one == other).count()
}

/// How many bytes both end with.
fn alike_at_end(one: &[u8], other: &[u8]) -> usize {
    let strides = one.rchunks_exact(STRIDE).zip(other.rchunks_exact(STRIDE));
    let whole = strides.take_while(|(one, other)| one == other).count() * STRIDE;
    let rest = one.iter().rev().skip(whole).zip(other.iter().rev().skip(whole));
    whole + rest.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use llm_providers::dialect::openai_chat;

    use super::*;

    #[test]
    fn running_text_takes_little_more_than_itself() {
        let mut heard = Heard::events(&openai_chat::Client, Op::Chat);
        let padding = "x".repeat(250);
        for nth in 0..1000 {
            let word = format!(" w{nth}");
            let event = format!(
                "data: {{\"id\":\"{padding}\",\"choices\":[{{\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n"
            );
            heard.event(event.as_bytes(), 1);
        }
        let Kept::Events { events, .. } = &heard.kept else { panic!("no events") };
        assert!(events.bytes.len() < 12_000, "{}", events.bytes.len());
        assert_eq!(heard.pieces, 1000);
    }

    #[test]
    fn events_are_read_back_as_they_were() {
        // Words of two letters, so that most of them begin and end alike; a new seed for each run of them.
        let mut seed = 1_u64;
        let mut next = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % most
        };
        for _ in 0..300 {
            let mut word =
                || (0..next(70)).map(|_| if next(9) == 0 { b'b' } else { b'a' }).collect::<Vec<_>>();
            let events: Vec<_> = (0..20).map(|_| word()).collect();
            let mut kept = Events::default();
            events.iter().for_each(|event| kept.push(event));
            let mut read = Vec::new();
            kept.each(|event| {
                read.push(event.to_vec());
                true
            });
            assert_eq!(read, events);
        }
    }
}
