//! Batches at a provider that keeps no files: they lie in a folder, go out in one call, and come back as files.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use llm_testkit::{Received, Script, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gateway, PATIENCE, PROVIDER_KEY, Reply, model};
use crate::upload::{MEGABYTE, status};

const MASTER: &str = "sk-master-of-the-tests";
const CHAT: &str = "/v1/chat/completions";
const BASE: &str = "/v1/messages/batches";

/// Anthropic's side: batches, and the lines of their answers.
#[derive(Debug, Default)]
struct Provider {
    batches: BTreeMap<String, Value>,
    answers: BTreeMap<String, String>,
}

/// Seconds since 1970 as the provider writes them.
fn time(ago: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let at = jiff::Timestamp::from_second(i64::try_from(now - ago).unwrap()).unwrap();
    at.to_string()
}

impl Provider {
    fn answer(&mut self, request: &Received) -> Script {
        assert_eq!(request.header("anthropic-version"), Some("2023-06-01"), "{}", request.target);
        let below = request.path().strip_prefix(BASE).unwrap();
        let segments: Vec<&str> = below.split('/').filter(|one| !one.is_empty()).collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", []) => {
                let asked = request.json()["requests"].as_array().unwrap().len();
                let id = format!("msgbatch_{}", self.batches.len() + 1);
                let counts =
                    json!({"processing": asked, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0});
                let batch = json!({"id": id, "type": "message_batch", "processing_status": "in_progress",
                    "request_counts": counts, "ended_at": null, "created_at": time(2000), "expires_at": time(0),
                    "archived_at": null, "cancel_initiated_at": null, "results_url": null});
                self.batches.insert(id, batch.clone());
                Script::json(&batch)
            }
            ("GET", []) => {
                let all: Vec<&Value> = self.batches.values().rev().collect();
                Script::json(&json!({"data": all, "has_more": false, "first_id": null, "last_id": null}))
            }
            ("GET", [id]) if self.batches.contains_key(*id) => Script::json(&self.batches[*id]),
            ("POST", [id, "cancel"]) => {
                let batch = self.batches.get_mut(*id).unwrap();
                batch["processing_status"] = "canceling".into();
                batch["cancel_initiated_at"] = time(1).into();
                Script::json(batch)
            }
            ("GET", [id, "results"]) if self.answers.contains_key(*id) => Script::status(200)
                .header("content-type", "application/x-jsonl")
                .body(self.answers[*id].clone()),
            _ => Script::status(404).json_body(
                &json!({"type": "error", "error": {"type": "not_found_error", "message": "not there"}}),
            ),
        }
    }

    /// A batch is over: so many were answered, one was refused and one came too late.
    fn complete(&mut self, id: &str, answered: usize) {
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
            "content": [{"type": "text", "text": "Hi."}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 1000, "output_tokens": 100, "service_tier": "batch"}});
        let answer = |nth| json!({"custom_id": format!("a{nth}"), "result": {"type": "succeeded", "message": message}});
        let error =
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}});
        let mut lines: Vec<String> = (0..answered).map(|nth| answer(nth).to_string()).collect();
        lines.push(json!({"custom_id": "bad", "result": {"type": "errored", "error": error}}).to_string());
        lines.push(json!({"custom_id": "late", "result": {"type": "expired"}}).to_string());
        self.answers.insert(id.to_owned(), format!("{}\n", lines.join("\n")));
        let batch = self.batches.get_mut(id).unwrap();
        batch["processing_status"] = "ended".into();
        batch["ended_at"] = time(1000).into();
        batch["results_url"] = format!("https://elsewhere.example{BASE}/{id}/results").into();
        batch["request_counts"] =
            json!({"processing": 0, "succeeded": answered, "errored": 1, "canceled": 0, "expired": 1});
    }
}

struct Stand {
    gateway: Gateway,
    upstream: Upstream,
    provider: Arc<Mutex<Provider>>,
    config: String,
    dir: TempDir,
}

impl Stand {
    fn start(more: &str) -> Self {
        let upstream = Upstream::start().unwrap();
        let provider = Arc::new(Mutex::new(Provider::default()));
        let held = Arc::clone(&provider);
        upstream.on("/*", move |request| held.lock().unwrap().answer(request));
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            format!(
                "{{ model = \"anthropic/{name}\", api_base = \"{}\", api_key = \"{PROVIDER_KEY}\" }}",
                upstream.url()
            )
        };
        let models = [model("fast", &[at("claude-haiku-4-5")]), model("smart", &[at("claude-sonnet-4-5")])];
        let folder = dir.path().join("files");
        let config = format!(
            "{more}\n[auth]\nmaster_key = \"{MASTER}\"\n[files]\ndir = \"{}\"\n{}",
            folder.display(),
            models.join("")
        );
        Self { gateway: Gateway::start(&config), upstream, provider, config, dir }
    }

    async fn send(&self, key: &str, (method, path): (Method, &str), body: &Value) -> Reply {
        let call = self.gateway.call(method, path).header("authorization", &format!("Bearer {key}"));
        let call = if body.is_null() { call } else { call.header("content-type", "application/json") };
        call.body(if body.is_null() { String::new() } else { body.to_string() }).send().await
    }

    async fn get(&self, key: &str, path: &str) -> Reply {
        self.send(key, (Method::GET, path), &Value::Null).await
    }

    async fn key(&self, form: Value) -> (String, String) {
        let made = self.send(MASTER, (Method::POST, "/admin/v1/keys"), &form).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let word = |name: &str| made.json()[name].as_str().unwrap().to_owned();
        (word("id"), word("key"))
    }

    async fn upload(&self, key: &str, path: &str, form: String) -> Reply {
        let call = self.gateway.call(Method::POST, path).header("authorization", &format!("Bearer {key}"));
        call.header("content-type", "multipart/form-data; boundary=x").body(form).send().await
    }

    /// A file of a batch, sent: its id.
    async fn file(&self, key: &str, lines: &[String]) -> String {
        let reply = self.upload(key, "/v1/files", form(&lines.join("\n"), "")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    async fn create(&self, key: &str, file: &str) -> Reply {
        let body = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h", "metadata": {"a": "b"}});
        self.send(key, (Method::POST, "/v1/batches"), &body).await
    }

    /// A batch of a file of these lines: its id.
    async fn batch(&self, key: &str, lines: &[String]) -> String {
        let file = self.file(key, lines).await;
        let made = self.create(key, &file).await;
        assert_eq!(made.status, 200, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// The rows of a key, once there are any.
    async fn rows(&self, id: &str) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let rows = self.get(MASTER, &format!("/admin/v1/requests?key_id={id}")).await;
            let rows = rows.json()["data"].as_array().unwrap().clone();
            if !rows.is_empty() {
                return rows;
            }
            assert!(Instant::now() < until, "no row: {}", self.gateway.logs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many things lie in the folder.
    fn lies(&self) -> usize {
        fs::read_dir(self.dir.path().join("files")).unwrap().count()
    }

    fn made(&self) -> usize {
        self.provider.lock().unwrap().batches.len()
    }
}

fn form(content: &str, more: &str) -> String {
    format!(
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\ncontent-type: application/jsonl\r\n\r\n\
         {content}\r\n--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n{more}--x--\r\n"
    )
}

fn line_with(id: &str, model: &str, more: Value) -> String {
    let mut body =
        json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"custom_id": id, "method": "POST", "url": CHAT, "body": body}).to_string()
}

fn line(id: &str, model: &str) -> String {
    line_with(id, model, json!({}))
}

fn lines_of(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Nobody else reads it, lists it, cancels it or makes a batch of it; an id without its seal is nobody's.
async fn is_its_keys_alone(stand: &Stand, (mine, other): (&str, &str), (file, batch): (&str, &str)) {
    let output = format!("{batch}-output");
    for (path, id) in [
        ("/v1/files/{}", file),
        ("/v1/files/{}/content", file),
        ("/v1/batches/{}", batch),
        ("/v1/files/{}/content", &*output),
    ] {
        assert_eq!(stand.get(other, &path.replace("{}", id)).await.error(404).code, "not_found", "{path}");
        let bare = id.split_once('-').unwrap().1;
        assert_eq!(stand.get(mine, &path.replace("{}", bare)).await.status, 404, "{path}");
    }
    assert_eq!(stand.create(other, file).await.status, 404);
    let path = format!("/v1/batches/{batch}/cancel");
    assert_eq!(stand.send(other, (Method::POST, &path), &Value::Null).await.status, 404);
    for list in ["/v1/files", "/v1/batches?limit=5"] {
        let count = async |key: &str| stand.get(key, list).await.json()["data"].as_array().unwrap().len();
        assert_eq!((count(mine).await, count(other).await, count(MASTER).await), (1, 0, 1), "{list}");
    }
    let listed = stand.get(mine, "/v1/batches").await.json();
    assert_eq!((&listed["data"][0]["id"], &listed["has_more"]), (&json!(batch), &json!(false)));
}

#[tokio::test]
async fn a_batch_goes_its_way_and_is_its_keys_alone() {
    let stand = Stand::start("");
    let (id, mine) = stand.key(json!({"name": "mine"})).await;
    let (_, other) = stand.key(json!({"name": "other"})).await;
    let file = stand.file(&mine, &[line("a0", "fast"), line_with("a1", "fast", json!({"seed": 7}))]).await;
    assert!(stand.upstream.requests().is_empty(), "nothing of a file is sent before there is a batch");
    let shown = stand.get(&mine, &format!("/v1/files/{file}")).await;
    let fact = |name: &str| shown.json()[name].clone();
    assert_eq!((fact("filename"), fact("purpose")), (json!("in.jsonl"), json!("batch")), "{}", shown.text());
    assert_eq!((fact("id"), shown.header("x-gateway-provider")), (json!(file), "anthropic"));
    let content = stand.get(&mine, &format!("/v1/files/{file}/content")).await;
    assert_eq!(fact("bytes"), json!(content.text().len()));
    assert_eq!(lines_of(&content)[1]["body"]["model"], "claude-haiku-4-5");

    let made = stand.create(&mine, &file).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert!(
        made.header("x-gateway-changes").contains("dropped seed"),
        "{}",
        made.header("x-gateway-changes")
    );
    let made = made.json();
    let batch = made["id"].as_str().unwrap().to_owned();
    assert!(batch.starts_with("gw") && batch.ends_with("-msgbatch_1"), "{batch}");
    assert_eq!((&made["input_file_id"], &made["metadata"]), (&json!(file), &json!({"a": "b"})));
    assert_eq!((&made["status"], &made["endpoint"]), (&json!("in_progress"), &json!(CHAT)));
    assert_eq!(made["request_counts"], json!({"total": 2, "completed": 0, "failed": 0}));
    let sent = stand.upstream.last_request().unwrap();
    let (body, ids) = (sent.json(), ["a0", "a1"]);
    for (request, id) in body["requests"].as_array().unwrap().iter().zip(ids) {
        assert_eq!(
            (&request["custom_id"], &request["params"]["model"]),
            (&json!(id), &json!("claude-haiku-4-5"))
        );
        assert_eq!(request["params"]["max_tokens"], 100);
    }
    assert_eq!(sent.header("x-api-key"), Some(PROVIDER_KEY));

    is_its_keys_alone(&stand, (&mine, &other), (&file, &batch)).await;

    // Once it is over it is booked, at the price of batches, and once; its answers are two files.
    stand.provider.lock().unwrap().complete("msgbatch_1", 2);
    let over = stand.get(&mine, &format!("/v1/batches/{batch}")).await.json();
    assert_eq!((&over["status"], &over["metadata"]), (&json!("expired"), &json!({"a": "b"})));
    assert_eq!(over["request_counts"], json!({"total": 4, "completed": 2, "failed": 2}));
    let rows = stand.rows(&id).await;
    assert_eq!((rows.len(), rows[0]["cost_usd"].as_str()), (1, Some("0.0015")), "{rows:?}");
    assert_eq!((&rows[0]["model"], &rows[0]["status"]), (&json!("fast"), &json!(200)));
    let own = |name: &str| over[name].as_str().unwrap().to_owned();
    let answers = lines_of(&stand.get(&mine, &format!("/v1/files/{}/content", own("output_file_id"))).await);
    assert_eq!(answers.len(), 2);
    let (first, body) = (&answers[0], &answers[0]["response"]["body"]);
    assert_eq!((&first["custom_id"], &first["response"]["status_code"]), (&json!("a0"), &json!(200)));
    assert_eq!(
        (&body["object"], &body["choices"][0]["message"]["content"]),
        (&json!("chat.completion"), &json!("Hi."))
    );
    let errors = lines_of(&stand.get(&mine, &format!("/v1/files/{}/content", own("error_file_id"))).await);
    assert_eq!((errors.len(), &errors[0]["custom_id"]), (2, &json!("bad")));
    assert_eq!(errors[0]["response"]["status_code"], 400);
    assert_eq!(errors[1]["error"]["code"], "batch_expired");
    let described = stand.get(&mine, &format!("/v1/files/{}", own("output_file_id"))).await.json();
    assert_eq!(
        (&described["id"], &described["purpose"]),
        (&json!(own("output_file_id")), &json!("batch_output"))
    );
    assert_eq!(stand.get(&other, &format!("/v1/files/{}/content", own("output_file_id"))).await.status, 404);
    stand.get(&mine, &format!("/v1/batches/{batch}")).await;
    assert_eq!(stand.rows(&id).await.len(), 1);

    let gone = stand.send(&mine, (Method::DELETE, &format!("/v1/files/{file}")), &Value::Null).await;
    assert_eq!((&gone.json()["deleted"], &gone.json()["id"]), (&json!(true), &json!(file)));
    assert_eq!(stand.get(&mine, &format!("/v1/files/{file}")).await.status, 404);
    assert_eq!(stand.lies(), 1, "only the batch is remembered");
}

#[tokio::test]
async fn a_batch_is_cancelled() {
    let stand = Stand::start("");
    let batch = stand.batch(MASTER, &[line("a0", "fast")]).await;
    let path = format!("/v1/batches/{batch}");
    let cancelled = stand.send(MASTER, (Method::POST, &format!("{path}/cancel")), &Value::Null).await.json();
    assert_eq!((&cancelled["status"], &cancelled["id"]), (&json!("cancelling"), &json!(batch)));
    // Answers are not there before it is over, and are nobody's to delete.
    let output = format!("{batch}-output");
    stand.get(MASTER, &format!("/v1/files/{output}/content")).await.error(404);
    stand.get(MASTER, &format!("/v1/files/{output}")).await.error(404);
    stand.send(MASTER, (Method::DELETE, &format!("/v1/files/{output}")), &Value::Null).await.error(400);
    stand.provider.lock().unwrap().complete("msgbatch_1", 1);
    let over = stand.get(MASTER, &path).await.json();
    assert_eq!((&over["status"], over["cancelled_at"].is_number()), (&json!("cancelled"), true), "{over}");
}

#[tokio::test]
async fn lines_that_cannot_be_asked_are_refused_before_anything_is_sent() {
    let stand = Stand::start("");
    let create = async |lines: &[String]| {
        let file = stand.file(MASTER, lines).await;
        stand.create(MASTER, &file).await.error(400)
    };
    let first = || line("a0", "fast");
    create(&[first(), line("a b", "fast")]).await.says(&["line 2", "`a b`", "64"]);
    create(&[first(), line("a0", "fast")]).await.says(&["line 2", "`a0`", "another line"]);
    create(&[first(), line_with("a1", "fast", json!({"stream": true}))])
        .await
        .says(&["line 2", "`a1`", "stream"]);
    create(&[first(), line_with("a1", "fast", json!({"n": 2}))]).await.says(&["line 2", "`a1`"]);
    create(&[first(), first().replace("chat/completions", "responses")]).await.says(&["line 2", "endpoint"]);
    let file = stand.file(MASTER, &[first()]).await;
    let other = async |body: Value| stand.send(MASTER, (Method::POST, "/v1/batches"), &body).await.error(400);
    let embed = json!({"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"});
    other(embed).await.says(&[CHAT]);
    let days = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "48h"});
    other(days).await.says(&["24h"]);
    let upload = async |form: String| stand.upload(MASTER, "/v1/files?model=fast", form).await;
    upload(form(&[line("a", "fast"), line("b", "smart")].join("\n"), "")).await.error(400).says(&["line 2"]);
    let before = stand.lies();
    let long = line_with("long", "fast", json!({"user": "x".repeat(17 << 20)}));
    upload(form(&format!("{}\n{long}\n", first()), "")).await.error(413).says(&["line 2", "longer"]);
    upload(form(&first(), "").replace("\r\nbatch\r\n", "\r\nuser_data\r\n"))
        .await
        .error(400)
        .says(&["purpose"]);
    let wanted = "--x\r\ncontent-disposition: form-data; name=\"expires_after[seconds]\"\r\n\r\nsoon\r\n";
    upload(form(&first(), wanted)).await.error(400).says(&["expires_after"]);
    assert_eq!(stand.lies(), before, "what was refused leaves nothing");
    let kept = upload(form(&first(), &wanted.replace("soon", "3600"))).await.json();
    let word = |name: &str| kept[name].as_i64().unwrap();
    assert_eq!(word("expires_at"), word("created_at") + 3600);
    assert_eq!(stand.made(), 0, "nothing of it was sent");
}

#[tokio::test]
async fn strict_mode_refuses_what_would_be_lost() {
    let stand = Stand::start("[server]\nstrict = true");
    let file = stand.file(MASTER, &[line_with("a0", "fast", json!({"seed": 1}))]).await;
    stand.create(MASTER, &file).await.error(400).says(&["line 1", "`a0`", "seed"]);
    assert_eq!(stand.made(), 0);
}

#[tokio::test]
async fn a_hard_budget_pays_for_the_most_and_then_for_what_it_was() {
    let stand = Stand::start("");
    let form = |limit: &str| json!({"name": "paid", "budgets": [{"limit_usd": limit, "window": "total", "hard": true}]});
    // The answer of 100 tokens alone costs 0.00025.
    let (_, poor) = stand.key(form("0.0002")).await;
    let file = stand.file(&poor, &[line("a0", "fast")]).await;
    stand.create(&poor, &file).await.error(402);
    assert_eq!(stand.made(), 0);
    let (id, rich) = stand.key(form("0.0100")).await;
    let batch = stand.batch(&rich, &[line("a0", "fast"), line("a1", "fast")]).await;
    stand.provider.lock().unwrap().complete("msgbatch_1", 1);
    stand.get(&rich, &format!("/v1/batches/{batch}")).await;
    let rows = stand.rows(&id).await;
    assert_eq!((rows.len(), rows[0]["cost_usd"].as_str()), (1, Some("0.00075")), "{rows:?}");
}

#[tokio::test]
async fn another_gateway_with_the_folder_knows_it_all() {
    let store = tempfile::tempdir().unwrap();
    let db = store.path().join("gateway.db");
    let mut stand = Stand::start(&format!("[store]\nurl = \"sqlite:{}\"", db.display()));
    let (id, key) = stand.key(json!({"name": "mine"})).await;
    let tool = json!([{"type": "function", "function": {"name": "get.weather", "parameters": {"type": "object", "properties": {}}}}]);
    let batch = stand.batch(&key, &[line_with("a0", "fast", json!({"tools": tool}))]).await;
    let name =
        stand.upstream.last_request().unwrap().json()["requests"][0]["params"]["tools"][0]["name"].clone();
    assert_ne!(name, "get.weather", "the provider takes no such name");
    stand.gateway.signal("TERM");
    stand.gateway.wait_exit();
    {
        let mut provider = stand.provider.lock().unwrap();
        provider.complete("msgbatch_1", 1);
        let call = json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": {"a": 1}}).to_string();
        let lines = provider.answers["msgbatch_1"].replace(r#"{"text":"Hi.","type":"text"}"#, &call);
        provider.answers.insert("msgbatch_1".to_owned(), lines);
    }
    stand.gateway = Gateway::start(&stand.config);
    let listed = stand.get(&key, "/v1/batches").await.json();
    assert_eq!(
        (&listed["data"][0]["id"], &listed["data"][0]["metadata"]),
        (&json!(batch), &json!({"a": "b"}))
    );
    let rows = stand.rows(&id).await;
    assert_eq!((rows.len(), rows[0]["cost_usd"].as_str()), (1, Some("0.00075")), "{rows:?}");
    let output = listed["data"][0]["output_file_id"].as_str().unwrap();
    let answers = lines_of(&stand.get(&key, &format!("/v1/files/{output}/content")).await);
    let call = &answers[0]["response"]["body"]["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "get.weather", "{answers:?}");
    let files = stand.get(&key, "/v1/files").await.json();
    assert_eq!(files["data"].as_array().unwrap().len(), 1, "{files}");
}

#[tokio::test]
async fn without_a_folder_it_is_said_what_to_set() {
    let upstream = Upstream::start().unwrap();
    let at = |name: &str| {
        format!("{{ model = \"{name}\", api_base = \"{}\", api_key = \"{PROVIDER_KEY}\" }}", upstream.url())
    };
    upstream.always(Script::json(&json!({"id": "file-1", "object": "file", "filename": "a.txt"})));
    let models = [model("fast", &[at("anthropic/claude-haiku-4-5")]), model("plain", &[at("openai/gpt-4o")])];
    let upload = async |gateway: &Gateway, path: &str, form: String| {
        let call = gateway.call(Method::POST, path).header("content-type", "multipart/form-data; boundary=x");
        call.body(form).send().await
    };
    let gateway = Gateway::start(&models.join(""));
    let batch = form(&line("a", "fast"), "");
    upload(&gateway, "/v1/files", batch.clone()).await.error(400).says(&["[files] dir"]);
    upload(&gateway, "/v1/files?custom_llm_provider=anthropic", batch)
        .await
        .error(400)
        .says(&["[files] dir"]);
    // The others are as they were: one account, whose ids stay as they are.
    let plain = form("hello", "").replace("in.jsonl", "a.txt").replace("\r\nbatch\r\n", "\r\nuser_data\r\n");
    assert_eq!(upload(&gateway, "/v1/files", plain.clone()).await.json()["id"], "file-1");
    let dir = tempfile::tempdir().unwrap();
    let both = format!("[files]\ndir = \"{}\"\n{}", dir.path().display(), models.join(""));
    let gateway = Gateway::start(&both);
    let reply = upload(&gateway, "/v1/files", plain).await;
    assert_eq!((reply.status, reply.header("x-gateway-provider")), (200, "openai"), "{}", reply.text());
}

/// A file that goes through.
const THROUGH: usize = 64 * 1024 * 1024;
/// One that is made a batch of: more than what it may take.
const CREATED: usize = 18 * 1024 * 1024;
/// What it may take beside.
const BESIDE: u64 = 15 * MEGABYTE;

#[tokio::test]
async fn sixty_four_megabytes_are_not_held() {
    let stand = Stand::start("");
    let write = |size: usize| {
        let text = json!({"messages": [{"role": "user", "content": "x".repeat(10_000)}]});
        let one = |nth: usize| line_with(&format!("a{nth}"), "fast", text.clone());
        let count = size / one(0).len();
        (0..count).map(one).collect::<Vec<_>>()
    };
    // Whatever is made once is there.
    stand.batch(MASTER, &write(100_000)).await;
    let small = stand.file(MASTER, &write(CREATED)).await;
    let pid = stand.gateway.pid();
    let lines = form(&write(THROUGH).join("\n"), "");
    let before = status(pid, "VmRSS");
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let reply = stand.upload(MASTER, "/v1/files", lines).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let after = status(pid, "VmHWM").saturating_sub(before);
    let made = stand.create(MASTER, &small).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let rise = status(pid, "VmHWM").saturating_sub(before);
    println!("{} MB, then {} MB above {} MB", after / MEGABYTE, rise / MEGABYTE, before / MEGABYTE);
    assert!(rise < BESIDE, "{rise} bytes, {BESIDE} are allowed");
    let sent = stand.upstream.last_request().unwrap().body.len();
    assert!(sent > CREATED - 4 * 1024 * 1024, "all of it must reach the provider: {sent}");
}
