//! Gemini's API in front of others, streamed: server-sent events, and one JSON array.

use llm_testkit::canned::{IncludeUsage, openai_stream};
use llm_testkit::{Gate, Script, Upstream, sse};
use serde_json::{Value, json};

use crate::gemini_front::{gateway, post, sent};
use crate::harness::{Gateway, Reply};

const SSE: &str = "streamGenerateContent?alt=sse";
const LIST: &str = "streamGenerateContent";

fn hello() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
}

/// A chunk of these parts, written as Google does.
fn chunk(parts: Value, finish: Value) -> String {
    let candidate = json!({"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0});
    let usage = json!({"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5});
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}).to_string()
}

fn chunks() -> Vec<String> {
    vec![
        chunk(json!([{"text": "Ro\u{d7}\\n\"q\""}]), Value::Null),
        chunk(
            json!([{"functionCall": {"name": "f", "args": {"a": [1, {}]}}, "thoughtSignature": "c2ln"}]),
            Value::Null,
        ),
        chunk(json!([{"text": ""}]), json!("STOP")),
    ]
}

fn framed(chunks: &[String]) -> Vec<String> {
    chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

/// The chunks of a stream of either form.
fn events(reply: &Reply, path: &str) -> Vec<Value> {
    if path == SSE {
        assert!(reply.header("content-type").starts_with("text/event-stream"), "{:?}", reply.headers);
        return sse::json_events(reply.text());
    }
    assert_eq!(reply.header("content-type"), "application/json");
    reply.json().as_array().unwrap_or_else(|| panic!("no array: {}", reply.text())).clone()
}

async fn stream(gateway: &Gateway, model: &str, path: &str, body: &Value) -> Vec<Value> {
    let reply = post(gateway, &format!("{model}:{path}"), body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    events(&reply, path)
}

/// All parts of the chunks, in order.
fn parts(events: &[Value]) -> Vec<Value> {
    let parts = events.iter().filter_map(|event| event["candidates"][0]["content"]["parts"].as_array());
    parts.flatten().filter(|part| part.get("text") != Some(&json!(""))).cloned().collect()
}

fn text(events: &[Value]) -> String {
    parts(events).iter().filter_map(|part| part["text"].as_str()).collect()
}

#[tokio::test]
async fn events_of_gemini_pass_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let whole = framed(&chunks()).concat();
    for size in [1, 7, 10_000] {
        let cut: Vec<Vec<u8>> = whole.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        upstream.push(Script::sse(cut));
        let reply = post(&gateway, &format!("flash:{SSE}"), &hello()).await;
        assert_eq!(reply.text(), whole, "in pieces of {size}");
    }
    let received = upstream.last_request().unwrap();
    assert_eq!(received.path(), "/v1beta/models/gemini-2.5-flash:streamGenerateContent");
    assert_eq!((received.query(), received.text()), ("alt=sse", hello().to_string()));
}

#[tokio::test]
async fn events_of_gemini_become_elements_of_an_array() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let whole = framed(&chunks()).concat();
    let expect = format!("[{}]", chunks().join("\r\n,"));
    for size in [1, 5, 10_000] {
        let cut: Vec<Vec<u8>> = whole.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        upstream.push(Script::sse(cut));
        let reply = post(&gateway, &format!("flash:{LIST}"), &hello()).await;
        assert_eq!(reply.text(), expect, "in pieces of {size}");
        assert_eq!(reply.header("content-type"), "application/json");
    }
    assert_eq!(upstream.last_request().unwrap().query(), "alt=sse");
}

#[tokio::test]
async fn elements_leave_while_the_upstream_holds_the_next() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let gates: Vec<Gate> = chunks().iter().map(|_| Gate::new()).collect();
    let script =
        framed(&chunks()).into_iter().zip(&gates).fold(
            Script::status(200).header("content-type", "text/event-stream"),
            |script, (event, gate)| script.gate(gate).chunk(event),
        );
    upstream.push(script);
    gates[0].open();
    let mut reply =
        gateway.post(&format!("/v1beta/models/flash:{LIST}")).body(hello().to_string()).open().await;
    for (chunk, next) in chunks().iter().zip(1..) {
        reply.until(chunk).await;
        if let Some(gate) = gates.get(next) {
            gate.open();
        }
    }
}

#[tokio::test]
async fn openais_chunks_become_geminis_in_both_forms() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for path in [SSE, LIST] {
        upstream.push(Script::sse(openai_stream(5, IncludeUsage::Yes)));
        let events = stream(&gateway, "gpt", path, &hello()).await;
        assert_eq!(sent(&upstream)["stream"], true);
        assert!(events.len() > 5, "{events:?}");
        assert!(!text(&events).is_empty());
        let last = events.last().unwrap();
        assert_eq!(last["candidates"][0]["finishReason"], "STOP", "{path}: {last}");
        assert!(last["usageMetadata"]["totalTokenCount"].as_u64().unwrap() > 0, "{last}");
        let finishes = events.iter().filter(|event| event["candidates"][0].get("finishReason").is_some());
        assert_eq!(finishes.count(), 1);
    }
}

#[tokio::test]
async fn calls_come_whole() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let delta = |delta: Value, finish: Value| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let call = |index: u64, id: &str, arguments: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}]});
    let more = |index: u64, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    let script = Script::openai_sse(&[
        delta(json!({"role": "assistant", "content": "A"}), Value::Null),
        delta(call(0, "call_a", "{\"x\":"), Value::Null),
        delta(more(0, "1}"), Value::Null),
        delta(call(1, "call_b", ""), Value::Null),
        delta(more(1, "{\"x\":2}"), Value::Null),
        delta(json!({}), json!("tool_calls")),
    ]);
    for path in [SSE, LIST] {
        upstream.push(script.clone());
        let events = stream(&gateway, "gpt", path, &hello()).await;
        let call = |id: &str, x: u64| json!({"functionCall": {"id": id, "name": "f", "args": {"x": x}}});
        assert_eq!(parts(&events), [json!({"text": "A"}), call("call_a", 1), call("call_b", 2)]);
    }
}

#[tokio::test]
async fn anthropics_thoughts_are_streamed_with_their_signature() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let block = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let start = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
        "stop_reason": null, "usage": {"input_tokens": 10, "output_tokens": 1}});
    upstream.push(Script::anthropic_sse(&[
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        block(json!({"type": "thinking_delta", "thinking": "Hm"})),
        block(json!({"type": "thinking_delta", "thinking": "."})),
        block(json!({"type": "signature_delta", "signature": "EqQB"})),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Four."}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]));
    let mut request = hello();
    let events = stream(&gateway, "claude", SSE, &request).await;
    assert_eq!(text(&events), "Hm.Four.");
    let all = events
        .iter()
        .flat_map(|event| event["candidates"][0]["content"]["parts"].as_array().unwrap().clone());
    let all: Vec<Value> = all.collect();
    assert!(
        all.iter().any(|part| part["thought"] == true && part["thoughtSignature"].is_string()),
        "{all:?}"
    );

    // The parts go back as they came, piece by piece.
    let turns =
        [json!({"role": "model", "parts": all}), json!({"role": "user", "parts": [{"text": "Sure?"}]})];
    request["contents"].as_array_mut().unwrap().extend(turns);
    request["generationConfig"] =
        json!({"maxOutputTokens": 3000, "thinkingConfig": {"thinkingBudget": 1024}});
    upstream.push(Script::json(&crate::gemini_front::message(
        json!([{"type": "text", "text": "Yes."}]),
        "end_turn",
    )));
    let reply = post(&gateway, "claude:generateContent", &request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let content = sent(&upstream)["messages"][1]["content"].clone();
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}), "{content}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut half = openai_stream(3, IncludeUsage::No);
    half.truncate(3);
    let cut = framed(&chunks()).into_iter().take(1).collect::<Vec<_>>();
    let failed = "data: {\"error\": {\"code\": 503, \"message\": \"overloaded\", \"status\": \"UNAVAILABLE\"}}\r\n\r\n";
    for path in [SSE, LIST] {
        for (model, script, code) in [
            ("gpt", half.clone(), 502),
            ("flash", cut.clone(), 502),
            ("flash", [cut.clone(), vec![failed.to_owned()]].concat(), 503),
        ] {
            upstream.push(Script::sse(script));
            let events = stream(&gateway, model, path, &hello()).await;
            assert!(!text(&events).is_empty());
            let last = events.last().unwrap();
            assert_eq!(last["error"]["code"], code, "{model} {path}: {last}");
            assert!(
                last["error"]["status"] == "UNAVAILABLE" && last["error"]["message"].is_string(),
                "{last}"
            );
        }
    }
}

#[tokio::test]
async fn a_whole_answer_is_streamed_where_a_stream_is_wanted() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for path in [SSE, LIST] {
        for model in ["flash", "gpt"] {
            let answer = if model == "gpt" {
                llm_testkit::canned::openai_completion(100)
            } else {
                serde_json::from_str(&chunk(json!([{"text": "All at once."}]), json!("STOP"))).unwrap()
            };
            upstream.push(Script::json(&answer));
            let events = stream(&gateway, model, path, &hello()).await;
            assert!(text(&events).len() > 10, "{model} {path}: {events:?}");
            assert_eq!(events.last().unwrap()["candidates"][0]["finishReason"], "STOP");
        }
    }
}
