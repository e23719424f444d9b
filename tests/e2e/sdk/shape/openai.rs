//! OpenAI's chat completions and embeddings.

use llm_testkit::{Received, Script, canned};
use serde_json::{Value, json};

use super::{Asked, Call, TOOL, Wanted, cut, failure, list, text};

fn id(number: usize) -> String {
    format!("call_{number}")
}

pub(super) fn error(status: u16, message: &str) -> Value {
    json!({"error": {"message": message, "type": "x", "code": null, "param": null, "status": status}})
}

/// Answers one request.
pub(crate) fn openai(request: &Received) -> Script {
    let body = request.json();
    if request.path().ends_with("/embeddings") {
        return embeddings(&body);
    }
    let stream = || canned::openai_stream(5, canned::IncludeUsage::Yes);
    if let Some(script) = cut(request, stream, 4).or_else(|| failure(request, error)) {
        return script;
    }
    match asked(&body).wanted(|number| Some(id(number))) {
        Ok(wanted) => answer(&body, &wanted),
        Err(wrong) => Script::status(400).json_body(&error(400, &wrong)),
    }
}

fn asked(body: &Value) -> Asked {
    let mut asked = Asked {
        tools: body["tools"].is_array(),
        schema: body["response_format"].is_object(),
        ..Asked::default()
    };
    for message in list(&body["messages"]) {
        for call in list(&message["tool_calls"]) {
            let arguments: Value =
                serde_json::from_str(&text(&call["function"]["arguments"])).unwrap_or_default();
            asked.calls.push((text(&call["id"]), text(&arguments["city"])));
        }
        if message["role"] == "tool" {
            asked.results.push((text(&message["tool_call_id"]), message["content"].to_string()));
        }
    }
    asked
}

fn call(call: &Call, arguments: &str) -> Value {
    json!({"id": id(call.number), "type": "function", "function": {"name": TOOL, "arguments": arguments}})
}

fn answer(body: &Value, wanted: &Wanted) -> Script {
    let usage = json!({"prompt_tokens": 19, "completion_tokens": 12, "total_tokens": 31});
    let base = |object: &str, choices: Value, usage: Value| json!({"id": "chatcmpl-1", "object": object, "created": 1_741_569_952, "model": "gpt-4o", "choices": choices, "usage": usage});
    if body["stream"] != true {
        let (message, finish) = match wanted {
            Wanted::Words(words) => (json!({"role": "assistant", "content": words.concat()}), "stop"),
            Wanted::Calls(calls) => {
                let calls: Vec<_> = calls.iter().map(|one| call(one, &one.pieces().concat())).collect();
                (json!({"role": "assistant", "content": null, "tool_calls": calls}), "tool_calls")
            }
        };
        let choices = json!([{"index": 0, "message": message, "finish_reason": finish}]);
        return Script::json(&base("chat.completion", choices, usage));
    }
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let (deltas, finish) = match wanted {
        Wanted::Words(words) => {
            (words.iter().map(|word| json!({"content": word})).collect::<Vec<_>>(), "stop")
        }
        Wanted::Calls(calls) => (calls.iter().enumerate().flat_map(streamed).collect(), "tool_calls"),
    };
    let chunk = |choices: Value, usage: Value| base("chat.completion.chunk", choices, usage);
    let mut chunks =
        vec![chunk(choice(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null)];
    chunks.extend(deltas.into_iter().map(|delta| chunk(choice(delta, Value::Null), Value::Null)));
    chunks.push(chunk(choice(json!({}), finish.into()), Value::Null));
    if body["stream_options"]["include_usage"] == true {
        chunks.push(chunk(json!([]), usage));
    }
    Script::openai_sse(&chunks)
}

/// The deltas of one call: its head, then its arguments in pieces.
fn streamed((index, one): (usize, &Call)) -> Vec<Value> {
    let mut head = call(one, "");
    head["index"] = json!(index);
    let rest = |text: String| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let mut deltas = vec![json!({"tool_calls": [head]})];
    deltas.extend(one.pieces().map(rest));
    deltas
}

/// A vector of two halves for each text: `[0.5, -1.0]`.
fn embeddings(body: &Value) -> Script {
    let texts = if body["input"].is_array() { list(&body["input"]).len() } else { 1 };
    // Four bytes for each number, the lowest first.
    let base64 = body["encoding_format"] == "base64";
    let vector = if base64 { json!("AAAAPwAAgL8=") } else { json!([0.5, -1.0]) };
    let data: Vec<_> =
        (0..texts).map(|index| json!({"object": "embedding", "index": index, "embedding": vector})).collect();
    let usage = json!({"prompt_tokens": 7, "total_tokens": 7});
    Script::json(&json!({"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage}))
}
