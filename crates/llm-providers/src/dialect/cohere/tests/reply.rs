//! Whole answers and errors.

use http::{HeaderMap, StatusCode};
use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind};
use serde_json::json;

use super::*;

#[test]
fn an_answer_keeps_its_order() {
    let reply = read(&json!({"id": "i", "finish_reason": "TOOL_CALL", "message": {"role": "assistant",
        "tool_plan": "I look.", "content": [{"type": "thinking", "thinking": "T"}, {"type": "text", "text": "A"}],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "null"}},
            {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{\"a\":1}"}}],
        "citations": [{"start": 0, "end": 1, "text": "A", "content_index": 1, "sources": [
            {"type": "document", "id": "d1", "document": {"title": "One", "url": "https://a", "snippet": "s"}},
            {"type": "tool", "id": "c1:0", "tool_output": {"x": "y"}}]}]},
        "usage": {"tokens": {"input_tokens": 10, "output_tokens": 2}}}))
    .unwrap();
    let kinds: Vec<String> = reply.choices[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Reasoning(thoughts) => format!("thought {}", thoughts.text),
            Part::Text(text) => format!("text {}", text.text),
            Part::Citation(cited) => {
                format!("{:?} {:?} {:?}..{:?}", cited.url, cited.title, cited.start, cited.end)
            }
            Part::ToolCall(call) => format!("{} {} {}", call.id, call.name, call.arguments),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "thought I look.",
            "thought T",
            "text A",
            "Some(\"https://a\") Some(\"One\") Some(0)..Some(1)",
            "Some(\"source:c1:0\") None Some(0)..Some(1)",
            "c1 f {}",
            "c2 g {\"a\":1}",
        ]
    );
    assert_eq!((reply.finish(), reply.model.as_str()), (Some(FinishKind::ToolCalls), ""));
}

#[test]
fn reasons_are_told_in_the_terms_of_all() {
    let check = |reason: &str, expect: Result<FinishKind, ErrorKind>| {
        let answer =
            json!({"finish_reason": reason, "message": {"content": [{"type": "text", "text": "A"}]}});
        let got = read(&answer).map(|reply| reply.finish().unwrap()).map_err(|error| error.kind);
        assert_eq!(got, expect, "{reason}");
    };
    check("COMPLETE", Ok(FinishKind::Stop));
    check("STOP_SEQUENCE", Ok(FinishKind::Stop));
    check("MAX_TOKENS", Ok(FinishKind::Length));
    check("TOOL_CALL", Ok(FinishKind::ToolCalls));
    check("ERROR_TOXIC", Ok(FinishKind::ContentFilter));
    check("ERROR", Err(ErrorKind::Internal));
    check("TIMEOUT", Err(ErrorKind::Timeout));
}

#[test]
fn probabilities_are_told_token_by_token() {
    let reply = read(&json!({"finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "Hi!"}]},
        "logprobs": [{"text": "Hi", "token_ids": [1], "logprobs": [-0.5]}, {"text": "!!", "token_ids": [2, 3], "logprobs": [-1.0, -2.0]}]}))
    .unwrap();
    let list = reply.choices[0].logprobs.as_ref().unwrap();
    let told: Vec<_> = list.content.iter().map(|one| (one.token.as_str(), one.logprob)).collect();
    assert_eq!(told, [("Hi", -0.5), ("!!", -1.0), ("", -2.0)]);
}

#[test]
fn failures_are_classified() {
    let check = |status: u16, message: &str, kind: ErrorKind| {
        let body = json!({"id": "r1", "message": message}).to_string();
        let status = StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
        assert_eq!(error.request_id.as_deref(), Some("r1"));
    };
    check(400, "invalid request: message must not be empty", ErrorKind::BadRequest);
    check(
        400,
        "too many tokens: the total number of tokens in the prompt cannot exceed 4081",
        ErrorKind::ContextWindow,
    );
    check(401, "invalid api token", ErrorKind::Auth);
    check(404, "model 'x' not found", ErrorKind::NotFound);
    check(429, "You are using a Trial key, which is limited to 10 API calls / minute.", ErrorKind::RateLimit);
    check(498, "blocked", ErrorKind::ContentPolicy);
    check(498, "invalid api token", ErrorKind::Auth);
    check(503, "down", ErrorKind::Unavailable);
    for body in ["", "{}", "null", "[]", "{\"message\":{}}"] {
        let answer = read_as(body.as_bytes(), &Memo::default());
        assert!(
            body == "{\"message\":{}}" || answer.unwrap_err().kind == ErrorKind::UpstreamFormat,
            "{body}"
        );
    }
    let told = read_as(br#"{"id":"1","message":"no such model"}"#, &Memo::default()).unwrap_err();
    assert_eq!(told.kind, ErrorKind::UpstreamFormat);
}
