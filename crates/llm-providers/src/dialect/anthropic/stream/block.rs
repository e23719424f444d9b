//! The open block of a stream.

use std::borrow::Cow;

use llm_types::chat::{Opaque, ToolCallKind};
use llm_types::{
    ApiError, Delta, Dialect, ErrorKind, Event, EventSink, Flow, PartStart, RawValue, Result, Str,
    SurrogateCarry,
};

use super::super::client::citation;
use super::super::wire::{AssembledBlock, Block, BlockDelta, Raw, Text};
use super::Answered;
use super::json::JsonAnswer;
use crate::codec::Memo;
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
    Thinking,
    Redacted,
    /// A call: its input where it came with the start, and whether a piece of it came since.
    Tool {
        whole: Option<Box<RawValue>>,
        streamed: bool,
    },
    /// A call of a custom tool: its free text is known when its object is complete.
    Custom {
        whole: Option<Box<RawValue>>,
        input: String,
    },
    Json(JsonAnswer),
    /// A block of the provider's own: as it began, and what came since.
    Opaque {
        kind: String,
        json: Box<RawValue>,
        input: String,
        content: Option<Box<RawValue>>,
    },
}

/// Where the events of one block go.
pub(super) struct Out<'s> {
    sink: &'s mut dyn EventSink,
    part: u32,
}

impl<'s> Out<'s> {
    /// Events of part number `part`.
    pub(super) fn new(sink: &'s mut dyn EventSink, part: u32) -> Self {
        Self { sink, part }
    }

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

    fn end(&mut self) -> Flow {
        self.sink.event(Event::PartEnd { choice: 0, part: self.part })
    }
}

/// Runs `next` unless the taker had enough.
macro_rules! go {
    ($flow:expr) => {
        if $flow.is_break() {
            return Ok(Flow::Break(()));
        }
    };
}

impl OpenBlock {
    /// A block begins.
    pub(super) fn start(
        index: u32,
        raw: &Raw<'_>,
        memo: &Memo,
        out: &mut Out<'_>,
    ) -> Result<(Self, Answered, Flow)> {
        let block = Block::read(raw.get()).map_err(unreadable)?;
        let part = out.part;
        let open = |kind| Self { index, part, kind, carry: SurrogateCarry::default() };
        let mut answered = Answered::Plainly;
        let (block, flow) = match block {
            Block::Text(block) => {
                let mut open = open(Kind::Text);
                let mut flow = out.start(PartStart::Text);
                let text = open.carry.join(block.text.unwrap_or_default().0);
                if flow.is_continue() {
                    flow = out.text(text, Delta::Text);
                }
                for raw in block.citations.unwrap_or_default() {
                    if flow.is_continue() {
                        flow = out.delta(Delta::Citation(Cow::Owned(citation(&raw))));
                    }
                }
                (open, flow)
            }
            Block::Thinking(block) => {
                let mut open = open(Kind::Thinking);
                let mut flow = out.start(PartStart::Reasoning);
                let text = open.carry.join(block.thinking.unwrap_or_default().0);
                if flow.is_continue() {
                    flow = out.text(text, Delta::Reasoning);
                }
                if flow.is_continue() {
                    flow = out.text(block.signature.unwrap_or_default().0, Delta::Signature);
                }
                (open, flow)
            }
            Block::Redacted(block) => {
                let mut flow = out.start(PartStart::Reasoning);
                if flow.is_continue() {
                    flow = out.delta(Delta::Redacted(block.data.unwrap_or_default().0));
                }
                (open(Kind::Redacted), flow)
            }
            Block::ToolUse(block) if is_answer(memo, block.name.as_ref()) => {
                answered = Answered::Structured;
                let mut answer = JsonAnswer::default();
                if let Some(input) = block.input.as_ref().filter(|input| !is_empty_object(input.get())) {
                    // A server that does not stream inputs sends it whole.
                    answer.push(input.get().into());
                }
                (open(Kind::Json(answer)), out.start(PartStart::Text))
            }
            Block::ToolUse(block) => {
                answered = Answered::ByCalls;
                let name = block.name.unwrap_or_default();
                let name = memo.client_name(name.as_str());
                let kind = memo.call_kind(name);
                let id = block.id.unwrap_or_default().0;
                let mut flow = out.start(PartStart::ToolCall { id, name: name.into(), kind });
                if flow.is_continue() && !block.extra.is_empty() {
                    flow = out.delta(Delta::Extra(Cow::Owned(block.extra.to_extra())));
                }
                let whole = block.input.filter(|input| !is_empty_object(input.get()));
                let whole = whole.map(|input| input.0.into_owned());
                let kind = match kind {
                    ToolCallKind::Custom => Kind::Custom { whole, input: String::new() },
                    _ => Kind::Tool { whole, streamed: false },
                };
                (open(kind), flow)
            }
            other => (open(opaque(&other, raw)), Flow::Continue(())),
        };
        Ok((block, answered, flow))
    }

    /// A piece of the block.
    pub(super) fn delta(&mut self, delta: BlockDelta<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let mut out = Out::new(sink, self.part);
        let kind = delta.kind.unwrap_or_default();
        match (kind.as_str(), &mut self.kind) {
            ("text_delta", Kind::Text) => {
                let text = self.carry.join(delta.text.unwrap_or_default().0);
                Ok(out.text(text, Delta::Text))
            }
            ("citations_delta", Kind::Text) => match &delta.citation {
                Some(raw) => Ok(out.delta(Delta::Citation(Cow::Owned(citation(raw))))),
                None => Ok(Flow::Continue(())),
            },
            ("thinking_delta", Kind::Thinking) => {
                let text = self.carry.join(delta.thinking.unwrap_or_default().0);
                Ok(out.text(text, Delta::Reasoning))
            }
            ("signature_delta", Kind::Thinking) => {
                Ok(out.text(delta.signature.unwrap_or_default().0, Delta::Signature))
            }
            ("input_json_delta", Kind::Tool { streamed, .. }) => {
                let text = self.carry.join(delta.partial_json.unwrap_or_default().0);
                *streamed |= !text.is_empty();
                Ok(out.text(text, Delta::ToolArgs))
            }
            ("input_json_delta", Kind::Json(answer)) => {
                let text = self.carry.join(delta.partial_json.unwrap_or_default().0);
                bounded(answer.held().saturating_add(text.len()))?;
                let ready = answer.push(text).unwrap_or_default();
                Ok(out.text(ready, Delta::Text))
            }
            ("input_json_delta", Kind::Opaque { input, .. } | Kind::Custom { input, .. }) => {
                let Text(text) = delta.partial_json.unwrap_or_default();
                input.push_str(&self.carry.join(text));
                bounded(input.len())?;
                Ok(Flow::Continue(()))
            }
            ("compaction_delta", Kind::Opaque { content, .. }) => {
                if let Some(raw) = delta.content {
                    *content = Some(joined(content.as_deref(), &raw)?);
                }
                Ok(Flow::Continue(()))
            }
            // A piece that is not known, or that does not belong to this kind of block.
            _ => Ok(Flow::Continue(())),
        }
    }

    /// The block is complete.
    pub(super) fn end(mut self, sink: &mut dyn EventSink) -> Result<Flow> {
        let mut out = Out::new(sink, self.part);
        let left = self.carry.finish();
        match self.kind {
            Kind::Text => go!(out.text(left.into(), Delta::Text)),
            Kind::Thinking => go!(out.text(left.into(), Delta::Reasoning)),
            Kind::Redacted => {}
            Kind::Tool { whole, streamed } => {
                go!(out.text(left.into(), Delta::ToolArgs));
                if !streamed {
                    let input = whole.as_deref().map_or("{}", RawValue::get);
                    go!(out.delta(Delta::ToolArgs(input.into())));
                }
            }
            Kind::Custom { whole, mut input } => {
                input.push_str(left);
                let whole = whole.as_deref().map_or("{}", RawValue::get);
                let arguments = if input.is_empty() { whole } else { input.as_str() };
                go!(out.text(custom::input(arguments), Delta::ToolArgs));
            }
            Kind::Json(answer) => {
                go!(out.text(left.into(), Delta::Text));
                go!(out.text(answer.finish().into(), Delta::Text));
            }
            Kind::Opaque { kind, json, mut input, content } => {
                input.push_str(left);
                let json = assembled(json, &input, content)?;
                let opaque = Opaque { dialect: Dialect::Anthropic, kind, json };
                go!(out.start(PartStart::Opaque(Cow::Owned(opaque))));
            }
        }
        Ok(out.end())
    }
}

/// Whether this tool is the one through which a structured answer was asked for.
fn is_answer(memo: &Memo, name: Option<&Str<'_>>) -> bool {
    memo.json_tool.is_some_and(|tool| name.is_some_and(|name| name.as_str() == tool))
}

fn opaque(block: &Block<'_>, raw: &Raw<'_>) -> Kind {
    let kind = match block {
        Block::Other(kind, _) => kind.as_str().to_owned(),
        _ => serde_json::from_str::<super::super::wire::Kind<'_>>(raw.get())
            .unwrap_or_default()
            .0
            .into_string(),
    };
    Kind::Opaque { kind, json: raw.0.clone().into_owned(), input: String::new(), content: None }
}

/// The block as it began, with what came since.
fn assembled(json: Box<RawValue>, input: &str, content: Option<Box<RawValue>>) -> Result<Box<RawValue>> {
    if input.is_empty() && content.is_none() {
        return Ok(json);
    }
    let mut block: AssembledBlock<'_> = serde_json::from_str(json.get()).map_err(unreadable)?;
    // Results stream their text once more in such pieces: what came whole with the start stands.
    if block.input.is_some() && !input.is_empty() {
        block.input = Some(Raw::from(serde_json::from_str::<&RawValue>(input).map_err(unreadable)?));
    }
    if let Some(content) = content {
        block.content = Some(Raw::from(content));
    }
    serde_json::value::to_raw_value(&block).map_err(unreadable)
}

/// The content of a compaction: texts joined, anything else replaced.
fn joined(before: Option<&RawValue>, more: &Raw<'_>) -> Result<Box<RawValue>> {
    let text = |raw: &str| serde_json::from_str::<String>(raw).ok();
    let both = before.and_then(|before| Some((text(before.get())?, text(more.get())?)));
    match both {
        Some((before, more)) => {
            bounded(before.len().saturating_add(more.len()))?;
            serde_json::value::to_raw_value(&(before + &more)).map_err(unreadable)
        }
        None => Ok(more.0.clone().into_owned()),
    }
}

fn is_empty_object(json: &str) -> bool {
    let inner = json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

fn bounded(len: usize) -> Result<()> {
    if len > GATHER_LIMIT {
        let message = "a block of the upstream's stream is larger than 32 MiB";
        return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
    }
    Ok(())
}

/// A block that cannot be read.
pub(super) fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, "an event of the upstream's stream cannot be read")
        .with_source(error)
}
