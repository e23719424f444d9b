//! A streamed answer.
//!
//! The end of a choice is held back until nothing more can come: usage and late text may follow its finish
//! reason.

use std::borrow::Cow;

use llm_types::{
    ApiError, Delta, Dialect, ErrorKind, Event, EventSink, Extra, Flow, PartStart, Result, Start,
    SurrogateCarry,
};
use smallvec::SmallVec;

use super::super::super::openai_chat;
use super::super::super::scalar::Word;
use super::super::logprob;
use super::super::wire::{self, Completion, without_padding};
use super::decode;
use crate::codec::StreamDecoder;
use crate::frame::{SseEvent, SseFrames};

/// The most choices that a stream may have: several prompts may have several answers each.
const CHOICE_LIMIT: usize = 2048;

/// Reads one stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    frames: SseFrames,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    started: bool,
    done: bool,
    choices: SmallVec<[Choice; 1]>,
    /// Members of the whole reply, as last handed on: they are repeated in each event.
    members: Extra,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    open: bool,
    carry: SurrogateCarry,
    finish: Option<String>,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let Self { frames, state } = self;
        frames.feed(chunk, |event| state.event(event, sink))
    }

    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()> {
        let Self { frames, state } = self;
        if state.done {
            return Ok(());
        }
        match frames.finish(|event| state.event(event, sink)) {
            Ok(_) => {}
            // Half an event is no event: whether the answer was complete decides.
            Err(error) if error.kind == ErrorKind::UpstreamFormat => {}
            Err(error) => return Err(error),
        }
        if state.done {
            return Ok(());
        }
        if state.choices.is_empty() || state.choices.iter().any(|choice| choice.finish.is_none()) {
            return Err(ApiError::upstream(
                ErrorKind::Connection,
                "the upstream's stream ended before it was complete",
            ));
        }
        let _ = state.close(sink)?;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.state.done
    }
}

impl State {
    fn event(&mut self, event: SseEvent<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let data = event.data.trim_ascii();
        if self.done || data.is_empty() {
            return Ok(Flow::Continue(()));
        }
        if data == b"[DONE]" {
            return self.close(sink);
        }
        let text = String::from_utf8_lossy(data);
        if event.name == "error" {
            return Err(openai_chat::failure(&text));
        }
        let chunk: Completion<'_> = serde_json::from_str(&text).map_err(|cause| {
            decode::format("an event of the upstream's stream is not a text completion").with_source(cause)
        })?;
        decode::failure(&chunk, &text)?;
        self.chunk(chunk, sink)
    }

    fn chunk(&mut self, chunk: Completion<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let Completion {
            id,
            object: _,
            created,
            model,
            choices,
            usage,
            service_tier,
            system_fingerprint,
            error: _,
            mut extra,
        } = chunk;
        let choices = choices.unwrap_or_default();
        let id = id.unwrap_or_default();
        // Azure's first event has filter results only: neither an id nor a choice.
        let nameless = id.0.is_empty() && choices.is_empty();
        if !self.started && !nameless {
            self.started = true;
            let start = Start {
                id: id.0,
                model: model.unwrap_or_default().0,
                created: created.map(|count| count.0).filter(|at| *at > 0),
                service_tier: service_tier.and_then(Word::non_empty),
                system_fingerprint: system_fingerprint.and_then(Word::non_empty),
            };
            if sink.event(Event::Start(start)).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        without_padding(&mut extra);
        if self.beside(&extra, sink).is_break() {
            return Ok(Flow::Break(()));
        }
        for (at, one) in choices.into_iter().enumerate() {
            if self.choice(at, one, sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        let used = usage.and_then(|usage| usage.0).and_then(openai_chat::read_usage);
        // Some providers send zeros until the end.
        Ok(match used.filter(|used| used.total_tokens() > 0) {
            Some(used) => sink.event(Event::Usage(used)),
            None => Flow::Continue(()),
        })
    }

    /// Hands on members of the whole reply that are new or have changed.
    fn beside(&mut self, extra: &llm_types::Members<'_>, sink: &mut dyn EventSink) -> Flow {
        let mut fresh = Extra::default();
        for (name, value) in extra.iter() {
            if self.members.get(name).is_none_or(|known| known.get() != value.get()) {
                fresh.set(name, value.to_owned());
                self.members.set(name, value.to_owned());
            }
        }
        if fresh.is_empty() {
            return Flow::Continue(());
        }
        let members = Cow::Owned(fresh);
        sink.event(Event::Opaque { choice: None, dialect: Dialect::OpenaiCompletions, members })
    }

    fn choice(&mut self, at: usize, one: wire::Choice<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let wire::Choice { text, index, logprobs, finish_reason, mut extra } = one;
        let index = index.map(|count| count.0).or_else(|| u64::try_from(at).ok()).unwrap_or_default();
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let word = finish_reason.and_then(|word| word.0).filter(|word| !word.0.is_empty());
        if let Some(word) = &word {
            decode::finish(&word.0)?;
        }
        let choice = self.state_of(index)?;
        let text = choice.carry.join(text.unwrap_or_default().0);
        let mut flow = choice.text(text, sink);
        if let (Flow::Continue(()), Some(log_probs)) =
            (flow, logprobs.and_then(|wire| wire.0).and_then(logprob::read))
        {
            let delta = Delta::LogProbs(Cow::Owned(log_probs));
            flow = sink.event(Event::Delta { choice: index, part: 0, delta });
        }
        without_padding(&mut extra);
        if flow.is_continue() && !extra.is_empty() {
            let members = Cow::Owned(extra.to_extra());
            let dialect = Dialect::OpenaiCompletions;
            flow = sink.event(Event::Opaque { choice: Some(index), dialect, members });
        }
        if let Some(word) = word {
            choice.finish = Some(word.0.into_owned());
        }
        Ok(flow)
    }

    fn state_of(&mut self, index: u32) -> Result<&mut Choice> {
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None if self.choices.len() == CHOICE_LIMIT => {
                return Err(decode::format("the upstream's stream has more than 2048 choices"));
            }
            None => {
                let carry = SurrogateCarry::default();
                self.choices.push(Choice { index, open: false, carry, finish: None });
                self.choices.len() - 1
            }
        };
        self.choices.get_mut(at).ok_or_else(|| decode::format("the upstream's stream has a lost choice"))
    }

    /// The end: nothing more can come for any choice.
    fn close(&mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        self.done = true;
        for choice in &mut self.choices {
            if choice.close(sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }
}

impl Choice {
    fn text(&mut self, text: Cow<'_, str>, sink: &mut dyn EventSink) -> Flow {
        if text.is_empty() {
            return Flow::Continue(());
        }
        let choice = self.index;
        if !std::mem::replace(&mut self.open, true) {
            sink.event(Event::PartStart { choice, part: 0, start: PartStart::Text })?;
        }
        sink.event(Event::Delta { choice, part: 0, delta: Delta::Text(text) })
    }

    fn close(&mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        let choice = self.index;
        let rest = self.carry.finish();
        let mut flow = self.text(Cow::Borrowed(rest), sink);
        if flow.is_continue() && self.open {
            flow = sink.event(Event::PartEnd { choice, part: 0 });
        }
        if flow.is_break() {
            return Ok(flow);
        }
        let finish = decode::finish(self.finish.as_deref().unwrap_or_default())?;
        Ok(sink.event(Event::Finish { choice, finish }))
    }
}
