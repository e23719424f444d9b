//! Streamed answers to events.
//!
//! Each block has a beginning and an end of its own, and citations may come behind the end of the text that they are
//! of: so a part ends here when the next begins. Numbers of blocks and of calls are of two rows; nothing depends on
//! them, since one block is open at a time.

use std::borrow::Cow;

use llm_types::chat::ToolCallKind;
use llm_types::{
    ApiError, Delta, ErrorKind, Event, EventSink, Flow, PartStart, Raw, Result, Start, SurrogateCarry, Wtf8,
};

use super::super::wire::{self, DeltaMessage, LogProb, ReplyPart, StreamEvent};
use super::error::broke_off;
use super::finish::{finish, is_failure};
use super::part;
use super::usage::usage;
use crate::codec::{DecodeCx, Memo, StreamDecoder};
use crate::dialect::custom;
use crate::dialect::scalar::Word;
use crate::frame::SseFrames;

/// The most that is gathered of one call, in bytes.
const GATHER_LIMIT: usize = 32 * 1024 * 1024;

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
    open: Option<Open>,
    parts: u32,
    done: bool,
}

/// The part that is being sent.
#[derive(Debug)]
struct Open {
    kind: Kind,
    carry: SurrogateCarry,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thoughts,
    /// What is planned before tools are called.
    Plan,
    /// A call, and whether a piece of its arguments came.
    Call {
        streamed: bool,
    },
    /// A call of a custom tool: its free text is known when its object is complete.
    Custom(String),
}

impl Decoder {
    /// A decoder for the answer to one call.
    pub(in super::super) fn new(cx: &DecodeCx<'_>) -> Self {
        let state = State { memo: cx.memo.clone(), started: false, open: None, parts: 0, done: false };
        Self { frames: SseFrames::default(), state }
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

/// An event that cannot be read.
pub(super) fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, "an event of the upstream's stream cannot be read")
        .with_source(error)
}

impl State {
    fn data(&mut self, data: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.done || data == b"[DONE]" {
            return Ok(Flow::Continue(()));
        }
        let event: StreamEvent<'_> = serde_json::from_slice(data).map_err(unreadable)?;
        let StreamEvent { kind, id, index: _, delta, logprobs, message: failure, extra: _ } = event;
        let delta = delta.unwrap_or_default();
        let message = delta.message.unwrap_or_default();
        match kind.unwrap_or_default().as_str() {
            "message-start" => Ok(self.start(id.unwrap_or_default().0, sink)),
            "content-start" => self.content(message, None, true, sink),
            "content-delta" => self.content(message, logprobs, false, sink),
            "tool-plan-delta" => self.plan(message, sink),
            "tool-call-start" => self.call(message, sink),
            "tool-call-delta" => self.arguments(message, sink),
            "citation-start" => Ok(self.citations(message, sink)),
            "message-end" => {
                let wire::Delta { message: _, finish_reason, usage, error, extra: _ } =
                    wire::Delta { message: None, ..delta };
                self.end(finish_reason.unwrap_or_default().as_str(), usage.as_ref(), error, sink)
            }
            "" => match failure {
                // An error where a stream had begun.
                Some(_) => {
                    self.done = true;
                    let status = http::StatusCode::INTERNAL_SERVER_ERROR;
                    let mut error = super::error(status, &http::HeaderMap::new(), data);
                    error.upstream_status = None;
                    Ok(sink.event(Event::Error(error)))
                }
                None => Ok(Flow::Continue(())),
            },
            // The ends of blocks, `debug`, and whatever is new.
            _ => Ok(Flow::Continue(())),
        }
    }

    fn start(&mut self, id: Cow<'_, str>, sink: &mut dyn EventSink) -> Flow {
        if std::mem::replace(&mut self.started, true) {
            return Flow::Continue(());
        }
        sink.event(Event::Start(Start { id, ..Start::default() }))
    }

    /// Ends the part that is open, and begins another.
    fn begin(&mut self, kind: Kind, start: PartStart<'_>, sink: &mut dyn EventSink) -> Flow {
        if self.start(Cow::Borrowed(""), sink).is_break() || self.close(sink).is_break() {
            return Flow::Break(());
        }
        self.open = Some(Open { kind, carry: SurrogateCarry::default() });
        let part = self.parts;
        self.parts = self.parts.saturating_add(1);
        sink.event(Event::PartStart { choice: 0, part, start })
    }

    /// The number of the open part.
    fn part(&self) -> u32 {
        self.parts.saturating_sub(1)
    }

    fn close(&mut self, sink: &mut dyn EventSink) -> Flow {
        let Some(Open { kind, mut carry }) = self.open.take() else { return Flow::Continue(()) };
        let part = self.part();
        let left = carry.finish();
        let delta = match kind {
            Kind::Text => Delta::Text(left.into()),
            Kind::Thoughts | Kind::Plan => Delta::Reasoning(left.into()),
            Kind::Call { streamed: true } => Delta::ToolArgs(left.into()),
            // A call without arguments has none at all here.
            Kind::Call { streamed: false } => Delta::ToolArgs("{}".into()),
            Kind::Custom(input) => {
                let whole = input + left;
                let free = custom::input(if whole.is_empty() { "{}" } else { &whole }).into_owned();
                Delta::ToolArgs(free.into())
            }
        };
        if hand_on(delta, part, sink).is_break() {
            return Flow::Break(());
        }
        sink.event(Event::PartEnd { choice: 0, part })
    }

    fn content(
        &mut self,
        message: DeltaMessage<'_>,
        logprobs: Option<LogProb<'_>>,
        begins: bool,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let Some(raw) = message.content else { return Ok(Flow::Continue(())) };
        let piece: ReplyPart<'_> = serde_json::from_str(raw.get()).map_err(unreadable)?;
        let ReplyPart { kind, text, thinking, extra: _ } = piece;
        let thinks = thinking.is_some() || kind.is_some_and(|kind| kind.as_str() == "thinking");
        let fits = match self.open.as_ref().map(|open| &open.kind) {
            Some(Kind::Thoughts) => thinks,
            Some(Kind::Text) => !thinks,
            _ => false,
        };
        if begins || !fits {
            let flow = if thinks {
                self.begin(Kind::Thoughts, PartStart::Reasoning, sink)
            } else {
                self.begin(Kind::Text, PartStart::Text, sink)
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        let words = if thinks { thinking } else { text }.unwrap_or_default().0;
        if self.say(words, sink).is_break() {
            return Ok(Flow::Break(()));
        }
        match logprobs {
            Some(logprobs) => {
                let delta = Delta::LogProbs(Cow::Owned(part::logprobs(vec![logprobs])));
                Ok(sink.event(Event::Delta { choice: 0, part: self.part(), delta }))
            }
            None => Ok(Flow::Continue(())),
        }
    }

    fn plan(&mut self, message: DeltaMessage<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let open = matches!(self.open, Some(Open { kind: Kind::Plan, .. }));
        if !open && self.begin(Kind::Plan, PartStart::Reasoning, sink).is_break() {
            return Ok(Flow::Break(()));
        }
        Ok(self.say(message.tool_plan.unwrap_or_default().0, sink))
    }

    /// More words of the open part.
    fn say(&mut self, words: Wtf8<'_>, sink: &mut dyn EventSink) -> Flow {
        let part = self.part();
        let Some(Open { kind, carry }) = &mut self.open else { return Flow::Continue(()) };
        let words = carry.join(words);
        let delta = match kind {
            Kind::Text => Delta::Text(words),
            Kind::Thoughts | Kind::Plan => Delta::Reasoning(words),
            Kind::Call { streamed } => {
                *streamed |= !words.is_empty();
                Delta::ToolArgs(words)
            }
            Kind::Custom(input) => {
                input.push_str(&words);
                return Flow::Continue(());
            }
        };
        hand_on(delta, part, sink)
    }

    fn call(&mut self, message: DeltaMessage<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let call = one_call(message.tool_calls.as_ref())?;
        let wire::Call { id, kind: _, function, extra: _ } = call;
        let wire::Called { name, arguments, extra: _ } = function.unwrap_or_default();
        let name = name.unwrap_or_default();
        let name = self.memo.client_name(name.as_str()).to_owned();
        let kind = self.memo.call_kind(&name);
        let state = match kind {
            ToolCallKind::Custom => Kind::Custom(String::new()),
            _ => Kind::Call { streamed: false },
        };
        let start = PartStart::ToolCall { id: id.unwrap_or_default().0, name: name.into(), kind };
        if self.begin(state, start, sink).is_break() {
            return Ok(Flow::Break(()));
        }
        Ok(self.say(arguments.unwrap_or_default().0, sink))
    }

    fn arguments(&mut self, message: DeltaMessage<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        if !matches!(self.open, Some(Open { kind: Kind::Call { .. } | Kind::Custom(_), .. })) {
            let message = "the upstream's stream holds a piece of a call that is not open";
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
        }
        if let Some(Open { kind: Kind::Custom(input), .. }) = &self.open
            && input.len() > GATHER_LIMIT
        {
            let message = "a call in the upstream's stream is larger than 32 MiB";
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
        }
        let call = one_call(message.tool_calls.as_ref())?;
        Ok(self.say(call.function.unwrap_or_default().arguments.unwrap_or_default().0, sink))
    }

    /// Sources of the text before them; those of a plan have no place.
    fn citations(&mut self, message: DeltaMessage<'_>, sink: &mut dyn EventSink) -> Flow {
        let (Some(raw), Some(Open { kind: Kind::Text, .. })) = (message.citations, &self.open) else {
            return Flow::Continue(());
        };
        let part = self.part();
        for citation in part::citations(&raw) {
            let delta = Delta::Citation(Cow::Owned(citation));
            if sink.event(Event::Delta { choice: 0, part, delta }).is_break() {
                return Flow::Break(());
            }
        }
        Flow::Continue(())
    }

    fn end(
        &mut self,
        reason: &str,
        counts: Option<&wire::Usage<'_>>,
        error: Option<Word<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        self.done = true;
        if self.start(Cow::Borrowed(""), sink).is_break() || self.close(sink).is_break() {
            return Ok(Flow::Break(()));
        }
        if let Some(usage) = counts.and_then(usage)
            && sink.event(Event::Usage(usage)).is_break()
        {
            return Ok(Flow::Break(()));
        }
        let error = error.and_then(Word::non_empty);
        if is_failure(reason) || (reason.is_empty() && error.is_some()) {
            let error =
                broke_off(if reason.is_empty() { "ERROR" } else { reason }, &error.unwrap_or_default());
            return Ok(sink.event(Event::Error(error)));
        }
        Ok(sink.event(Event::Finish { choice: 0, finish: finish(reason) }))
    }
}

/// The one call of an event.
fn one_call<'a>(raw: Option<&'a Raw<'a>>) -> Result<wire::Call<'a>> {
    raw.map_or(Ok(wire::Call::default()), |raw| serde_json::from_str(raw.get()).map_err(unreadable))
}

/// Hands a piece of text on, unless it is empty.
fn hand_on(delta: Delta<'_>, part: u32, sink: &mut dyn EventSink) -> Flow {
    let empty = match &delta {
        Delta::Text(text) | Delta::Reasoning(text) | Delta::ToolArgs(text) => text.is_empty(),
        _ => false,
    };
    if empty { Flow::Continue(()) } else { sink.event(Event::Delta { choice: 0, part, delta }) }
}
