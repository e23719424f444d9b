//! Providers that speak Anthropic's Messages API themselves (anthropic-messages.md), and who counts the tokens of a prompt.

use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::must;

fn text() -> Value {
    json!({"type": "text", "text": "Hello!"})
}

fn call() -> Value {
    json!({"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}})
}

fn thought() -> Value {
    json!({"type": "thinking", "thinking": "A greeting.", "signature": "c2lnbmVk"})
}

fn message(content: &Value, reason: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": reason, "stop_sequence": null,
        "usage": {"input_tokens": 12, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 5}})
}

fn events() -> Vec<Value> {
    let mut begun = message(&json!([]), "");
    (begun["stop_reason"], begun["usage"]["output_tokens"]) = (Value::Null, 1.into());
    let part = json!({"type": "text", "text": ""});
    vec![
        json!({"type": "message_start", "message": begun}),
        json!({"type": "content_block_start", "index": 0, "content_block": part}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello!"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ]
}

/// A message, or its events; thoughts that come back have their signature.
pub(super) fn messages(request: &Received) -> Result<Script, String> {
    let (body, path) = (request.json(), request.path());
    let named = path.ends_with("/messages") && body["model"].is_string();
    // Vertex AI has model and stream in the path, and the version in the body.
    let placed = path.ends_with("awPredict") && body["anthropic_version"].is_string();
    must(named || placed, "another path")?;
    must(body["max_tokens"].is_u64(), "no limit")?;
    let thoughts =
        body["messages"].as_array().into_iter().flatten().filter_map(|one| one["content"].as_array());
    let back = thoughts.flatten().find(|part| part["type"] == "thinking");
    must(back.is_none_or(|part| *part == thought()), format!("other thoughts come back: {back:?}"))?;
    if body["stream"] == true {
        let events = events();
        let frame = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        return Ok(Script::sse(events.iter().map(frame)));
    }
    Ok(Script::json(&match (body["tools"].is_array(), body["thinking"].is_object()) {
        (true, _) => message(&json!([call()]), "tool_use"),
        (_, true) => message(&json!([thought(), text()]), "end_turn"),
        _ => message(&json!([text()]), "end_turn"),
    }))
}

/// What no estimate comes to, and what a function adds to it.
const COUNT: (u64, u64) = (4711, 100);

/// A count of tokens, in each form that providers have it (anthropic-messages.md, gemini.md, bedrock-converse.md).
pub(super) fn counts(request: &Received) -> Result<Script, String> {
    let (path, text) = (request.path(), request.text());
    let is_tool = text.contains("get_weather");
    must(text.contains("harbour") || text.contains("Oslo"), "no prompt")?;
    let count = COUNT.0 + if is_tool { COUNT.1 } else { 0 };
    // At Vertex AI it is a model of its own (docs.anthropic.com/en/api/claude-on-vertex-ai).
    let anthropic = path.ends_with("/messages/count_tokens") || path.ends_with("/count-tokens:rawPredict");
    let name = if anthropic {
        "input_tokens"
    } else if path.ends_with(":countTokens") {
        "totalTokens"
    } else {
        must(path.ends_with("/count-tokens"), "another path")?;
        "inputTokens"
    };
    Ok(Script::json(&json!({ name: count })))
}
