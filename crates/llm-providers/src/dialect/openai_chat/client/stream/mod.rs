//! A streamed answer.
//!
//! Sixty providers stream "like OpenAI", each with deviations: ids that come again as `""`, tool calls
//! without an index, content behind the finish reason, usage in five places. The order of events that
//! the neutral form promises is made here: the end of a choice is held back until nothing more can come.

mod choice;
mod part;
mod tool;

use llm_types::{ApiError, Dialect, ErrorKind, Event, EventSink, Extra, Flow, Members, Result, Start};
use smallvec::SmallVec;

use super::super::wire::{self, Chunk, ChunkChoice, Count, Word, Written, without_padding};
use super::citation::Sources;
use super::decode::{self, Habits};
use super::{error, usage};
use crate::codec::{DecodeCx, StreamDecoder};
use crate::frame::{SseEvent, SseFrames};

/// The most choices that a stream may have: OpenAI's bound on `n`.
const CHOICE_LIMIT: usize = 128;

/// Reads one stream.
#[derive(Debug)]
pub(super) struct Decoder {
    frames: SseFrames,
    state: State,
}

#[derive(Debug)]
struct State {
    habits: Habits,
    started: bool,
    done: bool,
    choices: SmallVec<[choice::Choice; 1]>,
    /// Members of the whole reply, as last handed on: most providers repeat them in each chunk.
    members: Extra,
    /// Members that came before the start.
    held: Extra,
    sources: Sources,
}

impl Decoder {
    pub(super) fn new(cx: &DecodeCx<'_>) -> Self {
        Self {
            frames: SseFrames::default(),
            state: State {
                habits: Habits::of(cx),
                started: false,
                done: false,
                choices: SmallVec::new(),
                members: Extra::default(),
                held: Extra::default(),
                sources: Sources::default(),
            },
        }
    }
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
        if state.choices.is_empty() || !state.choices.iter().all(choice::Choice::is_finished) {
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
        let lossy;
        let text = match std::str::from_utf8(data) {
            Ok(text) => text,
            Err(_) => {
                lossy = String::from_utf8_lossy(data);
                &lossy
            }
        };
        if event.name == "error" {
            return Err(error::inside(text));
        }
        let chunk: Chunk<'_> = serde_json::from_str(text).map_err(|cause| {
            error::format("an event of the upstream's stream is not a chat completion chunk")
                .with_source(cause)
        })?;
        self.chunk(chunk, text, sink)
    }

    fn chunk(&mut self, chunk: Chunk<'_>, text: &str, sink: &mut dyn EventSink) -> Result<Flow> {
        if chunk.error.is_some_and(|raw| !matches!(raw.get(), "\"\"" | "{}")) {
            return Err(error::inside(text));
        }
        if let Some(raw) = chunk.extra.get("base_resp") {
            decode::base_resp(raw)?;
        }
        let Chunk {
            id,
            object: _,
            created,
            model,
            choices,
            usage,
            service_tier,
            system_fingerprint,
            error: _,
            citations,
            search_results,
            x_groq,
            mut extra,
        } = chunk;
        let service = usage::service(service_tier.as_ref());
        let choices = choices.unwrap_or_default();
        without_padding(&mut extra);
        let id = id.unwrap_or_default();
        // Azure's first chunk has filter results only: neither an id nor a model.
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
        if citations.is_some() || search_results.is_some() {
            self.sources = Sources::read(citations.as_ref(), search_results.as_ref());
        }
        let groq = decode::groq(x_groq.as_ref(), self.habits)?;
        let raw = [("citations", &citations), ("search_results", &search_results), ("x_groq", &x_groq)];
        if self.members(&extra, &raw, sink).is_break() {
            return Ok(Flow::Break(()));
        }
        let reasoning = self.habits.reasoning;
        let read =
            |used: Option<wire::Usage<'_>>| used.filter(counts).map(|used| usage::usage(&used, reasoning));
        let mut used = read(usage).or(groq);
        for (at, mut one) in choices.into_iter().enumerate() {
            used = used.or_else(|| read(one.usage.take()));
            if self.choice(at, one, sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(match used {
            Some(used) => sink.event(Event::Usage(llm_types::Usage { service, ..used })),
            None => Flow::Continue(()),
        })
    }

    /// Hands on members of the whole reply that are new or have changed.
    fn members(
        &mut self,
        extra: &Members<'_>,
        raw: &[(&str, &Option<Written<'_>>)],
        sink: &mut dyn EventSink,
    ) -> Flow {
        let mut fresh = std::mem::take(&mut self.held);
        for (name, value) in extra.iter() {
            fresh.set(name, value.to_owned());
        }
        decode::keep_raw(&mut fresh, raw);
        for (name, value) in self.members.iter() {
            if fresh.get(name).is_some_and(|new| new.get() == value.get()) {
                fresh.remove(name);
            }
        }
        if !self.started {
            self.held = fresh;
            return Flow::Continue(());
        }
        if fresh.is_empty() {
            return Flow::Continue(());
        }
        for (name, value) in fresh.iter() {
            self.members.set(name, value.to_owned());
        }
        sink.event(Event::Opaque {
            choice: None,
            dialect: Dialect::OpenaiChat,
            members: std::borrow::Cow::Owned(fresh),
        })
    }

    fn choice(&mut self, at: usize, one: ChunkChoice<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let fallback = Count(u64::try_from(at).unwrap_or(0));
        let index = u32::try_from(one.index.unwrap_or(fallback).0).unwrap_or(u32::MAX);
        let at = match self.choices.iter().position(|choice| choice.index() == index) {
            Some(at) => at,
            None if self.choices.len() == CHOICE_LIMIT => {
                return Err(error::format("the upstream's stream has more than 128 choices"));
            }
            None => {
                self.choices.push(choice::Choice::new(index, self.habits));
                self.choices.len() - 1
            }
        };
        match self.choices.get_mut(at) {
            Some(choice) => choice.take(one, &self.sources, sink),
            None => Ok(Flow::Continue(())),
        }
    }

    /// The end: nothing more can come for any choice.
    fn close(&mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.choices.is_empty() {
            return Err(decode::nothing());
        }
        self.done = true;
        for choice in &mut self.choices {
            if choice.close(sink).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }
}

/// Whether a usage says anything: some providers send zeros until the end.
fn counts(used: &wire::Usage<'_>) -> bool {
    [used.prompt_tokens, used.completion_tokens, used.total_tokens]
        .iter()
        .any(|count| count.is_some_and(|count| count.0 > 0))
}
