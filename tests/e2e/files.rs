//! Files and batches: kept by providers, told apart by keys.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use llm_testkit::{Received, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PATIENCE, PROVIDER_KEY, Reply, model};

const MASTER: &str = "sk-master-of-the-tests";
const CHAT: &str = "/v1/chat/completions";

/// What the part of this name holds, in a form as a provider gets it.
fn part<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let head = body.find(&format!("name=\"{name}\""))?;
    let rest = body.get(head..)?.split_once("\r\n\r\n")?.1;
    Some(rest.split_once("\r\n--")?.0)
}

/// The name of the file in it.
fn file_name(body: &str) -> Option<&str> {
    body.split_once("filename=\"")?.1.split_once('"').map(|(name, _)| name)
}

/// A provider that keeps files and batches.
#[derive(Debug, Default)]
struct Shelf {
    files: BTreeMap<String, (String, String)>,
    batches: BTreeMap<String, Value>,
}

impl Shelf {
    fn answer(&mut self, request: &Received) -> Script {
        let path = request.path().trim_start_matches("/v1").trim_start_matches("/openai").to_owned();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let file = |id: &str, name: &str| json!({"id": id, "object": "file", "bytes": 1, "created_at": 1, "filename": name, "purpose": "batch"});
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["files"]) => {
                let body = request.text();
                let id = format!("file-{}", self.files.len() + 1);
                let (name, content) = (file_name(&body).unwrap(), part(&body, "file").unwrap());
                self.files.insert(id.clone(), (name.to_owned(), content.to_owned()));
                Script::json(&file(&id, name))
            }
            ("GET", ["files"]) => {
                let all: Vec<Value> = self.files.iter().map(|(id, (name, _))| file(id, name)).collect();
                Script::json(&json!({"object": "list", "data": all, "has_more": false}))
            }
            ("GET", ["files", id]) => Script::json(&file(id, &self.files[*id].0)),
            ("DELETE", ["files", id]) => {
                self.files.remove(*id);
                Script::json(&json!({"id": id, "object": "file", "deleted": true}))
            }
            ("GET", ["files", id, "content"]) if self.files.contains_key(*id) => Script::status(200)
                .header("content-type", "application/octet-stream")
                .body(self.files[*id].1.clone()),
            ("POST", ["batches"]) => {
                let mut batch = request.json();
                let id = format!("batch_{}", self.batches.len() + 1);
                batch["id"] = id.as_str().into();
                batch["object"] = "batch".into();
                batch["status"] = "in_progress".into();
                self.batches.insert(id, batch.clone());
                Script::json(&batch)
            }
            ("GET", ["batches"]) => {
                let all: Vec<&Value> = self.batches.values().collect();
                Script::json(&json!({"object": "list", "data": all, "has_more": false}))
            }
            ("GET", ["batches", id]) => Script::json(&self.batches[*id]),
            ("POST", ["batches", id, "cancel"]) => {
                let batch = self.batches.get_mut(*id).unwrap();
                batch["status"] = "cancelling".into();
                Script::json(batch)
            }
            _ => Script::status(404).json_body(&json!({"error": {"message": "not there"}})),
        }
    }

    /// A batch is over, and its answers are there: each used so many tokens.
    fn complete(&mut self, id: &str, answers: usize) {
        let answer = |nth| {
            let usage = json!({"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100});
            let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "usage": usage,
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}]});
            json!({"id": "r", "custom_id": format!("a{nth}"), "response": {"status_code": 200, "body": body}, "error": null})
                .to_string()
        };
        let lines: Vec<String> = (0..answers).map(answer).collect();
        let output = format!("file-out-{id}");
        self.files.insert(output.clone(), ("output.jsonl".to_owned(), lines.join("\n")));
        let batch = self.batches.get_mut(id).unwrap();
        batch["status"] = "completed".into();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        batch["completed_at"] = (now - 1000).into();
        batch["output_file_id"] = output.into();
    }
}

struct Stand {
    gateway: Gateway,
    upstream: Upstream,
    shelf: Arc<Mutex<Shelf>>,
}

fn shelf(upstream: &Upstream) -> Arc<Mutex<Shelf>> {
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    let held = Arc::clone(&shelf);
    upstream.on("/*", move |request| held.lock().unwrap().answer(request));
    shelf
}

fn at(upstream: &Upstream, model: &str) -> String {
    format!("{{ model = \"{model}\", api_base = \"{}/v1\", api_key = \"{PROVIDER_KEY}\" }}", upstream.url())
}

impl Stand {
    fn start() -> Self {
        let upstream = Upstream::start().unwrap();
        let shelf = shelf(&upstream);
        let models = [
            model("smart", &[at(&upstream, "openai/gpt-4o")]),
            model("small", &[at(&upstream, "openai/gpt-4o-mini")]),
        ];
        let gateway = Gateway::start(&format!("[auth]\nmaster_key = \"{MASTER}\"\n{}", models.join("")));
        Self { gateway, upstream, shelf }
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
        let reply = self.upload(key, "/v1/files", form("in.jsonl", &lines.join("\n"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    async fn create(&self, key: &str, file: &str) -> Reply {
        let body = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h", "metadata": {"a": "b"}});
        self.send(key, (Method::POST, "/v1/batches"), &body).await
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
}

/// As some clients write it: the file before what it is for.
fn form(name: &str, content: &str) -> String {
    format!(
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: application/jsonl\r\n\r\n\
         {content}\r\n--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x--\r\n"
    )
}

fn line(id: &str, model: &str) -> String {
    let body =
        json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]});
    json!({"custom_id": id, "method": "POST", "url": CHAT, "body": body}).to_string()
}

#[tokio::test]
async fn a_batch_goes_its_way_and_is_its_keys_alone() {
    let stand = Stand::start();
    let (id, mine) = stand.key(json!({"name": "mine"})).await;
    let (_, other) = stand.key(json!({"name": "other"})).await;
    let file = stand.file(&mine, &[line("a1", "smart"), line("a2", "smart")]).await;
    {
        let shelf = stand.shelf.lock().unwrap();
        let (name, content) = &shelf.files["file-1"];
        assert!(name.ends_with(".in.jsonl") && name.starts_with("gw"), "{name}");
        assert!(
            !content.contains("smart") && content.matches("\"model\":\"gpt-4o\"").count() == 2,
            "{content}"
        );
    }
    assert!(file.starts_with("gw") && file.ends_with("-file-1"), "{file}");

    let shown = stand.get(&mine, &format!("/v1/files/{file}")).await;
    assert_eq!((shown.status, shown.json()["filename"].as_str()), (200, Some("in.jsonl")));
    assert_eq!(shown.json()["id"], file.as_str());
    assert_eq!(shown.header("x-gateway-provider"), "openai");
    let content = stand.get(&mine, &format!("/v1/files/{file}/content")).await;
    assert_eq!(content.text().lines().count(), 2);

    let made = stand.create(&mine, &file).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    let batch = made["id"].as_str().unwrap().to_owned();
    assert_eq!((&made["input_file_id"], &made["metadata"]), (&json!(file), &json!({"a": "b"})));
    let sent = stand.upstream.last_request().unwrap().json();
    assert_eq!((&sent["input_file_id"], &sent["completion_window"]), (&json!("file-1"), &json!("24h")));

    // Nobody else reads it, lists it, cancels it or makes a batch of it; an id without its seal is nobody's.
    for path in ["/v1/files/{}", "/v1/files/{}/content", "/v1/batches/{}"] {
        let id = if path.contains("batches") { &batch } else { &file };
        assert_eq!(stand.get(&other, &path.replace("{}", id)).await.error(404).code, "not_found", "{path}");
        let bare = id.rsplit_once("-f").map_or("batch_1", |_| "file-1");
        assert_eq!(stand.get(&mine, &path.replace("{}", bare)).await.status, 404, "{path}");
        assert_eq!(stand.get(MASTER, &path.replace("{}", id)).await.status, 200, "{path}");
    }
    assert_eq!(stand.create(&other, &file).await.status, 404);
    let cancel = |id: &str| (Method::POST, format!("/v1/batches/{id}/cancel"));
    let (method, path) = cancel(&batch);
    assert_eq!(stand.send(&other, (method, &path), &Value::Null).await.status, 404);
    for list in ["/v1/files", "/v1/batches?limit=5"] {
        let count = async |key: &str| stand.get(key, list).await.json()["data"].as_array().unwrap().len();
        assert_eq!((count(&mine).await, count(&other).await, count(MASTER).await), (1, 0, 1), "{list}");
    }
    let listed = stand.get(&mine, "/v1/batches").await.json();
    assert_eq!((&listed["data"][0]["id"], &listed["first_id"]), (&json!(batch), &json!(batch)));
    assert_eq!(listed["has_more"], false);

    // Once it is over it is booked, at the price of batches, and once.
    stand.shelf.lock().unwrap().complete("batch_1", 2);
    let over = stand.get(&mine, &format!("/v1/batches/{batch}")).await.json();
    assert_eq!(over["status"], "completed");
    let rows = stand.rows(&id).await;
    assert_eq!((rows.len(), rows[0]["cost_usd"].as_str()), (1, Some("0.0035")), "{rows:?}");
    assert_eq!((&rows[0]["model"], &rows[0]["status"]), (&json!("smart"), &json!(200)));
    let output = over["output_file_id"].as_str().unwrap();
    let answers = stand.get(&mine, &format!("/v1/files/{output}/content")).await;
    assert_eq!((answers.status, answers.text().lines().count()), (200, 2));
    assert_eq!(stand.get(&other, &format!("/v1/files/{output}/content")).await.status, 404);
    stand.get(&mine, &format!("/v1/batches/{batch}")).await;
    assert_eq!(stand.rows(&id).await.len(), 1);

    let (method, path) = cancel(&batch);
    assert_eq!(stand.send(&mine, (method, &path), &Value::Null).await.json()["status"], "cancelling");
    let gone = stand.send(&mine, (Method::DELETE, &format!("/v1/files/{file}")), &Value::Null).await;
    assert_eq!((&gone.json()["deleted"], &gone.json()["id"]), (&json!(true), &json!(file)));
}

#[tokio::test]
async fn lines_are_held_against_the_rights_of_the_key() {
    let stand = Stand::start();
    let (_, narrow) = stand.key(json!({"name": "narrow", "models": ["small"]})).await;
    let upload = async |lines: &[String]| {
        let reply = stand.upload(&narrow, "/v1/files", form("in.jsonl", &lines.join("\n"))).await;
        reply.error(if lines.iter().any(|line| line.contains("smart")) { 403 } else { 400 })
    };
    assert_eq!(upload(&[line("a", "smart")]).await.code, "model_not_allowed");
    let error = upload(&[line("a", "small"), line("b", "smart")]).await;
    error.says(&["line 2", "`smart`"]);
    upload(&[line("a", "small"), "{\"messages\":[]}".to_owned()]).await.says(&["line 2", "custom_id"]);
    upload(&[line("a", "small"), line("b", "gpt-4o-other")]).await.says(&["line 2"]);
    let file = stand.file(&narrow, &[line("a", "small")]).await;
    let other = json!({"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"});
    let error = stand.send(&narrow, (Method::POST, "/v1/batches"), &other).await.error(400);
    error.says(&["line 1", "/v1/embeddings"]);
    // Rights are looked at again when the batch is made, by whatever way the file came there.
    let (_, all) = stand.key(json!({"name": "all"})).await;
    let mixed = stand.file(&all, &[line("a", "smart")]).await;
    stand.shelf.lock().unwrap().files.get_mut("file-2").unwrap().1 = line("a", "gpt-nowhere");
    stand.create(&all, &mixed).await.error(400).says(&["gpt-nowhere"]);
    let made = stand.upstream.requests().iter().filter(|one| one.path() == "/v1/batches").count();
    assert_eq!(made, 0, "nothing of it was sent");
    let beside = line("b", "small").replace("\"model\":", "\"models\":[\"smart\"],\"model\":");
    assert!(beside.contains("models"));
    let file = stand.file(&narrow, &[line("a", "small"), beside]).await;
    let error = stand.create(&narrow, &file).await.error(403);
    error.says(&["line 2", "`models`", "smart"]);
    assert_eq!(error.code, "model_not_allowed");
    let (_, routes) = stand.key(json!({"name": "routes", "routes": [CHAT]})).await;
    assert_eq!(stand.get(&routes, "/v1/files").await.status, 403);
    stand.upload(&all, "/v1/files", "--x--".to_owned()).await.error(400).says(&["no file"]);
    let put = stand.send(&all, (Method::PUT, "/v1/files"), &Value::Null).await;
    assert_eq!((put.status, put.header("allow")), (405, "GET, POST"));
}

#[tokio::test]
async fn a_hard_budget_pays_for_the_most_and_then_for_what_it_was() {
    let stand = Stand::start();
    let form = |limit: &str| json!({"name": "paid", "budgets": [{"limit_usd": limit, "window": "total", "hard": true}]});
    // The answer of 100 tokens alone costs 0.0005.
    let (_, poor) = stand.key(form("0.0004")).await;
    let file = stand.file(&poor, &[line("a1", "smart")]).await;
    stand.create(&poor, &file).await.error(402);
    assert!(stand.shelf.lock().unwrap().batches.is_empty());
    let (id, rich) = stand.key(form("0.0100")).await;
    let lines: Vec<String> = (0..3).map(|nth| line(&format!("a{nth}"), "smart")).collect();
    let file = stand.file(&rich, &lines).await;
    let batch = stand.create(&rich, &file).await.json()["id"].as_str().unwrap().to_owned();
    // What is reserved is not to be had: three batches of three do not fit.
    let mut last = stand.create(&rich, &file).await.status;
    for _ in 0..5 {
        last = stand.create(&rich, &file).await.status;
    }
    assert_eq!(last, 402, "{}", stand.gateway.logs());
    stand.shelf.lock().unwrap().complete("batch_1", 1);
    stand.get(&rich, &format!("/v1/batches/{batch}")).await;
    let rows = stand.rows(&id).await;
    assert_eq!((rows.len(), rows[0]["cost_usd"].as_str()), (1, Some("0.00175")), "{rows:?}");
}

#[tokio::test]
async fn answers_that_nobody_can_read_any_more_cost_what_was_reserved() {
    let stand = Stand::start();
    let hard = json!([{"limit_usd": "1.00", "window": "total", "hard": true}]);
    for form in [json!({"name": "free"}), json!({"name": "hard", "budgets": hard})] {
        let (id, key) = stand.key(form).await;
        let file = stand.file(&key, &[line("a1", "smart")]).await;
        let batch = stand.create(&key, &file).await.json()["id"].as_str().unwrap().to_owned();
        let own = batch.rsplit_once('-').unwrap().1.to_owned();
        stand.shelf.lock().unwrap().complete(&own, 1);
        stand.shelf.lock().unwrap().files.remove(&format!("file-out-{own}"));
        // A list sees that it is over as well.
        assert_eq!(stand.get(&key, "/v1/batches").await.json()["data"][0]["status"], "completed");
        let rows = stand.rows(&id).await;
        assert_eq!((rows.len(), rows[0]["cost_usd"].as_str()), (1, Some("0.00188375")), "{rows:?}");
    }
}

#[tokio::test]
async fn a_file_of_empty_lines_is_refused_and_not_held() {
    let stand = Stand::start();
    let reply = stand.upload(MASTER, "/v1/files", form("in.jsonl", &"\n".repeat(1 << 20))).await;
    reply.error(400).says(&["file", "empty lines"]);
    let few = format!("\n\n{}\n", line("a1", "smart"));
    assert_eq!(stand.upload(MASTER, "/v1/files", form("in.jsonl", &few)).await.status, 200);
    let sent = stand.shelf.lock().unwrap().files.values().next().unwrap().1.clone();
    assert!(sent.starts_with("\n\n{") && sent.contains("gpt-4o"), "{sent}");
}

#[tokio::test]
async fn a_batch_outlives_its_gateway_and_is_booked_once() {
    let upstream = Upstream::start().unwrap();
    let shelf = shelf(&upstream);
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[auth]\nmaster_key = \"{MASTER}\"\n[store]\nurl = \"sqlite:{}\"\n{}",
        dir.path().join("gateway.db").display(),
        model("smart", &[at(&upstream, "openai/gpt-4o")])
    );
    let mut stand = Stand { gateway: Gateway::start(&config), upstream, shelf };
    let hard = json!([{"limit_usd": "1.00", "window": "total", "hard": true}]);
    let mut made = Vec::new();
    for form in [json!({"name": "free"}), json!({"name": "hard", "budgets": hard})] {
        let (id, key) = stand.key(form).await;
        let file = stand.file(&key, &[line("a1", "smart")]).await;
        let batch = stand.create(&key, &file).await.json()["id"].as_str().unwrap().to_owned();
        made.push((id, key, batch));
    }
    stand.gateway.signal("TERM");
    stand.gateway.wait_exit();
    for batch in ["batch_1", "batch_2"] {
        stand.shelf.lock().unwrap().complete(batch, 1);
    }
    stand.gateway = Gateway::start(&config);
    // The store knows who pays, whatever holds the money: it costs what it used.
    for (id, key, batch) in &made {
        for _ in 0..3 {
            let shown = stand.get(key, &format!("/v1/batches/{batch}")).await;
            assert_eq!(shown.json()["status"], "completed", "{}", shown.text());
            let rows = stand.rows(id).await;
            assert_eq!((rows.len(), rows[0]["cost_usd"].as_str()), (1, Some("0.00175")), "{rows:?}");
        }
    }
}

#[tokio::test]
async fn several_accounts_are_told_apart() {
    let (one, two) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let (first, second) = (shelf(&one), shelf(&two));
    let azure = format!(
        "{{ model = \"azure/mine\", api_base = \"{}\", api_key = \"{PROVIDER_KEY}\", api_version = \"2025-03-01-preview\" }}",
        two.url()
    );
    let models = [model("smart", &[at(&one, "openai/gpt-4o")]), model("blue", &[azure])];
    let gateway = Gateway::start(&models.join(""));
    let upload = async |path: &str, form: String| {
        let call = gateway.call(Method::POST, path).header("content-type", "multipart/form-data; boundary=x");
        call.body(form).send().await
    };
    // What says nothing is refused; a model of its lines, or of the query, says it.
    let plain = form("a.txt", "hello").replace("batch", "user_data");
    upload("/v1/files", plain.clone()).await.error(400).says(&["several accounts"]);
    let reply = upload("/v1/files?model=smart", plain.clone()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = upload("/v1/files?custom_llm_provider=azure", plain).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-gateway-provider"), "azure");
    assert_eq!((first.lock().unwrap().files.len(), second.lock().unwrap().files.len()), (1, 1));
    let target = two.last_request().unwrap().target;
    assert_eq!(target, "/openai/files?api-version=2025-03-01-preview");
    let reply = upload("/v1/files", form("in.jsonl", &line("a", "blue"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(second.lock().unwrap().files["file-2"].1.contains("\"model\":\"mine\""));
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let body = json!({"input_file_id": id, "endpoint": CHAT, "completion_window": "24h"});
    let made = gateway.post("/v1/batches").body(body.to_string()).send().await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(two.last_request().unwrap().path(), "/openai/batches");
    let all = gateway.get("/v1/files").await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 3, "{all}");
}

#[tokio::test]
async fn of_a_models_accounts_one_in_service_keeps_what_is_new() {
    let (one, two) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let (first, second) = (shelf(&one), shelf(&two));
    let other = at(&two, "openai/gpt-4o").replace(PROVIDER_KEY, "sk-of-another-account");
    let gateway = Gateway::start(&model("smart", &[at(&one, "openai/gpt-4o"), other]));
    let upload = async || {
        let call = gateway.call(Method::POST, "/v1/files?model=smart");
        let call = call.header("content-type", "multipart/form-data; boundary=x");
        let reply = call.body(form("a.txt", "hello").replace("batch", "user_data")).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        (first.lock().unwrap().files.len(), second.lock().unwrap().files.len())
    };
    assert_eq!(upload().await, (1, 0));
    let drained = gateway.post("/admin/v1/deployments/smart%2F1/drain").body("").send().await;
    assert_eq!(drained.status, 200, "{}", drained.text());
    assert_eq!(upload().await, (1, 1));
    // What is kept there is still read there.
    let all = gateway.get("/v1/files").await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 2, "{all}");
}
