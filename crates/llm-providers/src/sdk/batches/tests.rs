//! Batches straight at Anthropic, which keeps no files, and at a provider that does.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use llm_types::{ApiError, Result, Upload};
use serde_json::{Value, json};

use crate::transport::{ByteStream, RequestBody, Transport, collect};
use crate::{Client, NewBatch};

const CHAT: &str = "/v1/chat/completions";

/// Anthropic's batches and OpenAI's files, as far as they are asked for here.
#[derive(Debug, Default)]
struct Keeper {
    /// Method, path and body of each call.
    heard: Mutex<Vec<(String, String)>>,
}

fn standing(status: &str) -> Value {
    let url = (status == "ended").then_some("https://elsewhere.example/results");
    json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": status, "ended_at": null,
        "request_counts": {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0},
        "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z", "results_url": url})
}

fn results(tool: &str) -> String {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}}], "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 2}});
    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}});
    let lines = [
        json!({"custom_id": "a", "result": {"type": "succeeded", "message": message}}),
        json!({"custom_id": "b", "result": {"type": "errored", "error": error}}),
    ];
    lines.map(|line| line.to_string()).join("\n")
}

impl Keeper {
    fn answer(&self, call: &str, body: &str) -> (u16, String) {
        let sent: Value = serde_json::from_str(body).unwrap_or_default();
        let tool = || {
            let heard = self.heard.lock().unwrap();
            let made = heard.iter().find(|(call, _)| call == "POST /v1/messages/batches").unwrap();
            let made: Value = serde_json::from_str(&made.1).unwrap();
            made["requests"][0]["params"]["tools"][0]["name"].as_str().unwrap_or("none").to_owned()
        };
        match call {
            "POST /v1/messages/batches" if sent["requests"].is_array() => {
                (200, standing("in_progress").to_string())
            }
            "GET /v1/messages/batches?limit=10" => {
                (200, json!({"data": [standing("ended")], "has_more": false}).to_string())
            }
            "GET /v1/messages/batches/msgbatch_1" => (200, standing("ended").to_string()),
            "GET /v1/messages/batches/msgbatch_2" => (200, standing("in_progress").to_string()),
            "POST /v1/messages/batches/msgbatch_1/cancel" => (200, standing("canceling").to_string()),
            "GET /v1/messages/batches/msgbatch_1/results" => (200, results(&tool())),
            "POST /v1/files" => (200, json!({"id": "file-1"}).to_string()),
            "POST /v1/batches" => {
                let shown =
                    json!({"id": "batch_1", "status": "validating", "input_file_id": sent["input_file_id"]});
                (200, shown.to_string())
            }
            _ => (404, json!({"error": {"type": "not_found_error", "message": call}}).to_string()),
        }
    }
}

#[async_trait]
impl Transport for Keeper {
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
        let call = format!("{} {}", head.method, head.uri.path_and_query().unwrap());
        if head.uri.host() == Some("api.anthropic.com") {
            assert_eq!(head.headers["anthropic-version"], "2023-06-01");
            assert_eq!(head.headers["x-api-key"], "sk-test");
        }
        self.heard.lock().unwrap().push((call.clone(), body.clone()));
        let (status, answer) = self.answer(&call, &body);
        // In two pieces, wherever that cuts it.
        let answer = Bytes::from(answer);
        let (one, two) = (answer.slice(..answer.len() / 2), answer.slice(answer.len() / 2..));
        let mut response = http::Response::new(Box::pin(stream::iter([Ok(one), Ok(two)])) as ByteStream);
        *response.status_mut() = status.try_into().unwrap();
        Ok(response)
    }
}

fn client() -> (Client, Arc<Keeper>) {
    let keeper = Arc::new(Keeper::default());
    let client = Client::builder()
        .transport(Arc::<Keeper>::clone(&keeper) as Arc<dyn Transport>)
        .env(|name| name.ends_with("_API_KEY").then(|| "sk-test".to_owned()))
        .build()
        .unwrap();
    (client, keeper)
}

fn line(id: &str, more: &Value) -> String {
    let mut body = json!({"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"custom_id": id, "method": "POST", "url": CHAT, "body": body}).to_string()
}

fn lines(all: &[String]) -> Upload {
    Upload::new("in.jsonl", all.join("\n"))
}

async fn read(content: ByteStream) -> Vec<Value> {
    let bytes = collect(content, 1 << 20).await.unwrap();
    String::from_utf8_lossy(&bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn requests_go_out_in_the_call_and_come_back_as_lines() {
    let (client, keeper) = client();
    let batch = NewBatch::new("", CHAT);
    let plain = lines(&[line("a", &json!({"seed": 7})), String::new(), line("b", &json!({}))]);
    let made = client.create_batch_of("anthropic", &plain, &batch).await.unwrap();
    assert_eq!(
        (&*made.batch.id, &*made.batch.status, &*made.batch.endpoint),
        ("msgbatch_1", "in_progress", CHAT)
    );
    assert!(made.changes.header().contains("dropped seed") && !made.needs_requests, "{made:?}");
    let sent: Value = serde_json::from_str(&keeper.heard.lock().unwrap()[0].1).unwrap();
    let ids: Vec<&str> =
        sent["requests"].as_array().unwrap().iter().map(|one| one["custom_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(sent["requests"][0]["params"]["model"], "claude-haiku-4-5");

    let shown = client.batch("anthropic", "msgbatch_1").await.unwrap();
    assert_eq!((&*shown.status, shown.output_file_id.as_deref()), ("completed", Some("msgbatch_1-output")));
    assert_eq!(client.batches("anthropic", 10).await.unwrap(), [shown]);
    assert_eq!(client.cancel_batch("anthropic", "msgbatch_1").await.unwrap().status, "in_progress");
    let output = read(client.file_content("anthropic", "msgbatch_1-output").await.unwrap()).await;
    assert_eq!((output.len(), &output[0]["custom_id"]), (1, &json!("a")));
    assert_eq!(output[0]["response"]["body"]["object"], "chat.completion");
    let errors = read(client.file_content("anthropic", "msgbatch_1-errors").await.unwrap()).await;
    assert_eq!((errors.len(), &errors[0]["response"]["status_code"]), (1, &json!(400)));
    let early = client.file_content("anthropic", "msgbatch_2-output").await.err().unwrap();
    assert_eq!(early.status().as_u16(), 404);
}

#[tokio::test]
async fn names_that_were_changed_come_back_with_the_requests() {
    let (client, keeper) = client();
    let function =
        json!({"type": "function", "function": {"name": "get.weather", "parameters": {"type": "object"}}});
    let tools = lines(&[line("a", &json!({"tools": [function]}))]);
    let batch = NewBatch { model: "anthropic/claude-haiku-4-5".to_owned(), ..NewBatch::new("", CHAT) };
    assert!(client.create_batch_of("anthropic", &tools, &batch).await.unwrap().needs_requests);
    // Which the batch is of need not be said in each line.
    let unnamed = lines(&[line("a", &json!({"model": null}))]);
    let made = client.create_batch_of("anthropic", &unnamed, &batch).await.unwrap();
    let sent = keeper.heard.lock().unwrap().last().unwrap().1.clone();
    assert!(sent.contains(r#""model":"claude-haiku-4-5""#) && !made.needs_requests, "{sent}");
    for (requests, known) in [(None, false), (Some(&tools), true)] {
        let answers = client.batch_answers("anthropic", "msgbatch_1-output", requests).await.unwrap();
        let call = &read(answers).await[0]["response"]["body"]["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"] == "get.weather", known, "{call}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let (client, keeper) = client();
    let refused = async |all: &[String], batch: &NewBatch, words: &[&str]| {
        let error: ApiError = client.create_batch_of("anthropic", &lines(all), batch).await.unwrap_err();
        assert_eq!(error.status().as_u16(), 400, "{error}");
        for word in words {
            assert!(error.message.contains(word), "{word}: {error}");
        }
    };
    let batch = NewBatch::new("", CHAT);
    let good = || line("a", &json!({}));
    refused(&[], &batch, &["no line names a model"]).await;
    refused(&[String::new()], &NewBatch { model: "m".to_owned(), ..batch.clone() }, &["no requests"]).await;
    refused(&[good(), "{}".to_owned()], &batch, &["line 2"]).await;
    refused(&[good(), line("b", &json!({"model": "claude-opus-4"}))], &batch, &["line 2", "claude-opus-4"])
        .await;
    refused(&[good(), line("b", &json!({"stream": true}))], &batch, &["line 2", "`b`", "stream"]).await;
    refused(&[good()], &NewBatch::new("", "/v1/embeddings"), &["batches at anthropic"]).await;
    let told = NewBatch { metadata: [("a".to_owned(), "b".to_owned())].into(), ..batch.clone() };
    refused(&[good()], &told, &["metadata"]).await;
    for error in [
        client.upload("anthropic", &lines(&[good()]), "batch").await.unwrap_err(),
        client.create_batch("anthropic", &NewBatch::new("file_1", CHAT)).await.unwrap_err(),
        client.file_content("anthropic", "file_1").await.err().unwrap(),
    ] {
        assert!(error.message.contains("keeps no files"), "{error}");
    }
    assert!(keeper.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn where_files_are_kept_the_requests_are_sent_as_one_first() {
    let (client, keeper) = client();
    let requests = lines(&[line("a", &json!({"model": "gpt-4o-mini"}))]);
    let made = client.create_batch_of("openai", &requests, &NewBatch::new("", CHAT)).await.unwrap();
    assert_eq!(made.batch.input_file_id.as_deref(), Some("file-1"));
    let heard = keeper.heard.lock().unwrap();
    let calls: Vec<&str> = heard.iter().map(|(call, _)| call.as_str()).collect();
    assert_eq!(calls, ["POST /v1/files", "POST /v1/batches"]);
    assert!(heard[0].1.contains("gpt-4o-mini"), "{heard:?}");
}

#[tokio::test]
async fn requests_are_sent_in_the_words_of_whoever_keeps_files() {
    let (client, keeper) = client();
    let asked = json!({"model": "openai/gpt-4o-mini", "max_tokens": 7});
    let unnamed = json!({"model": ""});
    let requests = lines(&[line("a", &asked), line("b", &unnamed)]);
    let batch = NewBatch { model: "gpt-4o-mini".to_owned(), ..NewBatch::new("", CHAT) };
    client.create_batch_of("openai", &requests, &batch).await.unwrap();
    let sent = keeper.heard.lock().unwrap()[0].1.clone();
    assert_eq!(sent.matches(r#""model":"gpt-4o-mini""#).count(), 2, "{sent}");
    let reasons = lines(&[line("a", &json!({"model": "o3", "max_tokens": 7}))]);
    client.create_batch_of("openai", &reasons, &NewBatch::new("", CHAT)).await.unwrap();
    let sent = keeper.heard.lock().unwrap()[2].1.clone();
    assert!(sent.contains(r#""max_completion_tokens":7"#), "{sent}");
    let error =
        client.create_batch_of("openai", &lines(&[line("a", &unnamed)]), &NewBatch::new("", CHAT)).await;
    assert!(error.unwrap_err().message.starts_with("line 1 of the file: its body names no model"));
}
