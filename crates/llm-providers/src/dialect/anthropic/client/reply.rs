//! Whole answers and errors.

use http::{HeaderMap, StatusCode};
use llm_types::chat::{Citation, Opaque, Part, Reasoning, Text, ToolCall, ToolCallKind};
use llm_types::{ApiError, Choice, Dialect, ErrorKind, Extra, RawValue, Reply, Result, Str, TokenCount};

use super::super::stream::{Answered, finish_of, unwrapped};
use super::super::usage::Counts;
use super::super::wire::{self, Block, ErrorBody, Raw, TextBlock, ThinkingBlock, ToolUseBlock, Watched};
use crate::classify::{self, Said};
use crate::codec::{Memo, Tapped};
use crate::dialect::custom;

/// Reads a whole answer.
pub(super) fn decode(body: &[u8], memo: &Memo) -> Result<Reply> {
    let reply: wire::Reply<'_> = serde_json::from_slice(body).map_err(|error| unreadable(body, error))?;
    let wire::Reply {
        id,
        kind,
        role: _,
        model,
        content,
        stop_reason,
        stop_sequence,
        stop_details,
        usage,
        container,
        context_management,
        error,
        extra,
    } = reply;
    if let Some(error) = error {
        return Err(stream_error(&error, body));
    }
    let Some(content) = content else {
        let said = kind.unwrap_or_default();
        return Err(ApiError::upstream(
            ErrorKind::UpstreamFormat,
            format!("the upstream's answer (`{}`) has no content", said.as_str()),
        ));
    };
    let mut parts = Vec::with_capacity(content.len());
    let mut calls = Answered::default();
    for block in content {
        part(block, memo, &mut calls, &mut parts)?;
    }
    let mut out = Reply {
        id: text(id),
        model: text(model),
        origin: Some(Dialect::Anthropic),
        extra: extra.to_extra(),
        ..Reply::default()
    };
    keep(&mut out.extra, "stop_details", stop_details);
    keep(&mut out.extra, "container", container);
    keep(&mut out.extra, "context_management", context_management);
    if let Some(mut usage) = usage {
        let mut counts = Counts::default();
        counts.merge(&usage);
        out.usage = Some(counts.usage());
        keep(&mut out.extra, "inference_geo", usage.inference_geo.take());
        keep(&mut out.extra, "speed", usage.speed.take());
        out.service_tier = usage.service_tier.take().map(Str::into_string);
    }
    let finish = stop_reason.map(|reason| finish_of(reason.as_str(), stop_sequence, calls));
    out.choices.push(Choice { parts, finish, ..Choice::default() });
    Ok(out)
}

fn part(block: Block<'_>, memo: &Memo, calls: &mut Answered, out: &mut Vec<Part>) -> Result<()> {
    match block {
        Block::Text(TextBlock { kind: _, text, citations, cache_control: _, extra }) => {
            let text = text.unwrap_or_default().0.into_lossy().into_owned();
            out.push(Part::Text(Text { extra: extra.to_extra(), ..Text::new(text) }));
            for raw in citations.unwrap_or_default() {
                out.push(Part::Citation(citation(&raw)));
            }
        }
        Block::Thinking(ThinkingBlock { kind: _, thinking, signature, extra }) => {
            out.push(Part::Reasoning(Reasoning {
                text: thinking.unwrap_or_default().0.into_lossy().into_owned(),
                signature: signature.map(Str::into_string).filter(|signature| !signature.is_empty()),
                redacted: None,
                origin: None,
                extra: extra.to_extra(),
            }));
        }
        Block::Redacted(block) => out.push(Part::Reasoning(Reasoning {
            redacted: Some(text(block.data)),
            extra: block.extra.to_extra(),
            ..Reasoning::default()
        })),
        Block::ToolUse(ToolUseBlock { kind: _, id, name, input, cache_control: _, extra }) => {
            let name = name.unwrap_or_default();
            let input = input.as_ref().map_or("{}", Raw::get);
            if memo.json_tool == Some(name.as_str()) {
                *calls = calls.and(Answered::Structured);
                out.push(Part::text(unwrapped(input)));
                return Ok(());
            }
            *calls = calls.and(Answered::ByCalls);
            let name = memo.client_name(name.as_str());
            let kind = memo.call_kind(name);
            let free = kind == ToolCallKind::Custom;
            out.push(Part::ToolCall(ToolCall {
                id: text(id),
                name: name.to_owned(),
                arguments: if free { custom::input(input).into_owned() } else { input.to_owned() },
                kind,
                extra: extra.to_extra(),
                ..ToolCall::default()
            }));
        }
        other => out.push(Part::Opaque(opaque(&other)?)),
    }
    Ok(())
}

/// A block that stays as it is.
pub(in super::super) fn opaque(block: &Block<'_>) -> Result<Opaque> {
    let (kind, json) = match block {
        Block::Other(kind, raw) => (kind.as_str().to_owned(), raw.0.clone().into_owned()),
        known => {
            let json = serde_json::value::to_raw_value(known).map_err(|error| {
                ApiError::upstream(ErrorKind::UpstreamFormat, "a content block cannot be kept")
                    .with_source(error)
            })?;
            let kind = serde_json::from_str::<wire::Kind<'_>>(json.get()).unwrap_or_default();
            (kind.0.into_string(), json)
        }
    };
    Ok(Opaque { dialect: Dialect::Anthropic, kind, json })
}

/// A citation, whatever kind of source it is of.
pub(in super::super) fn citation(raw: &Raw<'_>) -> Citation {
    let read: wire::Citation<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let title = read.title.or(read.document_title);
    Citation {
        url: read.url.or(read.source).map(Str::into_string),
        title: title.map(Str::into_string),
        // Anthropic counts characters of the source, not of the answer.
        start: None,
        end: None,
        quote: read.cited_text.map(Str::into_string),
        native: Some((Dialect::Anthropic, raw.0.clone().into_owned())),
    }
}

/// Reads a count of tokens.
pub(super) fn count(body: &[u8]) -> Result<TokenCount> {
    let counted: wire::Counted<'_> = serde_json::from_slice(body).map_err(|error| unreadable(body, error))?;
    let wire::Counted { input_tokens, error, extra } = counted;
    if let Some(error) = error {
        return Err(stream_error(&error, body));
    }
    let input = input_tokens.ok_or_else(|| {
        ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream's count of tokens has no input_tokens")
    })?;
    Ok(TokenCount { input, extra: extra.to_extra(), ..TokenCount::default() })
}

/// Reads what was used.
pub(super) fn tap(body: &[u8]) -> Result<Tapped<'_>> {
    let seen: Watched<'_> = serde_json::from_slice(body).map_err(|error| unreadable(body, error))?;
    let Watched { kind: _, model, usage, error, extra: _ } = seen;
    if let Some(error) = error {
        return Err(stream_error(&error, body));
    }
    let usage = usage.map(|usage| {
        let mut counts = Counts::default();
        counts.merge(&usage);
        counts.usage()
    });
    Ok(Tapped { usage, model: model.map(|model| model.0) })
}

/// Classifies an answer that is not 2xx.
pub(super) fn error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let seen: Option<Watched<'_>> = serde_json::from_slice(body).ok();
    let error = seen.and_then(|seen| seen.error).unwrap_or_default();
    classify::upstream_error(status, headers, &said(&error), body)
}

/// Classifies an error that came with a 200: in a stream, or in place of an answer.
pub(in super::super) fn stream_error(error: &ErrorBody<'_>, body: &[u8]) -> ApiError {
    let status = status_of(error.kind.as_str());
    classify::upstream_error(status, &HeaderMap::new(), &said(error), body)
}

/// Classifies what came of one request of a batch in place of an answer.
pub(super) fn batch_error(error: &ErrorBody<'_>) -> ApiError {
    classify::upstream_error(status_of(error.kind.as_str()), &HeaderMap::new(), &said(error), &[])
}

fn said<'a>(error: &'a ErrorBody<'_>) -> Said<'a> {
    Said { message: error.message.as_str(), kind: error.kind.as_str(), ..Said::default() }
}

/// The status that Anthropic gives an error of this type.
fn status_of(kind: &str) -> StatusCode {
    match kind {
        "invalid_request_error" => StatusCode::BAD_REQUEST,
        "authentication_error" => StatusCode::UNAUTHORIZED,
        "billing_error" => StatusCode::PAYMENT_REQUIRED,
        "permission_error" => StatusCode::FORBIDDEN,
        "not_found_error" => StatusCode::NOT_FOUND,
        "request_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "rate_limit_error" => StatusCode::TOO_MANY_REQUESTS,
        "timeout_error" => StatusCode::GATEWAY_TIMEOUT,
        "overloaded_error" => StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn unreadable(body: &[u8], error: serde_json::Error) -> ApiError {
    let message = if body.is_empty() {
        "the upstream's answer is empty"
    } else {
        "the upstream's answer is not one of the Messages API"
    };
    ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
}

/// Keeps a member of an answer that has no place in the neutral form.
pub(in super::super) fn keep(extra: &mut Extra, name: &str, value: Option<Raw<'_>>) {
    if let Some(value) = value {
        let value: Box<RawValue> = value.0.into_owned();
        extra.set(name, value);
    }
}

fn text(value: Option<Str<'_>>) -> String {
    value.map(Str::into_string).unwrap_or_default()
}
