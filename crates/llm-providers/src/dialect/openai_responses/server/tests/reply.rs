//! Whole answers.

use llm_types::Dialect;
use serde_json::{Value, json};

use super::stream::{anthropic, gemini};
use super::{Upstream, events};

fn claude(content: Value, stop: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": content,
        "stop_reason": stop, "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 5, "output_tokens": 20}})
}

#[test]
fn an_answer_has_every_member_that_clients_read() {
    let content = json!([{"type": "text", "text": "Hello"}]);
    let reply = Upstream::of(Dialect::Anthropic).whole(&claude(content, "end_turn"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&reply).unwrap());
}

#[test]
fn ends_are_told_in_the_words_of_this_api() {
    for (stop, status, reason) in [
        ("end_turn", "completed", Value::Null),
        ("tool_use", "completed", Value::Null),
        ("max_tokens", "incomplete", json!({"reason": "max_output_tokens"})),
        ("refusal", "incomplete", json!({"reason": "content_filter"})),
    ] {
        let content = json!([{"type": "text", "text": "Hello"}]);
        let reply = Upstream::of(Dialect::Anthropic).whole(&claude(content, stop));
        assert_eq!((&reply["status"], &reply["incomplete_details"]), (&json!(status), &reason), "{stop}");
        assert_eq!(reply["output"][0]["status"], status, "{stop}");
    }
}

#[test]
fn whole_and_streamed_hold_the_same_items() {
    let blocks = [
        json!({"type": "thinking", "thinking": "Let me see.", "signature": "Sig+/="}),
        json!({"type": "redacted_thinking", "data": "enc=="}),
        json!({"type": "text", "text": "Looking."}),
        json!({"type": "text", "text": " Still."}),
        json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}),
        json!({"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}),
    ];
    let upstream = Upstream::of(Dialect::Anthropic);
    let whole = upstream.whole(&claude(json!(blocks), "tool_use"));
    let streamed = events(&upstream.stream([anthropic(&blocks, "tool_use").as_bytes()]));
    assert_eq!(whole, streamed.last().unwrap()["response"]);

    let parts = [
        json!({"text": "Hm.", "thought": true}),
        json!({"text": "Rain.", "thoughtSignature": "c2ln"}),
        json!({"functionCall": {"id": "f1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2lnMg=="}),
    ];
    let upstream = Upstream::of(Dialect::Gemini);
    let body = json!({"responseId": "g1", "modelVersion": "gemini-3-flash-preview",
        "candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 29, "candidatesTokenCount": 15, "thoughtsTokenCount": 80, "totalTokenCount": 124}});
    let streamed = events(&upstream.stream([gemini(&parts, "STOP").as_bytes()]));
    assert_eq!(upstream.whole(&body), streamed.last().unwrap()["response"]);
}

#[test]
fn log_probabilities_stand_at_their_text() {
    let body = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop",
        "logprobs": {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105],
            "top_logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": null}]}], "refusal": null}}]});
    let reply = Upstream::of(Dialect::OpenaiChat).whole(&body);
    let expect = json!([{"token": "Hi", "logprob": -0.5, "bytes": [72, 105],
        "top_logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}]}]);
    assert_eq!(reply["output"][0]["content"][0]["logprobs"], expect);
}
