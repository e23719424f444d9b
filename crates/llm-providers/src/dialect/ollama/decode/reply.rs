//! Whole answers.

use llm_types::chat::{Image, Media, Part, Reasoning};
use llm_types::{ApiError, Choice, Dialect, ErrorKind, Extra, Reply, Result, Str};

use super::super::wire::{self, ReplyMessage};
use super::error::broke_off;
use super::finish::{finish, usage};
use super::part;
use crate::codec::{DecodeCx, Memo, Tapped};
use crate::dialect::think;

/// Reads a whole answer.
///
/// # Errors
/// When it is not one; the failure where the model broke off.
pub(in super::super) fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Reply> {
    let read = read(body)?;
    let counts = usage(&read, cx.memo);
    let wire::Reply {
        model,
        message,
        response,
        thinking,
        tool_calls,
        context: _,
        done: _,
        done_reason,
        prompt_eval_count: _,
        eval_count: _,
        logprobs,
        error: _,
        extra,
    } = read;
    if message.is_none() && response.is_none() {
        let none = "the upstream's answer has neither a `message` nor a `response`";
        return Err(ApiError::upstream(ErrorKind::UpstreamFormat, none));
    }
    let ReplyMessage {
        role: _,
        content,
        thinking: message_thinking,
        images,
        tool_calls: message_calls,
        extra: message_extra,
    } = message.unwrap_or_default();
    let mut parts = Vec::new();
    let text = |text: Option<wire::Text<'_>>| text.unwrap_or_default().0.into_lossy().into_owned();
    let thoughts = text(message_thinking.or(thinking));
    if !thoughts.is_empty() {
        parts.push(Part::Reasoning(Reasoning { text: thoughts, ..Reasoning::default() }));
    }
    let said = text(content.or(response));
    let (thoughts, said) = think::THINK.split(&said);
    if !thoughts.is_empty() {
        parts.push(Part::Reasoning(Reasoning { text: thoughts.to_owned(), ..Reasoning::default() }));
    }
    if !said.is_empty() {
        parts.push(Part::text(said));
    }
    parts.extend(images.unwrap_or_default().into_iter().map(picture));
    let calls = message_calls.or(tool_calls).unwrap_or_default();
    let called = !calls.is_empty();
    parts.extend(calls.into_iter().map(|call| Part::ToolCall(part::called(call, cx.memo))));
    let choice = Choice {
        index: 0,
        parts,
        finish: Some(finish(done_reason.unwrap_or_default().as_str(), called)),
        logprobs: logprobs.map(part::logprobs),
        extra: Extra::default(),
        message_extra: message_extra.to_extra(),
    };
    Ok(Reply {
        model: model.map(Str::into_string).unwrap_or_default(),
        choices: vec![choice],
        usage: counts,
        origin: Some(Dialect::Ollama),
        extra: extra.to_extra(),
        ..Reply::default()
    })
}

fn picture(data: Str<'_>) -> Part {
    Part::Image(Image::new(Media::Base64 { media_type: "image/png".to_owned(), data: data.into_string() }))
}

/// Reads what was used.
///
/// # Errors
/// When the answer is not one.
pub(in super::super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let read = read(body)?;
    Ok(Tapped { usage: usage(&read, &Memo::default()), model: read.model.map(|model| model.0) })
}

fn read(body: &[u8]) -> Result<wire::Reply<'_>> {
    let read: wire::Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    match &read.error {
        Some(error) => Err(broke_off(error)),
        None => Ok(read),
    }
}

/// What cannot be read as this dialect.
pub(in super::super) fn malformed(body: &[u8], error: serde_json::Error) -> ApiError {
    let message = if body.is_empty() {
        "the upstream's answer is empty"
    } else {
        "the upstream's answer is not one of Ollama's"
    };
    ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
}
