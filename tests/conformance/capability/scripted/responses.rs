//! Providers with a Responses API of their own (openai-responses.md).

use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::must;

fn response(status: &str, output: &Value) -> Value {
    let mut out = json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output});
    if status == "completed" {
        out["usage"] = json!({"input_tokens": 12, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 17});
    }
    out
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn call() -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather", "arguments": "{\"city\":\"Oslo\"}", "status": "completed"})
}

fn events() -> Vec<Value> {
    let begun = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []});
    let part = json!({"type": "output_text", "text": "", "annotations": []});
    let at = json!({"item_id": "msg_1", "output_index": 0, "content_index": 0});
    let with = |kind: &str, more: Value| {
        let mut event = at.clone();
        event["type"] = kind.into();
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    };
    let mut list = vec![
        json!({"type": "response.created", "response": response("in_progress", &json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
        with("response.content_part.added", json!({"part": part})),
        with("response.output_text.delta", json!({"delta": "Hello!"})),
        with("response.output_text.done", json!({"text": "Hello!"})),
        with("response.content_part.done", json!({"part": message("Hello!")["content"][0]})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message("Hello!")}),
        json!({"type": "response.completed", "response": response("completed", &json!([message("Hello!")]))}),
    ];
    for (number, event) in list.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    list
}

/// An answer, or its events; one that goes on from what is kept knows what that was about.
pub(super) fn responses(request: &Received) -> Result<Script, String> {
    let body = request.json();
    must(request.path().ends_with("/responses"), "another path")?;
    must(body["model"].is_string() && body.get("messages").is_none(), "no request of this API")?;
    must(!body["input"].is_null(), "no input")?;
    if body["stream"] == true {
        let events = events();
        return Ok(Script::sse(
            events
                .iter()
                .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())),
        ));
    }
    let item = match &body["previous_response_id"] {
        Value::Null if body["tools"].is_array() => {
            must(body.pointer("/tools/0/name") == Some(&json!("get_weather")), "another function")?;
            call()
        }
        Value::Null => message("Hello!"),
        id => {
            must(id == "resp_1" && body["store"] == true, "another answer is gone on from")?;
            message("Red.")
        }
    };
    Ok(Script::json(&response("completed", &json!([item]))))
}

/// The same where nothing is stored, and the request must say so (README.md).
pub(super) fn unstored(request: &Received) -> Result<Script, String> {
    must(request.json()["store"] == false, "it is to be stored")?;
    responses(request)
}
