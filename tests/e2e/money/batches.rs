//! A batch that two gateways see the end of in the same moment is booked by one of them.

use std::time::SystemTime;

use http::Method;
use llm_testkit::{Gate, Postgres, Script, Upstream};
use serde_json::{Value, json};

use super::till::{Key, Till, bearer};
use crate::harness::{Gateway, PATIENCE, PROVIDER_KEY, Reply, model};

const CHAT: &str = "/v1/chat/completions";
const ANSWERS: &str = "/v1/files/file-out/content";

/// A provider with one file and one batch, whose answers wait at the gate.
fn provider(gate: &Gate) -> Upstream {
    let upstream = Upstream::start().unwrap();
    let body =
        json!({"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]});
    let line = json!({"custom_id": "a", "method": "POST", "url": CHAT, "body": body}).to_string();
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100});
    let reply =
        json!({"id": "c", "object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": usage});
    let answers = json!({"custom_id": "a", "response": {"status_code": 200, "body": reply}}).to_string();
    let held = Script::status(200).gate(gate).chunk(answers);
    upstream.on("/v1/files/file-1/content", move |_| Script::status(200).body(line.clone()));
    upstream.on(ANSWERS, move |_| held.clone());
    let batch = std::sync::Mutex::new(Value::Null);
    upstream.on("/v1/batches*", move |request| {
        let mut batch = batch.lock().unwrap();
        if request.method == "POST" {
            *batch = request.json();
            batch["id"] = "batch_1".into();
            batch["status"] = "in_progress".into();
            return Script::json(&batch);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        batch["status"] = "completed".into();
        batch["completed_at"] = (now - 1000).into();
        batch["output_file_id"] = "file-out".into();
        Script::json(&batch)
    });
    upstream
}

async fn call(gateway: &Gateway, key: &Key, (method, path): (Method, &str), body: &Value) -> Reply {
    let call = gateway.call(method, path).header("authorization", &bearer(&key.secret));
    let call = call.header("content-type", "application/json");
    let reply = call.body(if body.is_null() { String::new() } else { body.to_string() }).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

#[tokio::test]
async fn a_batch_is_booked_by_one_of_two_gateways() {
    let gate = Gate::new();
    let (postgres, upstream) = (Postgres::start().unwrap(), provider(&gate));
    let till = Till::shared(&postgres);
    let at = format!(
        "{{ model = \"openai/gpt-4o\", api_base = \"{}/v1\", api_key = \"{PROVIDER_KEY}\" }}",
        upstream.url()
    );
    let models = model("smart", &[at]);
    let start = |name: &str| Gateway::start(&till.config(name, "", &models));
    // Who made it is gone when it ends.
    let mut maker = start("maker");
    let key = Key::make(&maker, json!({"name": "ci"})).await;
    let seal = maker_file(&maker, &key, &upstream).await;
    let body = json!({"input_file_id": seal, "endpoint": CHAT, "completion_window": "24h"});
    let made = call(&maker, &key, (Method::POST, "/v1/batches"), &body).await.json();
    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());
    maker.signal("TERM");
    maker.wait_exit();
    let mut both = ["one", "two"].map(start);
    for gateway in &both {
        let shown = call(gateway, &key, (Method::GET, &path), &Value::Null).await;
        assert_eq!(shown.json()["status"], "completed");
    }
    let asked = upstream.wait(PATIENCE, |all| all.iter().filter(|one| one.path() == ANSWERS).count() == 2);
    assert!(asked.await, "both read the answers: {}{}", both[0].logs(), both[1].logs());
    gate.open();
    till.rows(&key, 1).await;
    // After their end nothing follows.
    for gateway in &mut both {
        gateway.signal("TERM");
        gateway.wait_exit();
    }
    let rows = till.rows(&key, 1).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0].cost.text().as_str(), "0.00175");
}

/// A file of this key: its id.
async fn maker_file(gateway: &Gateway, key: &Key, upstream: &Upstream) -> String {
    let file = json!({"id": "file-1", "object": "file", "filename": "a.jsonl", "purpose": "batch"});
    upstream.push_for("/v1/files", Script::json(&file));
    let line = json!({"custom_id": "a", "url": CHAT, "body": {"model": "smart", "messages": []}});
    let form = format!(
        "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{line}\r\n--x--\r\n"
    );
    let call = gateway.call(Method::POST, "/v1/files").header("authorization", &bearer(&key.secret));
    let reply = call.header("content-type", "multipart/form-data; boundary=x").body(form).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}
