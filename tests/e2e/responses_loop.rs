//! A loop of five tool calls through the Responses API: whoever answers, the client sees the same calls and
//! the same last word, and every upstream gets back what it thought and signed.

use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, anthropic, gemini, model, openai};
use crate::responses::{ask, last, response, said};

/// The city of each turn.
const CITIES: [&str; 5] = ["Oslo", "Rome", "Lima", "Cairo", "Quito"];
const ANSWER: &str = "Cairo is the warmest.";

/// Runs the loop as a client does: all items of each answer go back with the results of its calls.
async fn run(gateway: &Gateway, model: &str, streamed: bool) -> (Vec<(String, Value)>, String) {
    let mut input = vec![json!({"role": "user", "content": "Which is the warmest?"})];
    let mut called = Vec::new();
    for _ in 0..=CITIES.len() {
        let request = json!({"model": model, "input": input, "store": false, "stream": streamed,
            "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"},
            "tools": [{"type": "function", "name": "weather", "strict": false,
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]});
        let reply = ask(gateway, &request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = if streamed { last(&reply) } else { reply.json() };
        assert_eq!(body["status"], "completed", "{body}");
        let output = body["output"].as_array().unwrap().clone();
        let calls: Vec<Value> =
            output.iter().filter(|item| item["type"] == "function_call").cloned().collect();
        if calls.is_empty() {
            let message = output.iter().find(|item| item["type"] == "message").unwrap();
            return (called, message["content"][0]["text"].as_str().unwrap().to_owned());
        }
        input.extend(output);
        for call in calls {
            let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
            let degrees = format!("{} degrees", arguments["city"].as_str().unwrap().len() * 4);
            input
                .push(json!({"type": "function_call_output", "call_id": call["call_id"], "output": degrees}));
            called.push((call["name"].as_str().unwrap().to_owned(), arguments));
        }
    }
    panic!("the loop does not end: {called:?}");
}

fn native(upstream: &Upstream, streamed: bool) {
    let event = |body: Value| {
        let created = json!({"type": "response.created", "response": {"id": "resp_1"}, "sequence_number": 0});
        let completed = json!({"type": "response.completed", "response": body, "sequence_number": 1});
        Script::sse(
            [created, completed]
                .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())),
        )
    };
    let script = |body: Value| if streamed { event(body) } else { Script::json(&body) };
    for (turn, city) in CITIES.iter().enumerate() {
        let arguments = json!({"city": city}).to_string();
        upstream.push(script(response(&format!("resp_{turn}"), &json!([
            {"id": format!("rs_{turn}"), "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"},
            {"id": format!("fc_{turn}"), "type": "function_call", "status": "completed", "call_id": format!("call_{turn}"),
                "name": "weather", "arguments": arguments}]))));
    }
    upstream.push(script(response("resp_5", &json!([said(ANSWER)]))));
}

fn claude(upstream: &Upstream, streamed: bool) {
    let script = |content: Value, stop: &str| {
        let mut body = canned::anthropic_message(0);
        body["content"] = content;
        body["stop_reason"] = stop.into();
        if streamed { Script::anthropic_sse(&as_events(&body)) } else { Script::json(&body) }
    };
    for (turn, city) in CITIES.iter().enumerate() {
        upstream.push(script(
            json!([
                {"type": "thinking", "thinking": format!("Ask for {city}."), "signature": format!("sig+/{turn}=")},
                {"type": "tool_use", "id": format!("toolu_{turn}"), "name": "weather", "input": {"city": city}}]),
            "tool_use",
        ));
    }
    upstream.push(script(json!([{"type": "text", "text": ANSWER}]), "end_turn"));
}

/// A whole message as the events of a stream.
fn as_events(body: &Value) -> Vec<Value> {
    let mut message = body.clone();
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    let mut events = vec![json!({"type": "message_start", "message": message})];
    for (index, block) in body["content"].as_array().unwrap().iter().enumerate() {
        let delta = |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let mut begun = block.clone();
        let deltas = match block["type"].as_str().unwrap() {
            "thinking" => {
                begun["thinking"] = "".into();
                begun["signature"] = "".into();
                vec![
                    delta(json!({"type": "thinking_delta", "thinking": block["thinking"]})),
                    delta(json!({"type": "signature_delta", "signature": block["signature"]})),
                ]
            }
            "tool_use" => {
                begun["input"] = json!({});
                vec![delta(json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}))]
            }
            _ => {
                begun["text"] = "".into();
                vec![delta(json!({"type": "text_delta", "text": block["text"]}))]
            }
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        events.extend(deltas);
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": body["stop_reason"], "stop_sequence": null}, "usage": {"output_tokens": 9}}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn flash(upstream: &Upstream, streamed: bool) {
    let script = |parts: Value| {
        let body = json!({"responseId": "r-1", "modelVersion": "gemini-3-flash-preview",
            "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 29, "candidatesTokenCount": 15, "totalTokenCount": 44}});
        if streamed { Script::sse([format!("data: {body}\n\n")]) } else { Script::json(&body) }
    };
    for (turn, city) in CITIES.iter().enumerate() {
        upstream.push(script(json!([
            {"text": format!("Ask for {city}."), "thought": true},
            {"functionCall": {"id": format!("f{turn}"), "name": "weather", "args": {"city": city}},
                "thoughtSignature": format!("c2lnbmF0dXJl{turn}w==")}])));
    }
    upstream.push(script(json!([{"text": ANSWER}])));
}

fn expected() -> (Vec<(String, Value)>, String) {
    (CITIES.iter().map(|city| ("weather".to_owned(), json!({"city": city}))).collect(), ANSWER.to_owned())
}

#[tokio::test]
async fn openai_gets_its_items_back() {
    for streamed in [false, true] {
        let upstream = Upstream::start().unwrap();
        let gateway = Gateway::start(&model("m", &[openai(&upstream)]));
        native(&upstream, streamed);
        assert_eq!(run(&gateway, "m", streamed).await, expected());
        let sent = upstream.last_request().unwrap().json();
        assert_eq!(sent["input"].as_array().unwrap().len(), 1 + 3 * CITIES.len());
    }
}

#[tokio::test]
async fn anthropic_gets_its_thoughts_back() {
    for streamed in [false, true] {
        let upstream = Upstream::start().unwrap();
        let gateway = Gateway::start(&model("m", &[anthropic(&upstream)]));
        claude(&upstream, streamed);
        assert_eq!(run(&gateway, "m", streamed).await, expected());
        let sent = upstream.last_request().unwrap().json();
        let messages = sent["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 1 + 2 * CITIES.len());
        for (turn, city) in CITIES.iter().enumerate() {
            let expect = json!([
                {"type": "thinking", "thinking": format!("Ask for {city}."), "signature": format!("sig+/{turn}=")},
                {"type": "tool_use", "id": format!("toolu_{turn}"), "name": "weather", "input": {"city": city}}]);
            assert_eq!(messages[1 + 2 * turn]["content"], expect);
            assert_eq!(messages[2 + 2 * turn]["content"][0]["tool_use_id"], format!("toolu_{turn}"));
        }
    }
}

#[tokio::test]
async fn gemini_gets_its_signatures_back() {
    for streamed in [false, true] {
        let upstream = Upstream::start().unwrap();
        let deployment = gemini(&upstream).replace("gemini-2.5-flash", "gemini-3-flash-preview");
        let gateway = Gateway::start(&model("m", &[deployment]));
        flash(&upstream, streamed);
        assert_eq!(run(&gateway, "m", streamed).await, expected());
        let sent = upstream.last_request().unwrap().json();
        let signed: Vec<Value> = sent["contents"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|content| content["parts"].as_array().unwrap())
            .filter(|part| part["functionCall"].is_object())
            .map(|part| json!([part["functionCall"]["args"]["city"], part["thoughtSignature"]]))
            .collect();
        let expect: Vec<Value> = CITIES
            .iter()
            .enumerate()
            .map(|(turn, city)| json!([city, format!("c2lnbmF0dXJl{turn}w==")]))
            .collect();
        assert_eq!(signed, expect, "{sent}");
    }
}

#[tokio::test]
async fn a_conversation_may_change_hands() {
    let upstream = Upstream::start().unwrap();
    let config = [model("claude", &[anthropic(&upstream)]), model("gpt", &[openai(&upstream)])];
    let gateway = Gateway::start(&config.concat());
    claude(&upstream, false);
    let first =
        json!({"model": "claude", "input": "Which?", "tools": [{"type": "function", "name": "weather"}]});
    let output = ask(&gateway, &first).await.json()["output"].clone();
    upstream.clear();
    upstream.push_for("/v1/responses", Script::json(&response("resp_1", &json!([said("Oslo.")]))));
    let mut input = vec![json!({"role": "user", "content": "Which?"})];
    input.extend(output.as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "toolu_0", "output": "4"}));
    let next = json!({"model": "gpt", "input": input, "tools": [{"type": "function", "name": "weather"}]});
    let reply = ask(&gateway, &next).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.last_request().unwrap().text();
    assert!(!sent.contains("sig+/") && !sent.contains("sealed:"), "{sent}");
    assert!(sent.contains("toolu_0"), "{sent}");
    let changes = reply.header("x-gateway-changes");
    assert!(changes.contains("sealed by another provider"), "{changes}");
    assert_eq!(reply.json()["id"], "resp_1");
}
