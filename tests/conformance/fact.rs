//! What a client must be told of a recorded answer, where that is more than the answer says in words.
//!
//! `llm-testkit` reads what a reply states. A few providers state it in ways that OpenAI's clients do not
//! look for; what we make of those is decided here, once more and by other means than the codecs'.

use llm_testkit::conformance::Case;
use llm_testkit::{Facts, Usage};
use serde_json::Value;

use crate::front::{CHAT, Front};

/// What the client's answer must state.
pub(crate) fn told(front: &Front, case: &Case) -> Facts {
    // What goes through as it comes says what it says.
    if front.name != CHAT.name && front.name == case.recording.operation {
        return case.facts.clone();
    }
    let mut facts = stated(case);
    front.sayable(&mut facts, case.recording.is_stream());
    // Two ways of counting are the provider's own: only its own clients get them as they are.
    if front.name != CHAT.name {
        facts.usage = booked(case);
    }
    facts
}

/// What an answer says once it is understood.
fn stated(case: &Case) -> Facts {
    let mut facts = case.facts.clone();
    let body = case.recording.response.json();
    match case.recording.provider.as_str() {
        // Thoughts between tags in the text are thoughts.
        "huggingface" => told_apart(&mut facts, ("<think>", "</think>")),
        "bedrock" => told_apart(&mut facts, ("<thinking>", "</thinking>")),
        // The finish reason is an empty text, and thoughts come as details only.
        "snowflake" => facts.choices.iter_mut().for_each(|choice| {
            let calls = !choice.tool_calls.is_empty();
            choice.finish.get_or_insert_with(|| if calls { "tool_calls" } else { "stop" }.to_owned());
            let thought = body.and_then(|body| body.pointer("/choices/0/message/reasoning_details/0/text"));
            choice.reasoning = thought.and_then(Value::as_str).unwrap_or_default().to_owned();
        }),
        // Sound in the prompt stands beside `prompt_tokens`: only the total holds it.
        "mistral" => {
            if let Some(usage) = &mut facts.usage {
                usage.prompt += usage.total.saturating_sub(usage.prompt + usage.completion);
            }
        }
        _ => {}
    }
    facts
}

/// Puts what stands between tags at the beginning of a text where thoughts are.
fn told_apart(facts: &mut Facts, (open, close): (&str, &str)) {
    for choice in &mut facts.choices {
        if let Some(rest) = choice.text.strip_prefix(open) {
            let (thoughts, text) = rest.split_once(close).unwrap_or((rest, ""));
            (choice.reasoning, choice.text) = (thoughts.to_owned(), text.to_owned());
        }
    }
}

/// What the books must say was used.
pub(crate) fn booked(case: &Case) -> Option<Usage> {
    let mut usage = stated(case).usage?;
    match (case.recording.provider.as_str(), case.recording.operation.as_str()) {
        // More tokens out of the cache than there are in the prompt: what is billed is the prompt.
        ("azure", _) => usage.cached = usage.cached.min(usage.prompt),
        // Google's compatible address counts thoughts in the total only. It has no row to say so: whoever
        // calls it as a mere compatible server has the two counts that are named.
        ("gemini", "chat") => usage.total = usage.prompt + usage.completion,
        _ => {}
    }
    Some(usage)
}
