//! A streamed answer as `text_completion` events.

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::chat::LogProbs;
use llm_types::{
    ApiError, Delta, Dialect, Event, EventSink, Extra, Finish, FinishKind, Flow, RawValue, Start, Usage,
    WireText,
};
use smallvec::SmallVec;

use super::super::super::openai_chat;
use super::super::super::scalar::{Count, OrNull};
use super::super::{logprob, wire};
use super::encode::{OBJECT, finish_word, word};
use crate::codec::{ReplyCx, ServerCodec as _, StreamEncoder};

/// Writes the events of one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    cx: ReplyCx,
    out: BytesMut,
    start: Start<'static>,
    choices: SmallVec<[Choice; 1]>,
    /// Members of the whole reply that the next event carries.
    members: Extra,
    usage: Option<Usage>,
    failed: bool,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    finished: bool,
    /// Characters of the tokens whose probabilities were sent.
    offset: u64,
}

/// A piece of a choice.
#[derive(Debug, Default)]
struct Piece<'p> {
    index: u32,
    text: &'p str,
    logprobs: Option<&'p LogProbs>,
    finish: Option<&'p Finish>,
    members: Option<&'p Extra>,
}

impl Encoder {
    pub(super) fn new(cx: ReplyCx) -> Self {
        Self {
            cx,
            out: BytesMut::new(),
            start: Start::default(),
            choices: SmallVec::new(),
            members: Extra::default(),
            usage: None,
            failed: false,
        }
    }

    /// One event: with a piece of a choice, or without any.
    fn chunk(&mut self, piece: Option<Piece<'_>>, usage: Option<&RawValue>) {
        let members = std::mem::take(&mut self.members);
        let choices = piece.map(|Piece { index, text, logprobs, finish, members }| {
            let state = self.choices.iter_mut().find(|choice| choice.index == index);
            let mut start = 0;
            let offset = state.map_or(&mut start, |choice| &mut choice.offset);
            wire::Choice {
                text: Some(WireText::from(text)),
                index: Some(Count(u64::from(index))),
                logprobs: Some(OrNull(logprobs.map(|log_probs| logprob::write(log_probs, offset)))),
                finish_reason: Some(OrNull(finish.map(finish_word))),
                extra: members.map(Extra::members).unwrap_or_default(),
            }
        });
        let Start { id, model, created, service_tier, system_fingerprint } = &self.start;
        let chunk = wire::Completion {
            id: word(Some(if id.is_empty() { &self.cx.id } else { id })),
            object: word(Some(OBJECT)),
            created: Some(Count(created.unwrap_or(self.cx.created))),
            model: word(Some(if model.is_empty() { &self.cx.model } else { model })),
            choices: Some(choices.into_iter().collect()),
            // A client that asked for the usage finds the member in every event.
            usage: self.cx.include_usage.then_some(OrNull(usage)),
            service_tier: word(service_tier.as_deref()),
            system_fingerprint: word(system_fingerprint.as_deref()),
            error: None,
            extra: members.members(),
        };
        self.out.put_slice(b"data: ");
        // Writing into memory cannot fail, and no key here is anything but a string.
        let _ = serde_json::to_writer((&mut self.out).writer(), &chunk);
        self.out.put_slice(b"\n\n");
    }

    /// Notes that there is such a choice.
    fn note(&mut self, index: u32) {
        if !self.choices.iter().any(|choice| choice.index == index) {
            self.choices.push(Choice { index, finished: false, offset: 0 });
        }
    }

    fn delta(&mut self, index: u32, delta: &Delta<'_>) {
        self.note(index);
        match delta {
            Delta::Text(text) | Delta::Refusal(text) if !text.is_empty() => {
                self.chunk(Some(Piece { index, text, ..Piece::default() }), None);
            }
            Delta::LogProbs(log_probs) => {
                self.chunk(Some(Piece { index, logprobs: Some(log_probs), ..Piece::default() }), None);
            }
            // Nothing else has a place in an answer of this dialect.
            Delta::Text(_)
            | Delta::Refusal(_)
            | Delta::Reasoning(_)
            | Delta::Signature(_)
            | Delta::Redacted(_)
            | Delta::ToolArgs(_)
            | Delta::Data(_)
            | Delta::Transcript(_)
            | Delta::ExpiresAt(_)
            | Delta::Citation(_)
            | Delta::Extra(_) => {}
        }
    }

    fn finish_choice(&mut self, index: u32, finish: &Finish) {
        self.note(index);
        let choice = self.choices.iter_mut().find(|choice| choice.index == index && !choice.finished);
        if let Some(choice) = choice {
            choice.finished = true;
            self.chunk(Some(Piece { index, finish: Some(finish), ..Piece::default() }), None);
        }
    }
}

impl EventSink for Encoder {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match event {
            event @ Event::Start(_) => {
                if let Event::Start(start) = event.into_owned() {
                    self.start = start;
                }
            }
            Event::PartStart { choice, .. } => {
                self.note(choice);
            }
            Event::Delta { choice, part: _, delta } => self.delta(choice, &delta),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, finish } => self.finish_choice(choice, &finish),
            Event::Error(error) => {
                self.fail(&error);
                return Flow::Break(());
            }
            Event::Opaque { choice: Some(index), dialect: Dialect::OpenaiCompletions, members } => {
                let piece = Piece { index, members: Some(&members), ..Piece::default() };
                self.chunk(Some(piece), None);
            }
            Event::Opaque { choice: None, dialect: Dialect::OpenaiCompletions, members } => {
                for (name, value) in members.iter() {
                    self.members.set(name, value.to_owned());
                }
            }
            // Members of another dialect mean nothing to this client.
            Event::Opaque { .. } | Event::PartEnd { .. } => {}
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
        let open: SmallVec<[u32; 1]> =
            self.choices.iter().filter(|choice| !choice.finished).map(|choice| choice.index).collect();
        for index in open {
            self.finish_choice(index, &Finish::from(FinishKind::Stop));
        }
        let used = self.usage.take().filter(|_| self.cx.include_usage);
        match used.as_ref().and_then(openai_chat::usage_json) {
            Some(used) => self.chunk(None, Some(&used)),
            None if !self.members.is_empty() => self.chunk(None, None),
            None => {}
        }
        self.out.put_slice(b"data: [DONE]\n\n");
    }

    fn fail(&mut self, error: &ApiError) {
        self.failed = true;
        self.out.put_slice(b"data: ");
        self.out.put_slice(&openai_chat::Server.encode_error(error).1);
        self.out.put_slice(b"\n\n");
    }
}
