//! Lines both ways, at the provider that has such batches.

use llm_types::{Dialect, Op, Secret};
use serde_json::{Value, json};

use super::*;
use crate::bulk::{self, Line};
use crate::table::ProviderTable;
use crate::target::TargetOptions;

fn inline() -> Inline {
    let options = TargetOptions {
        api_key: Some(Secret::new("sk-of-the-tests")),
        ..TargetOptions::new("anthropic/claude-sonnet-4-5")
    };
    let target = Target::new(&options, ProviderTable::builtin(), &|_| None).unwrap();
    let asked = Asked { dialect: Some(Dialect::OpenaiChat), ..Asked::of(Op::Chat) };
    Inline::new(Arc::new(target), dialect::server(Dialect::OpenaiChat).unwrap(), asked).unwrap()
}

fn line(number: u64, id: &str, more: Value) -> Line {
    let mut body = json!({"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let line = json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body});
    Line::read(number, &line.to_string().into()).unwrap().unwrap()
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

#[test]
fn lines_become_the_requests_of_one_call() {
    let mut requests = inline().requests(false);
    let mut body = Vec::new();
    body.extend(requests.add(&line(1, "a-1", json!({"stop": ["END"], "seed": 7}))).unwrap());
    let system = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Ho"}]);
    body.extend(requests.add(&line(2, "a-2", json!({"messages": system}))).unwrap());
    body.extend(requests.close());
    let sent = json_of(&body);
    let list = sent["requests"].as_array().unwrap();
    assert_eq!((list.len(), &list[0]["custom_id"], &list[1]["custom_id"]), (2, &json!("a-1"), &json!("a-2")));
    let params = &list[0]["params"];
    assert_eq!((&params["model"], &params["max_tokens"]), (&json!("claude-sonnet-4-5"), &json!(50)));
    assert_eq!((&params["stop_sequences"], params.get("stream")), (&json!(["END"]), None));
    assert!(list[1]["params"]["system"].to_string().contains("Be brief."), "{sent}");
    assert!(requests.changes.header().contains("dropped seed"), "{}", requests.changes.header());
    assert_eq!(requests.headers["anthropic-version"], "2023-06-01");
    assert!(requests.recalls.is_trivial());
}

#[test]
fn a_line_that_cannot_be_asked_is_named() {
    let check = |strict: bool, bad: Line, expect: &[&str]| {
        let mut requests = inline().requests(strict);
        requests.add(&line(1, "first", json!({}))).unwrap();
        let error = requests.add(&bad).unwrap_err();
        assert_eq!(error.status().as_u16(), 400, "{error}");
        for word in expect {
            assert!(error.message.contains(word), "{word}: {}", error.message);
        }
    };
    check(false, line(7, "x", json!({"stream": true})), &["line 7", "`x`", "stream"]);
    check(false, line(7, "x", json!({"n": 2})), &["line 7", "`x`"]);
    check(false, line(7, "first", json!({})), &["line 7", "another line"]);
    check(false, line(7, "ä", json!({})), &["line 7", "custom_id", "64"]);
    check(false, line(7, "x", json!({"messages": "no"})), &["line 7", "`x`", "messages"]);
    check(true, line(7, "x", json!({"seed": 1})), &["line 7", "`x`", "strict", "seed"]);
}

#[test]
fn what_an_answer_needs_to_know_of_its_request_is_remembered() {
    let mut requests = inline().requests(false);
    requests.add(&line(1, "plain", json!({}))).unwrap();
    requests.add(&line(2, "dotted", json!({"tools": [function("get.weather")]}))).unwrap();
    requests.add(&line(3, "again", json!({"tools": [function("get.weather")]}))).unwrap();
    assert!(!requests.recalls.is_trivial());
    let kept = serde_json::to_vec(&requests.recalls).unwrap();
    assert!(kept.len() < 400, "{}", String::from_utf8_lossy(&kept));
    let sent = json_of(
        &inline()
            .requests(false)
            .add(&line(1, "d", json!({"tools": [function("get.weather")]})))
            .map(|bytes| [&bytes[..], b"]}"].concat())
            .unwrap(),
    );
    let name = sent["requests"][0]["params"]["tools"][0]["name"].as_str().unwrap().to_owned();
    assert_ne!(name, "get.weather");
    let mut answers = inline().answers(Which::Output, serde_json::from_slice(&kept).unwrap(), 9);
    for (id, expect) in [("plain", &*name), ("dotted", "get.weather"), ("again", "get.weather")] {
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}], "usage": {"input_tokens": 1, "output_tokens": 1}});
        let line = json!({"custom_id": id, "result": {"type": "succeeded", "message": message}});
        let shown = json_of(&answers.line(&line.to_string().into()).unwrap().unwrap());
        let call = &shown["response"]["body"]["choices"][0]["message"]["tool_calls"][0]["function"];
        assert_eq!((&shown["custom_id"], &call["name"]), (&json!(id), &json!(expect)));
    }
}

#[test]
fn answers_go_into_two_files() {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello."}], "usage": {"input_tokens": 3, "output_tokens": 2}});
    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "sk-of-the-tests is too long"}});
    let results = [
        json!({"custom_id": "ok", "result": {"type": "succeeded", "message": message}}),
        json!({"custom_id": "bad", "result": {"type": "errored", "error": error}}),
        json!({"custom_id": "off", "result": {"type": "canceled"}}),
        json!({"custom_id": "late", "result": {"type": "expired"}}),
    ];
    let file = |which| -> Vec<Value> {
        let mut answers = inline().answers(which, Recalls::default(), 9);
        let lines = results.iter().filter_map(|one| answers.line(&format!("{one}\n").into()).unwrap());
        lines.map(|line| json_of(line.strip_suffix(b"\n").unwrap())).collect()
    };
    let output = file(Which::Output);
    assert_eq!(output.len(), 1);
    let (line, body) = (&output[0], &output[0]["response"]["body"]);
    assert_eq!((&line["custom_id"], &line["error"]), (&json!("ok"), &Value::Null));
    assert_eq!(
        (&line["response"]["status_code"], &line["response"]["request_id"]),
        (&json!(200), &json!("msg_1"))
    );
    assert_eq!(
        (&body["object"], &body["choices"][0]["message"]["content"]),
        (&json!("chat.completion"), &json!("Hello."))
    );
    assert_eq!((&body["usage"]["total_tokens"], &body["created"]), (&json!(5), &json!(9)));
    let errors = file(Which::Errors);
    let ids: Vec<&str> = errors.iter().map(|line| line["custom_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["bad", "off", "late"]);
    let refused = &errors[0]["response"];
    assert_eq!(refused["status_code"], 400);
    let said = refused["body"]["error"]["message"].as_str().unwrap();
    assert!(said.contains("too long") && !said.contains("sk-of"), "{said}");
    assert_eq!(
        (&errors[1]["error"]["code"], &errors[1]["response"]),
        (&json!("batch_cancelled"), &Value::Null)
    );
    assert_eq!(errors[2]["error"]["code"], "batch_expired");
    let ids: Vec<&str> = errors.iter().chain(&output).map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["batch_req_2", "batch_req_3", "batch_req_4", "batch_req_1"]);

    let used: Vec<_> = results.iter().map(|one| inline().used(&one.to_string().into()).unwrap()).collect();
    assert_eq!(used[0].as_ref().unwrap().usage.as_ref().unwrap().input, 3);
    assert!(used[1..].iter().all(Option::is_none));
}

#[test]
fn a_batch_is_shown_in_openais_words() {
    let check = |own: Value, expect: Value| {
        let mut body = json!({"id": "msgbatch_1", "created_at": "1970-01-01T00:00:05Z", "expires_at": "1970-01-02T00:00:05Z",
            "request_counts": {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}});
        body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let record = Record {
            endpoint: "/v1/chat/completions".into(),
            input_file: Some("file_1".into()),
            ..Record::default()
        };
        let shown = inline().shown(body.to_string().as_bytes(), Some(&record)).unwrap();
        let (_, known) = bulk::batch(shown.clone(), None).unwrap();
        let shown = json_of(&shown);
        assert_eq!(known.ended.is_some(), known.is_over(), "{shown}");
        for (name, value) in expect.as_object().unwrap() {
            assert_eq!(&shown[name], value, "{name} of {shown}");
        }
        let files = [&shown["output_file_id"], &shown["error_file_id"]];
        for (file, which) in files.into_iter().zip([Which::Output, Which::Errors]) {
            assert!(file.is_null() || output_of(file.as_str().unwrap()) == Some(("msgbatch_1", which)));
        }
    };
    check(
        json!({"processing_status": "in_progress", "request_counts": {"processing": 3}}),
        json!({"status": "in_progress", "created_at": 5, "expires_at": 86405, "input_file_id": "file_1", "output_file_id": null,
            "endpoint": "/v1/chat/completions", "request_counts": {"total": 3, "completed": 0, "failed": 0}}),
    );
    let cancel = "1970-01-01T00:00:07Z";
    check(
        json!({"processing_status": "canceling", "cancel_initiated_at": cancel}),
        json!({"status": "cancelling", "cancelling_at": 7, "cancelled_at": null}),
    );
    let ended = |more: Value, counts: Value| {
        let mut body = json!({"processing_status": "ended", "ended_at": "1970-01-01T00:00:09Z", "results_url": "https://x", "request_counts": counts});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    check(
        ended(json!({}), json!({"succeeded": 2, "errored": 1})),
        json!({"status": "completed", "completed_at": 9, "output_file_id": "msgbatch_1-output", "error_file_id": "msgbatch_1-errors",
            "request_counts": {"total": 3, "completed": 2, "failed": 1}}),
    );
    check(
        ended(json!({"cancel_initiated_at": cancel}), json!({"canceled": 2})),
        json!({"status": "cancelled", "cancelled_at": 9, "output_file_id": null, "error_file_id": "msgbatch_1-errors"}),
    );
    check(
        ended(json!({}), json!({"succeeded": 1, "expired": 1})),
        json!({"status": "expired", "expired_at": 9}),
    );
    check(
        ended(json!({"results_url": null}), json!({"succeeded": 1})),
        json!({"status": "completed", "output_file_id": null}),
    );
    assert_eq!(output_of("file_1"), None);
}
