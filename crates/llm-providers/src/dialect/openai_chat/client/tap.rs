//! What is read of an answer that passes through: its usage, and whether it ended well.
//!
//! A tap sees every event of every stream, so it searches bytes and parses only what can matter. The
//! needles are quoted JSON keys: in a text their quotes are escaped and do not match.

use llm_types::{ApiError, ErrorKind, Glance, RawValue, Result, Usage, glance, wire_struct};
use memchr::memmem::Finder;

use super::super::wire::{self, Count, Word};
use super::shape::Shape;
use super::usage::{self, Reasoning};
use super::{decode, error};
use crate::codec::{Seen, StreamTap, Tapped, named};

wire_struct! {
    /// What matters of an answer or a chunk; choices are counted, not read.
    struct Facts<'a> {
        choices: Vec<ChoiceFacts<'a>>,
        usage: wire::Usage<'a>,
        service_tier: Word<'a>,
        error: &'a RawValue,
        x_groq: decode::XGroq<'a>,
        model: Word<'a>,
    }
}

wire_struct! {
    /// What matters of a choice.
    struct ChoiceFacts<'a> {
        index: Count,
        delta: wire::Open<'a>,
        finish_reason: Word<'a>,
        usage: wire::Usage<'a>,
        error: &'a RawValue,
    }
}

impl Facts<'_> {
    fn failure(&self) -> Option<&RawValue> {
        let of_choice = || self.choices.iter().flatten().find_map(|choice| choice.error);
        self.error.filter(|raw| !matches!(raw.get(), "\"\"" | "{}")).or_else(of_choice)
    }

    fn usage(&self) -> Option<Usage> {
        let of_choice = || self.choices.iter().flatten().find_map(|choice| choice.usage.as_ref());
        let of_groq = || self.x_groq.as_ref().and_then(|groq| groq.usage.as_ref());
        let wire = self.usage.as_ref().or_else(of_groq).or_else(of_choice)?;
        let service = usage::service(self.service_tier.as_ref());
        Some(Usage { service, ..usage::usage(wire, Reasoning::Inside) })
    }
}

/// The facts of a whole answer.
pub(super) fn whole(body: &[u8]) -> Result<Tapped<'_>> {
    if let Some(tapped) = plain(body) {
        return Ok(tapped);
    }
    let facts: Facts<'_> = serde_json::from_slice(body).map_err(|cause| {
        error::format("the upstream's answer is not a chat completion").with_source(cause)
    })?;
    if let Some(raw) = facts.failure() {
        return Err(error::inside(raw.get()));
    }
    if facts.choices.is_none() {
        return Err(error::format("the upstream's answer has no `choices`: it is not a chat completion"));
    }
    let usage = facts.usage();
    if decode::is_nothing(usage.as_ref()) && facts.choices.as_ref().is_some_and(Vec::is_empty) {
        return Err(decode::nothing());
    }
    Ok(Tapped { usage, model: facts.model.and_then(Word::non_empty) })
}

/// An answer as nearly all are: with choices, a usage of its own, and no error anywhere.
fn plain(body: &[u8]) -> Option<Tapped<'_>> {
    let names = ["choices", "usage", "error", "service_tier", "model"];
    let Glance { values, nested, .. } = glance(body, names, "error")?;
    let [Some([b'[', choices @ ..]), Some(used), None | Some(b"null"), tier, model] = values else {
        return None;
    };
    if nested || choices.trim_ascii_start().starts_with(b"]") {
        return None;
    }
    let wire = counted(used).or_else(|| serde_json::from_slice(used).ok())?;
    let tier: Option<Word<'_>> = tier.and_then(|tier| serde_json::from_slice(tier).ok());
    let model: Option<Word<'_>> = model.and_then(|model| serde_json::from_slice(model).ok());
    let usage = Usage { service: usage::service(tier.as_ref()), ..usage::usage(&wire, Reasoning::Inside) };
    Some(Tapped { usage: Some(usage), model: model.and_then(Word::non_empty) })
}

/// A usage as nearly all are: the usual counts and nothing else.
fn counted(used: &[u8]) -> Option<wire::Usage<'_>> {
    let names = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ];
    let [prompt_tokens, completion_tokens, total_tokens, prompt, completion] = only(used, names)?;
    let [cached_tokens, heard] = only(prompt.unwrap_or(b"{}"), ["cached_tokens", "audio_tokens"])?;
    let names =
        ["reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"];
    let [reasoning_tokens, spoken, accepted, rejected] = only(completion.unwrap_or(b"{}"), names)?;
    Some(wire::Usage {
        prompt_tokens: number(prompt_tokens)?,
        completion_tokens: number(completion_tokens)?,
        total_tokens: number(total_tokens)?,
        prompt_tokens_details: Some(wire::PromptDetails {
            cached_tokens: number(cached_tokens)?,
            audio_tokens: number(heard)?,
            ..wire::PromptDetails::default()
        }),
        completion_tokens_details: Some(wire::CompletionDetails {
            reasoning_tokens: number(reasoning_tokens)?,
            audio_tokens: number(spoken)?,
            accepted_prediction_tokens: number(accepted)?,
            rejected_prediction_tokens: number(rejected)?,
            ..wire::CompletionDetails::default()
        }),
        ..wire::Usage::default()
    })
}

/// The members of an object that has no others.
fn only<'b, const N: usize>(object: &'b [u8], names: [&str; N]) -> Option<[Option<&'b [u8]>; N]> {
    glance(object, names, "").filter(|seen| !seen.others).map(|seen| seen.values)
}

/// A count in digits; `None`: something else, which needs a closer look.
#[expect(clippy::option_option, reason = "a count that is not there is not something else")]
fn number(value: Option<&[u8]>) -> Option<Option<Count>> {
    let Some(digits) = value else { return Some(None) };
    if digits.is_empty() || digits.len() > 18 || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte & 15)))
        .map(|sum| Some(Count(sum)))
}

/// Watches a stream.
#[derive(Debug)]
pub(super) struct Tap {
    usage: Option<Usage>,
    model: Option<Box<str>>,
    content: bool,
    /// An event came that is JSON of another shape.
    odd: bool,
    done: bool,
    begun: Choices,
    ended: Choices,
    needles: Needles,
    shape: Shape,
}

/// A set of choices, a bit for each: OpenAI's bound on `n` is 128.
type Choices = u128;

#[derive(Debug)]
struct Needles {
    usage: Finder<'static>,
    error: Finder<'static>,
    finish: Finder<'static>,
    index: Finder<'static>,
}

impl Default for Tap {
    fn default() -> Self {
        Self {
            usage: None,
            model: None,
            content: false,
            odd: false,
            done: false,
            begun: 0,
            ended: 0,
            needles: Needles {
                usage: Finder::new("\"usage\""),
                error: Finder::new("\"error\""),
                finish: Finder::new("\"finish_reason\""),
                index: Finder::new("\"index\""),
            },
            shape: Shape::default(),
        }
    }
}

/// Whether a member that `finder` finds has a value that begins with one of `starts`.
fn has_value(event: &[u8], finder: &Finder<'_>, starts: &[u8]) -> bool {
    finder.find_iter(event).any(|at| {
        let rest = event.get(at + finder.needle().len()..).unwrap_or_default().trim_ascii_start();
        let value = rest.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        match value {
            // An empty string means nothing.
            [b'"', b'"', ..] => false,
            [first, ..] => starts.contains(first),
            [] => false,
        }
    })
}

/// The data of an event, its lines joined.
fn data(event: &[u8]) -> Vec<u8> {
    let lines = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let mut out = Vec::new();
    for line in lines {
        out.extend_from_slice(line.trim_ascii());
        out.push(b'\n');
    }
    out
}

/// Whether a delta says something: any member but the role that is not empty.
fn speaks(facts: &Facts<'_>) -> bool {
    let deltas = facts.choices.iter().flatten().filter_map(|choice| choice.delta.as_ref());
    deltas
        .flat_map(|delta| delta.extra.iter())
        .any(|(name, value)| name != "role" && !matches!(value.get(), "null" | "\"\"" | "[]" | "{}"))
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        if self.shape.fits(event) {
            return Seen::Content;
        }
        let needles = &self.needles;
        let fails = has_value(event, &needles.error, b"{\"[") || event.starts_with(b"event: error");
        let counts = has_value(event, &needles.usage, b"{");
        let finishes = has_value(event, &needles.finish, b"\"");
        if is_done(event) {
            if self.begun == 0 && !self.content && !self.odd {
                return Seen::Error(decode::nothing());
            }
            self.done = true;
            return Seen::Done;
        }
        // Of another choice than the first, or of another tool call.
        let another = has_value(event, &needles.index, b"123456789");
        if !fails && !counts && !finishes && !another && self.content {
            if event.starts_with(b":") {
                return Seen::Quiet;
            }
            self.begun |= 1;
            self.shape.learn(event);
            return Seen::Content;
        }
        let data = data(event);
        let json = String::from_utf8_lossy(data.trim_ascii());
        if json.is_empty() {
            return Seen::Quiet;
        }
        if event.starts_with(b"event: error") {
            return Seen::Error(error::inside(&json));
        }
        self.parsed(&json)
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn is_done(&self) -> bool {
        // Not every compatible server says `[DONE]`: that each choice has ended is enough.
        self.done || (self.ended != 0 && self.begun & !self.ended == 0)
    }
}

/// Whether an event is the terminal one.
fn is_done(event: &[u8]) -> bool {
    let data = event.strip_prefix(b"data:").map(<[u8]>::trim_ascii);
    data == Some(b"[DONE]")
}

impl Tap {
    /// An event that does not say what it should. JSON of another shape is for the client to see; what is
    /// none, before anything else came, is not a stream of this dialect, and another deployment may do better.
    fn unread(&mut self, json: &str) -> Seen {
        self.odd = true;
        if self.content || serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() {
            return Seen::Content;
        }
        Seen::Error(ApiError::upstream(
            ErrorKind::UpstreamFormat,
            "the upstream's stream began with an event that is not JSON",
        ))
    }

    fn parsed(&mut self, json: &str) -> Seen {
        let Ok(facts) = serde_json::from_str::<Facts<'_>>(json) else {
            return self.unread(json);
        };
        match facts.failure() {
            // The status may stand beside the error.
            Some(_) if facts.error.is_some() => return Seen::Error(error::inside(json)),
            Some(raw) => return Seen::Error(error::inside(raw.get())),
            None => {}
        }
        named(&mut self.model, facts.model.as_ref().map(|model| &*model.0));
        let used = facts.usage();
        let counted = used.is_some();
        self.usage = used.or_else(|| self.usage.take());
        let mut finished = false;
        for (at, choice) in facts.choices.iter().flatten().enumerate() {
            let index = choice.index.and_then(|index| u32::try_from(index.0).ok());
            let bit =
                index.or_else(|| u32::try_from(at).ok()).and_then(|index| Choices::checked_shl(1, index));
            self.begun |= bit.unwrap_or(0);
            if choice.finish_reason.as_ref().is_some_and(|word| !word.0.is_empty()) {
                self.ended |= bit.unwrap_or(0);
                finished = true;
            }
        }
        if finished || speaks(&facts) {
            self.content = true;
            return Seen::Content;
        }
        let empty = facts.choices.as_ref().is_none_or(Vec::is_empty);
        if counted && empty { Seen::Usage } else { Seen::Quiet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_way_counts_like_the_thorough_one() {
        for text in [
            r#"{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}"#,
            r#"{"prompt_tokens": 19, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0, "accepted_prediction_tokens": 2,
                "rejected_prediction_tokens": 1}}"#,
            "{}",
        ] {
            let quick = usage::usage(&counted(text.as_bytes()).unwrap(), Reasoning::Inside);
            let slow: wire::Usage<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(quick, usage::usage(&slow, Reasoning::Inside), "{text}");
        }
        for odd in [
            r#"{"prompt_tokens":19,"cost":0.1}"#,
            r#"{"prompt_tokens":1.5}"#,
            r#"{"prompt_tokens":"19"}"#,
            r#"{"prompt_tokens":-1}"#,
            r#"{"prompt_tokens":1234567890123456789}"#,
            r#"{"prompt_tokens":null}"#,
            r#"{"prompt_tokens_details":{"cached_tokens":1,"image_tokens":2}}"#,
            r#"{"completion_tokens_details":null}"#,
            r#"{"prompt_tokens":1,"prompt_tokens":2}"#,
        ] {
            assert!(counted(odd.as_bytes()).is_none(), "{odd}");
        }
    }
}
