//! Files and batches from the command line, and at a provider whose batches have another form.

use std::fs;

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, llmctl, model};

const LINE: &str =
    r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"fast","messages":[]}}"#;

/// A gateway before Mistral, and Mistral.
fn stand() -> (Gateway, Upstream) {
    let upstream = Upstream::start().unwrap();
    let at = format!(
        "{{ model = \"mistral/mistral-small-latest\", api_base = \"{}\", api_key = \"{PROVIDER_KEY}\" }}",
        upstream.url()
    );
    let file = json!({"id": "f-1", "object": "file", "bytes": 7, "created_at": 1, "filename": "in.jsonl", "purpose": "batch"});
    upstream.on("/v1/files", move |request| match request.method.as_str() {
        "POST" => Script::json(&file),
        _ => Script::json(&json!({"object": "list", "data": [file], "total": 1})),
    });
    let native = LINE.replace("fast", "mistral-small-latest");
    upstream.on("/v1/files/f-1/content", move |_| Script::status(200).body(native.clone()));
    let job = |status: &str| {
        json!({"id": "j-1", "object": "batch", "status": status, "input_files": ["f-1"],
        "endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "created_at": 1, "total_requests": 1,
        "succeeded_requests": 1, "failed_requests": 0, "output_file": "f-2", "completed_at": 2})
    };
    upstream.on("/v1/batch/jobs", move |request| match request.method.as_str() {
        "POST" => Script::json(&job("QUEUED")),
        _ => Script::json(&json!({"object": "list", "data": [job("RUNNING")], "total": 1})),
    });
    upstream.on("/v1/batch/jobs/j-1*", move |request| {
        Script::json(&job(if request.method == "POST" { "CANCELLATION_REQUESTED" } else { "SUCCESS" }))
    });
    (Gateway::start(&model("fast", &[at])), upstream)
}

#[tokio::test]
async fn jobs_are_shown_as_batches_on_the_command_line_too() {
    let (gateway, upstream) = stand();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.jsonl");
    fs::write(&path, format!("{LINE}\n")).unwrap();
    let url = gateway.url();
    let run = |args: &[&str]| -> Value {
        let ran = llmctl(&[&["--json"], args, &["--gateway", &url]].concat()).run();
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap_or_default()
    };
    assert_eq!(run(&["files", "upload", path.to_str().unwrap()])["id"], "f-1");
    let sent = upstream.last_request().unwrap();
    let line = r#"{"custom_id":"a","body":{"model":"mistral-small-latest","messages":[]}}"#;
    assert!(sent.text().contains(line), "{}", sent.text());
    assert_eq!(run(&["files", "list"])[0]["filename"], "in.jsonl");
    let made = run(&["batches", "create", "f-1"]);
    assert_eq!((&made["id"], &made["status"]), (&json!("j-1"), &json!("validating")));
    let sent = upstream.last_request().unwrap();
    assert_eq!((sent.method.as_str(), sent.path()), ("POST", "/v1/batch/jobs"));
    let expect = json!({"input_files": ["f-1"], "endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "timeout_hours": 24});
    assert_eq!(sent.json(), expect);
    assert_eq!(run(&["batches", "list"])[0]["status"], "in_progress");
    assert_eq!(upstream.last_request().unwrap().query(), "page=0&page_size=100");
    let over = run(&["batches", "get", "j-1"]);
    assert_eq!((&over["status"], &over["output_file_id"]), (&json!("completed"), &json!("f-2")));
    assert_eq!(over["request_counts"], json!({"total": 1, "completed": 1, "failed": 0}));
    assert_eq!(run(&["batches", "cancel", "j-1"])["status"], "cancelling");
    assert_eq!(upstream.last_request().unwrap().path(), "/v1/batch/jobs/j-1/cancel");
    let ran = llmctl(&["files", "content", "f-1", "--gateway", &url]).run();
    assert!(ran.code == Some(0) && ran.out.contains("custom_id"), "{}{}", ran.out, ran.err);
    // Without a gateway the provider is asked itself.
    let base = format!("{}/v1", upstream.url());
    let direct = llmctl(&["files", "list", "--provider", "mistral"]);
    let ran = direct.env("MISTRAL_API_KEY", PROVIDER_KEY).env("MISTRAL_API_BASE", &base).run();
    assert!(ran.code == Some(0) && ran.out.contains("in.jsonl"), "{}{}", ran.out, ran.err);
    let ran =
        llmctl(&["files", "list", "--provider", "anthropic"]).env("ANTHROPIC_API_KEY", PROVIDER_KEY).run();
    assert!(ran.code != Some(0) && ran.err.contains("keeps no files"), "{}", ran.err);
}

#[tokio::test]
async fn a_batch_is_made_of_lines_at_hand_wherever_its_files_are_kept() {
    let (gateway, upstream) = stand();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.jsonl");
    fs::write(&path, format!("{LINE}\n")).unwrap();
    let args = |more: &[&str]| -> Vec<String> {
        let own = ["--json", "batches", "create", "--input", path.to_str().unwrap()];
        own.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let run = |args: Vec<String>| llmctl(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let json = |out: &str| serde_json::from_str::<Value>(out).unwrap();
    let ran = run(args(&["--gateway", &gateway.url()])).run();
    assert_eq!(json(ran.good())["id"], "j-1");

    // Straight at Anthropic, which keeps none, they go out in the call, and the answers are read by the batch's id.
    let standing = |status: &str, url: Value| {
        json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": status, "results_url": url,
            "request_counts": {"processing": 0, "succeeded": 1}, "created_at": "2026-01-01T00:00:00Z"})
    };
    let (begun, over) = (standing("in_progress", Value::Null), standing("ended", json!("https://elsewhere")));
    let base = "/v1/messages/batches";
    upstream.on(base, move |_| Script::json(&begun));
    upstream.on(&format!("{base}/msgbatch_1"), move |_| Script::json(&over));
    upstream.on(&format!("{base}/msgbatch_1/results"), |_| {
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
            "content": [{"type": "text", "text": "Hi."}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1}});
        let line = json!({"custom_id": "a", "result": {"type": "succeeded", "message": message}});
        Script::status(200).header("content-type", "application/x-jsonl").body(format!("{line}\n"))
    });
    let direct = |args: Vec<String>| {
        run(args).env("ANTHROPIC_API_KEY", PROVIDER_KEY).env("ANTHROPIC_API_BASE", &upstream.url()).run()
    };
    let keeper = ["--provider", "anthropic"];
    let function = json!({"type": "function", "function": {"name": "a.b", "parameters": {"type": "object"}}});
    let body = json!({"seed": 1, "tools": [function], "messages": [{"role": "user", "content": "Hi"}]});
    fs::write(&path, json!({"custom_id": "a", "body": body}).to_string()).unwrap();
    let ran = direct(args(&[&keeper[..], &["--model", "claude-haiku-4-5"]].concat()));
    assert_eq!(json(ran.good())["id"], "msgbatch_1");
    assert!(ran.err.contains("dropped seed") && ran.err.contains("need these requests"), "{}", ran.err);
    let sent = upstream.last_request().unwrap();
    assert_eq!((sent.method.as_str(), sent.path()), ("POST", base));
    assert_eq!(sent.json()["requests"][0]["params"]["model"], "claude-haiku-4-5");
    let ran = direct(
        ["--json", "batches", "get", "msgbatch_1"]
            .iter()
            .chain(&keeper)
            .map(|word| (*word).to_owned())
            .collect(),
    );
    assert_eq!(json(ran.good())["output_file_id"], "msgbatch_1-output");
    let content = ["files", "content", "msgbatch_1-output"];
    let ran = direct(content.iter().chain(&keeper).map(|word| (*word).to_owned()).collect());
    assert_eq!(json(ran.good())["response"]["body"]["choices"][0]["message"]["content"], "Hi.");
}

#[tokio::test]
async fn lines_are_asked_as_their_provider_takes_them_and_the_upload_says_what_is_lost() {
    let (gateway, upstream) = stand();
    let asked = json!({"model": "fast", "messages": [{"role": "user", "content": "Hi"}], "seed": 1,
        "max_completion_tokens": 7, "logit_bias": {}});
    let line = |id: &str| {
        json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": asked}).to_string()
    };
    let file = format!("{}\n{}\n", line("a"), line("b"));
    let form = format!(
        "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{file}\r\n--b--\r\n"
    );
    let post = gateway.post("/v1/files").header("content-type", "multipart/form-data; boundary=b");
    let reply = post.body(form).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("x-gateway-changes").contains("dropped logit_bias"), "{:?}", reply.headers);
    let sent = upstream.last_request().unwrap();
    let lines: Vec<Value> = sent.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let body = json!({"model": "mistral-small-latest", "messages": [{"role": "user", "content": "Hi"}],
        "random_seed": 1, "max_tokens": 7});
    assert_eq!(lines, ["a", "b"].map(|id| json!({"custom_id": id, "body": body})));
}
