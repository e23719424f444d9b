//! Streams of other dialects, as a client of the Responses API gets them.

use llm_testkit::player::cuts;
use llm_types::Dialect;
use serde_json::{Value, json};

use super::{Upstream, assert_sound, events, short};

fn named(events: &[Value]) -> String {
    events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect()
}

fn plain(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

pub(super) fn anthropic(blocks: &[Value], stop: &str) -> String {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 5, "output_tokens": 1}});
    let mut all = vec![json!({"type": "message_start", "message": message}), json!({"type": "ping"})];
    for (index, block) in blocks.iter().enumerate() {
        let mut begun = block.clone();
        let delta = |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let mut deltas = Vec::new();
        match block["type"].as_str().unwrap() {
            "text" => {
                begun["text"] = json!("");
                let text = block["text"].as_str().unwrap();
                let (a, b) = text.split_at(text.len() / 2);
                deltas.extend([a, b].map(|text| delta(json!({"type": "text_delta", "text": text}))));
            }
            "thinking" => {
                begun["thinking"] = json!("");
                begun["signature"] = json!("");
                deltas.push(delta(json!({"type": "thinking_delta", "thinking": block["thinking"]})));
                deltas.push(delta(json!({"type": "signature_delta", "signature": block["signature"]})));
            }
            "tool_use" => {
                begun["input"] = json!({});
                let text = block["input"].to_string();
                if text != "{}" {
                    let (a, b) = text.split_at(text.len() / 2);
                    deltas.extend(
                        ["", a, b]
                            .map(|json| delta(json!({"type": "input_json_delta", "partial_json": json}))),
                    );
                }
            }
            _ => {}
        }
        all.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        all.extend(deltas);
        all.push(json!({"type": "content_block_stop", "index": index}));
    }
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": 20}}));
    all.push(json!({"type": "message_stop"}));
    named(&all)
}

pub(super) fn gemini(parts: &[Value], finish: &str) -> String {
    let mut all = Vec::new();
    for part in parts {
        let candidate = json!({"index": 0, "content": {"role": "model", "parts": [part]}});
        all.push(
            json!({"responseId": "g1", "modelVersion": "gemini-3-flash-preview", "candidates": [candidate]}),
        );
    }
    let end =
        json!({"index": 0, "content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": finish});
    all.push(json!({"responseId": "g1", "modelVersion": "gemini-3-flash-preview", "candidates": [end],
        "usageMetadata": {"promptTokenCount": 29, "candidatesTokenCount": 15, "thoughtsTokenCount": 80, "totalTokenCount": 124}}));
    plain(&all)
}

fn chat(deltas: &[Value], finish: &str) -> String {
    let chunk = |delta: &Value, finish: Value| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-4o",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut all: Vec<Value> = deltas.iter().map(|delta| chunk(delta, Value::Null)).collect();
    all.push(chunk(&json!({}), json!(finish)));
    all.push(
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-4o",
        "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}),
    );
    plain(&all) + "data: [DONE]\n\n"
}

fn thinking_and_calls() -> Vec<Value> {
    vec![
        json!({"type": "thinking", "thinking": "Let me see.", "signature": "Sig+/="}),
        json!({"type": "redacted_thinking", "data": "enc=="}),
        json!({"type": "text", "text": "Looking: \"ü\"\n"}),
        json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}),
        json!({"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}),
    ]
}

/// Every stream that is looked at, by the name of its snapshot.
fn streams() -> Vec<(&'static str, Dialect, String)> {
    let mut all = model_streams();
    all.extend(chat_streams());
    all
}

fn chat_streams() -> Vec<(&'static str, Dialect, String)> {
    let call = |index: u32, id: Value, arguments: &str| {
        let name = if id.is_null() { Value::Null } else { json!("f") };
        json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]})
    };
    vec![
        (
            "chat_interleaved_calls",
            Dialect::OpenaiChat,
            chat(
                &[
                    json!({"role": "assistant", "content": ""}),
                    json!({"reasoning_content": "Hm"}),
                    json!({"content": "Both."}),
                    call(0, json!("call_1"), ""),
                    call(1, json!("call_2"), "{\"b\""),
                    call(0, Value::Null, "{\"a\":"),
                    call(1, Value::Null, ":2}"),
                    call(0, Value::Null, "1}"),
                ],
                "tool_calls",
            ),
        ),
        (
            "chat_refusal",
            Dialect::OpenaiChat,
            chat(&[json!({"role": "assistant", "refusal": "I "}), json!({"refusal": "won't"})], "stop"),
        ),
        (
            "chat_custom_call",
            Dialect::OpenaiChat,
            chat(
                &[
                    json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "patch", "input": ""}}]}),
                    json!({"tool_calls": [{"index": 0, "custom": {"input": "*** Begin"}}]}),
                ],
                "tool_calls",
            ),
        ),
        (
            "chat_sources",
            Dialect::OpenaiChat,
            chat(
                &[
                    json!({"content": "See there."}),
                    json!({"annotations": [{"type": "url_citation", "url_citation":
                        {"start_index": 4, "end_index": 9, "title": "T", "url": "https://a.example"}}]}),
                ],
                "stop",
            ),
        ),
        ("chat_filtered", Dialect::OpenaiChat, chat(&[json!({"content": "Well"})], "content_filter")),
    ]
}

fn model_streams() -> Vec<(&'static str, Dialect, String)> {
    vec![
        ("anthropic_thinking_and_calls", Dialect::Anthropic, anthropic(&thinking_and_calls(), "tool_use")),
        (
            "anthropic_text",
            Dialect::Anthropic,
            anthropic(&[json!({"type": "text", "text": "Hello"})], "end_turn"),
        ),
        (
            "anthropic_cut_in_a_call",
            Dialect::Anthropic,
            anthropic(
                &[json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}})],
                "max_tokens",
            ),
        ),
        (
            "anthropic_refusal",
            Dialect::Anthropic,
            anthropic(&[json!({"type": "text", "text": "No"})], "refusal"),
        ),
        ("anthropic_nothing", Dialect::Anthropic, anthropic(&[], "end_turn")),
        (
            "gemini_thought_and_calls",
            Dialect::Gemini,
            gemini(
                &[
                    json!({"text": "Hm.", "thought": true}),
                    json!({"functionCall": {"id": "f1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}),
                    json!({"functionCall": {"id": "f2", "name": "g", "args": {}}}),
                ],
                "STOP",
            ),
        ),
        (
            "gemini_signed_text",
            Dialect::Gemini,
            gemini(&[json!({"text": "Rain"}), json!({"text": ".", "thoughtSignature": "c2ln"})], "STOP"),
        ),
        (
            "gemini_picture",
            Dialect::Gemini,
            gemini(&[json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})], "STOP"),
        ),
    ]
}

#[test]
fn every_event_in_its_place() {
    for (name, dialect, stream) in streams() {
        let out = Upstream::of(dialect).stream([stream.as_bytes()]);
        assert_sound(&out);
        insta::assert_snapshot!(name, short(&out));
    }
}

#[test]
fn streams_are_the_same_wherever_they_are_cut() {
    for (name, dialect, stream) in streams() {
        let upstream = Upstream::of(dialect);
        let whole = upstream.stream([stream.as_bytes()]);
        let expect = settled(&whole);
        for at in cuts(stream.as_bytes(), 300) {
            let (head, tail) = stream.as_bytes().split_at(at);
            assert_eq!(settled(&upstream.stream([head, tail])), expect, "{name} at {at}");
        }
        let bytes = upstream.stream(stream.as_bytes().chunks(1));
        assert_sound(&bytes);
        assert_eq!(text_of(&bytes), text_of(&whole), "{name}");
    }
}

/// Ids that a decoder made up, made the same.
fn settled(stream: &str) -> String {
    let made_up = |word: &str| word.starts_with("call_") && word.len() > 20;
    stream.split('"').map(|word| if made_up(word) { "MADE_UP" } else { word }).collect::<Vec<_>>().join("\"")
}

fn text_of(stream: &str) -> String {
    let events = events(stream);
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    deltas.map(|event| event["delta"].as_str().unwrap()).collect()
}

#[test]
fn a_stream_that_breaks_off_fails() {
    for (name, dialect, stream) in streams() {
        let upstream = Upstream::of(dialect);
        let cut = stream.len() / 2;
        let out = upstream.stream([&stream.as_bytes()[..cut]]);
        if !out.contains("response.created") {
            assert_eq!(name, "anthropic_nothing", "{out}");
            assert!(out.starts_with("event: error"), "{out}");
            continue;
        }
        let events = events(&out);
        let [.., failed, error] = &*events else { panic!("{name}: {out}") };
        assert_eq!(failed["type"], "response.failed", "{name}");
        assert_eq!(failed["response"]["status"], "failed");
        assert!(failed["response"]["error"]["message"].is_string(), "{failed}");
        assert!(failed["response"]["error"]["code"].is_string(), "{failed}");
        assert_eq!(error["type"], "error");
        // What OpenAI's SDKs look for before they raise.
        assert_eq!(error["error"]["message"], error["message"]);
        assert!(error["code"].is_string() && error.get("param").is_some(), "{error}");
        assert!(!out.contains("response.completed"), "{name}");
        assert_sound(&out);
    }
}

#[test]
fn a_failure_before_anything_is_raised_first() {
    use crate::codec::{ReplyCx, ServerCodec};
    let mut encoder = super::Server.encoder(ReplyCx::default());
    encoder.fail(&llm_types::ApiError::upstream(llm_types::ErrorKind::RateLimit, "slow down"));
    encoder.finish();
    let out = String::from_utf8(encoder.take().to_vec()).unwrap();
    let [error, failed] = &*events(&out) else { panic!("{out}") };
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("rate_limit_exceeded")));
    assert_eq!((&failed["type"], &failed["sequence_number"]), (&json!("response.failed"), &json!(1)));
    assert_eq!(failed["response"]["error"], json!({"code": "rate_limit_exceeded", "message": "slow down"}));
}
