//! OpenAI's Responses: the body, or the last event of a stream, which repeats all of it.

use serde_json::Value;

use super::{Facts, ToolCall, Usage, arguments, count, list_of, text_of};

pub(super) fn facts(events: &[Value]) -> Facts {
    let mut facts = Facts::default();
    for event in events {
        match text_of(event, "type") {
            "error" | "response.failed" => facts.error = Some(message(event)),
            "response.completed" | "response.incomplete" => {
                read(event.get("response").unwrap_or(&Value::Null), &mut facts);
            }
            // A whole body has no type.
            "" if event.get("output").is_some() => read(event, &mut facts),
            _ => {}
        }
    }
    facts
}

fn message(event: &Value) -> String {
    let error = event.pointer("/response/error").unwrap_or(event);
    super::error_message(error)
}

fn read(body: &Value, facts: &mut Facts) {
    if let Some(usage) = body.get("usage").filter(|usage| usage.is_object()) {
        facts.usage = Some(read_usage(usage));
    }
    let Some(choice) = facts.choice(0) else { return };
    for item in list_of(body, "output") {
        match text_of(item, "type") {
            "message" => {
                for part in list_of(item, "content") {
                    choice.text.push_str(text_of(part, "text"));
                    choice.refusal.push_str(text_of(part, "refusal"));
                }
            }
            "function_call" => choice.tool_calls.push(ToolCall {
                name: text_of(item, "name").to_owned(),
                arguments: arguments(text_of(item, "arguments")),
            }),
            "reasoning" => choice.reasoning.push_str(&thoughts(item)),
            _ => {}
        }
    }
    let calls = !choice.tool_calls.is_empty();
    let reason = body.pointer("/incomplete_details/reason").and_then(Value::as_str);
    choice.finish = Some(
        match (text_of(body, "status"), reason) {
            ("incomplete", Some("content_filter")) => "content_filter",
            ("incomplete", _) => "length",
            _ if calls => "tool_calls",
            _ => "stop",
        }
        .to_owned(),
    );
}

/// The summary is what is shown of thoughts; the thoughts themselves where there is none.
fn thoughts(item: &Value) -> String {
    let summary = list_of(item, "summary");
    let parts = if summary.is_empty() { list_of(item, "content") } else { summary };
    parts.iter().map(|part| text_of(part, "text")).collect::<Vec<_>>().join("\n\n")
}

fn read_usage(usage: &Value) -> Usage {
    let (prompt, completion) = (count(usage, "/input_tokens"), count(usage, "/output_tokens"));
    Usage {
        prompt,
        completion,
        total: usage.get("total_tokens").and_then(Value::as_u64).unwrap_or(prompt + completion),
        cached: count(usage, "/input_tokens_details/cached_tokens"),
        reasoning: count(usage, "/output_tokens_details/reasoning_tokens"),
    }
}
