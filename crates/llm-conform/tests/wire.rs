//! Operations that are no single call, asked of servers that do them and of servers with faults.
#![cfg(test)]

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use llm_conform::{Finding, Limits, ask, of};
use llm_providers::Client;
use llm_providers::table::ProviderTable;
use llm_providers::target::TargetOptions;
use llm_testkit::{Received, Script, Upstream};
use llm_types::{ErrorKind, Op, ProviderSpec};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// A client of any server.
fn client(base: &str) -> Client {
    let table = ProviderTable::builtin();
    let mut spec = ProviderSpec::clone(table.get("hosted_vllm").unwrap());
    spec.operations = vec![
        Op::Chat,
        Op::Responses,
        Op::Messages,
        Op::CountTokens,
        Op::ImageVariation,
        Op::Batch,
        Op::Realtime,
    ];
    let options = TargetOptions { api_base: Some(base.to_owned()), ..TargetOptions::default() };
    let table = table.with(vec![spec]);
    Client::builder().table(table.into()).env(|_| None).connection("hosted_vllm", options).build().unwrap()
}

async fn found(base: &str, (op, name): (Op, &str), time: Duration) -> Finding {
    let feature = of(op).find(|feature| feature.name == name).unwrap();
    ask(&client(base), "hosted_vllm/m", feature, Limits { time }).await.unwrap()
}

/// What is found of a server that answers so: the verdict, and a part of why.
async fn check(answer: fn(&Received) -> Script, feature: (Op, &str), expect: (&str, &str)) -> Vec<Received> {
    let upstream = Upstream::start().unwrap();
    upstream.on("/*", answer);
    let found = found(&format!("{}/v1", upstream.url()), feature, Duration::from_secs(30)).await;
    let said = (found.verdict.name(), found.why.as_str());
    assert!(said.0 == expect.0 && said.1.contains(expect.1), "{feature:?}: {said:?}, not {expect:?}");
    upstream.requests()
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn response(text: &str, usage: bool) -> Script {
    let mut out = json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
        "output": [message(text)]});
    if usage {
        out["usage"] = json!({"input_tokens": 12, "output_tokens": 5, "total_tokens": 17});
    }
    Script::json(&out)
}

#[tokio::test]
async fn the_responses_api_is_asked_at_its_own_endpoint() {
    let sent = check(|_| response("Hello!", true), (Op::Responses, "text"), ("passed", "")).await;
    assert_eq!(sent[0].path(), "/v1/responses");
    check(|_| response("Hello!", true), (Op::Responses, "usage"), ("passed", "")).await;
    check(|_| response("Hello!", false), (Op::Responses, "usage"), ("failed", "not told")).await;
    check(|_| response("", true), (Op::Responses, "text"), ("failed", "no text")).await;
    let missing = |_: &Received| Script::status(404).json_body(&json!({"error": {"message": "no route"}}));
    check(missing, (Op::Responses, "text"), ("failed", "no route")).await;
    check(missing, (Op::Responses, "tools"), ("refused", "no route")).await;
}

#[tokio::test]
async fn a_kept_answer_is_one_that_the_next_one_knows_of() {
    let keeps = |request: &Received| {
        let id = request.json()["previous_response_id"].clone();
        response(if id == "resp_1" { "It is red." } else { "Noted." }, true)
    };
    let sent = check(keeps, (Op::Responses, "state"), ("passed", "")).await;
    assert_eq!((sent.len(), &sent[0].json()["store"]), (2, &json!(true)));
    check(|_| response("Noted.", true), (Op::Responses, "state"), ("unseen", "the one before it")).await;
}

fn thinking(signature: Option<&str>) -> Script {
    let mut thought = json!({"type": "thinking", "thinking": "A greeting."});
    if let Some(signature) = signature {
        thought["signature"] = signature.into();
    }
    Script::json(&json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [thought, {"type": "text", "text": "Three."}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 12, "output_tokens": 5}}))
}

#[tokio::test]
async fn thoughts_at_the_messages_api_go_back_with_their_signature() {
    let sent = check(|_| thinking(Some("c2ln")), (Op::Messages, "thinking"), ("passed", "")).await;
    assert_eq!((sent.len(), sent[0].path()), (2, "/v1/messages"));
    let back = sent[1].json();
    assert_eq!(back.pointer("/messages/1/content/0/signature"), Some(&json!("c2ln")), "{back}");
    check(|_| thinking(None), (Op::Messages, "thinking"), ("failed", "signature")).await;
    let second = |request: &Received| match request.json()["messages"].as_array().map(Vec::len) {
        Some(1) => thinking(Some("c2ln")),
        _ => Script::status(500)
            .json_body(&json!({"type": "error", "error": {"type": "api_error", "message": "oh"}})),
    };
    check(second, (Op::Messages, "thinking"), ("failed", "oh")).await;
}

#[tokio::test]
async fn counted_tokens_count_functions_too() {
    let counts = |request: &Received| {
        let tools = request.json()["tools"].is_array();
        Script::json(&json!({"input_tokens": if tools { 90 } else { 12 }}))
    };
    let sent = check(counts, (Op::CountTokens, "prompt"), ("passed", "")).await;
    assert_eq!(sent[0].path(), "/v1/messages/count_tokens");
    check(counts, (Op::CountTokens, "tools"), ("passed", "")).await;
    let same = |_: &Received| Script::json(&json!({"input_tokens": 12}));
    check(same, (Op::CountTokens, "tools"), ("failed", "12 tokens with a function")).await;
    // A gateway says that it has estimated.
    let guess = |_: &Received| {
        let line = "altered input_tokens (estimated: the provider does not count tokens)";
        Script::json(&json!({"input_tokens": 12})).header("x-gateway-changes", line)
    };
    check(guess, (Op::CountTokens, "prompt"), ("refused", "estimate")).await;
}

#[tokio::test]
async fn pictures_like_another_are_counted() {
    check(
        |_| Script::json(&json!({"created": 1, "data": []})),
        (Op::ImageVariation, "picture"),
        ("failed", "no picture"),
    )
    .await;
    check(
        |_| Script::json(&json!({"created": 1, "data": [{"b64_json": "YQ=="}, {"b64_json": "YQ=="}]})),
        (Op::ImageVariation, "n"),
        ("passed", ""),
    )
    .await;
    check(
        |_| Script::json(&json!({"created": 1, "data": [{"b64_json": "YQ=="}]})),
        (Op::ImageVariation, "n"),
        ("failed", "another number"),
    )
    .await;
}

/// A server of batches: `status` of the one that it has, and what its answers are.
fn bulk(request: &Received, status: &str, answer: &Value) -> Script {
    let batch = |status: &str| {
        Script::json(
            &json!({"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "status": status,
            "input_file_id": "file-1", "output_file_id": (status == "completed").then_some("file-2"), "created_at": 1}),
        )
    };
    match (request.method.as_str(), request.path()) {
        ("POST", "/v1/files") | ("GET", "/v1/files/file-1") => Script::json(
            &json!({"id": "file-1", "object": "file", "bytes": 9, "created_at": 1, "filename": "conform.jsonl", "purpose": "batch"}),
        ),
        ("GET", "/v1/files/file-1/content") => Script::status(200).body(r#"{"custom_id":"a1"}"#),
        ("GET", "/v1/files/file-2/content") => Script::status(200).body(format!("{answer}\n")),
        ("DELETE", _) => Script::json(&json!({"id": "file-1", "object": "file", "deleted": true})),
        ("POST", "/v1/batches") => batch("validating"),
        ("POST", "/v1/batches/batch_1/cancel") => batch("cancelling"),
        ("GET", "/v1/batches/batch_1") => batch(status),
        _ => Script::status(404).json_body(&json!({"error": {"message": request.path()}})),
    }
}

fn answer(text: &str) -> Value {
    let choice =
        json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    json!({"id": "r", "custom_id": "a1", "error": null, "response": {"status_code": 200, "request_id": "q",
        "body": {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}}})
}

#[tokio::test]
async fn a_batch_is_made_followed_and_given_up() {
    let good = |request: &Received| bulk(request, "completed", &answer("Hi."));
    for name in ["file", "batch", "results", "cancel"] {
        let sent = check(good, (Op::Batch, name), ("passed", "")).await;
        let deleted = |path: &str| sent.iter().any(|one| one.method == "DELETE" && one.path() == path);
        assert!(deleted("/v1/files/file-1"), "{name}: the file is left behind");
        if name == "results" {
            assert!(deleted("/v1/files/file-2"), "the answers are left behind");
        }
    }
}

#[tokio::test]
async fn faults_of_batches_are_found() {
    check(|request| bulk(request, "failed", &Value::Null), (Op::Batch, "results"), ("failed", "`failed`"))
        .await;
    check(
        |request| bulk(request, "completed", &json!({"custom_id": "b2"})),
        (Op::Batch, "results"),
        ("failed", "does not name its request"),
    )
    .await;
    check(
        |request| bulk(request, "completed", &json!({"custom_id": "a1", "error": {"message": "oh"}})),
        (Op::Batch, "results"),
        ("failed", "oh"),
    )
    .await;
    check(|request| bulk(request, "ready", &Value::Null), (Op::Batch, "batch"), ("failed", "`ready`")).await;
    let running = |request: &Received| match request.path().ends_with("/cancel") {
        true => Script::json(&json!({"id": "batch_1", "status": "in_progress"})),
        false => bulk(request, "in_progress", &Value::Null),
    };
    check(running, (Op::Batch, "cancel"), ("failed", "`in_progress`")).await;
    let without = |_: &Received| Script::status(404).json_body(&json!({"error": {"message": "no route"}}));
    check(without, (Op::Batch, "batch"), ("failed", "no route")).await;
    check(without, (Op::Batch, "file"), ("refused", "no route")).await;
}

#[tokio::test]
async fn a_batch_that_takes_long_was_accepted_and_is_given_up() {
    let upstream = Upstream::start().unwrap();
    upstream.on("/*", |request| bulk(request, "in_progress", &Value::Null));
    let base = format!("{}/v1", upstream.url());
    let found = found(&base, (Op::Batch, "results"), Duration::from_secs(2)).await;
    assert_eq!(found.verdict.name(), "unseen", "{}", found.why);
    assert!(found.why.starts_with("accepted"), "{}", found.why);
    assert!(upstream.requests().iter().any(|one| one.path().ends_with("/cancel")), "it was left behind");
}

/// A server of sessions that answers each event with these.
async fn sessions(answers: fn(&Value) -> Vec<Value>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = accept_async(stream).await.unwrap();
                let _ = socket.send(Message::text(json!({"type": "session.created"}).to_string())).await;
                while let Some(Ok(Message::Text(text))) = socket.next().await {
                    for answer in answers(&serde_json::from_str(&text).unwrap()) {
                        let _ = socket.send(Message::text(answer.to_string())).await;
                    }
                }
            });
        }
    });
    addr
}

fn said(event: &Value, usage: &Value) -> Vec<Value> {
    match event["type"].as_str() {
        Some("conversation.item.create") => {
            vec![json!({"type": "conversation.item.created", "item": event["item"]})]
        }
        Some("response.create") => vec![
            json!({"type": "response.created", "response": {"id": "r", "usage": null}}),
            json!({"type": "response.done", "response": {"id": "r", "status": "completed", "usage": usage}}),
        ],
        _ => vec![json!({"type": "error", "error": {"message": "what?"}})],
    }
}

#[tokio::test]
async fn a_session_is_opened_and_its_faults_are_found() {
    let check = async |answers: fn(&Value) -> Vec<Value>, name: &str, expect: (&str, &str)| {
        let addr = sessions(answers).await;
        let base = format!("http://{addr}/v1");
        let found = found(&base, (Op::Realtime, name), Duration::from_secs(20)).await;
        let said = (found.verdict.name(), found.why.as_str());
        assert!(said.0 == expect.0 && said.1.contains(expect.1), "{name}: {said:?}, not {expect:?}");
    };
    let used =
        |event: &Value| said(event, &json!({"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}));
    check(used, "session", ("passed", "")).await;
    check(used, "usage", ("passed", "")).await;
    check(|event| said(event, &Value::Null), "usage", ("failed", "not told")).await;
    check(
        |event| said(event, &json!({"input_tokens": 0, "output_tokens": 0})),
        "usage",
        ("failed", "nothing"),
    )
    .await;
    let error = |_: &Value| vec![json!({"type": "error", "error": {"message": "no such event"}})];
    check(error, "session", ("failed", "no such event")).await;
}

#[tokio::test]
async fn a_server_without_sessions_says_so() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::status(404).json_body(&json!({"error": {"message": "no route"}})));
    let base = format!("{}/v1", upstream.url());
    let found = found(&base, (Op::Realtime, "session"), Duration::from_secs(20)).await;
    assert_eq!((found.verdict.name(), found.why.contains("no route")), ("failed", true), "{}", found.why);
    let sent = upstream.requests();
    assert_eq!(sent[0].target, "/v1/realtime?model=m");
    assert_eq!(sent[0].header("upgrade"), Some("websocket"));
    // Nobody there is no verdict.
    let feature = of(Op::Realtime).next().unwrap();
    let nobody = ask(&client("http://127.0.0.1:9/v1"), "hosted_vllm/m", feature, Limits::default()).await;
    assert_eq!(nobody.unwrap_err().kind, ErrorKind::Connection);
}
