//! Keys that change elsewhere: at another gateway, or in the file itself.

use std::time::{Duration, Instant};

use llm_governance::{Change, Key as KeptKey, KeyId, KeyStore as _, NewKey};
use llm_testkit::{Postgres, Upstream};
use serde_json::{Value, json};

use super::{Key, Till, admin, answer, bounded, hard, priced};
use crate::harness::{Gateway, model};

/// How soon every gateway knows: a second, and a machine that builds meanwhile. A database that does not tell is asked
/// every ten seconds only.
const SOON: Duration = Duration::from_secs(3);

/// Waits until a key is answered like this.
async fn comes(gateway: &Gateway, key: &Key, model: &str, status: u16, code: &str) {
    let since = Instant::now();
    loop {
        let reply = key.ask(gateway, &bounded(model)).await;
        let told = if reply.status == 200 { String::new() } else { reply.error(reply.status).code };
        if reply.status == status && (status == 200 || told == code) {
            return;
        }
        assert!(since.elapsed() < SOON, "{status} {code} does not come: {} {told}", reply.status);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_is_changed_at_one_gateway_holds_at_the_other() {
    let postgres = Postgres::start().unwrap();
    let (upstream, till) = (Upstream::start().unwrap(), Till::shared(&postgres));
    upstream.always(answer());
    let models = ["smart", "cheap"].map(|name| model(name, &[priced(&upstream)])).concat();
    let [one, two] = ["one", "two"].map(|name| Gateway::start(&till.config(name, "", &models)));
    let key = Key::make(&one, json!({"name": "ci"})).await;
    comes(&two, &key, "smart", 200, "").await;
    key.order(&one, "block").await;
    comes(&two, &key, "smart", 403, "key_blocked").await;
    key.order(&two, "unblock").await;
    comes(&one, &key, "smart", 200, "").await;
    key.patch(&two, json!({"models": ["cheap"]})).await;
    comes(&one, &key, "smart", 403, "model_not_allowed").await;
    comes(&one, &key, "cheap", 200, "").await;
    key.patch(&one, hard("0.0001")).await;
    comes(&two, &key, "cheap", 402, "budget_exceeded").await;
    key.patch(&one, json!({"budgets": null, "limits": {"rpm": 0}})).await;
    comes(&two, &key, "cheap", 429, "rate_limit_exceeded").await;
    key.patch(&one, json!({"limits": null, "ip_ranges": ["10.0.0.0/8"]})).await;
    comes(&two, &key, "cheap", 403, "address_not_allowed").await;
    key.patch(&one, json!({"ip_ranges": null, "expires_at": "2020-01-01T00:00:00Z"})).await;
    comes(&two, &key, "cheap", 401, "key_expired").await;
    let gone = admin(&two, http::Method::DELETE, &format!("/keys/{}", key.id), &Value::Null).await;
    assert_eq!(gone.status, 200);
    comes(&one, &key, "cheap", 401, "invalid_api_key").await;
}

#[tokio::test]
async fn what_is_written_into_the_file_holds_at_the_gateway() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    let store = till.open().await;
    let new = NewKey::generate().unwrap();
    let id = KeyId::generate().unwrap();
    let mut kept = KeptKey::new(id, new.hash);
    let key = Key { id: id.to_string(), secret: new.secret.expose().to_owned() };
    comes(&gateway, &key, "smart", 401, "invalid_api_key").await;
    store.keep(&Change::PutKey(Box::new(kept.clone())), "somebody else").await.unwrap();
    comes(&gateway, &key, "smart", 200, "").await;
    kept.blocked = true;
    store.keep(&Change::PutKey(Box::new(kept)), "somebody else").await.unwrap();
    comes(&gateway, &key, "smart", 403, "key_blocked").await;
    store.keep(&Change::RemoveKey(id), "somebody else").await.unwrap();
    comes(&gateway, &key, "smart", 401, "invalid_api_key").await;
    store.close().await;
}

#[tokio::test]
async fn keys_and_what_they_may_do_outlive_the_gateway() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let config = till.config("one", "", &model("smart", &[priced(&upstream)]));
    let mut gateway = Gateway::start(&config);
    let make = async |body: Value| Key::make(&gateway, body).await;
    let keys = [
        (make(json!({"name": "plain"})).await, 200, ""),
        (make(json!({"models": ["other"]})).await, 403, "model_not_allowed"),
        (make(json!({"routes": ["/v1/embeddings"]})).await, 403, "route_not_allowed"),
        (make(json!({"ip_ranges": ["10.0.0.0/8"]})).await, 403, "address_not_allowed"),
        (make(json!({"expires_at": "2020-01-01T00:00:00Z"})).await, 401, "key_expired"),
        (make(hard("0.00")).await, 402, "budget_exceeded"),
        (make(json!({})).await, 403, "key_blocked"),
    ];
    keys[6].0.order(&gateway, "block").await;
    for life in ["first", "after an order", "after a crash"] {
        for (key, status, code) in &keys {
            let reply = key.ask(&gateway, &bounded("smart")).await;
            assert_eq!(reply.status, *status, "{life}: {}", reply.text());
            if *status != 200 {
                assert_eq!(reply.error(*status).code, *code, "{life}");
            }
        }
        if life == "after a crash" {
            break;
        }
        gateway.signal(if life == "first" { "TERM" } else { "KILL" });
        gateway.wait_exit();
        gateway = Gateway::start(&config);
    }
    assert_eq!(upstream.requests().len(), 3);
}
