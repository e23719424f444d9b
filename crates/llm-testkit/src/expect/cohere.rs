//! Cohere's second API.

use serde_json::Value;

use super::{Choice, Facts, ToolCall, Usage, arguments, count, list_of, text_of};

pub(super) fn facts(events: &[Value]) -> Facts {
    let mut facts = Facts::default();
    let mut choice = Choice::default();
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in events {
        let piece = event.pointer("/delta/message").unwrap_or(&Value::Null);
        match text_of(event, "type") {
            "" => whole(event, &mut choice, &mut facts),
            "content-start" | "content-delta" => {
                let content = piece.get("content").unwrap_or(&Value::Null);
                choice.text.push_str(text_of(content, "text"));
                choice.reasoning.push_str(text_of(content, "thinking"));
            }
            "tool-plan-delta" => choice.reasoning.push_str(text_of(piece, "tool_plan")),
            "tool-call-start" => {
                let name = piece.pointer("/tool_calls/function/name").and_then(Value::as_str);
                calls.push((name.unwrap_or_default().to_owned(), String::new()));
            }
            "tool-call-delta" => {
                let more = piece.pointer("/tool_calls/function/arguments").and_then(Value::as_str);
                if let (Some(more), Some((_, text))) = (more, calls.last_mut()) {
                    text.push_str(more);
                }
            }
            "message-end" => {
                ended(event.get("delta").unwrap_or(&Value::Null), &mut choice, &mut facts);
            }
            _ => {}
        }
    }
    if facts.error.is_some() {
        return facts;
    }
    let streamed = calls.into_iter().map(|(name, text)| ToolCall { name, arguments: arguments(&text) });
    choice.tool_calls.extend(streamed);
    facts.choices.push(choice);
    facts
}

fn whole(body: &Value, choice: &mut Choice, facts: &mut Facts) {
    if let Some(Value::String(message)) = body.get("message") {
        facts.error = Some(message.clone());
        return;
    }
    let message = body.get("message").unwrap_or(&Value::Null);
    choice.reasoning.push_str(text_of(message, "tool_plan"));
    for part in list_of(message, "content") {
        choice.text.push_str(text_of(part, "text"));
        choice.reasoning.push_str(text_of(part, "thinking"));
    }
    for call in list_of(message, "tool_calls") {
        let function = call.get("function").unwrap_or(&Value::Null);
        // No arguments are `null` here.
        let text = Some(text_of(function, "arguments")).filter(|text| *text != "null").unwrap_or_default();
        choice
            .tool_calls
            .push(ToolCall { name: text_of(function, "name").to_owned(), arguments: arguments(text) });
    }
    ended(body, choice, facts);
}

fn ended(end: &Value, choice: &mut Choice, facts: &mut Facts) {
    choice.finish = match text_of(end, "finish_reason") {
        "" => None,
        "MAX_TOKENS" => Some("length"),
        "TOOL_CALL" => Some("tool_calls"),
        "ERROR_TOXIC" => Some("content_filter"),
        "ERROR" | "TIMEOUT" => {
            facts.error = Some(text_of(end, "error").to_owned());
            None
        }
        _ => Some("stop"),
    }
    .map(str::to_owned);
    let Some(usage) = end.get("usage") else { return };
    let (prompt, completion) = (count(usage, "/tokens/input_tokens"), count(usage, "/tokens/output_tokens"));
    let cached = count(usage, "/cached_tokens");
    facts.usage = Some(Usage { prompt, completion, total: prompt + completion, cached, reasoning: 0 });
}
