//! The content of an answer's message: text, thoughts, calls, in the forms that providers give them.

use llm_types::chat::{Audio, Image, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolCallKind};
use llm_types::{Dialect, Extra, RawValue, Result, Str, wire_struct};

use super::super::wire::{self, ImageUrl, Lossy, ReplyContent, ReplyMessage, Written, without_padding};
use super::decode::{Habits, keep_raw};
use super::{citation, error};
use crate::dialect::think;

wire_struct! {
    /// A part of a list where OpenAI has a string: Mistral's thoughts, Databricks' reasoning.
    pub(super) struct ContentPart<'a> {
        kind as "type": Str<'a>,
        text: Lossy<'a>,
        thinking: Written<'a>,
        summary: Vec<SummaryText<'a>>,
        signature: Str<'a>,
    }
}

wire_struct! {
    /// A piece of thoughts.
    pub(super) struct SummaryText<'a> {
        text: Lossy<'a>,
        signature: Str<'a>,
    }
}

wire_struct! {
    /// A picture in an answer.
    struct ReplyImage<'a> {
        image_url: ImageUrl<'a>,
    }
}

wire_struct! {
    /// An entry of OpenRouter's `reasoning_details`.
    pub(super) struct ReasoningDetail<'a> {
        kind as "type": Str<'a>,
        text: Lossy<'a>,
        summary: Lossy<'a>,
        signature: Str<'a>,
        data: Str<'a>,
    }
}

wire_struct! {
    /// What LiteLLM and this gateway put beside OpenAI's members.
    pub(super) struct SpecificFields<'a> {
        thought_signature: Str<'a>,
        opaque: Vec<OpaqueField<'a>>,
    }
}

wire_struct! {
    /// A part of another dialect, as this gateway writes it.
    pub(super) struct OpaqueField<'a> {
        dialect: Str<'a>,
        kind: Str<'a>,
        json: &'a RawValue,
    }
}

/// The text, `None` if there is none.
pub(super) fn non_empty(text: Option<Str<'_>>) -> Option<String> {
    text.map(Str::into_string).filter(|text| !text.is_empty())
}

/// The parts of a message, and its members that no field names.
pub(super) fn parts(message: ReplyMessage<'_>, habits: Habits) -> Result<(Vec<Part>, Extra)> {
    let ReplyMessage {
        role: _,
        content,
        refusal,
        reasoning_content,
        reasoning,
        thinking_blocks,
        reasoning_details,
        tool_calls,
        function_call,
        audio,
        images,
        annotations,
        provider_specific_fields,
        mut extra,
    } = message;
    without_padding(&mut extra);
    let mut extra = extra.to_extra();
    keep_raw(&mut extra, &[("reasoning_details", &reasoning_details)]);
    let some = |text: &Option<Lossy<'_>>| text.as_ref().and_then(Lossy::non_empty).map(str::to_owned);
    let thoughts = some(&reasoning_content).or_else(|| some(&reasoning));
    let mut parts = thought_parts(thoughts, thinking_blocks, reasoning_details.as_ref());
    let mut signature = None;
    if let Some(fields) = &provider_specific_fields {
        signature = specific_fields(fields, &mut parts, &mut extra);
    }
    match content.and_then(|content| content.0) {
        None => {}
        Some(ReplyContent::Text(text)) => push_text(&mut parts, &text.0, habits),
        Some(ReplyContent::Parts(list)) => {
            for raw in list {
                content_part(raw, &mut parts)?;
            }
        }
    }
    if let (Some(signature), Some(Part::Text(text))) = (signature, parts.last_mut()) {
        text.signature = Some(signature);
    }
    parts.extend(
        annotations.unwrap_or_default().iter().map(|json| Part::Citation(citation::annotation(&json.0))),
    );
    if let Some(text) = refusal.and_then(|refusal| refusal.0).filter(|text| !text.0.is_empty()) {
        parts.push(Part::Refusal(Refusal { text: text.0.into_owned() }));
    }
    parts.extend(images.unwrap_or_default().iter().filter_map(image));
    parts.extend(audio.and_then(sound));
    parts.extend(tool_calls.unwrap_or_default().into_iter().filter_map(tool_call).map(Part::ToolCall));
    if let Some(call) = function_call {
        let name = call.name.unwrap_or_default().into_string();
        if !name.is_empty() {
            let arguments = call.arguments.unwrap_or_default().0.into_owned();
            let (id, kind) = (mint_id(), ToolCallKind::LegacyFunction);
            parts.push(Part::ToolCall(ToolCall { id, name, arguments, kind, ..ToolCall::default() }));
        }
    }
    Ok((parts, extra))
}

/// An id for a call that came without one.
pub(super) fn mint_id() -> String {
    format!("call_{}", uuid::Uuid::new_v4().simple())
}

fn push_text(parts: &mut Vec<Part>, content: &str, habits: Habits) {
    let (thoughts, text) = if habits.think_tags { think::TEMPLATE.split(content) } else { ("", content) };
    if !thoughts.is_empty() {
        parts.push(Part::Reasoning(Reasoning { text: thoughts.to_owned(), ..Reasoning::default() }));
    }
    if !text.is_empty() {
        parts.push(Part::text(text));
    }
}

/// Thoughts: as signed blocks, as OpenRouter's details, or as plain text.
fn thought_parts(
    text: Option<String>,
    blocks: Option<Vec<wire::ThinkingBlock<'_>>>,
    details: Option<&Written<'_>>,
) -> Vec<Part> {
    let mut sealed: Vec<Reasoning> = blocks
        .unwrap_or_default()
        .into_iter()
        .map(|block| Reasoning {
            text: block.thinking.unwrap_or_default().0.into_owned(),
            signature: non_empty(block.signature),
            redacted: non_empty(block.data),
            origin: None,
            extra: block.extra.to_extra(),
        })
        .collect();
    if sealed.is_empty() {
        sealed = details.map(reasoning_details).unwrap_or_default();
    }
    let mut parts = Vec::new();
    if let Some(text) = text.filter(|_| sealed.iter().all(|one| one.text.is_empty())) {
        parts.push(Part::Reasoning(Reasoning { text, ..Reasoning::default() }));
    }
    parts.extend(sealed.into_iter().map(Part::Reasoning));
    parts
}

/// OpenRouter's `reasoning_details`.
pub(super) fn reasoning_details(json: &Written<'_>) -> Vec<Reasoning> {
    let list: Vec<ReasoningDetail<'_>> = serde_json::from_str(json.get()).unwrap_or_default();
    let read = |detail: ReasoningDetail<'_>| {
        let text = detail.text.or(detail.summary).unwrap_or_default().0.into_owned();
        let (signature, redacted) = (non_empty(detail.signature), non_empty(detail.data));
        let some = !text.is_empty() || signature.is_some() || redacted.is_some();
        some.then(|| Reasoning { text, signature, redacted, ..Reasoning::default() })
    };
    list.into_iter().filter_map(read).collect()
}

/// Takes what is meant for us out of `provider_specific_fields`; keeps the rest. Returns the signature
/// of the text.
pub(super) fn specific_fields(
    json: &Written<'_>,
    parts: &mut Vec<Part>,
    extra: &mut Extra,
) -> Option<String> {
    let Ok(SpecificFields { thought_signature, opaque, extra: more }) = serde_json::from_str(json.get())
    else {
        extra.set("provider_specific_fields", json.0.clone().into_owned());
        return None;
    };
    parts.extend(opaque.unwrap_or_default().into_iter().filter_map(opaque_part).map(Part::Opaque));
    if !more.is_empty() {
        // Raw JSON values under string names can always be written.
        let _ = extra.set_json("provider_specific_fields", &more);
    }
    non_empty(thought_signature)
}

pub(super) fn opaque_part(field: OpaqueField<'_>) -> Option<Opaque> {
    let dialect = [Dialect::OpenaiChat, Dialect::Anthropic, Dialect::Gemini, Dialect::Bedrock, Dialect::Mock]
        .into_iter()
        .find(|dialect| field.dialect.as_ref().is_some_and(|name| name.as_str() == dialect.name()))?;
    Some(Opaque { dialect, kind: field.kind?.into_string(), json: field.json?.to_owned() })
}

/// One part of a list.
fn content_part(raw: &RawValue, parts: &mut Vec<Part>) -> Result<()> {
    let Ok(part) = serde_json::from_str::<ContentPart<'_>>(raw.get()) else {
        return Err(error::format("a part of the upstream's answer is not an object"));
    };
    match part.kind.as_ref().map(Str::as_str) {
        Some("text") => {
            let text = part.text.unwrap_or_default().0.into_owned();
            parts.push(Part::Text(Text { extra: part.extra.to_extra(), ..Text::new(text) }));
        }
        Some("thinking" | "reasoning") => {
            let (text, signature) = thoughts_of(&part);
            parts.push(Part::Reasoning(Reasoning { text, signature, ..Reasoning::default() }));
        }
        kind => parts.push(Part::Opaque(Opaque {
            dialect: Dialect::OpenaiChat,
            kind: kind.unwrap_or_default().to_owned(),
            json: raw.to_owned(),
        })),
    }
    Ok(())
}

/// The thoughts of a part: Mistral's list or text, Databricks' summary.
pub(super) fn thoughts_of(part: &ContentPart<'_>) -> (String, Option<String>) {
    let mut text = String::new();
    let mut signature = non_empty(part.signature.clone());
    let pieces: Vec<SummaryText<'_>> = match &part.thinking {
        Some(json) if json.get().starts_with('"') => {
            let plain: Lossy<'_> = serde_json::from_str(json.get()).unwrap_or_default();
            text.push_str(&plain.0);
            Vec::new()
        }
        Some(json) => serde_json::from_str(json.get()).unwrap_or_default(),
        None => Vec::new(),
    };
    let mut add = |piece: &SummaryText<'_>| {
        text.push_str(piece.text.as_ref().map(|text| &*text.0).unwrap_or_default());
        signature = signature.take().or_else(|| non_empty(piece.signature.clone()));
    };
    pieces.iter().for_each(&mut add);
    part.summary.iter().flatten().for_each(&mut add);
    (text, signature)
}

fn image(json: &Written<'_>) -> Option<Part> {
    let image: ReplyImage<'_> = serde_json::from_str(json.get()).ok()?;
    let url = image.image_url?.url?;
    Some(Part::Image(Image::new(Media::from_url(url.as_str()))))
}

/// Sound, unless it is one of the empty objects that some servers put everywhere.
fn sound(audio: wire::Audio<'_>) -> Option<Part> {
    let wire::Audio { id, data, transcript, expires_at, extra } = audio;
    let data = data.unwrap_or_default().into_string();
    let id = non_empty(id);
    (id.is_some() || !data.is_empty()).then(|| {
        let media = Media::Base64 { media_type: String::new(), data };
        Part::Audio(Audio {
            media: Some(media),
            transcript: transcript.and_then(|text| text.non_empty().map(str::to_owned)),
            id,
            expires_at: expires_at.map(|count| count.0).filter(|at| *at > 0),
            extra: extra.to_extra(),
            ..Audio::default()
        })
    })
}

/// A call, unless it is an empty placeholder.
fn tool_call(call: wire::ToolCall<'_>) -> Option<ToolCall> {
    let wire::ToolCall {
        index: _,
        id,
        kind: _,
        function,
        custom,
        cache_control: _,
        provider_specific_fields,
        mut extra,
    } = call;
    without_padding(&mut extra);
    let mut extra = extra.to_extra();
    let signature =
        provider_specific_fields.and_then(|fields| specific_fields(&fields, &mut Vec::new(), &mut extra));
    let id = non_empty(id).unwrap_or_else(mint_id);
    let function = function.and_then(|function| {
        Some((non_empty(function.name)?, function.arguments.unwrap_or_default().0.into_owned()))
    });
    let custom = custom
        .and_then(|custom| Some((non_empty(custom.name)?, custom.input.unwrap_or_default().0.into_owned())));
    let (kind, (name, arguments)) = match (function, custom) {
        (Some(function), _) => (ToolCallKind::Function, function),
        (None, Some(custom)) => (ToolCallKind::Custom, custom),
        (None, None) => return None,
    };
    Some(ToolCall { id, name, arguments, kind, signature, cache: None, extra })
}
