//! Whole answers.

use http::HeaderMap;
use llm_types::chat::{Part, Reasoning, ToolCall, ToolCallKind};
use llm_types::{ApiError, Choice, Dialect, ErrorKind, Extra, Raw, Reply, Result, Str};

use super::super::wire::{self, ReplyMessage, ReplyPart, Watched};
use super::error::broke_off;
use super::finish::{finish, is_failure};
use super::part;
use super::usage::usage;
use crate::codec::{DecodeCx, Memo, Tapped};
use crate::dialect::custom;

/// Reads a whole answer.
///
/// # Errors
/// When it is not one; the failure where the model broke off.
pub(in super::super) fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Reply> {
    let read: wire::Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    let wire::Reply { id, finish_reason, message, usage: counts, logprobs, error, extra } = read;
    let reason = finish_reason.unwrap_or_default();
    if is_failure(reason.as_str()) {
        let said = error.and_then(crate::dialect::scalar::Word::non_empty).unwrap_or_default();
        return Err(broke_off(reason.as_str(), &said));
    }
    let Some(message) = message else {
        // An error in a 200.
        let error = super::error(http::StatusCode::INTERNAL_SERVER_ERROR, &HeaderMap::new(), body);
        let told = extra.get("message").is_some();
        let none = || ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream's answer has no message");
        return Err(if told { error } else { none() });
    };
    let ReplyMessage { role: _, content, tool_plan, tool_calls, citations, extra: message_extra } = message;
    let mut parts = Vec::new();
    let plan = tool_plan.unwrap_or_default().0.into_lossy();
    if !plan.is_empty() {
        parts.push(Part::Reasoning(Reasoning { text: plan.into_owned(), ..Reasoning::default() }));
    }
    said(content.unwrap_or_default(), &citations.unwrap_or_default(), body, &mut parts)?;
    parts.extend(tool_calls.unwrap_or_default().into_iter().map(|call| called(call, cx.memo)));
    let choice = Choice {
        index: 0,
        parts,
        finish: Some(finish(reason.as_str())),
        logprobs: logprobs.map(part::logprobs),
        extra: Extra::default(),
        message_extra: message_extra.to_extra(),
    };
    Ok(Reply {
        id: id.map(Str::into_string).unwrap_or_default(),
        // It names none.
        model: String::new(),
        choices: vec![choice],
        usage: counts.as_ref().and_then(usage),
        origin: Some(Dialect::Cohere),
        extra: extra.to_extra(),
        ..Reply::default()
    })
}

/// Texts, each with what it cites, and thoughts.
fn said(content: Vec<Raw<'_>>, citations: &[Raw<'_>], body: &[u8], parts: &mut Vec<Part>) -> Result<()> {
    let mut cited: Vec<(Option<u32>, &Raw<'_>)> = Vec::with_capacity(citations.len());
    for raw in citations {
        let read: wire::Citation<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        cited.push((read.content_index, raw));
    }
    let mut texts = 0;
    for (index, raw) in content.iter().enumerate() {
        let piece: ReplyPart<'_> = serde_json::from_str(raw.get()).map_err(|error| malformed(body, error))?;
        match piece {
            ReplyPart { thinking: Some(thoughts), .. } => parts.push(Part::Reasoning(Reasoning {
                text: thoughts.0.into_lossy().into_owned(),
                ..Reasoning::default()
            })),
            ReplyPart { text: Some(text), .. } => {
                parts.push(Part::text(text.0.into_lossy()));
                // Where a citation does not say which text it is of, it is of the first.
                let here = |place: &Option<u32>| match place {
                    Some(place) => usize::try_from(*place).is_ok_and(|place| place == index),
                    None => texts == 0,
                };
                let own = cited.iter().filter(|(place, _)| here(place));
                parts.extend(own.flat_map(|(_, raw)| part::citations(raw)).map(Part::Citation));
                texts += 1;
            }
            other => {
                let kind = other.kind.unwrap_or_default().into_string();
                let json = raw.0.clone().into_owned();
                parts.push(Part::Opaque(llm_types::chat::Opaque { dialect: Dialect::Cohere, kind, json }));
            }
        }
    }
    Ok(())
}

fn called(call: wire::Call<'_>, memo: &Memo) -> Part {
    let wire::Call { id, kind: _, function, extra } = call;
    let wire::Called { name, arguments, extra: _ } = function.unwrap_or_default();
    let name = name.unwrap_or_default();
    let name = memo.client_name(name.as_str());
    let kind = memo.call_kind(name);
    let arguments = arguments.unwrap_or_default().0.into_lossy();
    let arguments = match &*arguments {
        "" | "null" => "{}",
        arguments => arguments,
    };
    let free = kind == ToolCallKind::Custom;
    Part::ToolCall(ToolCall {
        id: id.map(Str::into_string).unwrap_or_default(),
        name: name.to_owned(),
        arguments: if free { custom::input(arguments).into_owned() } else { arguments.to_owned() },
        kind,
        extra: extra.to_extra(),
        ..ToolCall::default()
    })
}

/// Reads what was used.
///
/// # Errors
/// When the answer is not one.
pub(in super::super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let seen: Watched<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    Ok(Tapped { usage: seen.usage.as_ref().and_then(usage), model: None })
}

/// What cannot be read as this dialect.
pub(in super::super) fn malformed(body: &[u8], error: serde_json::Error) -> ApiError {
    let message = if body.is_empty() {
        "the upstream's answer is empty"
    } else {
        "the upstream's answer is not one of Cohere's"
    };
    ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
}
