//! A whole answer as `GenerateContentResponse`.

use std::borrow::Cow;

use llm_types::chat::{LogProbs, TokenLogProb};
use llm_types::{Choice, Dialect, Extra, Finish, FinishKind, Reply, Str, TokenCount};
use serde::Serialize;

use super::super::wire::{self, Word};
use super::ground::{Grounds, is_told};
use super::{media, usage};
use crate::codec::ReplyCx;

/// Words of `finishReason` that are this dialect's own.
const REASONS: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "MODEL_ARMOR",
    "FINISH_REASON_UNSPECIFIED",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content_token_count: Option<u64>,
}

/// The tokens of a prompt.
pub(super) fn tokens(count: &TokenCount) -> Vec<u8> {
    let TokenCount { input, cached, estimated: _, extra: _ } = count;
    let out = Tokens { total_tokens: *input, cached_content_token_count: *cached };
    serde_json::to_vec(&out).unwrap_or_default()
}

/// The whole answer.
pub(super) fn reply(reply: &Reply, cx: &ReplyCx) -> Vec<u8> {
    let Reply { id, model, created: _, choices, usage, service_tier, system_fingerprint: _, origin, extra } =
        reply;
    let upstream = origin.or(cx.upstream);
    let grounds: Vec<_> = choices
        .iter()
        .map(|choice| {
            let names = choice.extra.iter().map(|(name, _)| name);
            if is_told(*origin, names) { None } else { Grounds::of(&choice.parts).json() }
        })
        .collect();
    let blocked = *origin == Some(Dialect::Gemini)
        && extra.get("promptFeedback").is_some()
        && choices.iter().all(|choice| choice.parts.is_empty());
    let candidates = choices.iter().zip(&grounds).map(|(one, grounds)| {
        let mut candidate = candidate(one, *origin, upstream);
        candidate.grounding_metadata = grounds.as_deref();
        candidate
    });
    let mut counts = usage.as_ref().map(usage::usage);
    if let (Some(counts), Some(tier)) = (&mut counts, service_tier) {
        counts.service_tier = Some(Str::from(tier));
    }
    let mut out = wire::Response {
        candidates: (!blocked).then(|| candidates.collect()),
        model_version: Some(Str::from(if model.is_empty() { &*cx.model } else { model })),
        response_id: Some(Str::from(if id.is_empty() { &*cx.id } else { id })),
        ..wire::Response::default()
    };
    if *origin == Some(Dialect::Gemini) {
        reply_members(extra, &mut out.extra, counts.as_mut());
    }
    out.usage_metadata = counts;
    serde_json::to_vec(&out).unwrap_or_default()
}

/// Members of a whole answer; one of them belongs to the counts.
pub(super) fn reply_members<'a>(
    extra: &'a Extra,
    out: &mut llm_types::Members<'a>,
    counts: Option<&mut wire::UsageMetadata<'a>>,
) {
    let mut traffic = None;
    for (name, value) in extra.iter() {
        match name {
            "trafficType" => traffic = Some(value),
            _ => out.push(Cow::Borrowed(name), value),
        }
    }
    if let Some(counts) = counts {
        counts.traffic_type = traffic;
    }
}

fn candidate<'a>(
    choice: &'a Choice,
    origin: Option<Dialect>,
    upstream: Option<Dialect>,
) -> wire::Candidate<'a> {
    let Choice { index, parts, finish, logprobs, extra, message_extra: _ } = choice;
    let parts: Vec<wire::Part<'a>> = parts.iter().flat_map(|part| media::parts(part, upstream)).collect();
    let finish = finish.as_ref().map(finish_words);
    let mut out = wire::Candidate {
        content: Some(wire::Content {
            role: Some(Str::from("model")),
            parts: (!parts.is_empty()).then_some(wire::List(parts)),
            ..wire::Content::default()
        }),
        finish_reason: finish.map(|(word, _)| Word::Name(Str::from(word))),
        finish_message: finish.and_then(|(_, message)| message).map(Str::from),
        index: Some(*index),
        logprobs_result: logprobs.as_ref().map(log_probs),
        ..wire::Candidate::default()
    };
    if origin == Some(Dialect::Gemini) {
        for (name, value) in extra.iter() {
            // The provider's own message comes back by its own name.
            if name != "finishMessage" || out.finish_message.is_none() {
                out.extra.push(Cow::Borrowed(name), value);
            }
        }
    }
    out
}

/// This dialect's word for why an answer ended, and what of another provider's words it does not say.
pub(super) fn finish_words(finish: &Finish) -> (&str, Option<&str>) {
    let Finish { kind, native, stop_sequence: _ } = finish;
    match native.as_deref() {
        Some(word) if REASONS.contains(&word) => (word, None),
        native => {
            let word = match kind {
                FinishKind::Stop | FinishKind::ToolCalls => "STOP",
                FinishKind::Length => "MAX_TOKENS",
                FinishKind::ContentFilter => "SAFETY",
            };
            (word, native)
        }
    }
}

/// Log probabilities.
pub(super) fn log_probs(log_probs: &LogProbs) -> wire::Logprobs<'_> {
    let LogProbs { content, refusal } = log_probs;
    let all = || content.iter().chain(refusal);
    let top = |token: &'_ TokenLogProb| !token.top.is_empty();
    wire::Logprobs {
        chosen_candidates: Some(all().map(token).collect()),
        top_candidates: all().any(top).then(|| {
            let places = all().map(|token| wire::TopTokens {
                candidates: Some(token.top.iter().map(self::token).collect()),
                ..wire::TopTokens::default()
            });
            places.collect()
        }),
        ..wire::Logprobs::default()
    }
}

fn token(token: &TokenLogProb) -> wire::Token<'_> {
    let TokenLogProb { token, logprob, bytes: _, top: _ } = token;
    wire::Token {
        token: Some(token.as_str().into()),
        // JSON has no infinity.
        log_probability: Some(if logprob.is_finite() { *logprob } else { -9999.0 }),
        ..wire::Token::default()
    }
}
