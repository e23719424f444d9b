//! What the tests of every translation share: a request that uses most of the API, and its second turn.

use serde_json::{Value, json};

/// System text, an image, tools, calls and their results.
pub(crate) fn canonical(model: &str) -> Value {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Picture and weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
            ]},
            {"role": "assistant", "content": "Checking.", "tool_calls": [
                call("call_1", "get_weather", "{\"city\":\"Oslo\"}"),
                call("call_2", "now", "")
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "{\"temp\":4}"},
            {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
            {"role": "user", "content": "And tomorrow?"}
        ],
        "tools": [weather(), {"type": "function", "function": {"name": "now", "description": "Time"}}],
        "tool_choice": "required",
        "max_completion_tokens": 300,
        "temperature": 0.2,
        "stop": ["END"]
    })
}

/// A tool.
pub(crate) fn weather() -> Value {
    json!({"type": "function", "function": {
        "name": "get_weather",
        "description": "Weather by city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    }})
}

/// A request for an answer by a schema.
pub(crate) fn structured(model: &str) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "Weather?"}],
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "W",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": {"t": {"type": "integer"}},
                "required": ["t"],
                "additionalProperties": false
            }
        }}
    })
}

/// The request that follows on an answer with one tool call, as a client writes it: the message goes back as it
/// came, then the result.
pub(crate) fn second_turn(request: &Value, answer: &Value, result: &str) -> Value {
    let message = answer["choices"][0]["message"].clone();
    let id = message["tool_calls"][0]["id"].clone();
    assert!(id.is_string(), "no tool call: {answer}");
    let mut next = request.clone();
    let messages = next["messages"].as_array_mut().unwrap();
    messages.push(message);
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
    next
}

/// The arguments of the tool call with that index, put together from a stream.
pub(crate) fn streamed_arguments(events: &[Value], index: u64) -> Value {
    let calls = events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array());
    let pieces = calls.flatten().filter(|call| call["index"] == index);
    let text: String = pieces.filter_map(|call| call["function"]["arguments"].as_str()).collect();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: `{text}`"))
}

/// The finish of a stream; there is exactly one.
pub(crate) fn streamed_finish(events: &[Value]) -> String {
    let finishes = events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str());
    let finishes: Vec<&str> = finishes.collect();
    assert_eq!(finishes.len(), 1, "{finishes:?}");
    finishes.concat()
}
