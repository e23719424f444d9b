//! A batch that two gateways see the end of in the same moment is booked by one of them, and one whose gateway dies by the
//! next.

use std::time::SystemTime;

use http::Method;
use llm_testkit::{Gate, Postgres, Script, Upstream};
use llm_types::PicoUsd;
use serde_json::{Value, json};

use super::till::{Key, MASTER, Spend, Till, bearer, wait};
use crate::harness::{Gateway, PATIENCE, PROVIDER_KEY, Reply, model};

const CHAT: &str = "/v1/chat/completions";
/// Leases end soon.
const SERVER: &str = "[server]\nrequest_timeout = \"2s\"\n";
const ANSWERS: &str = "/v1/files/file-out/content";

/// A provider with one file and one batch, whose answers wait at the gate.
fn provider(gate: &Gate, prompt: u64) -> Upstream {
    let upstream = Upstream::start().unwrap();
    let body =
        json!({"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]});
    let line = json!({"custom_id": "a", "method": "POST", "url": CHAT, "body": body}).to_string();
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": 100, "total_tokens": prompt + 100});
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
    let (postgres, upstream) = (Postgres::start().unwrap(), provider(&gate, 1000));
    let till = Till::shared(&postgres);
    let models = smart(&upstream);
    let start = |name: &str| Gateway::start(&till.config(name, "", &models));
    // Who made it is gone when it ends.
    let mut maker = start("maker");
    let key = Key::make(&maker, json!({"name": "ci"})).await;
    let path = made(&maker, &key, &upstream).await;
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

fn smart(upstream: &Upstream) -> String {
    named("smart", upstream)
}

fn named(name: &str, upstream: &Upstream) -> String {
    let at = format!(
        "{{ model = \"openai/gpt-4o\", api_base = \"{}/v1\", api_key = \"{PROVIDER_KEY}\" }}",
        upstream.url()
    );
    model(name, &[at])
}

/// Makes a batch: its path.
async fn made(maker: &Gateway, key: &Key, upstream: &Upstream) -> String {
    let file = maker_file(maker, key, upstream).await;
    let body = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"});
    let made = call(maker, key, (Method::POST, "/v1/batches"), &body).await.json();
    format!("/v1/batches/{}", made["id"].as_str().unwrap())
}

/// What it costs: 10 tokens for 1.25 and 100 for 5 dollars a million.
const SMALL: &str = "0.0005125";

#[tokio::test]
async fn a_batch_outlives_the_gateway_that_made_it() {
    for hard in [false, true] {
        let (gate, till) = (Gate::new(), Till::file());
        gate.open();
        let upstream = provider(&gate, 10);
        let config = till.config("one", "lease = \"1s\"", &format!("{SERVER}{}", smart(&upstream)));
        let gateway = Gateway::start(&config);
        let budgets = json!([{"limit_usd": "0.01", "window": "total", "hard": hard}]);
        let key = Key::make(&gateway, json!({"name": "ci", "budgets": budgets})).await;
        made(&gateway, &key, &upstream).await;
        let limit: PicoUsd = "0.01".parse().unwrap();
        if hard {
            let spend = key.spend(&gateway).await;
            assert!(!spend.reserved.is_zero() && spend.sum() == limit, "{spend:?}");
        }
        gateway.signal("KILL");
        let gateway = Gateway::start(&config);
        // Nobody asks for it: whoever starts looks how it is.
        let rows = till.rows(&key, 1).await;
        assert_eq!((rows.len(), rows[0].cost.text().as_str()), (1, SMALL), "{rows:?}");
        assert!(!rows[0].overrun && rows[0].basis == "reported", "{rows:?}");
        let zero = PicoUsd::ZERO;
        let cost: PicoUsd = SMALL.parse().unwrap();
        let spend = wait("nothing is held any more", async || {
            let spend = key.spend(&gateway).await;
            (spend.reserved.is_zero() && spend.unknown.is_zero()).then_some(spend)
        });
        assert_eq!(
            spend.await,
            Spend { spent: cost, reserved: zero, unknown: zero, left: limit.saturating_sub(cost) }
        );
        assert_eq!(till.window(&key).await.view.committed, cost);
    }
}

#[tokio::test]
async fn a_batch_is_booked_by_its_account_whatever_that_is_called() {
    let (gate, till) = (Gate::new(), Till::file());
    gate.open();
    let (upstream, other) = (provider(&gate, 10), Upstream::start().unwrap());
    let mut gateway = Gateway::start(&till.config("one", "", &smart(&upstream)));
    let key = Key::make(&gateway, json!({"name": "ci"})).await;
    made(&gateway, &key, &upstream).await;
    gateway.signal("TERM");
    gateway.wait_exit();
    // Its name leads elsewhere by now.
    let models = format!("{}{}", named("smart", &other), named("clever", &upstream));
    let _gateway = Gateway::start(&till.config("one", "", &models));
    let rows = till.rows(&key, 1).await;
    assert_eq!((rows.len(), rows[0].cost.text().as_str()), (1, SMALL), "{rows:?}");
    assert_eq!((&*rows[0].deployment, rows[0].error.as_deref()), ("smart/1", None), "{rows:?}");
    assert!(other.requests().is_empty(), "it is another account");
}

#[tokio::test]
async fn a_batch_that_nobody_can_be_asked_for_is_told_and_booked_when_somebody_can() {
    let (gate, till) = (Gate::new(), Till::file());
    gate.open();
    let (upstream, receiver) = (provider(&gate, 10), Upstream::start().unwrap());
    receiver.always(Script::status(200));
    let mut gateway = Gateway::start(&till.config("one", "", &smart(&upstream)));
    let key = Key::make(&gateway, json!({"name": "ci"})).await;
    made(&gateway, &key, &upstream).await;
    gateway.signal("TERM");
    gateway.wait_exit();
    let alerts = format!("[alerts]\nwebhook = \"{}\"\n", receiver.url());
    let gone = format!("{alerts}{}", model("smart", &["{ model = \"mock/fast\" }".to_owned()]));
    let mut gateway = Gateway::start(&till.config("one", "", &gone));
    assert!(receiver.wait_requests(1, PATIENCE).await, "{}", gateway.logs());
    let told = receiver.requests()[0].json();
    let of = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        [of("type"), of("batch"), of("deployment")],
        ["batch_unreachable", "batch_1", "smart/1"],
        "{told}"
    );
    let call = gateway.call(Method::GET, "/metrics").header("authorization", &bearer(MASTER));
    let metrics = call.send().await.text().to_owned();
    assert!(metrics.contains("\ngateway_batches_unreachable_total 1\n"), "{metrics}");
    gateway.signal("TERM");
    gateway.wait_exit();
    let _gateway = Gateway::start(&till.config("one", "", &smart(&upstream)));
    let rows = till.rows(&key, 1).await;
    assert_eq!((rows.len(), rows[0].cost.text().as_str()), (1, SMALL), "{rows:?}");
}

#[tokio::test]
async fn a_batch_is_no_strangers_whatever_he_shows_under_its_id() {
    let (gate, till) = (Gate::new(), Till::file());
    gate.open();
    let (upstream, receiver) = (provider(&gate, 10), Upstream::start().unwrap());
    receiver.always(Script::status(200));
    let mut gateway = Gateway::start(&till.config("one", "", &smart(&upstream)));
    let key = Key::make(&gateway, json!({"name": "ci"})).await;
    made(&gateway, &key, &upstream).await;
    gateway.signal("TERM");
    gateway.wait_exit();
    let alerts = format!("[alerts]\nwebhook = \"{}\"\n", receiver.url());
    // One knows nothing of it, and one has another batch of that id.
    let unknown = json!({"error": {"message": "no such batch", "type": "invalid_request_error"}});
    let other = json!({"id": "batch_1", "object": "batch", "status": "completed", "endpoint": CHAT,
        "completed_at": 1_700_000_000, "output_file_id": "file-out",
        "metadata": {"gateway": "another-request..gpt-4o"}});
    for (nth, shown) in
        [Script::status(404).json_body(&unknown), Script::json(&other)].into_iter().enumerate()
    {
        let stranger = Upstream::start().unwrap();
        stranger.always(shown);
        let config = till.config("one", "", &format!("{alerts}{}", smart(&stranger)));
        let mut gateway = Gateway::start(&config);
        assert!(stranger.wait_requests(1, PATIENCE).await, "{}", gateway.logs());
        gateway.wait_log("a batch cannot be booked: nobody who is configured knows");
        assert!(stranger.requests().iter().all(|one| one.path() != ANSWERS), "{nth}");
        assert!(receiver.wait_requests(1, PATIENCE).await, "{}", gateway.logs());
        gateway.signal("TERM");
        gateway.wait_exit();
    }
    // It is told once, and is its own account's.
    assert_eq!(receiver.requests().len(), 1);
    assert_eq!(receiver.requests()[0].json()["type"], "batch_unreachable");
    let _gateway = Gateway::start(&till.config("one", "", &smart(&upstream)));
    let rows = till.rows(&key, 1).await;
    assert_eq!((rows.len(), rows[0].cost.text().as_str()), (1, SMALL), "{rows:?}");
}

#[tokio::test]
async fn a_batch_is_booked_once_also_when_its_row_is_gone() {
    let (gate, till) = (Gate::new(), Till::file());
    gate.open();
    let upstream = provider(&gate, 10);
    let start = |store: &str| Gateway::start(&till.config("one", store, &smart(&upstream)));
    let mut gateway = start("");
    let key = Key::make(&gateway, json!({"name": "ci"})).await;
    let path = made(&gateway, &key, &upstream).await;
    call(&gateway, &key, (Method::GET, &path), &Value::Null).await;
    till.rows(&key, 1).await;
    gateway.signal("TERM");
    gateway.wait_exit();
    let mut gateway = start("retention = \"1ms\"");
    wait("the row is deleted", async || till.rows(&key, 0).await.is_empty().then_some(())).await;
    call(&gateway, &key, (Method::GET, &path), &Value::Null).await;
    // After its end nothing follows.
    gateway.signal("TERM");
    gateway.wait_exit();
    let answers = upstream.requests().iter().filter(|one| one.path() == ANSWERS).count();
    assert_eq!((till.rows(&key, 0).await.len(), answers), (0, 1));
}

#[tokio::test]
async fn a_batch_that_costs_more_than_was_held_is_told() {
    let (gate, till) = (Gate::new(), Till::file());
    let upstream = provider(&gate, 4000);
    let gateway = Gateway::start(&till.config("one", "", &smart(&upstream)));
    let budgets = json!([{"limit_usd": "0.01", "window": "total", "hard": true}]);
    let key = Key::make(&gateway, json!({"name": "ci", "budgets": budgets})).await;
    let path = made(&gateway, &key, &upstream).await;
    gate.open();
    call(&gateway, &key, (Method::GET, &path), &Value::Null).await;
    let rows = till.rows(&key, 1).await;
    assert!(rows[0].overrun && rows[0].cost.text().as_str() == "0.0055", "{rows:?}");
    wait("it is told", async || {
        let call = gateway.call(Method::GET, "/metrics").header("authorization", &bearer(MASTER));
        call.send().await.text().contains("\ngateway_budget_overruns_total 1\n").then_some(())
    })
    .await;
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
