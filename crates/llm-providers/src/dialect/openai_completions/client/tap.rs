//! What is read of an answer that passes through: its usage, and whether it ended well.

use std::borrow::Cow;

use llm_types::{ApiError, ErrorKind, RawValue, Result, Usage, wire_struct};

use super::super::super::openai_chat;
use super::super::super::scalar::{Count, Lossy, OrNull, Word};
use super::decode;
use crate::codec::{Seen, StreamTap, Tapped, named};

wire_struct! {
    /// What matters of an answer or of an event.
    struct Facts<'a> {
        choices: Vec<ChoiceFacts<'a>>,
        usage: OrNull<&'a RawValue>,
        error: &'a RawValue,
        model: Word<'a>,
    }
}

wire_struct! {
    /// What matters of a choice.
    struct ChoiceFacts<'a> {
        index: Count,
        text: Lossy<'a>,
        finish_reason: Word<'a>,
    }
}

impl Facts<'_> {
    fn usage(&self) -> Option<Usage> {
        self.usage.as_ref().and_then(|usage| usage.0).and_then(openai_chat::read_usage)
    }

    fn fails(&self) -> bool {
        self.error.is_some_and(|raw| !matches!(raw.get(), "\"\"" | "{}"))
    }
}

/// The facts of a whole answer.
pub(super) fn whole(body: &[u8]) -> Result<Tapped<'_>> {
    let text = String::from_utf8_lossy(body);
    let facts: Facts<'_> = serde_json::from_str(&text).map_err(|cause| {
        decode::format("the upstream's answer is not a text completion").with_source(cause)
    })?;
    if facts.fails() {
        return Err(openai_chat::failure(&text));
    }
    if facts.choices.is_none() {
        return Err(decode::format("the upstream's answer has no `choices`: it is not a text completion"));
    }
    let usage = facts.usage();
    // The text may not be the body's own.
    let model = facts.model.and_then(Word::non_empty).map(|model| Cow::Owned(model.into_owned()));
    Ok(Tapped { usage, model })
}

/// Watches a stream.
#[derive(Debug, Default)]
pub(super) struct Tap {
    usage: Option<Usage>,
    model: Option<Box<str>>,
    content: bool,
    done: bool,
    /// Choices that began and did not end.
    open: Vec<u64>,
    ended: bool,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let lines = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
        let data = lines.map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b'\n');
        if data == b"[DONE]" {
            self.done = true;
            return Seen::Done;
        }
        let json = String::from_utf8_lossy(&data);
        if json.is_empty() {
            return Seen::Quiet;
        }
        if event.starts_with(b"event: error") {
            return Seen::Error(openai_chat::failure(&json));
        }
        match serde_json::from_str::<Facts<'_>>(&json) {
            Ok(facts) if facts.fails() => Seen::Error(openai_chat::failure(&json)),
            Ok(facts) => self.facts(&facts),
            Err(_) => self.unread(&json),
        }
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn is_done(&self) -> bool {
        // Not every compatible server says `[DONE]`: that each choice has ended is enough.
        self.done || (self.ended && self.open.is_empty())
    }
}

impl Tap {
    fn facts(&mut self, facts: &Facts<'_>) -> Seen {
        named(&mut self.model, facts.model.as_ref().map(|model| &*model.0));
        let used = facts.usage();
        let counted = used.is_some();
        self.usage = used.or_else(|| self.usage.take());
        let mut content = false;
        for (at, choice) in facts.choices.iter().flatten().enumerate() {
            let index = choice.index.map(|count| count.0).or_else(|| u64::try_from(at).ok());
            let index = index.unwrap_or_default();
            let finished = choice.finish_reason.as_ref().is_some_and(|word| !word.0.is_empty());
            content |= finished || choice.text.as_ref().is_some_and(|text| text.non_empty().is_some());
            self.open.retain(|open| *open != index);
            if finished {
                self.ended = true;
            } else {
                self.open.push(index);
            }
        }
        if content {
            self.content = true;
            return Seen::Content;
        }
        let empty = facts.choices.as_ref().is_none_or(Vec::is_empty);
        if counted && empty { Seen::Usage } else { Seen::Quiet }
    }

    /// An event that does not say what it should. JSON of another shape is for the client to see; what is
    /// none, before anything else came, is not a stream of this dialect, and another deployment may do better.
    fn unread(&self, json: &str) -> Seen {
        if self.content || serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() {
            return Seen::Content;
        }
        let why = "the upstream's stream began with an event that is not JSON";
        Seen::Error(ApiError::upstream(ErrorKind::UpstreamFormat, why))
    }
}
