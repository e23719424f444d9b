//! The open block of a stream.
//!
//! Text and thoughts begin with their first piece, without an event of their own. What the service runs itself
//! is gathered, because nobody can use a piece of it.

use std::borrow::Cow;

use llm_types::chat::{Opaque, ToolCallKind};
use llm_types::{
    ApiError, Delta, Dialect, ErrorKind, Event, EventSink, Flow, PartStart, RawValue, Result, SurrogateCarry,
};

use super::super::wire::{Block, DeltaPayload, Raw, ReasoningDelta, StartPayload, ToolResult, ToolUse};
use super::finish::Answered;
use super::reply::{citation, is_servers};
use crate::codec::Memo;
use crate::dialect::anthropic::JsonAnswer;
use crate::dialect::custom;

/// The most that is gathered of one block, in bytes.
const GATHER_LIMIT: usize = 32 * 1024 * 1024;

/// The block that is being sent.
#[derive(Debug)]
pub(super) struct OpenBlock {
    /// Its number upstream.
    pub(super) index: u32,
    part: u32,
    kind: Kind,
    carry: SurrogateCarry,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thoughts,
    /// A call, and whether a piece of its input came.
    Call {
        streamed: bool,
    },
    /// A call of a custom tool: its free text is known when its object is complete.
    Custom(String),
    /// The structured answer that was asked for through a tool.
    Json(JsonAnswer),
    /// A call that the service answers itself: as it began, and its input so far.
    Served(Box<RawValue>, String),
    /// The service's own answer to that: as it began, and the pieces since.
    Answer(Box<RawValue>, Vec<Box<RawValue>>),
}

/// Where the events of one block go.
pub(super) struct Out<'s> {
    /// Takes them.
    pub(super) sink: &'s mut dyn EventSink,
    /// The number of the part.
    pub(super) part: u32,
}

impl Out<'_> {
    fn start(&mut self, start: PartStart<'_>) -> Flow {
        self.sink.event(Event::PartStart { choice: 0, part: self.part, start })
    }

    fn delta(&mut self, delta: Delta<'_>) -> Flow {
        self.sink.event(Event::Delta { choice: 0, part: self.part, delta })
    }

    /// Hands a text delta on, unless it is empty.
    fn text<'t>(&mut self, text: Cow<'t, str>, delta: fn(Cow<'t, str>) -> Delta<'t>) -> Flow {
        if text.is_empty() { Flow::Continue(()) } else { self.delta(delta(text)) }
    }
}

impl OpenBlock {
    /// Whether it is thoughts.
    pub(super) fn is_thoughts(&self) -> bool {
        matches!(self.kind, Kind::Thoughts)
    }

    /// A block begins with an event of its own. `None`: nothing is known of its kind.
    pub(super) fn begin(
        index: u32,
        start: StartPayload<'_>,
        (memo, answered): (&Memo, &mut Answered),
        out: &mut Out<'_>,
    ) -> Result<Option<(Self, Flow)>> {
        let StartPayload { tool_use, tool_result, extra: _ } = start;
        let (kind, flow) = match (tool_use, tool_result) {
            (Some(call), _) if is_servers(&call) => {
                (Kind::Served(kept(&call)?, String::new()), Flow::Continue(()))
            }
            (Some(call), _) => call_begins(call, memo, answered, out),
            (None, Some(result)) => (Kind::Answer(kept(&result)?, Vec::new()), Flow::Continue(())),
            (None, None) => return Ok(None),
        };
        Ok(Some((Self { index, part: out.part, kind, carry: SurrogateCarry::default() }, flow)))
    }

    /// A block begins with its first piece. `None`: nothing is known of its kind.
    pub(super) fn with(index: u32, delta: &DeltaPayload<'_>, out: &mut Out<'_>) -> Option<(Self, Flow)> {
        let (kind, start) = if delta.reasoning.is_some() {
            (Kind::Thoughts, PartStart::Reasoning)
        } else if delta.text.is_some() || delta.citation.is_some() {
            (Kind::Text, PartStart::Text)
        } else {
            return None;
        };
        let flow = out.start(start);
        Some((Self { index, part: out.part, kind, carry: SurrogateCarry::default() }, flow))
    }

    /// A piece of the block.
    pub(super) fn delta(&mut self, delta: DeltaPayload<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let mut out = Out { sink, part: self.part };
        let DeltaPayload { text, tool_use, tool_result, reasoning, citation: source, extra: _ } = delta;
        match &mut self.kind {
            Kind::Text => {
                if let Some(source) = source
                    && out.delta(Delta::Citation(Cow::Owned(citation(&source)))).is_break()
                {
                    return Ok(Flow::Break(()));
                }
                let text = self.carry.join(text.unwrap_or_default().0);
                Ok(out.text(text, Delta::Text))
            }
            Kind::Thoughts => Ok(thoughts(&mut self.carry, reasoning.unwrap_or_default(), &mut out)),
            Kind::Answer(_, pieces) => {
                for raw in tool_result.unwrap_or_default() {
                    let held =
                        pieces.iter().fold(raw.get().len(), |sum, raw| sum.saturating_add(raw.get().len()));
                    bounded(held)?;
                    pieces.push(raw.0.into_owned());
                }
                Ok(Flow::Continue(()))
            }
            input => {
                let piece = tool_use.and_then(|piece| piece.input).unwrap_or_default();
                let piece = self.carry.join(piece.0);
                match input {
                    Kind::Json(answer) => {
                        bounded(answer.held().saturating_add(piece.len()))?;
                        Ok(out.text(answer.push(piece).unwrap_or_default(), Delta::Text))
                    }
                    Kind::Custom(input) | Kind::Served(_, input) => {
                        input.push_str(&piece);
                        bounded(input.len()).map(|()| Flow::Continue(()))
                    }
                    Kind::Call { streamed } => {
                        *streamed |= !piece.is_empty();
                        Ok(out.text(piece, Delta::ToolArgs))
                    }
                    _ => Ok(Flow::Continue(())),
                }
            }
        }
    }

    /// The block is complete.
    pub(super) fn end(mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        let mut out = Out { sink, part: self.part };
        let left = self.carry.finish();
        let flow = match self.kind {
            Kind::Text => out.text(left.into(), Delta::Text),
            Kind::Thoughts => out.text(left.into(), Delta::Reasoning),
            Kind::Call { streamed: true } => out.text(left.into(), Delta::ToolArgs),
            Kind::Call { streamed: false } => out.delta(Delta::ToolArgs("{}".into())),
            Kind::Custom(input) => {
                let whole = input + left;
                out.text(custom::input(if whole.is_empty() { "{}" } else { &whole }), Delta::ToolArgs)
            }
            Kind::Json(answer) => {
                let rest = answer.finish() + left;
                out.text(rest.into(), Delta::Text)
            }
            Kind::Served(json, input) => {
                let opaque = served(&json, &(input + left))?;
                out.start(PartStart::Opaque(Cow::Owned(opaque)))
            }
            Kind::Answer(json, pieces) => {
                let opaque = answer(&json, pieces)?;
                out.start(PartStart::Opaque(Cow::Owned(opaque)))
            }
        };
        if flow.is_break() {
            return Ok(flow);
        }
        Ok(out.sink.event(Event::PartEnd { choice: 0, part: out.part }))
    }
}

fn call_begins(call: ToolUse<'_>, memo: &Memo, answered: &mut Answered, out: &mut Out<'_>) -> (Kind, Flow) {
    let name = call.name.unwrap_or_default();
    if memo.json_tool == Some(name.as_str()) {
        answered.structured();
        return (Kind::Json(JsonAnswer::default()), out.start(PartStart::Text));
    }
    answered.called();
    let name = memo.client_name(name.as_str());
    let kind = memo.call_kind(name);
    let id = call.id.unwrap_or_default().0;
    let flow = out.start(PartStart::ToolCall { id, name: name.into(), kind });
    let kind = match kind {
        ToolCallKind::Custom => Kind::Custom(String::new()),
        _ => Kind::Call { streamed: false },
    };
    (kind, flow)
}

fn thoughts(carry: &mut SurrogateCarry, delta: ReasoningDelta<'_>, out: &mut Out<'_>) -> Flow {
    let ReasoningDelta { text, signature, redacted, extra: _ } = delta;
    let mut flow = out.text(carry.join(text.unwrap_or_default().0), Delta::Reasoning);
    if flow.is_continue() {
        flow = out.text(signature.unwrap_or_default().0, Delta::Signature);
    }
    if flow.is_continue() {
        flow = out.text(redacted.unwrap_or_default().0, Delta::Redacted);
    }
    flow
}

/// A block as it began, for as long as its stream lasts.
fn kept(begun: &impl serde::Serialize) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(begun).map_err(unreadable)
}

/// A call that the service answers itself, whole.
fn served(json: &RawValue, input: &str) -> Result<Opaque> {
    let mut call: ToolUse<'_> = serde_json::from_str(json.get()).map_err(unreadable)?;
    if !input.is_empty() {
        call.input = Some(Raw::from(serde_json::from_str::<&RawValue>(input).map_err(unreadable)?));
    }
    whole("toolUse", &Block { tool_use: Some(call), ..Block::default() })
}

/// The service's own answer to a call, whole.
fn answer(json: &RawValue, pieces: Vec<Box<RawValue>>) -> Result<Opaque> {
    let mut result: ToolResult<'_> = serde_json::from_str(json.get()).map_err(unreadable)?;
    let content = result.content.get_or_insert_default();
    for piece in &pieces {
        content.push(serde_json::from_str(piece.get()).map_err(unreadable)?);
    }
    whole("toolResult", &Block { tool_result: Some(result), ..Block::default() })
}

fn whole(kind: &str, block: &Block<'_>) -> Result<Opaque> {
    let json = serde_json::value::to_raw_value(block).map_err(unreadable)?;
    Ok(Opaque { dialect: Dialect::Bedrock, kind: kind.to_owned(), json })
}

fn bounded(len: usize) -> Result<()> {
    if len > GATHER_LIMIT {
        let message = "a block of the upstream's stream is larger than 32 MiB";
        return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
    }
    Ok(())
}

/// An event that cannot be read.
pub(super) fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, "an event of the upstream's stream cannot be read")
        .with_source(error)
}
