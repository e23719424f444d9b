//! Whole answers, in both directions.

use llm_types::chat::{LogProbs, Part, Reasoning, TokenLogProb};
use llm_types::{Choice, Dialect, ErrorKind, FinishKind, Reply, Usage};
use serde_json::json;

use super::{decode, write};
use crate::codec::ReplyCx;

fn cx() -> ReplyCx {
    ReplyCx { model: "asked".into(), id: "cmpl-own".into(), created: 7, ..ReplyCx::default() }
}

#[test]
fn everything_in_an_answer_survives() {
    let body = json!({
        "id": "cmpl-1", "object": "text_completion", "created": 9, "model": "babbage-002",
        "choices": [
            {"text": " one", "index": 0, "finish_reason": "length", "x_own": [1], "logprobs": {
                "tokens": [" o", "ne"], "token_logprobs": [null, -0.5],
                "top_logprobs": [null, {"ne": -0.5, "ff": -1.5}], "text_offset": [0, 2]}},
            {"text": "", "index": 1, "logprobs": null, "finish_reason": "content_filter"},
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
            "cache_read_input_tokens": 3},
        "system_fingerprint": "fp", "x_more": {"a": 1}
    });
    let reply = decode(&body.to_string()).unwrap();
    assert_eq!(reply.text(), " one");
    assert_eq!(reply.usage, Some(Usage { input: 2, cache_read: 3, output: 2, ..Usage::default() }));
    assert_eq!(write(&reply, &cx()), body);
}

#[test]
fn an_answer_of_a_chat_is_its_text() {
    let token =
        |token: &str, logprob| TokenLogProb { token: token.into(), logprob, ..TokenLogProb::default() };
    let mut first = token("é", -0.1);
    first.top = vec![token("é", -0.1), token("é", -2.0), token("e", f64::NEG_INFINITY)];
    let thought = Part::Reasoning(Reasoning { text: "hm".into(), ..Reasoning::default() });
    let reply = Reply {
        choices: vec![Choice {
            parts: vec![thought, Part::text("é"), Part::text("x")],
            finish: Some(FinishKind::ToolCalls.into()),
            logprobs: Some(LogProbs { content: vec![first, token("x", -0.2)], refusal: Vec::new() }),
            ..Choice::default()
        }],
        origin: Some(Dialect::OpenaiChat),
        ..Reply::default()
    };
    assert_eq!(
        write(&reply, &cx()),
        json!({
            "id": "cmpl-own", "object": "text_completion", "created": 7, "model": "asked",
            "choices": [{"text": "éx", "index": 0, "finish_reason": "stop", "logprobs": {
                "tokens": ["é", "x"], "token_logprobs": [-0.1, -0.2],
                "top_logprobs": [{"é": -0.1, "e": -9999.0}, null], "text_offset": [0, 1]}}]
        })
    );
}

#[test]
fn what_is_no_answer_is_an_error() {
    let check = |body: &str, kind: ErrorKind| assert_eq!(decode(body).unwrap_err().kind, kind, "{body}");
    check("", ErrorKind::UpstreamFormat);
    check("<html>", ErrorKind::UpstreamFormat);
    check("{}", ErrorKind::UpstreamFormat);
    check(r#"{"choices":"x"}"#, ErrorKind::UpstreamFormat);
    check(r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#, ErrorKind::RateLimit);
    check(r#"{"choices":[{"text":"a","finish_reason":"error"}]}"#, ErrorKind::Api);
}

#[test]
fn finish_reasons_of_other_servers_are_understood() {
    for (word, kind) in [
        ("\"stop\"", FinishKind::Stop),
        ("\"eos\"", FinishKind::Stop),
        ("null", FinishKind::Stop),
        ("\"length\"", FinishKind::Length),
        ("\"max_tokens\"", FinishKind::Length),
        ("\"content_filter\"", FinishKind::ContentFilter),
    ] {
        let reply = decode(&format!(r#"{{"choices":[{{"text":"a","finish_reason":{word}}}]}}"#)).unwrap();
        assert_eq!(reply.finish(), Some(kind), "{word}");
    }
}
