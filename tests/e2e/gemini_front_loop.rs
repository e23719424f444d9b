//! A tool loop of five turns by a Gemini client: the same calls and the same answer on each dialect.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::gemini_front::{completion, gateway, message, parts, post};

const CITIES: [&str; 4] = ["Oslo", "Rome", "Bern", "Kiev"];
const ANSWER: &str = "Rome is warmest.";

/// What an upstream answers in each turn: a call for each city, then the answer.
fn turn(kind: &str, number: usize) -> Value {
    let city = CITIES.get(number);
    match (kind, city) {
        ("flash", Some(city)) => {
            candidate(json!({"functionCall": {"name": "weather", "args": {"city": city}}}))
        }
        ("flash", None) => candidate(json!({"text": ANSWER})),
        ("gpt", Some(city)) => {
            let function = json!({"name": "weather", "arguments": json!({"city": city}).to_string()});
            let call = json!({"id": format!("call_{number}"), "type": "function", "function": function});
            completion(json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
        }
        ("gpt", None) => completion(json!({"role": "assistant", "content": ANSWER}), "stop"),
        (_, Some(city)) => {
            let block = json!({"type": "tool_use", "id": format!("toolu_{number}"), "name": "weather", "input": {"city": city}});
            message(json!([block]), "tool_use")
        }
        (_, None) => message(json!([{"type": "text", "text": ANSWER}]), "end_turn"),
    }
}

fn candidate(part: Value) -> Value {
    json!({"candidates": [{"content": {"parts": [part], "role": "model"}, "finishReason": "STOP", "index": 0}]})
}

/// Runs the loop as a client does: calls are answered until there are none. The calls and the answer.
async fn run(model: &str) -> (Vec<Value>, String) {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut request = json!({"contents": [{"role": "user", "parts": [{"text": "Where is it warmest?"}]}],
        "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object",
            "properties": {"city": {"type": "string"}}, "required": ["city"]}}]}]});
    let mut calls = Vec::new();
    for number in 0..=CITIES.len() {
        upstream.push(Script::json(&turn(model, number)));
        let reply = post(&gateway, &format!("{model}:generateContent"), &request).await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let body = reply.json();
        let part = parts(&body)[0].clone();
        let Some(call) = part.get("functionCall") else {
            assert_eq!(number, CITIES.len());
            check_last(model, &upstream.last_request().unwrap().json());
            return (calls, part["text"].as_str().unwrap().to_owned());
        };
        calls.push(json!({"name": call["name"], "args": call["args"]}));
        let mut response = json!({"name": "weather", "response": {"temp": number * 10}});
        if let Some(id) = call.get("id") {
            response["id"] = id.clone();
        }
        request["contents"].as_array_mut().unwrap().extend([
            body["candidates"][0]["content"].clone(),
            json!({"role": "user", "parts": [{"functionResponse": response}]}),
        ]);
    }
    panic!("{model}: no answer in time");
}

/// In the last turn each result must stand with its call.
fn check_last(model: &str, body: &Value) {
    let ids = |calls: &dyn Fn(&Value) -> Option<Value>| -> Vec<Value> {
        body["messages"].as_array().into_iter().flatten().filter_map(calls).collect()
    };
    let (made, answered) = match model {
        "gpt" => (
            ids(&|message| message["tool_calls"][0].get("id").cloned()),
            ids(&|message| message.get("tool_call_id").cloned()),
        ),
        "claude" => (
            ids(&|message| message["content"][0].get("id").cloned()),
            ids(&|message| message["content"][0].get("tool_use_id").cloned()),
        ),
        _ => return,
    };
    assert_eq!(made.len(), CITIES.len(), "{body}");
    assert_eq!(made, answered);
}

#[tokio::test]
async fn five_turns_end_alike_on_every_dialect() {
    let native = run("flash").await;
    assert_eq!((native.0.len(), native.1.as_str()), (CITIES.len(), ANSWER));
    assert_eq!(run("gpt").await, native);
    assert_eq!(run("claude").await, native);
}
