//! Whole answers and errors.

use http::{HeaderMap, StatusCode};
use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind};
use serde_json::json;

use super::*;

fn kinds(reply: &Reply) -> Vec<String> {
    let shown = |part: &Part| match part {
        Part::Reasoning(thoughts) => format!("thought {}", thoughts.text),
        Part::Text(text) => format!("text {}", text.text),
        Part::ToolCall(call) => {
            format!(
                "{} {} {}",
                if call.id.len() > 30 { "minted" } else { &call.id },
                call.name,
                call.arguments
            )
        }
        other => panic!("{other:?}"),
    };
    reply.choices[0].parts.iter().map(shown).collect()
}

#[test]
fn thoughts_words_and_calls_are_parts() {
    let call = |call: Value| json!({"function": call});
    let mut named = call(json!({"index": 0, "name": "f", "arguments": {"a": [1]}}));
    named["id"] = "c1".into();
    let reply = read(&json!({"model": "m", "message": {"role": "assistant", "content": "A", "thinking": "T",
        "tool_calls": [named, call(json!({"name": "g"})), call(json!({"name": "h", "arguments": "{\"x\":1}"}))]},
        "done": true, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 7}))
    .unwrap();
    assert_eq!(
        kinds(&reply),
        ["thought T", "text A", "c1 f {\"a\":[1]}", "minted g {}", "minted h {\"x\":1}"]
    );
    assert_eq!(reply.finish(), Some(FinishKind::ToolCalls));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input, usage.output), (5, 7));
}

#[test]
fn a_text_that_is_gone_on_with_is_an_answer_too() {
    let reply =
        read(&json!({"model": "m", "response": "blue.", "thinking": "T", "done": true, "context": [1, 2],
        "done_reason": "length", "eval_count": 7}))
        .unwrap();
    assert_eq!(kinds(&reply), ["thought T", "text blue."]);
    assert_eq!(reply.finish(), Some(FinishKind::Length));
    assert_eq!(reply.usage.unwrap().input, 0);
}

#[test]
fn probabilities_are_told_token_by_token() {
    let reply = read(&json!({"message": {"content": "Hi"}, "done": true, "logprobs": [
        {"token": "H", "logprob": -0.5, "bytes": [72], "top_logprobs": [{"token": "J", "logprob": -1.5}]},
        {"token": "i", "logprob": -0.25}]}))
    .unwrap();
    let told = &reply.choices[0].logprobs.as_ref().unwrap().content;
    let shown: Vec<_> = told.iter().map(|one| (one.token.as_str(), one.logprob, one.top.len())).collect();
    assert_eq!(shown, [("H", -0.5, 1), ("i", -0.25, 0)]);
    assert_eq!(told[0].bytes.as_deref(), Some(&[72][..]));
}

#[test]
fn failures_are_classified() {
    let check = |status: u16, body: Value, kind: ErrorKind, message: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
    };
    let plain = |words: &str| json!({"error": words});
    let missing = "model 'x' not found";
    check(404, plain(missing), ErrorKind::NotFound, missing);
    let tools = "registry.ollama.ai/library/llama3:latest does not support tools";
    check(400, plain(tools), ErrorKind::BadRequest, tools);
    let long = "the input length exceeds the context length";
    check(400, plain(long), ErrorKind::ContextWindow, long);
    let cloud = "prompt too long; exceeded max context length by 9 tokens";
    check(
        400,
        json!({"error": {"message": cloud, "type": "invalid_request_error"}}),
        ErrorKind::ContextWindow,
        cloud,
    );
    check(401, json!({"StatusCode": 401, "error": "unauthorized"}), ErrorKind::Auth, "unauthorized");
    let crash = "llama runner process has terminated: exit status 2";
    check(500, plain(crash), ErrorKind::Internal, crash);
    check(
        503,
        json!({"error": "server busy, please try again."}),
        ErrorKind::Unavailable,
        "server busy, please try again.",
    );
    for body in ["", "{}", "null", "[]", "{\"done\":true}"] {
        let answer = read_as(body.as_bytes(), &Memo::default());
        assert_eq!(answer.unwrap_err().kind, ErrorKind::UpstreamFormat, "{body}");
    }
    let told = read(&plain("the model broke")).unwrap_err();
    assert_eq!((told.kind, told.message.as_str()), (ErrorKind::Internal, "the model broke"));
}

#[test]
fn thoughts_between_tags_are_thoughts() {
    let said = |content: &str| kinds(&read(&json!({"message": {"content": content}, "done": true})).unwrap());
    assert_eq!(said("<think>\nHm.</think>Red."), ["thought \nHm.", "text Red."]);
    assert_eq!(said("<think>Hm"), ["thought Hm"]);
    assert_eq!(said("Write </think> behind it."), ["text Write </think> behind it."]);
    let reply = read(&json!({"response": "<think>Hm.</think>Red.", "done": true})).unwrap();
    assert_eq!(kinds(&reply), ["thought Hm.", "text Red."]);
}

#[test]
fn a_prompt_that_nobody_counts_is_estimated() {
    let prompt = "What is a harbour? ".repeat(20);
    let (wire, _) =
        try_send(ChatRequest::new([llm_types::chat::Message::user(prompt.as_str())]), PLAIN).unwrap();
    let used = |body: Value| read_as(body.to_string().as_bytes(), &wire.memo).unwrap().usage.unwrap();
    let usage = used(json!({"message": {"content": "A"}, "done": true, "eval_count": 7}));
    assert!(usage.estimated && (80..120).contains(&usage.input), "{usage:?}");
    assert_eq!(usage.output, 7);
    let usage =
        used(json!({"message": {"content": "A"}, "done": true, "prompt_eval_count": 0, "eval_count": 7}));
    assert_eq!((usage.input, usage.estimated), (0, false));
}
