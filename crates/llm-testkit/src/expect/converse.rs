//! Amazon Bedrock's Converse: whole answers, and the events of its binary streams.

use serde_json::Value;

use super::{Choice, Facts, ToolCall, Usage, arguments, count, list_of, text_of};

pub(super) fn facts(bodies: &[Value]) -> Facts {
    match bodies {
        [body] if body.get("output").is_some() => whole(body),
        events => streamed(events),
    }
}

fn whole(body: &Value) -> Facts {
    let mut choice = Choice::default();
    let message = body.pointer("/output/message").unwrap_or(&Value::Null);
    for block in list_of(message, "content") {
        choice.text.push_str(text_of(block, "text"));
        // A text with sources.
        for cited in block.get("citationsContent").map(|cited| list_of(cited, "content")).unwrap_or_default()
        {
            choice.text.push_str(text_of(cited, "text"));
        }
        let thoughts = block.pointer("/reasoningContent/reasoningText").unwrap_or(&Value::Null);
        choice.reasoning.push_str(text_of(thoughts, "text"));
        if let Some(call) = block.get("toolUse").filter(|call| is_ours(call)) {
            let arguments = call.get("input").cloned().unwrap_or_default();
            choice.tool_calls.push(ToolCall { name: text_of(call, "name").to_owned(), arguments });
        }
    }
    choice.finish = finish(body);
    Facts { choices: vec![choice], usage: Some(usage(body)), error: None }
}

fn streamed(events: &[Value]) -> Facts {
    let (mut choice, mut facts) = (Choice::default(), Facts::default());
    // The calls: the block that they are, their names, the text of their arguments.
    let mut calls: Vec<(u64, String, String)> = Vec::new();
    for event in events {
        if let Some(call) = event.pointer("/contentBlockStart/start/toolUse").filter(|call| is_ours(call)) {
            let block = count(event, "/contentBlockStart/contentBlockIndex");
            calls.push((block, text_of(call, "name").to_owned(), String::new()));
        }
        if let Some(delta) = event.pointer("/contentBlockDelta/delta") {
            choice.text.push_str(text_of(delta, "text"));
            choice.reasoning.push_str(
                delta.pointer("/reasoningContent/text").and_then(Value::as_str).unwrap_or_default(),
            );
            let block = count(event, "/contentBlockDelta/contentBlockIndex");
            if let Some((_, _, text)) = calls.iter_mut().find(|(at, _, _)| *at == block) {
                text.push_str(delta.pointer("/toolUse/input").and_then(Value::as_str).unwrap_or_default());
            }
        }
        if let Some(stop) = event.get("messageStop") {
            choice.finish = finish(stop);
        }
        if let Some(metadata) = event.get("metadata") {
            facts.usage = Some(usage(metadata));
        }
    }
    choice.tool_calls =
        calls.into_iter().map(|(_, name, text)| ToolCall { name, arguments: arguments(&text) }).collect();
    facts.choices.push(choice);
    facts
}

/// Whether a call is of a tool of the caller's.
fn is_ours(call: &Value) -> bool {
    text_of(call, "type") != "server_tool_use"
}

fn finish(body: &Value) -> Option<String> {
    let word = match text_of(body, "stopReason") {
        "" => return None,
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        _ => "stop",
    };
    Some(word.to_owned())
}

fn usage(body: &Value) -> Usage {
    let (read, cached) = (count(body, "/usage/inputTokens"), count(body, "/usage/cacheReadInputTokens"));
    let prompt = read + cached + count(body, "/usage/cacheWriteInputTokens");
    let completion = count(body, "/usage/outputTokens");
    Usage { prompt, completion, total: prompt + completion, cached, reasoning: 0 }
}
