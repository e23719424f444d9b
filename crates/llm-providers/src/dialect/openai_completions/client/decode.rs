//! A whole answer.

use std::borrow::Cow;

use llm_types::chat::Part;
use llm_types::{ApiError, Choice, Dialect, ErrorKind, Finish, FinishKind, Reply, Result};

use super::super::super::openai_chat;
use super::super::super::scalar::Word;
use super::super::logprob;
use super::super::wire::{self, Completion, without_padding};

/// The whole answer.
pub(super) fn reply(body: &[u8]) -> Result<Reply> {
    let text = String::from_utf8_lossy(body);
    let wire: Completion<'_> = serde_json::from_str(&text)
        .map_err(|cause| format("the upstream's answer is not a text completion").with_source(cause))?;
    failure(&wire, &text)?;
    let Completion {
        id,
        object: _,
        created,
        model,
        choices,
        usage,
        service_tier,
        system_fingerprint,
        error: _,
        mut extra,
    } = wire;
    let Some(choices) = choices else {
        return Err(format("the upstream's answer has no `choices`: it is not a text completion"));
    };
    without_padding(&mut extra);
    Ok(Reply {
        id: word(id).unwrap_or_default(),
        model: word(model).unwrap_or_default(),
        created: created.map(|count| count.0).filter(|at| *at > 0),
        choices: choices.into_iter().enumerate().map(|(at, wire)| choice(at, wire)).collect::<Result<_>>()?,
        usage: usage.and_then(|usage| usage.0).and_then(openai_chat::read_usage),
        service_tier: word(service_tier),
        system_fingerprint: word(system_fingerprint),
        origin: Some(Dialect::OpenaiCompletions),
        extra: extra.to_extra(),
    })
}

fn choice(at: usize, wire: wire::Choice<'_>) -> Result<Choice> {
    let wire::Choice { text, index, logprobs, finish_reason, mut extra } = wire;
    without_padding(&mut extra);
    let text = text.unwrap_or_default().0.into_lossy();
    let parts = if text.is_empty() { Vec::new() } else { vec![Part::text(text)] };
    let index = index.map(|count| count.0).or_else(|| u64::try_from(at).ok()).unwrap_or_default();
    let word = finish_reason.and_then(|word| word.0).unwrap_or_default();
    Ok(Choice {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        parts,
        finish: Some(finish(&word.0)?),
        logprobs: logprobs.and_then(|wire| wire.0).and_then(logprob::read),
        extra: extra.to_extra(),
        ..Choice::default()
    })
}

/// The error in an answer with status 200, if there is one.
///
/// # Errors
/// That error.
pub(super) fn failure(wire: &Completion<'_>, text: &str) -> Result<()> {
    match wire.error {
        Some(raw) if !matches!(raw.get(), "\"\"" | "{}") => Err(openai_chat::failure(text)),
        _ => Ok(()),
    }
}

/// Why an answer ended. Empty: the provider did not say.
///
/// # Errors
/// For a word that means failure.
pub(super) fn finish(word: &str) -> Result<Finish> {
    let (kind, usual) = match word {
        "" | "stop" => (FinishKind::Stop, true),
        "length" => (FinishKind::Length, true),
        "content_filter" => (FinishKind::ContentFilter, true),
        "max_tokens" | "model_length" => (FinishKind::Length, false),
        "error" | "network_error" | "insufficient_system_resource" => {
            let message = "the upstream gave up on its answer: retry, or ask another model";
            return Err(ApiError::upstream(ErrorKind::Api, message));
        }
        // `eos`, `stop_sequence` and whatever comes next.
        _ => (FinishKind::Stop, false),
    };
    Ok(Finish { kind, native: (!usual).then(|| word.to_owned()), stop_sequence: None })
}

/// An answer with status 200 that is none.
pub(super) fn format(why: &str) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, why)
}

fn word(word: Option<Word<'_>>) -> Option<String> {
    word.and_then(Word::non_empty).map(Cow::into_owned)
}
