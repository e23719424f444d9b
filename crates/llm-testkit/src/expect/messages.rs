//! Anthropic messages.

use serde_json::{Map, Value};

use super::{Choice, Facts, ToolCall, Usage, arguments, count, index_of, list_of, text_of};

pub(super) fn facts(events: &[Value]) -> Facts {
    let mut facts = Facts::default();
    let mut usage = Map::new();
    let mut stop = String::new();
    // Blocks by their index, as they would stand in a whole message.
    let mut blocks: Vec<(usize, Value, String)> = Vec::new();
    for event in events {
        match text_of(event, "type") {
            "message" => {
                merge(&mut usage, event.get("usage"));
                text_of(event, "stop_reason").clone_into(&mut stop);
                let content = list_of(event, "content").iter().enumerate();
                blocks.extend(content.map(|(index, block)| (index, block.clone(), String::new())));
            }
            "message_start" => merge(&mut usage, event.pointer("/message/usage")),
            "content_block_start" => {
                let block = event.get("content_block").cloned().unwrap_or_default();
                blocks.push((index_of(event), block, String::new()));
            }
            "content_block_delta" => {
                let index = index_of(event);
                if let Some((_, block, json)) = blocks.iter_mut().find(|(known, _, _)| *known == index) {
                    grow(block, json, event.get("delta").unwrap_or(&Value::Null));
                }
            }
            "message_delta" => {
                merge(&mut usage, event.get("usage"));
                if let Some(reason) = event.pointer("/delta/stop_reason").and_then(Value::as_str) {
                    reason.clone_into(&mut stop);
                }
            }
            "error" => facts.error = Some(super::error_message(event)),
            _ => {}
        }
    }
    let mut choice = Choice::default();
    for (_, block, json) in &blocks {
        read_block(block, json, &mut choice);
    }
    choice.finish = word(&stop).map(str::to_owned);
    facts.choices.push(choice);
    if !usage.is_empty() {
        facts.usage = Some(read_usage(&Value::Object(usage)));
    }
    facts
}

/// Later counts replace earlier ones.
fn merge(usage: &mut Map<String, Value>, more: Option<&Value>) {
    for (name, value) in more.and_then(Value::as_object).into_iter().flatten() {
        if !value.is_null() {
            usage.insert(name.clone(), value.clone());
        }
    }
}

fn grow(block: &mut Value, json: &mut String, delta: &Value) {
    let name = match text_of(delta, "type") {
        "text_delta" => "text",
        "thinking_delta" => "thinking",
        "input_json_delta" => return json.push_str(text_of(delta, "partial_json")),
        _ => return,
    };
    let grown = format!("{}{}", text_of(block, name), text_of(delta, name));
    if let Some(members) = block.as_object_mut() {
        members.insert(name.to_owned(), Value::String(grown));
    }
}

fn read_block(block: &Value, json: &str, choice: &mut Choice) {
    match text_of(block, "type") {
        "text" => choice.text.push_str(text_of(block, "text")),
        "thinking" => choice.reasoning.push_str(text_of(block, "thinking")),
        "tool_use" => {
            let given = block.get("input").cloned().unwrap_or_default();
            let arguments = if json.is_empty() { given } else { arguments(json) };
            choice.tool_calls.push(ToolCall { name: text_of(block, "name").to_owned(), arguments });
        }
        // Tools that ran at the provider are not for the caller to answer.
        _ => {}
    }
}

/// Cached tokens stand beside `input_tokens` here, and within the prompt in OpenAI's terms.
fn read_usage(usage: &Value) -> Usage {
    let cached = count(usage, "/cache_read_input_tokens");
    let prompt = count(usage, "/input_tokens") + count(usage, "/cache_creation_input_tokens") + cached;
    let completion = count(usage, "/output_tokens");
    let reasoning = count(usage, "/output_tokens_details/thinking_tokens");
    Usage { prompt, completion, total: prompt + completion, cached, reasoning }
}

fn word(stop: &str) -> Option<&'static str> {
    match stop {
        "" => None,
        "max_tokens" | "model_context_window_exceeded" | "compaction" => Some("length"),
        "tool_use" => Some("tool_calls"),
        "refusal" => Some("content_filter"),
        _ => Some("stop"),
    }
}
