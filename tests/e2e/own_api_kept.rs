//! What calls of providers' own APIs cost that were given up, or told their use in a form of the provider's own.

use std::time::Duration;

use llm_testkit::{Gate, Script};
use serde_json::{Value, json};

use crate::own_api_usage::{Stand, dollars, used};

/// Calls and goes away once the provider has the request.
async fn given_up(stand: &Stand, path: &str, body: &Value) -> Value {
    let (before, asked) = (stand.rows().await.len(), stand.upstream.requests().len());
    let call = stand.gateway.post(path).header("authorization", &format!("Bearer {}", stand.key));
    let call = call.header("content-type", "application/json").body(body.to_string());
    let mut sending = Box::pin(call.try_send());
    for _ in 0..600 {
        let _ = tokio::time::timeout(Duration::from_millis(50), &mut sending).await.map(|reply| {
            panic!("it was answered: {reply:?}");
        });
        if stand.upstream.requests().len() > asked {
            break;
        }
    }
    drop(sending);
    for _ in 0..600 {
        let rows = stand.rows().await;
        if rows.len() > before {
            return rows[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no row came of {path}");
}

#[tokio::test]
async fn what_is_written_on_without_a_reader_keeps_what_was_reserved() {
    let stand = Stand::start().await;
    let gate = Gate::new();
    let body = |more: Value| {
        let mut body = json!({"model": "claude-sonnet-4-5", "max_tokens": 10_000,
            "messages": [{"role": "user", "content": "Hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    stand.upstream.always(Script::json(&json!({})).gate_head(&gate));
    let path = "/v1/azure_ai/v1/messages";
    // 10,000 tokens of an answer, at 15 dollars a million: it may all be written.
    let whole = given_up(&stand, path, &body(json!({}))).await;
    assert!(dollars(&whole) >= 0.15, "{whole}");
    // Of a stream only what can have been written until then.
    let stream = given_up(&stand, path, &body(json!({"stream": true}))).await;
    assert!(dollars(&stream) < dollars(&whole), "{stream}");
    gate.open();
}

#[tokio::test]
async fn what_goes_on_in_the_background_keeps_what_was_reserved() {
    let stand = Stand::start().await;
    let begun =
        json!({"id": "resp_1", "object": "response", "status": "queued", "model": "gpt-5.2", "output": []});
    stand.upstream.always(Script::json(&begun));
    let body = json!({"model": "gpt-5.2", "input": "Hi", "background": true, "max_output_tokens": 10_000});
    let found = stand.row("/v1/openai/responses", &body).await;
    // 14 dollars a million: nothing of it is told here.
    assert!(dollars(&found) >= 0.14, "{found}");
    let mut body = body;
    body["background"] = false.into();
    let found = stand.row("/v1/openai/responses", &body).await;
    assert!(dollars(&found) < 0.14, "{found}");
}

#[tokio::test]
async fn streams_of_a_provider_s_own_form_tell_what_they_used() {
    let stand = Stand::start().await;
    let event =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"));
    let stream = |events: &[Value]| Script::sse(events.iter().map(event));

    let usage = json!({"billed_units": {"input_tokens": 17, "output_tokens": 6},
        "tokens": {"input_tokens": 83, "output_tokens": 8}});
    stand.upstream.always(stream(&[
        json!({"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}}),
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}}),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}}),
    ]));
    let ask = json!({"model": "command-a-03-2025", "messages": [], "stream": true});
    let found = stand.row("/v1/cohere/v2/chat", &ask).await;
    // Paid by the billed units: 2.5 and 10 dollars a million.
    assert_eq!(
        (used(&found).0, format!("{:.7}", dollars(&found))),
        ("command", "0.0001025".to_owned()),
        "{found}"
    );

    let begun = json!({"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
        "usage": {"input_tokens": 30, "output_tokens": 1}});
    stand.upstream.always(stream(&[
        json!({"type": "message_start", "message": begun}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}}),
        json!({"type": "message_stop"}),
    ]));
    let ask = json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [], "stream": true});
    let found = stand.row("/v1/azure_ai/anthropic/v1/messages", &ask).await;
    assert_eq!(used(&found), ("foundry", 30, 12), "{found}");

    // Thoughts are paid as what they are part of.
    let counts = json!({"promptTokenCount": 6, "candidatesTokenCount": 5, "thoughtsTokenCount": 40, "totalTokenCount": 51});
    let piece = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "modelVersion": "gemini-2.5-flash", "usageMetadata": counts});
    stand.upstream.always(Script::sse([format!("data: {piece}\n\n")]));
    let path = "/v1/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
    let found = stand.row(path, &json!({"contents": [{"parts": [{"text": "Hi"}]}]})).await;
    assert_eq!(used(&found), ("flash", 6, 45), "{found}");
}
