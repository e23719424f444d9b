//! OpenAI chat completions, and what the compatible servers make of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Facts, ToolCall, Usage, arguments, count, index_of, list_of, text_of};

/// Calls that are being put together.
type Calls = BTreeMap<usize, Call>;

#[derive(Debug, Default)]
struct Call {
    name: String,
    text: String,
    /// Its input is free text.
    custom: bool,
}

pub(super) fn facts(events: &[Value]) -> Facts {
    let mut facts = Facts::default();
    let mut calls: BTreeMap<usize, Calls> = BTreeMap::new();
    for event in events {
        if event.get("error").is_some_and(|error| !error.is_null()) {
            facts.error = Some(super::error_message(event));
        }
        let inner = event.pointer("/x_groq/usage");
        if let Some(usage) = event.get("usage").or(inner).filter(|usage| usage.is_object()) {
            facts.usage = Some(read_usage(usage));
        }
        for choice in list_of(event, "choices") {
            let index = index_of(choice);
            let message = choice.get("message").or_else(|| choice.get("delta")).unwrap_or(&Value::Null);
            read_calls(message, calls.entry(index).or_default());
            let Some(known) = facts.choice(index) else { continue };
            read_content(
                message.get("content").unwrap_or(&Value::Null),
                &mut known.text,
                &mut known.reasoning,
            );
            let thinking = ["reasoning_content", "reasoning"].map(|name| text_of(message, name));
            known.reasoning.push_str(thinking.iter().find(|text| !text.is_empty()).unwrap_or(&""));
            known.refusal.push_str(text_of(message, "refusal"));
            let finish = text_of(choice, "finish_reason");
            if !finish.is_empty() {
                known.finish = Some(word(finish).to_owned());
            }
        }
    }
    for (index, calls) in calls {
        if let Some(choice) = facts.choice(index) {
            choice.tool_calls.extend(calls.into_values().map(|Call { name, text, custom }| {
                let arguments = if custom { text.into() } else { arguments(&text) };
                ToolCall { name, arguments }
            }));
        }
    }
    facts
}

/// A string, or a list of parts (Mistral puts its thinking there).
fn read_content(content: &Value, text: &mut String, reasoning: &mut String) {
    text.push_str(content.as_str().unwrap_or_default());
    for part in content.as_array().into_iter().flatten() {
        match text_of(part, "type") {
            "text" => text.push_str(text_of(part, "text")),
            "thinking" => {
                list_of(part, "thinking").iter().for_each(|part| reasoning.push_str(text_of(part, "text")));
            }
            _ => {}
        }
    }
}

fn read_calls(message: &Value, calls: &mut Calls) {
    for (position, call) in list_of(message, "tool_calls").iter().enumerate() {
        let index = if call.get("index").is_some() { index_of(call) } else { position };
        let Call { name, text, custom } = calls.entry(index).or_default();
        if let Some(given) = call.get("custom").filter(|_| text_of(call, "type") != "function") {
            *custom = true;
            name.push_str(text_of(given, "name"));
            text.push_str(text_of(given, "input"));
        }
        let function = call.get("function").unwrap_or(&Value::Null);
        name.push_str(text_of(function, "name"));
        match function.get("arguments") {
            Some(Value::String(part)) => text.push_str(part),
            // Some servers send the object itself.
            Some(value @ Value::Object(_)) => text.push_str(&value.to_string()),
            _ => {}
        }
    }
}

fn read_usage(usage: &Value) -> Usage {
    let (prompt, completion) = (count(usage, "/prompt_tokens"), count(usage, "/completion_tokens"));
    let cached = ["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"];
    Usage {
        prompt,
        completion,
        total: usage.get("total_tokens").and_then(Value::as_u64).unwrap_or(prompt + completion),
        cached: cached.iter().map(|pointer| count(usage, pointer)).find(|count| *count > 0).unwrap_or(0),
        reasoning: count(usage, "/completion_tokens_details/reasoning_tokens"),
    }
}

/// The compatible servers' own words for a finish.
fn word(finish: &str) -> &str {
    match finish {
        "eos" | "end_turn" => "stop",
        "model_length" => "length",
        "function_call" => "tool_calls",
        other => other,
    }
}
