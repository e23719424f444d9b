//! A whole answer, and how an answer ended.

use llm_types::{ApiError, Choice, Dialect, ErrorKind, Finish, FinishKind, Reply, Result};

use super::super::wire::{Incomplete, Raw, Response, Word};
use super::content::Content;
use super::{error, usage};

/// Reads a whole answer.
pub(super) fn whole(body: &[u8]) -> Result<Reply> {
    let text = String::from_utf8_lossy(body);
    let wire: Response<'_> = serde_json::from_str(&text)
        .map_err(|cause| error::format("the upstream's answer is not a response").with_source(cause))?;
    let Response {
        id,
        object: _,
        created_at,
        status,
        model,
        error: failed,
        incomplete_details,
        output,
        service_tier,
        usage: used,
        tool_usage,
        extra,
    } = wire;
    let status = status.unwrap_or_default();
    failure(&status.0, failed.as_ref())?;
    let Some(items) = output else {
        return Err(error::format("the upstream's answer has no `output`: it is not a response"));
    };
    let mut content = Content::default();
    for item in items {
        content.push(item).map_err(|cause| error::format("an item cannot be kept").with_source(cause))?;
    }
    let Content { parts, log_probs, calls, searches } = content;
    let queries = usage::queries(tool_usage.as_ref().map(Raw::get)).max(searches);
    let word = |word: Option<Word<'_>>| word.and_then(Word::non_empty).map(std::borrow::Cow::into_owned);
    Ok(Reply {
        id: word(id).unwrap_or_default(),
        model: word(model).unwrap_or_default(),
        created: created_at.map(|at| at.0).filter(|at| *at > 0),
        choices: vec![Choice {
            finish: Some(finish(&status.0, incomplete_details.as_ref(), calls)),
            logprobs: (!log_probs.content.is_empty()).then_some(log_probs),
            parts,
            ..Choice::default()
        }],
        usage: used.map(|used| usage::usage(&used, queries, service_tier.as_ref())),
        service_tier: word(service_tier),
        system_fingerprint: None,
        origin: Some(Dialect::OpenaiResponses),
        extra: extra.to_extra(),
    })
}

/// The failure that an answer with status 200 holds.
pub(super) fn failure(status: &str, failed: Option<&Raw<'_>>) -> Result<()> {
    if let Some(raw) = failed.filter(|raw| !matches!(raw.get(), "\"\"" | "{}")) {
        return Err(error::inside(raw.get()));
    }
    let message = match status {
        "failed" => "the upstream gave up on its answer: retry, or ask another model",
        "cancelled" => "the answer was cancelled at the provider",
        "queued" | "in_progress" => "the upstream answered before it was ready: leave out `background`",
        _ => return Ok(()),
    };
    Err(ApiError::upstream(ErrorKind::Api, message))
}

/// Why an answer ended. One that calls tools and is whole waits for their results.
pub(super) fn finish(status: &str, details: Option<&Incomplete<'_>>, calls: bool) -> Finish {
    let whole = if calls { FinishKind::ToolCalls } else { FinishKind::Stop };
    if status != "incomplete" {
        return Finish::from(whole);
    }
    let reason = details.and_then(|details| details.reason.as_ref()).map(llm_types::Str::as_str);
    let (kind, native) = match reason {
        Some("max_output_tokens") => (FinishKind::Length, None),
        Some("content_filter") => (FinishKind::ContentFilter, None),
        Some(other) => (whole, Some(other.to_owned())),
        None => (FinishKind::Length, None),
    };
    Finish { kind, native, stop_sequence: None }
}
