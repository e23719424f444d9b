//! Providers with a Responses API of their own (openai-responses.md): clients of it get their bytes as they are.

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
    ("usage", "what was used is told and booked"),
    ("tools", "a function is called"),
    ("state", "a conversation goes on from an answer that the provider keeps"),
];

/// Who has one.
pub(super) const MODELS: &[&str] = &[
    "openai/gpt-5.2",
    "azure/gpt-5.2",
    "bedrock_mantle/openai.gpt-oss-120b",
    "xai/grok-4.5",
    "groq/openai/gpt-oss-120b",
    "openrouter/openai/gpt-5.2",
    "deepseek/deepseek-reasoner",
    "perplexity/openai/gpt-5.2",
    "fireworks_ai/m",
    "hosted_vllm/m",
    "litellm_proxy/m",
    "volcengine/doubao-seed-2-1-pro-260915",
    "meta/muse-spark-1.3",
    "cortecs/m",
    "ollama_openai/m",
];
/// Who keeps no answers (their pages): what is said of one goes along all the same.
const STATELESS: [&str; 6] =
    ["groq", "openrouter", "deepseek", "perplexity", "bedrock_mantle", "ollama_openai"];
/// Of whom that is not known: what is said of a kept answer goes along.
const UNTOLD: [&str; 2] = ["meta", "cortecs"];

fn response(status: &str, output: &Value) -> Value {
    let mut out = json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output});
    if status == "completed" {
        out["usage"] = json!({"input_tokens": 12, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 17});
    }
    out
}

fn message() -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Hello!", "annotations": []}]})
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
        with("response.content_part.done", json!({"part": message()["content"][0]})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message()}),
        json!({"type": "response.completed", "response": response("completed", &json!([message()]))}),
    ];
    for (number, event) in list.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    list
}

fn answer(request: &Received) -> Script {
    let body = request.json();
    if !request.path().ends_with("/responses") || body.get("messages").is_some() {
        return Script::status(500).json_body(&json!({"error": {"message": format!("{}?", request.target)}}));
    }
    if body["stream"] == true {
        let events = events();
        return Script::sse(
            events
                .iter()
                .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())),
        );
    }
    let item = if body["tools"].is_array() { call() } else { message() };
    Script::json(&response("completed", &json!([item])))
}

/// Asks each. What is wrong.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let mut problems = Vec::new();
    for model in MODELS {
        let provider = model.split_once('/').unwrap().0;
        let upstream = Upstream::start().unwrap();
        upstream.on("/*", answer);
        deploy(lab, model, &upstream);
        if UNTOLD.contains(&provider) {
            matrix.note(provider, (Op::Responses, "state"), Mark::Declared);
        }
        for (feature, _) in FEATURES.iter().filter(|(name, _)| {
            *name != "state" || !(STATELESS.contains(&provider) || UNTOLD.contains(&provider))
        }) {
            match asked(lab, feature, &upstream).await {
                Ok(()) => matrix.note(provider, (Op::Responses, feature), Mark::Reference),
                Err(why) => problems.push(format!("{model}: responses {feature}: {why}")),
            }
        }
    }
    problems
}

async fn asked(lab: &Lab, feature: &str, upstream: &Upstream) -> Result<(), String> {
    let mut body = json!({"model": "m", "input": "Hello!"});
    match feature {
        "stream" => body["stream"] = true.into(),
        "tools" => {
            let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false});
            body["tools"] = json!([{"type": "function", "name": "get_weather", "description": "The weather", "parameters": schema, "strict": true}]);
        }
        "state" => body["previous_response_id"] = "resp_0".into(),
        _ => {}
    }
    let _ = lab.booked();
    let answer = lab.post("/v1/responses", &body).await;
    let text = answer.text();
    let sent = upstream.last_request().ok_or("nothing was sent")?.json();
    let holds =
        |right: bool, why: &str| if right { Ok(()) } else { Err(format!("{why}: {text}, for {sent}")) };
    holds(answer.status == 200 && answer.whole, "no answer")?;
    let shown: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match feature {
        "stream" => {
            let names: Vec<_> = llm_testkit::sse::events(&text).into_iter().map(|event| event.name).collect();
            let expect: Vec<_> =
                events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
            holds(names == expect, "the events are others")
        }
        "tools" => {
            holds(sent["tools"] == body["tools"], "the tools are others")?;
            holds(shown["output"] == json!([call()]), "the call is another")
        }
        "state" => {
            holds(sent["previous_response_id"] == "resp_0", "the id is another")?;
            holds(shown["output"] == json!([message()]), "the answer is another")
        }
        "usage" => {
            let rows = lab.booked();
            let used = rows.first().and_then(|row| reported(row)).map(llm_types::Usage::total_tokens);
            holds(used == Some(17) && shown["usage"]["total_tokens"] == 17, &format!("booked as {used:?}"))
        }
        _ => holds(shown["output"] == json!([message()]), "the answer is another"),
    }
}
