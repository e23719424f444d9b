//! A whole answer as a `text_completion` object.

use std::borrow::Cow;

use llm_types::chat::{Part, Refusal, Text};
use llm_types::{Changes, Choice, Dialect, Extra, Finish, FinishKind, Reply, WireText};

use super::super::super::openai_chat;
use super::super::super::scalar::{Count, OrNull, Word};
use super::super::{logprob, wire};
use crate::codec::ReplyCx;

/// The name of the answer's form.
pub(super) const OBJECT: &str = "text_completion";

/// The whole answer.
pub(super) fn reply(reply: &Reply, cx: &ReplyCx) -> Vec<u8> {
    let Reply { id, model, created, choices, usage, service_tier, system_fingerprint, origin, extra } = reply;
    let own = *origin == Some(Dialect::OpenaiCompletions);
    let used = usage.as_ref().and_then(openai_chat::usage_json);
    let texts: Vec<String> = choices.iter().map(|choice| text(&choice.parts)).collect();
    let choices = choices.iter().zip(&texts).map(|(choice, text)| self::choice(choice, text, own)).collect();
    let wire = wire::Completion {
        id: word(Some(if id.is_empty() { &cx.id } else { id })),
        object: word(Some(OBJECT)),
        created: Some(Count(created.unwrap_or(cx.created))),
        model: word(Some(if model.is_empty() { &cx.model } else { model })),
        choices: Some(choices),
        usage: used.as_deref().map(|used| OrNull(Some(used))),
        service_tier: word(service_tier.as_deref()),
        system_fingerprint: word(system_fingerprint.as_deref()),
        error: None,
        extra: members(extra, own),
    };
    serde_json::to_vec(&wire).unwrap_or_default()
}

fn choice<'a>(choice: &'a Choice, text: &'a str, own: bool) -> wire::Choice<'a> {
    let Choice { index, parts: _, finish, logprobs, extra, message_extra: _ } = choice;
    let logprobs = logprobs.as_ref().map(|log_probs| logprob::write(log_probs, &mut 0));
    wire::Choice {
        text: Some(WireText::from(text)),
        index: Some(Count(u64::from(*index))),
        logprobs: Some(OrNull(logprobs)),
        finish_reason: Some(OrNull(finish.as_ref().map(finish_word))),
        extra: members(extra, own),
    }
}

fn members(extra: &Extra, own: bool) -> llm_types::Members<'_> {
    if own { extra.members() } else { llm_types::Members::default() }
}

/// A word, if there is one.
pub(super) fn word(word: Option<&str>) -> Option<Word<'_>> {
    word.map(|word| Word(Cow::Borrowed(word)))
}

/// What the model said: texts and refusals. Nothing else has a place in an answer of this dialect.
fn text(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(Text { text, cache: _, signature: _, extra: _ }) | Part::Refusal(Refusal { text }) => {
                out.push_str(text)
            }
            Part::Image(_)
            | Part::Audio(_)
            | Part::File(_)
            | Part::ToolCall(_)
            | Part::ToolResult(_)
            | Part::Reasoning(_)
            | Part::Citation(_)
            | Part::Opaque(_) => {}
        }
    }
    out
}

/// What [`text`] leaves out.
pub(super) fn unsaid(reply: &Reply, changes: &mut Changes) {
    for (choice, part) in reply.choices.iter().flat_map(|one| one.parts.iter().map(move |part| (one, part))) {
        let what = match part {
            Part::Text(_) | Part::Refusal(_) => continue,
            Part::Reasoning(_) => "thoughts",
            Part::Citation(_) => "sources",
            Part::Image(_) => "pictures",
            Part::Audio(_) => "sound",
            Part::File(_) => "files",
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Opaque(_) => "calls of tools",
        };
        let path = format!("choices[{}].{}", choice.index, what.replace(' ', "_"));
        changes.dropped(path, format!("a text completion has no place for {what}"));
    }
}

/// Why it ended, in OpenAI's words.
pub(super) fn finish_word(finish: &Finish) -> Word<'static> {
    Word::from(match finish.kind {
        // No tool is ever on offer.
        FinishKind::Stop | FinishKind::ToolCalls => "stop",
        FinishKind::Length => "length",
        FinishKind::ContentFilter => "content_filter",
    })
}
