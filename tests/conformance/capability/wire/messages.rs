//! Providers that speak Anthropic's Messages API themselves (anthropic-messages.md): its clients get their bytes as they are.

use llm_testkit::{Received, Script, Upstream};
use llm_types::Op;
use serde_json::{Value, json};

use super::Features;
use crate::capability::scripted::deploy;
use crate::capability::{Mark, Matrix};
use crate::lab::{Lab, reported};

pub(super) const FEATURES: Features = &[
    ("text", "a question is answered with text, at the provider's own endpoint"),
    ("stream", "an answer comes in events and ends as it should"),
    ("usage", "what was used is told and booked, cached tokens apart"),
    ("tools", "a function is called"),
    ("thinking", "thoughts come with their signature, and go back with it"),
];

/// Who speaks it.
pub(super) const MODELS: &[&str] = &[
    "anthropic/claude-sonnet-4-5",
    "vertex_ai/claude-sonnet-4-5",
    "azure_ai/claude-sonnet-4-5",
    "openrouter/anthropic/claude-sonnet-4.5",
    "litellm_proxy/m",
];

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

/// What is answered to a request in this API; anything else is a fault of ours.
fn answer(request: &Received) -> Script {
    let body = request.json();
    let path = request.path();
    let named = path.ends_with("/messages") && body["model"].is_string();
    // Vertex AI has model and stream in the path, and the version in the body.
    let placed = path.ends_with("awPredict") && body["anthropic_version"].is_string();
    if !(named || placed) || !body["max_tokens"].is_u64() {
        return Script::status(500).json_body(&json!({"error": {"message": format!("{}?", request.target)}}));
    }
    if body["stream"] == true {
        let events = events();
        let frame = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        return Script::sse(events.iter().map(frame));
    }
    Script::json(&match (body["tools"].is_array(), body["thinking"].is_object()) {
        (true, _) => message(&json!([call()]), "tool_use"),
        (_, true) => message(&json!([thought(), text()]), "end_turn"),
        _ => message(&json!([text()]), "end_turn"),
    })
}

/// Asks each. What is wrong.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let mut problems = Vec::new();
    for model in MODELS {
        let provider = model.split_once('/').unwrap().0;
        let upstream = Upstream::start().unwrap();
        upstream.on("/*", answer);
        deploy(lab, model, &upstream);
        for (feature, _) in FEATURES {
            match asked(lab, feature, &upstream).await {
                Ok(()) => matrix.note(provider, (Op::Messages, feature), Mark::Reference),
                Err(why) => problems.push(format!("{model}: messages {feature}: {why}")),
            }
        }
    }
    problems
}

async fn asked(lab: &Lab, feature: &str, upstream: &Upstream) -> Result<(), String> {
    let said = json!({"role": "user", "content": "Hello!"});
    let mut body = json!({"model": "m", "max_tokens": 4000, "messages": [said]});
    match feature {
        "stream" => body["stream"] = true.into(),
        "tools" => {
            let schema =
                json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
            body["tools"] =
                json!([{"name": "get_weather", "description": "The weather", "input_schema": schema}]);
        }
        "thinking" => {
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
            let before = json!({"role": "assistant", "content": [thought(), text()]});
            body["messages"] = json!([said, before, said]);
        }
        _ => {}
    }
    let _ = lab.booked();
    let answer = lab.post("/v1/messages", &body).await;
    let text = answer.text();
    let sent = upstream.last_request().ok_or("nothing was sent")?.json();
    let holds =
        |right: bool, why: &str| if right { Ok(()) } else { Err(format!("{why}: {text}, for {sent}")) };
    holds(answer.status == 200 && answer.whole, "no answer")?;
    holds(sent["messages"] == body["messages"] && sent["tools"] == body["tools"], "the request is another")?;
    if feature == "stream" {
        let got: Vec<Value> = llm_testkit::sse::events(&text)
            .into_iter()
            .map(|event| serde_json::from_str(&event.data).unwrap_or_default())
            .collect();
        return holds(got == events(), "the events are others");
    }
    let shown: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match feature {
        "tools" => holds(shown == message(&json!([call()]), "tool_use"), "the call is another"),
        "thinking" => holds(shown["content"][0] == thought(), "the thoughts are others"),
        "usage" => {
            let rows = lab.booked();
            let used = rows.first().and_then(|row| reported(row));
            let counts = used.map(|usage| (usage.input, usage.cache_read, usage.output));
            holds(counts == Some((12, 3, 5)), &format!("booked as {counts:?}"))?;
            holds(shown["usage"]["cache_read_input_tokens"] == 3, "the usage is another")
        }
        _ => holds(shown == message(&json!([self::text()]), "end_turn"), "the answer is another"),
    }
}
