//! Whole answers: an object, or a list of one.

use llm_types::chat::Part;
use llm_types::{ApiError, Choice, Dialect, ErrorKind, Finish, FinishKind, Reply, Result, Usage};

use super::wire::{Details, Generated};
use crate::codec::Tapped;
use crate::dialect::openai_error;
use crate::dialect::scalar::Count;

/// Reads a whole answer.
///
/// # Errors
/// When it is not one; the failure that it holds.
pub(super) fn reply(body: &[u8]) -> Result<Reply> {
    let Generated { token: _, generated_text, details, error: _, extra } = read(body)?;
    let text = generated_text.ok_or_else(|| malformed("it has no `generated_text`"))?;
    Ok(Reply {
        choices: vec![Choice {
            parts: vec![Part::text(text.0.into_owned())],
            finish: Some(finish(details.as_ref())),
            ..Choice::default()
        }],
        usage: details.as_ref().and_then(usage),
        origin: Some(Dialect::Tgi),
        extra: extra.to_extra(),
        ..Reply::default()
    })
}

/// Reads what was used.
///
/// # Errors
/// As [`reply`].
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let usage = read(body)?.details.as_ref().and_then(usage);
    Ok(Tapped { usage, model: None })
}

fn read(body: &[u8]) -> Result<Generated<'_>> {
    let first = body.trim_ascii_start().first();
    let read = if first == Some(&b'[') {
        let mut list: Vec<Generated<'_>> = serde_json::from_slice(body).map_err(malformed)?;
        (list.len() == 1)
            .then(|| list.pop())
            .flatten()
            .ok_or_else(|| malformed("it is not a list of one answer"))?
    } else {
        serde_json::from_slice(body).map_err(malformed)?
    };
    match read.error {
        Some(_) => Err(openai_error::inside(&String::from_utf8_lossy(body))),
        None => Ok(read),
    }
}

fn malformed(why: impl std::fmt::Display) -> ApiError {
    let message = format!("the upstream's answer is not one of a text generation server: {why}");
    ApiError::upstream(ErrorKind::UpstreamFormat, message)
}

/// Why the answer ended.
pub(super) fn finish(details: Option<&Details<'_>>) -> Finish {
    let reason = details.and_then(|details| details.finish_reason.as_ref()).map_or("", |word| &*word.0);
    match reason {
        "length" => FinishKind::Length.into(),
        "" | "stop" | "eos_token" | "stop_sequence" => FinishKind::Stop.into(),
        other => Finish { kind: FinishKind::Stop, native: Some(other.to_owned()), stop_sequence: None },
    }
}

/// What was used, where both sides are told: the prompt is counted only where its tokens are listed. Half of it would be
/// taken for the whole.
pub(super) fn usage(details: &Details<'_>) -> Option<Usage> {
    let Details { finish_reason: _, generated_tokens, prefill, extra: _ } = details;
    let prompt = prefill.as_ref().filter(|tokens| !tokens.is_empty())?;
    let Count(output) = (*generated_tokens)?;
    Some(Usage { input: u64::try_from(prompt.len()).unwrap_or(u64::MAX), output, ..Usage::default() })
}
