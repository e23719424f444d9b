//! Files and batches, in each form that providers have them (openai-chat.md, mistral.md, anthropic-messages.md).

use std::sync::Mutex;

use llm_config::Config;
use llm_conform::{Limits, Verdict, ask};
use llm_testkit::{Received, Script, Upstream};
use llm_types::Op;
use serde_json::{Value, json};

use crate::capability::reference::{GATEWAY, client};
use crate::capability::scripted::placed;
use crate::capability::{Mark, Matrix};
use crate::lab::{Lab, deployment};

pub(super) const MODELS: &[&str] = &[
    "openai/gpt-4o",
    "azure/gpt-4o",
    "groq/openai/gpt-oss-120b",
    "litellm_proxy/gpt-4o",
    "mistral/mistral-small-latest",
    "anthropic/claude-haiku-4-5",
];

const NOW: i64 = 1_760_000_000;

/// The answer to the one request of a batch.
fn line() -> String {
    let body = json!({"id": "c", "object": "chat.completion", "created": NOW, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}});
    json!({"id": "r", "custom_id": "a1", "response": {"status_code": 200, "request_id": "q", "body": body}, "error": null})
        .to_string()
}

fn file(request: &Received) -> Value {
    let text = request.text();
    let name = text
        .split_once("filename=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("in.jsonl", |(name, _)| name);
    json!({"id": "file-1", "object": "file", "bytes": 100, "created_at": NOW, "filename": name, "purpose": "batch"})
}

fn missing(request: &Received) -> Script {
    let message = format!("{} {}?", request.method, request.target);
    Script::status(404).json_body(&json!({"error": {"message": message}}))
}

fn lines(text: String) -> Script {
    Script::status(200).header("content-type", "application/octet-stream").body(text)
}

/// What lies behind the version of the address.
fn segments(path: &str) -> Vec<&str> {
    let all: Vec<&str> = path.trim_matches('/').split('/').collect();
    let start = all
        .iter()
        .position(|one| matches!(*one, "files" | "batches" | "batch" | "messages"))
        .unwrap_or_default();
    all.get(start..).unwrap_or_default().to_vec()
}

fn openai(request: &Received) -> Script {
    let batch = |status: &str, output: Value| {
        json!({"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1", "status": status,
            "completion_window": "24h", "created_at": NOW, "completed_at": output.as_str().map(|_| NOW + 60),
            "output_file_id": output, "error_file_id": null, "errors": null, "metadata": {},
            "request_counts": {"total": 1, "completed": 1, "failed": 0}})
    };
    match (request.method.as_str(), segments(request.path()).as_slice()) {
        ("POST", ["files"]) | ("GET", ["files", _]) => Script::json(&file(request)),
        ("DELETE", ["files", id]) => Script::json(&json!({"id": id, "object": "file", "deleted": true})),
        ("GET", ["files", _, "content"]) => lines(line()),
        ("POST", ["batches"]) => Script::json(&batch("validating", Value::Null)),
        ("POST", ["batches", _, "cancel"]) => Script::json(&batch("cancelling", Value::Null)),
        ("GET", ["batches", _]) => Script::json(&batch("completed", "file-2".into())),
        _ => missing(request),
    }
}

/// Jobs of one model.
fn mistral(request: &Received) -> Script {
    let job = |status: &str, output: Value| {
        json!({"id": "job-1", "object": "batch", "status": status, "input_files": ["file-1"], "endpoint": "/v1/chat/completions",
            "model": "mistral-small-latest", "created_at": NOW, "completed_at": output.as_str().map(|_| NOW + 60),
            "output_file": output, "total_requests": 1, "succeeded_requests": 1, "failed_requests": 0})
    };
    match (request.method.as_str(), segments(request.path()).as_slice()) {
        ("POST", ["files"]) | ("GET", ["files", _]) => Script::json(&file(request)),
        ("DELETE", ["files", id]) => Script::json(&json!({"id": id, "object": "file", "deleted": true})),
        ("GET", ["files", _, "content"]) => lines(line()),
        ("POST", ["batch", "jobs"]) if request.json()["input_files"] == json!(["file-1"]) => {
            Script::json(&job("QUEUED", Value::Null))
        }
        ("POST", ["batch", "jobs", _, "cancel"]) => Script::json(&job("CANCELLATION_REQUESTED", Value::Null)),
        ("GET", ["batch", "jobs", _]) => Script::json(&job("SUCCESS", "file-2".into())),
        _ => missing(request),
    }
}

/// No files: requests in the call, answers behind an address.
fn anthropic(request: &Received) -> Script {
    let batch = |status: &str, ended: Value| {
        let counts = json!({"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0});
        json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": status, "request_counts": counts,
            "ended_at": ended, "created_at": "2025-10-09T08:53:20Z", "expires_at": "2035-10-10T08:53:20Z", "archived_at": null,
            "cancel_initiated_at": (status == "canceling").then_some("2025-10-09T08:54:00Z"),
            "results_url": ended.as_str().map(|_| "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results")})
    };
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": "Hi."}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 2}});
    match (request.method.as_str(), segments(request.path()).as_slice()) {
        ("POST", ["messages", "batches"])
            if request.json()["requests"][0]["params"]["model"] == "claude-haiku-4-5" =>
        {
            Script::json(&batch("in_progress", Value::Null))
        }
        ("POST", ["messages", "batches", _, "cancel"]) => Script::json(&batch("canceling", Value::Null)),
        ("GET", ["messages", "batches", _, "results"]) => {
            lines(json!({"custom_id": "a1", "result": {"type": "succeeded", "message": message}}).to_string())
        }
        ("GET", ["messages", "batches", _]) => Script::json(&batch("ended", "2025-10-09T09:53:20Z".into())),
        _ => missing(request),
    }
}

/// Asks each. What is wrong.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let client = client(lab);
    let mut problems = Vec::new();
    for model in MODELS {
        let (provider, named) = model.split_once('/').unwrap();
        let upstream = Upstream::start().unwrap();
        let form = match provider {
            "mistral" => mistral,
            "anthropic" => anthropic,
            _ => openai,
        };
        // What was uploaded is what the provider has, with its own name of the model in it.
        let kept = Mutex::new(String::new());
        upstream.on("/*", move |request| {
            let path = request.path();
            if path.ends_with("/files/file-1/content") {
                return lines(kept.lock().unwrap().clone());
            }
            if request.method == "POST" && path.ends_with("/files") {
                let text = request.text();
                let line = text.lines().find(|line| line.starts_with('{')).unwrap_or_default();
                // Mistral's are of the model of their batch.
                if provider != "mistral" && !line.contains(&format!("\"{named}\"")) {
                    return missing(request);
                }
                line.clone_into(&mut kept.lock().unwrap());
            }
            form(request)
        });
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.files.dir = Some(folder.path().join("files"));
        lab.install(config, placed(deployment(*model)), upstream.addr());
        for feature in llm_conform::of(Op::Batch) {
            match ask(&client, &format!("{GATEWAY}/m"), feature, Limits::default()).await {
                Ok(found) if found.verdict == Verdict::Passed => {
                    matrix.note(provider, (Op::Batch, feature.name), Mark::Reference);
                }
                Ok(found) => problems.push(format!("{model}: batch {}: {}", feature.name, found.why)),
                Err(error) => problems.push(format!("{model}: batch {}: {error}", feature.name)),
            }
        }
        let _ = lab.booked();
    }
    problems
}
