//! Tests of the server half: requests, answers, streams, errors, and both halves against each other.

mod errors;
mod property;
mod replies;
mod requests;
mod streams;

use llm_types::chat::ChatRequest;
use llm_types::{Call, Changes, Dialect, Op, ProviderSpec, RawValue, Result};
use serde_json::{Value, json};

use super::Server;
use crate::codec::{Asked, ClientCodec, EncodeCx, ReplyCx, ServerCodec, WireRequest};
use crate::dialect::anthropic::Client;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn spec(dialect: Dialect) -> ProviderSpec {
    ProviderSpec { name: dialect.to_string(), dialect, ..ProviderSpec::default() }
}

fn try_read(body: &Value) -> Result<ChatRequest> {
    let call = Server.decode(body.to_string().as_bytes(), &Asked::of(Op::Chat))?;
    let Call::Chat(request) = call else { panic!("not a chat") };
    Ok(*request)
}

fn read(body: &Value) -> ChatRequest {
    try_read(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// What the client half makes of a request, and the changes.
fn write(call: &Call, asked: &Asked) -> (WireRequest, Changes) {
    let spec = spec(Dialect::Anthropic);
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec: &spec, model: call.model(), asked, changes: &mut changes };
    let wire = Client.encode(call, &mut cx).unwrap();
    (wire, changes)
}

fn json_of(wire: &WireRequest) -> Value {
    serde_json::from_slice(&wire.body.to_bytes()).unwrap()
}

/// A request with one message, and these members.
fn with(members: Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn cx(upstream: Option<Dialect>) -> ReplyCx {
    ReplyCx { model: "asked".into(), id: "req1".into(), upstream, ..ReplyCx::default() }
}

/// The same request in one spelling: strings as one text block, defaults said or left out.
fn normal(mut body: Value) -> Value {
    fn blocks(content: &mut Value) {
        if let Value::String(text) = content {
            *content = json!([{"type": "text", "text": text}]);
        }
    }
    let object = body.as_object_mut().unwrap();
    if object.get("stream") == Some(&Value::Bool(false)) {
        object.remove("stream");
    }
    object.get_mut("system").map(blocks);
    for message in object["messages"].as_array_mut().unwrap() {
        blocks(&mut message["content"]);
        for block in message["content"].as_array_mut().unwrap() {
            if block["type"] == "tool_result" {
                blocks(&mut block["content"]);
            }
        }
    }
    for tool in object.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        tool.as_object_mut().unwrap().entry("type").or_insert_with(|| json!("custom"));
    }
    body
}

/// The request of a coding agent: long instructions, dozens of tools, thoughts between calls, pictures.
fn coding_agent() -> Value {
    serde_json::from_str(include_str!("../../../../../../../tests/fixtures/requests/coding_agent.json"))
        .unwrap()
}
