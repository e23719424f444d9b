//! Gemini and Vertex `generateContent`.

use serde_json::Value;

use super::{Facts, ToolCall, Usage, count, index_of, list_of, text_of};

pub(super) fn facts(events: &[Value]) -> Facts {
    let mut facts = Facts::default();
    // A stream without `alt=sse` is one list of the same objects.
    for event in
        events.iter().flat_map(|event| event.as_array().map_or(std::slice::from_ref(event), Vec::as_slice))
    {
        if event.get("error").is_some() {
            facts.error = Some(super::error_message(event));
        }
        if let Some(usage) = event.get("usageMetadata") {
            facts.usage = Some(read_usage(usage));
        }
        let blocked = event.pointer("/promptFeedback/blockReason").is_some_and(|reason| !reason.is_null());
        if let Some(choice) = blocked.then(|| facts.choice(0)).flatten() {
            choice.finish = Some("content_filter".into());
        }
        for candidate in list_of(event, "candidates") {
            read_candidate(candidate, &mut facts);
        }
    }
    for choice in &mut facts.choices {
        if choice.finish.is_some() && !choice.tool_calls.is_empty() {
            choice.finish = Some("tool_calls".into());
        }
    }
    facts
}

fn read_candidate(candidate: &Value, facts: &mut Facts) {
    let Some(choice) = facts.choice(index_of(candidate)) else { return };
    for part in candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten() {
        if let Some(call) = part.get("functionCall") {
            let arguments = call.get("args").cloned().unwrap_or_else(|| super::arguments(""));
            choice.tool_calls.push(ToolCall { name: text_of(call, "name").to_owned(), arguments });
        } else if part.get("thought") == Some(&Value::Bool(true)) {
            choice.reasoning.push_str(text_of(part, "text"));
        } else {
            choice.text.push_str(text_of(part, "text"));
        }
    }
    if let Some(finish) = candidate.get("finishReason").filter(|finish| !finish.is_null()) {
        choice.finish = Some(word(finish).to_owned());
    }
}

/// Thoughts stand beside `candidatesTokenCount`, and within the completion in OpenAI's terms; tokens of
/// the provider's tools stand beside the prompt.
fn read_usage(usage: &Value) -> Usage {
    let prompt = count(usage, "/promptTokenCount") + count(usage, "/toolUsePromptTokenCount");
    let (candidates, reasoning) =
        (count(usage, "/candidatesTokenCount"), count(usage, "/thoughtsTokenCount"));
    let total = count(usage, "/totalTokenCount");
    let inside = reasoning > 0 && candidates >= reasoning && prompt + candidates == total;
    let completion = if inside { candidates } else { candidates + reasoning };
    Usage { prompt, completion, total, cached: count(usage, "/cachedContentTokenCount"), reasoning }
}

/// Old clients record the number of the enumeration.
fn word(finish: &Value) -> &'static str {
    match (finish.as_str(), finish.as_u64()) {
        (Some("MAX_TOKENS"), _) | (_, Some(2)) => "length",
        (
            Some(
                "STOP"
                | "FINISH_REASON_UNSPECIFIED"
                | "MALFORMED_FUNCTION_CALL"
                | "MALFORMED_RESPONSE"
                | "UNEXPECTED_TOOL_CALL"
                | "TOO_MANY_TOOL_CALLS"
                | "MISSING_THOUGHT_SIGNATURE",
            ),
            _,
        )
        | (_, Some(0 | 1)) => "stop",
        _ => "content_filter",
    }
}
