//! What a database keeps: spend, usage, the audit log and decision records, through `kill -9` and a restart.

use std::time::{Duration, Instant};

use http::Method;
use llm_testkit::canned::{self, IncludeUsage};
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gateway, PATIENCE, Reply, chat, llmctl, model, openai, streamed};

const MASTER: &str = "sk-master-of-the-tests";

/// A database and a provider, which gateways come and go at.
struct Stand {
    upstream: Upstream,
    dir: TempDir,
}

impl Stand {
    fn new() -> Self {
        let upstream = Upstream::start().unwrap();
        upstream.always(Script::json(&canned::openai_completion(10)));
        Self { upstream, dir: tempfile::tempdir().unwrap() }
    }

    fn start(&self) -> Gateway {
        let file = self.dir.path().join("gateway.db");
        let store = format!("[store]\nurl = \"sqlite:{}\"\n", file.display());
        let models = model("smart", &[openai(&self.upstream)]);
        Gateway::start(&format!("[auth]\nmaster_key = \"{MASTER}\"\n{store}{models}"))
    }
}

async fn send(gateway: &Gateway, method: Method, path: &str, body: Value) -> Reply {
    let call = gateway.call(method, path).header("authorization", &format!("Bearer {MASTER}"));
    call.body(if body.is_null() { String::new() } else { body.to_string() }).send().await
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    let reply = send(gateway, Method::GET, path, Value::Null).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

async fn make(gateway: &Gateway, path: &str, body: Value) -> Value {
    let reply = send(gateway, Method::POST, path, body).await;
    assert_eq!(reply.status, 201, "{path}: {}", reply.text());
    reply.json()
}

async fn ask(gateway: &Gateway, key: &str, body: &Value) -> Reply {
    let call = gateway.post("/v1/chat/completions").header("authorization", &format!("Bearer {key}"));
    let reply = call.body(body.to_string()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {value}"))
}

/// Dollars as whole pico-dollars.
fn pico(dollars: &Value) -> u128 {
    let (whole, part) = dollars.as_str().unwrap().split_once('.').unwrap();
    format!("{whole}{part:0<12}").parse().unwrap()
}

/// What the readers of a gateway say of one key.
async fn told(gateway: &Gateway, id: &str) -> Vec<u128> {
    let key = get(gateway, &format!("/admin/v1/keys/{id}")).await;
    let team = get(gateway, "/admin/v1/teams/search").await;
    let budgets = get(gateway, &format!("/admin/v1/budgets?scope=key:{id}")).await;
    let one = &budgets["data"][0];
    let alone = get(gateway, &format!("/admin/v1/budgets/{}", text(one, "id"))).await;
    let windows = key["spend"]["windows"].as_array().unwrap();
    assert!(windows.iter().all(|window| pico(&window["reserved_usd"]) == 0), "{key}");
    let spent = [&key["spend"]["total_usd"], &team["spend"]["total_usd"]];
    let budgets = [&one["spend"]["spent_usd"], &alone["spend"]["spent_usd"]];
    let windows = windows.iter().map(|window| &window["spent_usd"]);
    spent.into_iter().chain(budgets).chain(windows).map(pico).collect()
}

/// The cost of each line of a report, by its heading.
async fn usage(gateway: &Gateway, group_by: &str) -> Vec<(String, u128, u64)> {
    let report = get(gateway, &format!("/admin/v1/usage?group_by={group_by}")).await;
    let line = |line: &Value| {
        let words: Vec<_> =
            group_by.split(',').map(|by| line["group"][by].as_str().unwrap().to_owned()).collect();
        (words.join(" "), pico(&line["cost_usd"]), line["requests"].as_u64().unwrap())
    };
    report["data"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn spend_survives_a_kill() {
    let stand = Stand::new();
    let gateway = stand.start();
    make(&gateway, "/admin/v1/teams", json!({"id": "search"})).await;
    let budgets = json!([
        {"limit_usd": "50.00", "window": "day", "hard": true},
        {"limit_usd": "0.01", "window": "total", "hard": false},
    ]);
    let form = json!({"name": "ci", "team_id": "search", "tags": ["blue"], "budgets": budgets});
    let made = make(&gateway, "/admin/v1/keys", form).await;
    let (id, key) = (text(&made, "id").to_owned(), text(&made, "key").to_owned());
    ask(&gateway, &key, &chat("smart")).await;
    let one = pico(&get(&gateway, &format!("/admin/v1/keys/{id}")).await["spend"]["total_usd"]);
    assert!(one > 0);
    ask(&gateway, &key, &chat("smart")).await;
    // Whoever asks sees what was answered before.
    assert_eq!(told(&gateway, &id).await, [2 * one; 6]);
    // This one nobody has asked about: it may be in the journal alone.
    ask(&gateway, &key, &chat("smart")).await;
    drop(gateway);

    let gateway = stand.start();
    let until = Instant::now() + PATIENCE;
    while told(&gateway, &id).await != [3 * one; 6] {
        assert!(Instant::now() < until, "{:?} is not three times {one}", told(&gateway, &id).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = get(&gateway, &format!("/admin/v1/requests?key_id={id}")).await;
    let rows = rows["data"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| pico(&row["cost_usd"])).collect::<Vec<_>>(), [one; 3]);
    let day = text(&rows[0], "time").split('T').next().unwrap();
    for (by, heading) in [
        ("model", "smart".to_owned()),
        ("team", "search".to_owned()),
        ("tag", "blue".to_owned()),
        ("key", id.clone()),
        ("provider,model_served", "openai gpt-4o-2024-08-06".to_owned()),
        ("day,model", format!("{day} smart")),
    ] {
        assert_eq!(usage(&gateway, by).await, [(heading, 3 * one, 3)], "{by}");
    }
    let all = usage(&gateway, "model,key,team,provider,tag,day").await;
    assert_eq!(all, [(format!("smart {id} search openai blue {day}"), 3 * one, 3)]);
    let none = send(&gateway, Method::GET, "/admin/v1/usage?group_by=tag,deployment", Value::Null).await;
    none.error(400).says(&["no sums"]);
    // And it goes on from there.
    ask(&gateway, &key, &chat("smart")).await;
    assert_eq!(told(&gateway, &id).await, [4 * one; 6]);
}

#[tokio::test]
async fn the_audit_log_survives_a_kill() {
    let stand = Stand::new();
    let gateway = stand.start();
    let made = make(&gateway, "/admin/v1/keys", json!({"name": "ci"})).await;
    let path = format!("/admin/v1/keys/{}", text(&made, "id"));
    for verb in ["rotate", "block"] {
        let done = send(&gateway, Method::POST, &format!("{path}/{verb}"), Value::Null).await;
        assert_eq!(done.status, 200, "{}", done.text());
    }
    send(&gateway, Method::POST, "/admin/v1/keys", json!({"nmae": "x"})).await.error(400);
    let drained = send(&gateway, Method::POST, "/admin/v1/deployments/smart%2F1/drain", Value::Null).await;
    assert_eq!(drained.status, 200, "{}", drained.text());
    let before = get(&gateway, "/admin/v1/audit").await;
    drop(gateway);
    let log = get(&stand.start(), "/admin/v1/audit").await;
    assert_eq!(log, before);
    let log = log["data"].as_array().unwrap();
    let words: Vec<_> =
        log.iter().map(|entry| (text(entry, "action"), entry["refused"].is_string())).collect();
    let expect = [("drain", false), ("create", true), ("block", false), ("rotate", false), ("create", false)];
    assert_eq!(words, expect);
    assert_eq!((text(&log[0], "object"), text(&log[0], "actor")), ("deployment:smart/1", "master"));
    assert!(!format!("{log:?}").contains("hash"));
}

#[tokio::test]
async fn a_request_is_explained_after_a_restart() {
    let stand = Stand::new();
    let mut gateway = stand.start();
    let whole = ask(&gateway, MASTER, &chat("smart")).await;
    stand.upstream.push(Script::sse(canned::openai_stream(3, IncludeUsage::Yes)));
    let stream = ask(&gateway, MASTER, &streamed("smart")).await;
    let failing = json!({"error": {"message": "no luck", "type": "invalid_request_error"}});
    stand.upstream.push(Script::status(400).json_body(&failing));
    let body = chat("smart").to_string();
    let bearer = format!("Bearer {MASTER}");
    let failed =
        gateway.post("/v1/chat/completions").header("authorization", &bearer).body(body).send().await;
    assert_eq!(failed.status, 400, "{}", failed.text());
    let paths = [&whole, &stream, &failed]
        .map(|reply| format!("/admin/v1/requests/{}", reply.header("x-gateway-request-id")));
    let mut before = Vec::new();
    for path in &paths {
        before.push(get(&gateway, path).await);
    }
    let outcomes: Vec<_> = before.iter().map(|told| text(told, "outcome")).collect();
    assert_eq!(outcomes, ["answered", "answered", "failed"]);
    gateway.signal("TERM");
    assert!(gateway.wait_exit().success());

    let gateway = stand.start();
    for (path, before) in paths.iter().zip(&before) {
        assert_eq!(get(&gateway, path).await, *before, "{path}");
    }
    let id = failed.header("x-gateway-request-id");
    let ran = llmctl(&["explain", id, "--gateway", &gateway.url()]).env("GATEWAY_MASTER_KEY", MASTER).run();
    assert!(ran.good().contains("no luck") && ran.good().contains("smart/1"), "{}", ran.good());
    send(&gateway, Method::GET, "/admin/v1/requests/nobody", Value::Null).await.error(404);
}

#[tokio::test]
async fn feedback_is_noted() {
    let stand = Stand::new();
    let memory = Gateway::start(&format!(
        "[auth]\nmaster_key = \"{MASTER}\"\n{}",
        model("smart", &[openai(&stand.upstream)])
    ));
    for gateway in [stand.start(), memory] {
        let made = make(&gateway, "/admin/v1/keys", json!({})).await;
        let reply = ask(&gateway, text(&made, "key"), &chat("smart")).await;
        let id = reply.header("x-gateway-request-id");
        let path = format!("/admin/v1/requests/{id}/feedback");
        let done = send(&gateway, Method::POST, &path, json!({"score": 0.25})).await;
        assert_eq!((done.status, done.json()), (200, json!({"id": id, "score": 0.25})));
        let rows = get(&gateway, &format!("/admin/v1/requests?source=usage&request_id={id}")).await;
        assert_eq!(rows["data"][0]["quality"], 0.25, "{rows}");
        for (wrong, says) in
            [(json!({"score": 1.5}), "score"), (json!({}), "score"), (json!({"score": "1"}), "score")]
        {
            send(&gateway, Method::POST, &path, wrong).await.error(400).says(&[says]);
        }
        let unknown = "/admin/v1/requests/nobody/feedback";
        send(&gateway, Method::POST, unknown, json!({"score": 1})).await.error(404);
        let bare = gateway.call(Method::POST, &path).body("{\"score\": 1}").send().await;
        bare.error(401);
    }
}
