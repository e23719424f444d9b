//! Whole answers.

use llm_types::chat::{Citation, Image, Media, Opaque, Part, Reasoning, Text, ToolCall, ToolCallKind};
use llm_types::{ApiError, Choice, Dialect, ErrorKind, Reply, Result, ServiceTier, Str, TokenCount, Usage};

use super::super::model::Model;
use super::super::usage::{service, usage};
use super::super::wire::{self, Block, CitationsContent, Raw, ToolUse};
use super::finish::{Answered, finish};
use crate::codec::{DecodeCx, Memo, Tapped};
use crate::dialect::anthropic::unwrapped;
use crate::dialect::custom;
use crate::dialect::think::Tags;

/// The `type` of a call that the service answers itself.
pub(super) const SERVER: &str = "server_tool_use";

/// Reads a whole answer.
///
/// # Errors
/// When it is not one.
pub(in super::super) fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Reply> {
    let read: wire::Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    let wire::Reply { output, stop_reason, usage: counts, metrics: _, fields, service_tier, extra } = read;
    let content = output.and_then(|output| output.message).and_then(|message| message.content);
    let Some(content) = content else {
        let message = "the upstream's answer has no message";
        return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
    };
    let mut parts = Vec::with_capacity(content.len());
    let mut answered = Answered::default();
    let tags = Model::of(cx.model).tags();
    for raw in &content {
        part(raw, (cx.memo, tags), &mut answered, &mut parts)?;
    }
    let service_tier = service_tier.and_then(|tier| tier.kind).map(Str::into_string);
    let service = service_tier.as_deref().map_or_else(ServiceTier::default, ServiceTier::of);
    let mut out = Reply {
        model: cx.model.to_owned(),
        usage: counts.map(|counts| Usage { service, ..usage(&counts, fields.as_ref()) }),
        service_tier,
        origin: Some(Dialect::Bedrock),
        extra: extra.to_extra(),
        ..Reply::default()
    };
    if let Some(fields) = fields {
        out.extra.set("additionalModelResponseFields", fields.0.into_owned());
    }
    let finish = stop_reason.map(|reason| finish(reason.as_str(), answered));
    out.choices.push(Choice { parts, finish, ..Choice::default() });
    Ok(out)
}

fn part(
    raw: &Raw<'_>,
    (memo, tags): (&Memo, Option<&Tags>),
    answered: &mut Answered,
    out: &mut Vec<Part>,
) -> Result<()> {
    let block: Block<'_> = serde_json::from_str(raw.get()).map_err(|error| malformed(b"block", error))?;
    match block {
        Block { text: Some(text), .. } => {
            let text = text.0.into_lossy();
            let (thoughts, said) = tags.map_or(("", &*text), |tags| tags.split(&text));
            if !thoughts.is_empty() {
                out.push(Part::Reasoning(Reasoning { text: thoughts.to_owned(), ..Reasoning::default() }));
            }
            if thoughts.is_empty() || !said.is_empty() {
                out.push(Part::text(said));
            }
        }
        Block { citations: Some(cited), .. } => sources(cited, out),
        Block { reasoning: Some(thoughts), .. } => out.push(reasoning(thoughts)),
        Block { image: Some(image), .. } => {
            let data = image.source.and_then(|source| source.bytes).unwrap_or_default();
            let media_type = format!("image/{}", image.format.unwrap_or_default().as_str());
            out.push(Part::Image(Image::new(Media::Base64 { media_type, data: data.into_string() })));
        }
        Block { tool_use: Some(call), .. } if !is_servers(&call) => {
            let ToolUse { id, name, input, kind: _, extra } = call;
            let name = name.unwrap_or_default();
            let input = input.as_ref().map_or("{}", Raw::get);
            if memo.json_tool == Some(name.as_str()) {
                answered.structured();
                out.push(Part::text(unwrapped(input)));
                return Ok(());
            }
            answered.called();
            let name = memo.client_name(name.as_str());
            let kind = memo.call_kind(name);
            let free = kind == ToolCallKind::Custom;
            out.push(Part::ToolCall(ToolCall {
                id: id.unwrap_or_default().into_string(),
                name: name.to_owned(),
                arguments: if free { custom::input(input).into_owned() } else { input.to_owned() },
                kind,
                extra: extra.to_extra(),
                ..ToolCall::default()
            }));
        }
        other => out.push(Part::Opaque(opaque(kind_of(&other), raw))),
    }
    Ok(())
}

/// Whether the service itself answers a call.
pub(super) fn is_servers(call: &ToolUse<'_>) -> bool {
    call.kind.as_ref().is_some_and(|kind| kind.as_str() == SERVER)
}

fn sources(cited: CitationsContent<'_>, out: &mut Vec<Part>) {
    let mut text = String::new();
    for block in cited.content.unwrap_or_default() {
        text.push_str(&block.text.unwrap_or_default().0.into_lossy());
    }
    out.push(Part::Text(Text { extra: cited.extra.to_extra(), ..Text::new(text) }));
    out.extend(cited.citations.iter().flatten().map(|raw| Part::Citation(citation(raw))));
}

/// A source. Its location is in the document, not in the answer.
pub(super) fn citation(raw: &Raw<'_>) -> Citation {
    let read: wire::Quote<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let mut quote = String::new();
    for block in read.quoted.unwrap_or_default() {
        quote.push_str(&block.text.unwrap_or_default().0.into_lossy());
    }
    Citation {
        url: read.source.map(Str::into_string),
        title: read.title.map(Str::into_string),
        start: None,
        end: None,
        quote: (!quote.is_empty()).then_some(quote),
        native: Some((Dialect::Bedrock, raw.0.clone().into_owned())),
    }
}

fn reasoning(thoughts: wire::Reasoning<'_>) -> Part {
    let wire::Reasoning { text, redacted, extra } = thoughts;
    let text = text.unwrap_or_default();
    Part::Reasoning(Reasoning {
        text: text.text.unwrap_or_default().0.into_lossy().into_owned(),
        signature: text.signature.map(Str::into_string).filter(|signature| !signature.is_empty()),
        redacted: redacted.map(Str::into_string),
        origin: None,
        extra: extra.to_extra(),
    })
}

/// A block that stays as it is.
pub(super) fn opaque(kind: &str, raw: &Raw<'_>) -> Opaque {
    Opaque { dialect: Dialect::Bedrock, kind: kind.to_owned(), json: raw.0.clone().into_owned() }
}

fn kind_of<'b>(block: &'b Block<'_>) -> &'b str {
    let known = [
        ("toolUse", block.tool_use.is_some()),
        ("toolResult", block.tool_result.is_some()),
        ("document", block.document.is_some()),
        ("video", block.video.is_some()),
        ("audio", block.audio.is_some()),
    ];
    let named = known.into_iter().find(|(_, set)| *set).map(|(name, _)| name);
    named.or_else(|| block.extra.iter().next().map(|(name, _)| name)).unwrap_or_default()
}

/// Reads a count of tokens.
///
/// # Errors
/// When it is not one.
pub(in super::super) fn count(body: &[u8]) -> Result<TokenCount> {
    let counted: wire::Counted<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    let wire::Counted { input, extra } = counted;
    let input = input.ok_or_else(|| {
        ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream's count of tokens has no inputTokens")
    })?;
    Ok(TokenCount { input, extra: extra.to_extra(), ..TokenCount::default() })
}

/// Reads what was used.
///
/// # Errors
/// When the answer is not one.
pub(in super::super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let seen: wire::Watched<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    let wire::Watched { usage: counts, fields, extra } = seen;
    let service = service(extra.get("serviceTier"));
    let usage = counts.map(|counts| Usage { service, ..usage(&counts, fields.as_ref()) });
    Ok(Tapped { usage, model: None })
}

/// What cannot be read as this dialect.
pub(super) fn malformed(body: &[u8], error: serde_json::Error) -> ApiError {
    let message = if body.is_empty() {
        "the upstream's answer is empty"
    } else {
        "the upstream's answer is not one of Converse"
    };
    ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
}
