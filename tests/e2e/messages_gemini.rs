//! Anthropic's API in front of Gemini's.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, gemini, model};
use crate::messages::{MESSAGES, coding_agent, gathered, message, post};

const SIGNATURE: &str = "CpUBAdHtim9+sig/nature=";

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&model("flash", &[gemini(upstream)]))
}

/// An answer of these parts, or one event of a stream.
fn answer(parts: Value, finish: Value) -> Value {
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}],
        "usageMetadata": {"promptTokenCount": 29, "cachedContentTokenCount": 9, "candidatesTokenCount": 15,
            "thoughtsTokenCount": 804, "totalTokenCount": 848},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r-1"
    })
}

fn stream(events: &[Value]) -> Script {
    Script::sse(events.iter().map(|event| format!("data: {event}\r\n\r\n")))
}

#[tokio::test]
async fn answers_and_streams_are_written_as_anthropic_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let parts = json!([{"text": "Hm.", "thought": true}, {"text": "Rain."}]);
    for (reason, expect) in [("STOP", "end_turn"), ("MAX_TOKENS", "max_tokens"), ("SAFETY", "refusal")] {
        upstream.push(Script::json(&answer(parts.clone(), json!(reason))));
        upstream.push(stream(&[
            answer(json!([{"text": "Hm.", "thought": true}]), Value::Null),
            answer(json!([{"text": "Ra"}]), Value::Null),
            answer(json!([{"text": "in."}]), json!(reason)),
        ]));
        let mut body = message("flash");
        let whole = post(&gateway, MESSAGES, &body).await.json();
        body["stream"] = true.into();
        let streamed = gathered(post(&gateway, MESSAGES, &body).await.text());
        for message in [whole, streamed] {
            assert_eq!(
                message["content"],
                json!([
                    {"type": "thinking", "thinking": "Hm.", "signature": ""},
                    {"type": "text", "text": "Rain."}
                ])
            );
            assert_eq!((&message["stop_reason"], &message["id"]), (&json!(expect), &json!("msg_r-1")));
            let usage = &message["usage"];
            let counts = ["input_tokens", "cache_read_input_tokens", "output_tokens"];
            assert_eq!(counts.map(|name| usage[name].as_u64()), [Some(20), Some(9), Some(819)], "{usage}");
        }
    }
}

#[tokio::test]
async fn signatures_of_calls_and_thoughts_come_back_to_gemini() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let parts = json!([
        {"text": "Two cities.", "thought": true, "thoughtSignature": "VGhvdWdodA=="},
        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": SIGNATURE},
        {"functionCall": {"name": "weather", "args": {"city": "Bergen"}}}
    ]);
    for streams in [false, true] {
        let script = if streams {
            stream(&[answer(parts.clone(), json!("STOP"))])
        } else {
            Script::json(&answer(parts.clone(), json!("STOP")))
        };
        upstream.push(script);
        let mut body = message("flash");
        body["tools"] = json!([{"name": "weather", "input_schema": {"type": "object"}}]);
        body["stream"] = streams.into();
        let reply = post(&gateway, MESSAGES, &body).await;
        let first = if streams { gathered(reply.text()) } else { reply.json() };
        let content = first["content"].as_array().unwrap();
        let kinds: Vec<&str> = content.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["thinking", "tool_use", "tool_use"], "{first}");
        assert_eq!(first["stop_reason"], "tool_use");
        let ids: Vec<&str> = content[1..].iter().map(|block| block["id"].as_str().unwrap()).collect();
        // Anthropic's clients may check ids.
        let plain = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        assert!(ids.iter().all(|id| plain(id)) && ids[0] != ids[1], "{ids:?}");

        upstream.push(Script::json(&answer(json!([{"text": "4 and 6 degrees."}]), json!("STOP"))));
        let result =
            |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
        body["stream"] = false.into();
        body["messages"].as_array_mut().unwrap().extend([
            json!({"role": "assistant", "content": content}),
            json!({"role": "user", "content": [result(ids[0], "{\"t\":4}"), result(ids[1], "{\"t\":6}")]}),
        ]);
        let second = post(&gateway, MESSAGES, &body).await;
        assert_eq!(second.json()["content"][0]["text"], "4 and 6 degrees.");
        assert_eq!(second.header("x-gateway-changes"), "");
        let contents = upstream.last_request().unwrap().json()["contents"].clone();
        let parts = contents[1]["parts"].as_array().unwrap();
        let signatures: Vec<Option<&str>> =
            parts.iter().map(|part| part["thoughtSignature"].as_str()).collect();
        assert_eq!(signatures, [Some("VGhvdWdodA=="), Some(SIGNATURE), None], "{contents}");
        let answers = contents[2]["parts"].as_array().unwrap();
        let temperatures: Vec<&Value> =
            answers.iter().map(|part| &part["functionResponse"]["response"]["t"]).collect();
        assert_eq!(temperatures, [&json!(4), &json!(6)]);
    }
}

#[tokio::test]
async fn a_coding_agent_works_on_gemini_and_is_told_what_was_lost() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(stream(&[answer(json!([{"text": "Fixed."}]), json!("STOP"))]));
    let reply = post(&gateway, MESSAGES, &coding_agent("flash")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(gathered(reply.text())["content"], json!([{"type": "text", "text": "Fixed."}]));
    let changes = reply.header("x-gateway-changes");
    for lost in ["signature", "context_management"] {
        assert!(changes.contains(lost), "no {lost} in {changes}");
    }
    let body = upstream.last_request().unwrap().json();
    assert_eq!(body["tools"][0]["functionDeclarations"].as_array().unwrap().len(), 24);
    let roles: Vec<&str> =
        body["contents"].as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    // A picture that a tool returned follows its result.
    assert_eq!(roles, ["user", "model", "user", "model", "user", "user"], "{body}");
    assert_eq!(body["contents"][5]["parts"][0]["inlineData"]["mimeType"], "image/png");
}
