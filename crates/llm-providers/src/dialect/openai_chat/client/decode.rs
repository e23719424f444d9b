//! A whole answer.

use std::borrow::Cow;

use llm_types::chat::{LogProbs, Part, TokenLogProb};
use llm_types::{ApiError, Choice, Dialect, Extra, RawValue, Reply, ReplyQuirk, Result, Usage, wire_struct};

use super::super::wire::{self, Completion, Count, OrNull, Token, Word, Written, without_padding};
use super::citation::Sources;
use super::finish::{Ended, ended};
use super::{content, error, usage};
use crate::codec::DecodeCx;

wire_struct! {
    /// MiniMax's own status.
    struct BaseResp<'a> {
        status_code: Count,
    }
}

wire_struct! {
    /// Groq's envelope.
    pub(super) struct XGroq<'a> {
        usage: wire::Usage<'a>,
        error: &'a RawValue,
    }
}

/// What the decoders of answers and streams take from the provider's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// Where thinking is counted.
    pub(super) reasoning: usage::Reasoning,
    /// Whether thoughts stand in the text.
    pub(super) think_tags: bool,
}

impl Habits {
    /// Those of the provider and model of a call.
    pub(super) fn of(cx: &DecodeCx<'_>) -> Self {
        let has = |quirk| cx.spec.has_reply_quirk(cx.model, quirk);
        Self {
            reasoning: match has(ReplyQuirk::ReasoningOutside) {
                true => usage::Reasoning::Outside,
                false => usage::Reasoning::Inside,
            },
            think_tags: has(ReplyQuirk::ThinkTags),
        }
    }
}

/// Whether this is the usage of an answer that says nothing. One whose words were billed is what it is, without a choice
/// that could be read.
pub(super) fn is_nothing(usage: Option<&Usage>) -> bool {
    usage.is_none_or(|usage| usage.completion_tokens() == 0)
}

/// An answer without a single choice: even one that says nothing has one, with the reason why it ended. Another
/// deployment may do better.
pub(super) fn nothing() -> ApiError {
    error::format("the upstream answered without any choice: nothing was said")
}

/// The whole answer.
pub(super) fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Reply> {
    let text = String::from_utf8_lossy(body);
    let mut wire: Completion<'_> = match serde_json::from_str(&text) {
        Ok(wire) => wire,
        Err(cause) => {
            return Err(error::format("the upstream's answer is not a chat completion").with_source(cause));
        }
    };
    failure(&wire)?;
    let Some(choices) = wire.choices.take() else {
        return Err(error::format("the upstream's answer has no `choices`: it is not a chat completion"));
    };
    let habits = Habits::of(cx);
    let sources = Sources::read(wire.citations.as_ref(), wire.search_results.as_ref());
    let used = match wire.usage.take() {
        Some(used) => Some(usage::usage(&used, habits.reasoning)),
        None => groq(wire.x_groq.as_ref(), habits)?,
    };
    if choices.is_empty() && is_nothing(used.as_ref()) {
        return Err(nothing());
    }
    let service = usage::service(wire.service_tier.as_ref());
    let used = used.map(|used| Usage { service, ..used });
    without_padding(&mut wire.extra);
    let mut extra = wire.extra.to_extra();
    let raw =
        [("citations", &wire.citations), ("search_results", &wire.search_results), ("x_groq", &wire.x_groq)];
    keep_raw(&mut extra, &raw);
    Ok(Reply {
        id: word(wire.id).unwrap_or_default(),
        model: word(wire.model).unwrap_or_default(),
        created: wire.created.map(|count| count.0).filter(|at| *at > 0),
        choices: choices
            .into_iter()
            .enumerate()
            .map(|(at, one)| choice(at, one, habits, &sources))
            .collect::<Result<_>>()?,
        usage: used,
        service_tier: word(wire.service_tier),
        system_fingerprint: word(wire.system_fingerprint),
        origin: Some(Dialect::OpenaiChat),
        extra,
    })
}

/// The usage in Groq's envelope, or the error in it.
pub(super) fn groq(json: Option<&Written<'_>>, habits: Habits) -> Result<Option<Usage>> {
    let Some(XGroq { usage: used, error: failed, extra: _ }) =
        json.and_then(|json| serde_json::from_str(json.get()).ok())
    else {
        return Ok(None);
    };
    match failed {
        Some(raw) => Err(error::inside(raw.get())),
        None => Ok(used.map(|used| usage::usage(&used, habits.reasoning))),
    }
}

/// Adds members that are read here but belong to the same dialect's clients too.
pub(super) fn keep_raw(extra: &mut Extra, members: &[(&str, &Option<Written<'_>>)]) {
    for (name, json) in members {
        if let Some(json) = json {
            extra.set(*name, json.0.clone().into_owned());
        }
    }
}

/// The error that a provider put into a 200.
fn failure(wire: &Completion<'_>) -> Result<()> {
    if let Some(raw) = wire.error.filter(|raw| !matches!(raw.get(), "\"\"" | "{}")) {
        return Err(error::inside(raw.get()));
    }
    wire.base_resp.map_or(Ok(()), base_resp)
}

/// The error that MiniMax puts beside or in place of an answer.
pub(super) fn base_resp(raw: &RawValue) -> Result<()> {
    use llm_types::ErrorKind as K;
    let status: BaseResp<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let kind = match status.status_code.unwrap_or_default().0 {
        0 => return Ok(()),
        1001 => K::Timeout,
        1002 => K::RateLimit,
        1004 => K::Auth,
        1008 => K::Quota,
        1026 | 1027 => K::ContentPolicy,
        1039 => K::ContextWindow,
        2013 => K::BadRequest,
        _ => return Err(error::inside(raw.get())),
    };
    let mut error = error::inside(raw.get());
    error.kind = kind;
    Err(error)
}

fn word(word: Option<Word<'_>>) -> Option<String> {
    word.and_then(Word::non_empty).map(Cow::into_owned)
}

fn choice(at: usize, wire: wire::Choice<'_>, habits: Habits, sources: &Sources) -> Result<Choice> {
    let wire::Choice { index, message, logprobs, finish_reason, error: failed, mut extra } = wire;
    if let Some(raw) = failed {
        return Err(error::inside(raw.get()));
    }
    let message = message.unwrap_or_default();
    let (mut parts, message_extra) = content::parts(message, habits)?;
    if !sources.is_empty() {
        cite(&mut parts, sources);
    }
    let calls = parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count();
    let finish = match ended(&finish_reason.unwrap_or_default().0, calls) {
        Ended::Finish(finish) => finish,
        Ended::Failed => return Err(gave_up()),
    };
    extra.remove("delta");
    without_padding(&mut extra);
    let at = u64::try_from(at).unwrap_or(0);
    let index = index.map_or(at, |count| count.0);
    Ok(Choice {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        parts,
        finish: Some(finish),
        logprobs: logprobs.and_then(|wire| wire.0).and_then(log_probs),
        extra: extra.to_extra(),
        message_extra,
    })
}

/// A `finish_reason` that means failure.
pub(super) fn gave_up() -> llm_types::ApiError {
    llm_types::ApiError::upstream(
        llm_types::ErrorKind::Api,
        "the upstream gave up on its answer: retry, or ask another model",
    )
}

/// Adds a source behind the text that cites it.
fn cite(parts: &mut Vec<Part>, sources: &Sources) {
    let at = parts.iter().position(|part| matches!(part, Part::Text(_)));
    if let Some((at, Part::Text(text))) = at.and_then(|at| Some((at, parts.get(at)?))) {
        let cited: Vec<Part> = sources.cited(&text.text).into_iter().map(Part::Citation).collect();
        parts.splice(at + 1..at + 1, cited);
    }
}

/// Log probabilities, if there are any.
pub(super) fn log_probs(wire: wire::LogProbs<'_>) -> Option<LogProbs> {
    let list = |list: Option<OrNull<Vec<Token<'_>>>>| -> Vec<TokenLogProb> {
        list.and_then(|list| list.0).unwrap_or_default().into_iter().map(token).collect()
    };
    let out = LogProbs { content: list(wire.content), refusal: list(wire.refusal) };
    (!out.content.is_empty() || !out.refusal.is_empty()).then_some(out)
}

fn token(wire: Token<'_>) -> TokenLogProb {
    let Token { token: text, logprob, bytes, top_logprobs, extra: _ } = wire;
    TokenLogProb {
        token: text.unwrap_or_default().0.into_owned(),
        logprob: logprob.unwrap_or(-9999.0),
        bytes: bytes.and_then(|bytes| bytes.0).map(|bytes| bytes.0),
        top: top_logprobs.unwrap_or_default().into_iter().map(token).collect(),
    }
}
