//! Signatures and encrypted thoughts find home, and only home.
//!
//! A client of each front gets an answer of each dialect's provider with everything that this provider signs
//! or encrypts, and goes on as its SDK does: with the same provider, which must get all of it back or the
//! client is told what was lost, and with every other, which must get none of it.

use std::fmt::Write as _;

use llm_types::Dialect;
use serde_json::{Value, json};

use crate::client::Client;
use crate::front::{FRONTS, Front};
use crate::pipe::Pipe;

/// A provider of each dialect: what it answers with, and what of that is for its eyes only.
struct Provider {
    dialect: Dialect,
    model: &'static str,
    answer: Value,
    secrets: &'static [&'static str],
}

fn providers() -> Vec<Provider> {
    let call = json!({"name": "now", "arguments": "{}"});
    let chat = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "Soon.", "reasoning": "A clock.", "reasoning_details": [
            {"type": "reasoning.text", "text": "A clock.", "signature": "Q0hBVC1TSUcx"},
            {"type": "reasoning.encrypted", "data": "Q0hBVC1FTkMy"}],
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}]},
        "finish_reason": "tool_calls"}]});
    let messages = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [
            {"type": "thinking", "thinking": "A clock.", "signature": "QU5ULVNJRzE="},
            {"type": "redacted_thinking", "data": "QU5ULVJFRDI="},
            {"type": "text", "text": "Soon."},
            {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}],
        "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let responses = json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "A clock."}],
                "encrypted_content": "gAAAA-FIRST"},
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAA-SECOND"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Soon.", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "now", "arguments": "{}"}]});
    let gemini = json!({"responseId": "g", "modelVersion": "m", "candidates": [{"index": 0, "finishReason": "STOP",
        "content": {"role": "model", "parts": [
            {"text": "A clock.", "thought": true, "thoughtSignature": "R0VNLVNJRzEx"},
            {"text": "Soon.", "thoughtSignature": "R0VNLVRFWFQy"},
            {"functionCall": {"id": "f1", "name": "now", "args": {}}, "thoughtSignature": "R0VNLUNBTEwz"}]}}]});
    vec![
        Provider {
            dialect: Dialect::OpenaiChat,
            model: "openrouter/anthropic/claude-sonnet-4.5",
            answer: chat,
            secrets: &["Q0hBVC1TSUcx", "Q0hBVC1FTkMy"],
        },
        Provider {
            dialect: Dialect::Anthropic,
            model: "anthropic/claude-sonnet-4-5",
            answer: messages,
            secrets: &["QU5ULVNJRzE=", "QU5ULVJFRDI="],
        },
        Provider {
            dialect: Dialect::OpenaiResponses,
            model: "openai/gpt-5.2",
            answer: responses,
            secrets: &["gAAAA-FIRST", "gAAAA-SECOND"],
        },
        Provider {
            dialect: Dialect::Gemini,
            model: "gemini/gemini-3-flash-preview",
            answer: gemini,
            secrets: &["R0VNLVNJRzEx", "R0VNLVRFWFQy", "R0VNLUNBTEwz"],
        },
    ]
}

fn tools() -> Vec<(&'static str, Value)> {
    vec![("now", json!({"type": "object", "properties": {}}))]
}

/// The request that a client of a front goes on with after an answer of a provider.
fn next(front: &'static Front, provider: &Provider, stream: bool) -> Value {
    let mut client = Client::asking(front, "Time?");
    let mut pipe = Pipe::to(front, provider.dialect, provider.model);
    pipe.ask(&front.body(&client.request(&tools()), stream), stream).unwrap();
    let answer = provider.answer.to_string();
    let answer =
        if stream { pipe.replayed(answer.as_bytes()) } else { pipe.whole(answer.as_bytes()).map(Into::into) };
    let (calls, _) = client.take(std::str::from_utf8(&answer.unwrap()).unwrap());
    assert_eq!(calls.len(), 1, "{} from {}", front.name, provider.model);
    let answers: Vec<_> = calls.into_iter().map(|call| (call, "noon".to_owned())).collect();
    client.answer(&answers);
    front.body(&client.request(&tools()), stream)
}

/// What reaches a provider of a client's request, and what the client is told of it. Its bytes are edited
/// where the gateway would.
fn sent(front: &'static Front, to: &Provider, request: &Value, stream: bool) -> (String, String) {
    let mut pipe = Pipe::to(front, to.dialect, to.model);
    let (wire, changes) = match pipe.splice(request, stream).unwrap() {
        Some(spliced) => spliced,
        None => pipe.ask(request, stream).unwrap(),
    };
    (String::from_utf8(wire.body.to_bytes().to_vec()).unwrap(), changes.header())
}

fn each(mut check: impl FnMut(&'static Front, &Provider, bool, &Value)) {
    for front in FRONTS {
        for provider in &providers() {
            for stream in [false, true] {
                check(front, provider, stream, &next(front, provider, stream));
            }
        }
    }
}

#[test]
fn what_a_provider_sealed_comes_back_to_it_or_the_client_is_told() {
    let (mut failures, mut survived) = (String::new(), 0);
    each(|front, provider, stream, request| {
        let (body, changes) = sent(front, provider, request, stream);
        for secret in provider.secrets {
            if body.contains(&format!("\"{secret}\"")) {
                survived += 1;
            } else {
                let name = provider.dialect;
                _ = writeln!(
                    failures,
                    "{name} at {}, {stream}: {secret} lost, told {changes:?}: {body}",
                    front.name
                );
            }
        }
    });
    assert!(failures.is_empty(), "{survived} survived\n{failures}");
}

#[test]
fn what_a_provider_sealed_reaches_no_other() {
    let mut failures = String::new();
    each(|front, provider, stream, request| {
        for other in providers().iter().filter(|other| other.dialect != provider.dialect) {
            let (body, changes) = sent(front, other, request, stream);
            let from = provider.dialect;
            let mut note = |what: &str| {
                let to = other.dialect;
                _ = writeln!(failures, "{from} at {} to {to}, {stream}: {what}: {body}", front.name);
            };
            for secret in provider.secrets.iter().filter(|secret| body.contains(**secret)) {
                note(&format!("{secret} was sent"));
            }
            // As text, and in base64 as Gemini's clients have it.
            if body.contains("\"sealed:") || body.contains("c2VhbGVk") {
                note("a seal was sent");
            }
            let told = ["seal", "sign", "encrypted", "thoughts"].iter().any(|word| changes.contains(word));
            if !told {
                note(&format!("the client is only told {changes:?}"));
            }
        }
    });
    assert!(failures.is_empty(), "\n{failures}");
}
