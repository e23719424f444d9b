//! Anthropic's messages. With thinking on, each turn begins with a signed thought, which must come back.

use llm_testkit::{Received, Script, canned};
use serde_json::{Value, json};

use super::{Asked, Call, TOOL, Wanted, cut, failure, list, text};

const THOUGHT: [&str; 2] = ["I should ", "look it up."];
const SIGNATURE: &str = "EqQBCkYIBRgCKkDsigned";

fn id(number: usize) -> String {
    format!("toolu_{number}")
}

fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
}

/// Answers one request.
pub(crate) fn anthropic(request: &Received) -> Script {
    let body = request.json();
    if let Some(script) = cut(request, || canned::anthropic_stream(5), 4).or_else(|| failure(request, error))
    {
        return script;
    }
    if request.path().ends_with("/count_tokens") {
        return Script::json(&json!({"input_tokens": 19}));
    }
    let thinks = matches!(body["thinking"]["type"].as_str(), Some("enabled" | "adaptive"));
    let asked = asked(&body, thinks).and_then(|asked| asked.wanted(|number| Some(id(number))));
    match asked {
        Ok(wanted) => answer(&body, &wanted, thinks),
        Err(wrong) => Script::status(400).json_body(&error(400, &wrong)),
    }
}

fn asked(body: &Value, thinks: bool) -> Result<Asked, String> {
    let mut asked = Asked {
        tools: list(&body["tools"]).iter().any(|tool| tool["name"] == TOOL),
        schema: body.to_string().contains("json_schema"),
        ..Asked::default()
    };
    for message in list(&body["messages"]) {
        let blocks = list(&message["content"]);
        for block in blocks {
            match block["type"].as_str() {
                Some("tool_use") => asked.calls.push((text(&block["id"]), text(&block["input"]["city"]))),
                Some("tool_result") => {
                    asked.results.push((text(&block["tool_use_id"]), block["content"].to_string()));
                }
                _ => {}
            }
        }
        let calls = blocks.iter().any(|block| block["type"] == "tool_use");
        let thought = json!({"type": "thinking", "thinking": THOUGHT.concat(), "signature": SIGNATURE});
        if thinks && calls && blocks.first() != Some(&thought) {
            return Err(format!("a call without the thought before it: {message}"));
        }
    }
    Ok(asked)
}

fn answer(body: &Value, wanted: &Wanted, thinks: bool) -> Script {
    let stop = if matches!(wanted, Wanted::Calls(_)) { "tool_use" } else { "end_turn" };
    let message = |content: Value, stop: Value, output: u64| {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {"input_tokens": 19, "output_tokens": output}
        })
    };
    let mut blocks = Vec::new();
    if thinks {
        blocks.push(thought());
    }
    match wanted {
        Wanted::Words(words) => blocks.push(said(words)),
        Wanted::Calls(calls) => blocks.extend(calls.iter().map(call)),
    }
    if body["stream"] != true {
        let content: Vec<_> = blocks.into_iter().map(|block| block.whole).collect();
        return Script::json(&message(content.into(), stop.into(), 12));
    }
    let mut events = vec![json!({"type": "message_start", "message": message(json!([]), Value::Null, 1)})];
    for (index, Block { whole: _, start, deltas }) in blocks.into_iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        let delta = |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.extend(deltas.into_iter().map(delta));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let end = json!({"stop_reason": stop, "stop_sequence": null});
    events.push(
        json!({"type": "message_delta", "delta": end, "usage": {"input_tokens": 19, "output_tokens": 12}}),
    );
    events.push(json!({"type": "message_stop"}));
    Script::anthropic_sse(&events)
}

/// A block of content, whole and as it is streamed.
struct Block {
    whole: Value,
    start: Value,
    deltas: Vec<Value>,
}

fn thought() -> Block {
    let block =
        |text: &str, signature: &str| json!({"type": "thinking", "thinking": text, "signature": signature});
    let mut deltas = THOUGHT.map(|text| json!({"type": "thinking_delta", "thinking": text})).to_vec();
    deltas.push(json!({"type": "signature_delta", "signature": SIGNATURE}));
    Block { whole: block(&THOUGHT.concat(), SIGNATURE), start: block("", ""), deltas }
}

fn said(words: &[&str]) -> Block {
    let deltas = words.iter().map(|word| json!({"type": "text_delta", "text": word})).collect();
    let block = |text: &str| json!({"type": "text", "text": text});
    Block { whole: block(&words.concat()), start: block(""), deltas }
}

fn call(call: &Call) -> Block {
    let block =
        |input: Value| json!({"type": "tool_use", "id": id(call.number), "name": TOOL, "input": input});
    let deltas =
        call.pieces().map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).to_vec();
    Block { whole: block(call.input()), start: block(json!({})), deltas }
}
