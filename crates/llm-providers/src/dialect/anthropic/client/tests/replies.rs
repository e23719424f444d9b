//! Whole answers and errors.

use http::{HeaderMap, StatusCode};
use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind, Op, Usage};
use serde_json::{Value, json};

use super::{Client, decode, summary};
use crate::codec::{ClientCodec, Memo};

fn message(content: Value, stop_reason: &str, usage: Value) -> String {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content,
           "stop_reason": stop_reason, "stop_sequence": null, "usage": usage})
    .to_string()
}

#[test]
fn the_vector() {
    let body = message(
        json!([
            {"type": "thinking", "thinking": "T", "signature": "S"},
            {"type": "text", "text": "A"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        ]),
        "tool_use",
        json!({"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 5,
               "output_tokens": 20}),
    );
    let reply = decode(&body, &Memo::default()).unwrap();
    insta::assert_snapshot!(summary(&reply), @r#"
    msg_1 claude-x None Some(Usage { input: 10, cache_read: 100, cache_write_5m: 5, cache_write_1h: 0, input_audio: 0, input_image: 0, output: 20, reasoning: 0, output_audio: 0, output_image: 0, queries: 0, accepted_prediction: 0, rejected_prediction: 0, units: Units { images: 0, input_images: 0, pixels: 0, input_audio_ms: 0, output_audio_ms: 0, characters: 0, pages: 0 }, estimated: false, service: Standard, stated: None, billed: None }) {}
    0 Some(Finish { kind: ToolCalls, native: None, stop_sequence: None })
    thought "T" Some("S") None
    text "A"
    call toolu_1 f {} {}
    "#);
    let usage = reply.usage.unwrap();
    assert_eq!((usage.prompt_tokens(), usage.completion_tokens(), usage.total_tokens()), (115, 20, 135));
}

#[test]
fn blocks_of_every_kind_survive() {
    let body = message(
        json!([
            {"type": "redacted_thinking", "data": "R"},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "text", "text": "A", "citations": [
                {"type": "web_search_result_location", "url": "https://a", "title": "t", "cited_text": "c",
                 "encrypted_index": "E"},
                {"type": "page_location", "document_title": "d", "cited_text": "e"},
            ]},
            {"type": "tool_use", "id": "toolu_1", "name": "sent", "input": {"x": 1}, "caller": {"type": "direct"}},
            {"type": "brand_new", "x": [1, 2]},
        ]),
        "end_turn",
        json!({"input_tokens": 1, "output_tokens": 2, "service_tier": "standard", "inference_geo": "eu"}),
    );
    let memo = Memo { tool_names: vec![("sent".to_owned(), "the.client's".to_owned())], ..Memo::default() };
    let reply = decode(&body, &memo).unwrap();
    insta::assert_snapshot!(summary(&reply));
}

#[test]
fn usage_classes_are_disjoint() {
    let check = |usage: Value, expect: Usage| {
        let body = message(json!([]), "end_turn", usage);
        assert_eq!(decode(&body, &Memo::default()).unwrap().usage, Some(expect.clone()), "{body}");
        assert_eq!(Client.tap(Op::Chat, body.as_bytes()).unwrap().usage, Some(expect));
    };
    check(
        json!({"input_tokens": 3, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 7,
               "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
               "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40},
               "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 9}}),
        Usage {
            input: 3,
            cache_read: 7,
            cache_write_5m: 10,
            cache_write_1h: 20,
            output: 10,
            reasoning: 40,
            queries: 2,
            ..Usage::default()
        },
    );
    // The top level repeats the last iteration only.
    check(
        json!({"input_tokens": 5, "output_tokens": 6, "iterations": [
            {"type": "compaction", "input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 4},
            {"type": "message", "input_tokens": 5, "output_tokens": 6, "cache_creation_input_tokens": 8},
        ]}),
        Usage { input: 105, output: 26, cache_read: 4, cache_write_5m: 8, ..Usage::default() },
    );
    check(
        json!({"input_tokens": 5, "output_tokens": 6, "iterations": [],
               "output_tokens_details": {"thinking_tokens": 100}}),
        Usage { input: 5, output: 0, reasoning: 6, ..Usage::default() },
    );
}

#[test]
fn stop_reasons() {
    let check = |reason: &str, kind: FinishKind, native: Option<&str>| {
        let body = message(json!([]), reason, json!({}));
        let reply = decode(&body, &Memo::default()).unwrap();
        let finish = reply.choices[0].finish.clone().unwrap();
        assert_eq!((finish.kind, finish.native.as_deref()), (kind, native), "{reason}");
    };
    check("end_turn", FinishKind::Stop, None);
    check("max_tokens", FinishKind::Length, None);
    check("tool_use", FinishKind::ToolCalls, None);
    check("stop_sequence", FinishKind::Stop, Some("stop_sequence"));
    check("pause_turn", FinishKind::Stop, Some("pause_turn"));
    check("refusal", FinishKind::ContentFilter, Some("refusal"));
    check("model_context_window_exceeded", FinishKind::Length, Some("model_context_window_exceeded"));
    check("compaction", FinishKind::Length, Some("compaction"));
    check("brand_new", FinishKind::Stop, Some("brand_new"));
    let refused =
        json!({"id": "m", "content": [], "stop_reason": "refusal", "stop_details": {"category": "c"}});
    let reply = decode(&refused.to_string(), &Memo::default()).unwrap();
    assert_eq!(reply.extra.get("stop_details").unwrap().get(), r#"{"category":"c"}"#);
    let unfinished = json!({"id": "m", "content": [], "stop_reason": null}).to_string();
    assert_eq!(decode(&unfinished, &Memo::default()).unwrap().choices[0].finish, None);
}

#[test]
fn a_structured_answer_comes_out_of_its_tool() {
    let memo = Memo { json_tool: Some("json_tool_call"), ..Memo::default() };
    let json_call =
        |input: Value| json!({"type": "tool_use", "id": "1", "name": "json_tool_call", "input": input});
    let check = |content: Value, text: &str, kind: FinishKind, calls: usize| {
        let reply = decode(&message(content, "tool_use", json!({})), &memo).unwrap();
        assert_eq!((reply.text().as_str(), reply.finish()), (text, Some(kind)));
        assert_eq!(reply.tool_calls().count(), calls);
    };
    check(json!([json_call(json!({"t": 1}))]), r#"{"t":1}"#, FinishKind::Stop, 0);
    check(json!([json_call(json!({"values": [1]}))]), "[1]", FinishKind::Stop, 0);
    let real = json!({"type": "tool_use", "id": "2", "name": "f", "input": {}});
    check(json!([real, json_call(json!({"t": 1}))]), r#"{"t":1}"#, FinishKind::ToolCalls, 1);
}

#[test]
fn half_a_surrogate_pair_is_no_reason_to_fail() {
    let body = r#"{"id":"m","content":[{"type":"text","text":"a\ud83d"}],"stop_reason":"end_turn"}"#;
    let reply = decode(body, &Memo::default()).unwrap();
    assert!(matches!(&reply.choices[0].parts[..], [Part::Text(text)] if text.text == "a\u{FFFD}"));
}

#[test]
fn what_is_no_answer_is_an_error() {
    let check = |body: &str, kind: ErrorKind| {
        assert_eq!(decode(body, &Memo::default()).unwrap_err().kind, kind, "{body}");
    };
    check("", ErrorKind::UpstreamFormat);
    check("<html>", ErrorKind::UpstreamFormat);
    check("[]", ErrorKind::UpstreamFormat);
    check("{}", ErrorKind::UpstreamFormat);
    check(r#"{"content":[{"type":"text","text":5}]}"#, ErrorKind::UpstreamFormat);
    check(
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        ErrorKind::Overloaded,
    );
    check(r#"{"error":"boom"}"#, ErrorKind::Internal);
    let error = br#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#;
    assert_eq!(Client.tap(Op::Chat, error).unwrap_err().kind, ErrorKind::RateLimit);
}

#[test]
fn errors_by_status_type_and_words() {
    let check = |status: u16, kind: &str, message: &str, expect: ErrorKind| {
        let body = json!({"type": "error", "error": {"type": kind, "message": message}}).to_string();
        let status = StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.kind, expect, "{status} {kind} {message}");
        assert_eq!(error.message, message);
        assert_eq!(error.upstream_status, Some(status));
    };
    let invalid = "invalid_request_error";
    check(400, invalid, "messages: field required", ErrorKind::BadRequest);
    check(400, invalid, "prompt is too long: 210000 tokens > 200000 maximum", ErrorKind::ContextWindow);
    check(400, invalid, "input length and `max_tokens` exceed context limit: 1", ErrorKind::ContextWindow);
    check(400, invalid, "Output blocked by content filtering policy", ErrorKind::ContentPolicy);
    check(400, invalid, "Your credit balance is too low to access the Anthropic API", ErrorKind::Quota);
    check(401, "authentication_error", "invalid x-api-key", ErrorKind::Auth);
    check(403, "permission_error", "no", ErrorKind::Permission);
    check(404, "not_found_error", "model: x", ErrorKind::NotFound);
    check(413, "request_too_large", "Request exceeds the maximum size", ErrorKind::TooLarge);
    check(429, "rate_limit_error", "slow down", ErrorKind::RateLimit);
    check(500, "api_error", "Internal server error", ErrorKind::Internal);
    check(504, "timeout_error", "slow", ErrorKind::GatewayTimeout);
    check(529, "overloaded_error", "Overloaded", ErrorKind::Overloaded);
    let headers = HeaderMap::from_iter([("retry-after".parse().unwrap(), "7".parse().unwrap())]);
    let error = Client.decode_error(StatusCode::TOO_MANY_REQUESTS, &headers, b"<html>");
    assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(7)));
    assert!(!error.message.contains("html"), "{error}");
}
