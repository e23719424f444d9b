//! A whole answer as `message`.

use std::borrow::Cow;

use llm_types::chat::{Audio, Part, Refusal, Text};
use llm_types::{Dialect, Extra, Reply, TokenCount};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::super::wire::{self, Block, Raw, TextBlock};
use super::finish::{Held, stop_reason};
use super::usage::{self, Beside, Counts};
use super::{block, seal};
use crate::codec::ReplyCx;

/// A `message`: a whole one, or the beginning of a streamed one.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    pub(super) stop_reason: Option<&'a str>,
    pub(super) stop_sequence: Option<&'a str>,
    pub(super) usage: Counts<'a>,
    /// Anthropic's own members.
    pub(super) members: Option<&'a Extra>,
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("type", "message")?;
        map.serialize_entry("role", "assistant")?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("content", &self.content)?;
        map.serialize_entry("stop_reason", &self.stop_reason)?;
        map.serialize_entry("stop_sequence", &self.stop_sequence)?;
        for (name, value) in self.members.into_iter().flat_map(usage::rest) {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("usage", &self.usage)?;
        map.end()
    }
}

/// The id of an answer: the provider's, under the prefix that clients know.
pub(super) fn message_id<'a>(id: &'a str, fallback: &'a str) -> Cow<'a, str> {
    let id = if id.is_empty() { fallback } else { id };
    if id.starts_with("msg_") { Cow::Borrowed(id) } else { Cow::Owned(format!("msg_{id}")) }
}

/// The whole answer. Of several choices only the first has a form here.
pub(super) fn reply(reply: &Reply, cx: &ReplyCx) -> Vec<u8> {
    let Reply { id, model, created: _, choices, usage, service_tier, system_fingerprint: _, origin, extra } =
        reply;
    let members = Some(extra).filter(|_| *origin == Some(Dialect::Anthropic));
    let first = choices.iter().min_by_key(|choice| choice.index);
    let parts = first.map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let finish = first.and_then(|choice| choice.finish.as_ref());
    let counts = usage.clone().unwrap_or_default();
    let message = Message {
        id: message_id(id, &cx.id),
        model: if model.is_empty() { &cx.model } else { model },
        content: content(parts, origin.or(cx.upstream)),
        stop_reason: Some(stop_reason(finish, held(parts))),
        stop_sequence: finish.and_then(|finish| finish.stop_sequence.as_deref()),
        usage: usage::counts(&counts, Beside { tier: service_tier.as_deref(), members }),
        members,
    };
    serde_json::to_vec(&message).unwrap_or_default()
}

fn held(parts: &[Part]) -> Held {
    Held {
        calls: parts.iter().any(|part| matches!(part, Part::ToolCall(_))),
        refusal: parts.iter().any(|part| matches!(part, Part::Refusal(_))),
    }
}

/// The blocks of an answer, in its order.
fn content(parts: &[Part], upstream: Option<Dialect>) -> Vec<Block<'_>> {
    let mut out = Vec::with_capacity(parts.len());
    let mut parts = parts.iter().peekable();
    while let Some(part) = parts.next() {
        let mut sources = Vec::new();
        if let Part::Citation(citation) = part {
            sources.extend(block::citation(citation));
        }
        // Sources belong to the text before them; without one they get an empty text.
        while matches!(part, Part::Text(_) | Part::Citation(_))
            && let Some(Part::Citation(citation)) = parts.peek()
        {
            sources.extend(block::citation(citation));
            parts.next();
        }
        match part {
            Part::Text(text) => out.extend(text_block(text, sources, upstream)),
            Part::Citation(_) => out.extend(plain("", sources)),
            Part::Refusal(Refusal { text }) => out.extend(plain(text, sources)),
            Part::Reasoning(reasoning) => out.extend(block::thoughts(reasoning, upstream)),
            Part::ToolCall(call) => out.push(block::tool_use(call)),
            Part::Image(image) => out.push(block::image(image)),
            Part::File(file) => out.push(block::file(file)),
            // The sound itself has no block here.
            Part::Audio(audio) => out.extend(plain(said(audio), sources)),
            Part::Opaque(opaque) => out.push(block::opaque(opaque)),
            // A model answers no tools.
            Part::ToolResult(_) => {}
        }
    }
    out
}

/// What a sound says: no block holds the sound itself.
fn said(audio: &Audio) -> &str {
    let Audio { transcript, media: _, format: _, id: _, expires_at: _, cache: _, extra: _ } = audio;
    transcript.as_deref().unwrap_or_default()
}

/// A text with its sources; nothing where there is neither.
fn plain<'a>(text: &'a str, sources: Vec<Raw<'a>>) -> Option<Block<'a>> {
    let some = !text.is_empty() || !sources.is_empty();
    some.then(|| Block::Text(text_of(text, sources)))
}

fn text_of<'a>(text: &'a str, sources: Vec<Raw<'a>>) -> TextBlock<'a> {
    TextBlock {
        kind: Some("text".into()),
        text: Some(wire::Text(text.into())),
        citations: Some(sources).filter(|sources| !sources.is_empty()),
        ..TextBlock::default()
    }
}

/// A text; another provider's signature over it is a member beside it.
fn text_block<'a>(text: &'a Text, sources: Vec<Raw<'a>>, upstream: Option<Dialect>) -> Option<Block<'a>> {
    let Text { text, cache: _, signature, extra: _ } = text;
    let Some(signature) = signature else {
        return plain(text, sources);
    };
    let signature = serde_json::value::to_raw_value(&*seal::sealed(signature, upstream)).ok()?;
    let mut block = text_of(text, sources);
    block.extra.push("signature".into(), &signature);
    let raw = serde_json::value::to_raw_value(&block).ok()?;
    Some(Block::Other("text".into(), Raw::from(raw)))
}

/// `{"input_tokens": …}`
pub(super) fn count(count: &TokenCount) -> Vec<u8> {
    let TokenCount { input, cached: _, estimated: _, extra } = count;
    let counted =
        wire::Counted { input_tokens: Some(*input), extra: extra.members(), ..wire::Counted::default() };
    serde_json::to_vec(&counted).unwrap_or_default()
}
