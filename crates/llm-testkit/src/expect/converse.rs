//! Amazon Bedrock's Converse: whole answers. Its streams are binary and are read elsewhere.

use serde_json::Value;

use super::{Choice, Facts, ToolCall, Usage, count, list_of, text_of};

pub(super) fn facts(bodies: &[Value]) -> Facts {
    let mut facts = Facts::default();
    let Some(body) = bodies.first() else { return facts };
    let mut choice = Choice::default();
    let message = body.pointer("/output/message").unwrap_or(&Value::Null);
    for block in list_of(message, "content") {
        choice.text.push_str(text_of(block, "text"));
        let thoughts = block.pointer("/reasoningContent/reasoningText").unwrap_or(&Value::Null);
        choice.reasoning.push_str(text_of(thoughts, "text"));
        if let Some(call) = block.get("toolUse") {
            let arguments = call.get("input").cloned().unwrap_or_default();
            choice.tool_calls.push(ToolCall { name: text_of(call, "name").to_owned(), arguments });
        }
    }
    choice.finish = match text_of(body, "stopReason") {
        "" => None,
        "max_tokens" => Some("length"),
        "tool_use" => Some("tool_calls"),
        "guardrail_intervened" | "content_filtered" => Some("content_filter"),
        _ => Some("stop"),
    }
    .map(str::to_owned);
    facts.choices.push(choice);
    let (read, cached) = (count(body, "/usage/inputTokens"), count(body, "/usage/cacheReadInputTokens"));
    let (prompt, completion) = (read + cached, count(body, "/usage/outputTokens"));
    facts.usage = Some(Usage { prompt, completion, total: prompt + completion, cached, reasoning: 0 });
    facts
}
