//! Whole answers that no exchange shows.

use llm_types::chat::{Part, ToolCallKind};
use llm_types::{ErrorKind, FinishKind, Op};
use serde_json::{Value, json};

use super::{Client, decode};
use crate::codec::ClientCodec as _;

fn answer(output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": output,
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}})
}

#[test]
fn parts_of_every_kind() {
    let reply = decode(&answer(json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
         "content": [{"type": "reasoning_text", "text": "the same at length"}], "encrypted_content": "E"},
        {"type": "message", "role": "assistant", "phase": "commentary", "content": [
            {"type": "output_text", "text": "t\u{1F600}", "annotations": [{"type": "file_citation", "index": 3, "file_id": "file_1", "filename": "a.pdf"}],
             "logprobs": [{"token": "t", "logprob": -0.5, "bytes": [116], "top_logprobs": [{"token": "u", "logprob": -2.0, "bytes": null}]}]},
            {"type": "refusal", "refusal": "no"}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "free", "status": "completed"},
        {"type": "image_generation_call", "id": "ig_1", "result": "AA=="},
    ])).to_string()).unwrap();
    let choice = &reply.choices[0];
    let [
        Part::Reasoning(thoughts),
        Part::Text(text),
        Part::Citation(source),
        Part::Refusal(refusal),
        Part::ToolCall(call),
        Part::Opaque(image),
    ] = &*choice.parts
    else {
        panic!("{choice:?}")
    };
    assert_eq!(thoughts.text, "a\n\nb");
    assert_eq!(thoughts.signature.as_deref(), Some("sealed:openai_responses:rs_1:E"));
    assert_eq!((&*text.text, text.extra.get("phase").unwrap().get()), ("t😀", "\"commentary\""));
    assert_eq!((source.url.as_deref(), source.title.as_deref()), (None, Some("a.pdf")));
    assert!(source.native.is_some());
    assert_eq!(refusal.text, "no");
    assert_eq!((call.kind, &*call.arguments), (ToolCallKind::Custom, "free"));
    assert_eq!((&*image.kind, image.json.get().contains("AA==")), ("image_generation_call", true));
    let tokens = &choice.logprobs.as_ref().unwrap().content;
    assert_eq!((&*tokens[0].token, tokens[0].top.len(), tokens[0].top[0].bytes.is_none()), ("t", 1, true));
    assert_eq!(reply.finish(), Some(FinishKind::ToolCalls));
}

#[test]
fn how_an_answer_ended() {
    let check = |status: &str, details: Value, output: Value, kind, native: Option<&str>| {
        let mut body = answer(output);
        body["status"] = json!(status);
        body["incomplete_details"] = details;
        let reply = decode(&body.to_string()).unwrap();
        let finish = reply.choices[0].finish.clone().unwrap();
        assert_eq!((finish.kind, finish.native.as_deref()), (kind, native), "{status}");
    };
    let call = json!([{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}]);
    check("completed", Value::Null, json!([]), FinishKind::Stop, None);
    check("completed", Value::Null, call.clone(), FinishKind::ToolCalls, None);
    check("incomplete", json!({"reason": "max_output_tokens"}), call, FinishKind::Length, None);
    check("incomplete", json!({"reason": "content_filter"}), json!([]), FinishKind::ContentFilter, None);
    check("incomplete", json!({"reason": "new"}), json!([]), FinishKind::Stop, Some("new"));
    check("incomplete", Value::Null, json!([]), FinishKind::Length, None);
}

#[test]
fn failures_inside_an_answer() {
    let check = |set: Value, kind| {
        let mut body = answer(json!([]));
        for (name, value) in set.as_object().unwrap() {
            body[name] = value.clone();
        }
        let error = decode(&body.to_string()).unwrap_err();
        assert_eq!(error.kind, kind, "{set} {error}");
        let text = body.to_string();
        let tapped = Client.tap(Op::Chat, text.as_bytes());
        let waits = matches!(body["status"].as_str(), Some("queued" | "cancelled"));
        assert_eq!(tapped.map_err(|error| error.kind).err(), (!waits).then_some(kind), "{set}");
    };
    let failed = |code: &str| json!({"status": "failed", "error": {"code": code, "message": "it broke"}});
    check(failed("server_error"), ErrorKind::Internal);
    check(failed("rate_limit_exceeded"), ErrorKind::RateLimit);
    check(failed("invalid_image_url"), ErrorKind::BadRequest);
    check(failed("image_too_large"), ErrorKind::BadRequest);
    check(failed("image_content_policy_violation"), ErrorKind::ContentPolicy);
    check(failed("bio_policy"), ErrorKind::ContentPolicy);
    check(json!({"status": "failed"}), ErrorKind::Api);
    // Of an answer that passes through the client asked for what it gets.
    check(json!({"status": "queued"}), ErrorKind::Api);
    check(json!({"status": "cancelled"}), ErrorKind::Api);
    check(json!({"output": null}), ErrorKind::UpstreamFormat);
    assert_eq!(decode("<html>").unwrap_err().kind, ErrorKind::UpstreamFormat);
    let inside = json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}});
    assert_eq!(decode(&inside.to_string()).unwrap_err().kind, ErrorKind::RateLimit);
}

#[test]
fn parts_of_the_usage_never_exceed_the_whole() {
    let mut body = answer(json!([]));
    body["usage"] = json!({"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 7},
        "output_tokens_details": {"reasoning_tokens": 50}});
    body["tool_usage"] = json!({"web_search": {"num_requests": 2}});
    let usage = decode(&body.to_string()).unwrap().usage.unwrap();
    assert_eq!((usage.cache_read, usage.cache_write_5m, usage.input), (8, 2, 0));
    assert_eq!((usage.reasoning, usage.output, usage.total_tokens()), (5, 0, 15));
    assert_eq!(usage.queries, 2);
}
