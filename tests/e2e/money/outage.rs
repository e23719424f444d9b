//! The database goes away under load and comes back.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use llm_testkit::{Postgres, Upstream, proc};
use llm_types::PicoUsd;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{COST, Key, Till, admin, answer, bounded, hard, priced, reserved, wait};
use crate::harness::{Gateway, model};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(20);
/// Clients of each key.
const CLIENTS: usize = 8;
/// More memory than a gateway with so little to do may take for what waits, in bytes.
const MORE: u64 = 64 << 20;

/// Before, while and after the database is away.
const BEFORE: u8 = 0;
const WITHOUT: u8 = 1;
const AFTER: u8 = 2;
const OVER: u8 = 3;

/// One answer.
#[derive(Debug)]
struct Told {
    key: usize,
    /// When it was asked for and when it came.
    phase: (u8, u8),
    status: u16,
    code: String,
    request: String,
}

/// Lets each key's clients ask until it is over.
fn crowd(gateway: &Arc<Gateway>, keys: &[Key], phase: &Arc<AtomicU8>) -> JoinSet<Vec<Told>> {
    let mut clients = JoinSet::new();
    for (nth, key) in keys.iter().enumerate().cycle().take(keys.len() * CLIENTS) {
        let (gateway, key, phase) = (Arc::clone(gateway), key.clone(), Arc::clone(phase));
        clients.spawn(async move {
            let mut all = Vec::new();
            loop {
                let asked = phase.load(Ordering::SeqCst);
                if asked == OVER {
                    return all;
                }
                let reply = key.ask(&gateway, &bounded("smart")).await;
                let code = if reply.status == 200 { String::new() } else { reply.error(reply.status).code };
                let request = reply.header("x-gateway-request-id").to_owned();
                if reply.status == 503 {
                    assert!(!reply.header("retry-after").is_empty(), "{}", reply.text());
                    // As it is told, if not as long.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                let came = phase.load(Ordering::SeqCst);
                all.push(Told { key: nth, phase: (asked, came), status: reply.status, code, request });
            }
        });
    }
    clients
}

async fn ready(gateway: &Gateway) -> String {
    let reply = gateway.get("/health/ready").await;
    assert_eq!(reply.status, 200, "it serves: {}", reply.text());
    reply.text().to_owned()
}

#[tokio::test]
async fn hard_budgets_spend_what_is_leased_and_the_others_go_on() {
    let mut postgres = Postgres::start().unwrap();
    let (upstream, till) = (Upstream::start().unwrap(), Till::shared(&postgres));
    upstream.always(answer().delay_head(Duration::from_millis(40)));
    let gateway = Arc::new(till.gateway(&model("smart", &[priced(&upstream)])));
    let bound = reserved(&gateway, &bounded("smart")).await;
    // A slice is a twentieth of it.
    let limit = bound.saturating_mul(1_000);
    let soft = json!({"budgets": [{"limit_usd": "0.01", "window": "total", "hard": false}]});
    let mut keys = Vec::new();
    for body in [Value::Object(serde_json::Map::new()), soft, hard(limit)] {
        keys.push(Key::make(&gateway, body).await);
    }
    let phase = Arc::new(AtomicU8::new(BEFORE));
    let clients = crowd(&gateway, &keys, &phase);
    wait("everybody is served", async || (upstream.requests().len() >= 150).then_some(())).await;
    assert!(!ready(&gateway).await.contains("degraded"));
    let before = proc::resident_bytes(gateway.pid()).unwrap();

    postgres.stop().unwrap();
    let (since, sent) = (Instant::now(), upstream.requests().len());
    phase.store(WITHOUT, Ordering::SeqCst);
    wait("it says so", async || ready(&gateway).await.contains("degraded").then_some(())).await;
    tokio::time::sleep(AWAY.saturating_sub(since.elapsed())).await;
    let during = upstream.requests().len() - sent;
    let more = proc::resident_bytes(gateway.pid()).unwrap().saturating_sub(before);
    postgres.restart().unwrap();
    phase.store(AFTER, Ordering::SeqCst);
    wait("it is well again", async || (!ready(&gateway).await.contains("degraded")).then_some(())).await;
    let back = upstream.requests().len();
    wait("everybody is served again", async || (upstream.requests().len() >= back + 200).then_some(())).await;
    phase.store(OVER, Ordering::SeqCst);

    let told: Vec<Told> = clients.join_all().await.into_iter().flatten().collect();
    assert!(during > 300 && more < MORE, "{during} requests, {more} bytes more");
    judge(&told);
    for (nth, key) in keys.iter().enumerate() {
        let ids: HashSet<_> = told
            .iter()
            .filter(|told| told.key == nth && told.status == 200)
            .map(|told| &told.request)
            .collect();
        let rows = till.rows(key, ids.len()).await;
        let known: HashSet<_> = rows.iter().map(|row| &row.request).collect();
        assert_eq!(known, ids, "a row for each answer, and no other");
        assert_eq!(rows.len(), ids.len());
        assert!(rows.iter().all(|row| row.cost == COST));
    }
    let window = wait("all is booked", async || {
        let window = till.window(&keys[2]).await.view;
        let rows = till.rows(&keys[2], 0).await.len() as u64;
        (window.spent == COST.saturating_mul(rows)).then_some(window)
    })
    .await;
    assert!(window.committed <= limit && window.unknown == PicoUsd::ZERO, "{window:?}");
}

#[tokio::test]
async fn administrators_are_told_without_the_words_of_a_database() {
    let mut postgres = Postgres::start().unwrap();
    let till = Till::shared(&postgres);
    let gateway = till.gateway("");
    let key = Key::make(&gateway, json!({"name": "before"})).await;
    postgres.stop().unwrap();
    let path = format!("/keys/{}", key.id);
    let changes = json!({"name": "after"});
    for (method, path, body) in [
        (Method::POST, "/keys", &changes),
        (Method::PATCH, &*path, &changes),
        (Method::GET, "/usage?from=2026-01-01&to=2026-01-02", &Value::Null),
        (Method::GET, "/audit", &Value::Null),
    ] {
        let reply = admin(&gateway, method, path, body).await;
        let told = reply.error(503).message;
        assert!(told.starts_with("the store "), "{path}: {told}");
        for word in ["connect", "error", "os ", "pool", "socket", "PG", "postgres", "sql", "timed out"] {
            assert!(!told.contains(word), "{path}: {told}");
        }
    }
    assert!(gateway.logs().contains("the store fails"), "{}", gateway.logs());
}

/// Who was answered how, and when.
fn judge(told: &[Told]) {
    let of = |key: usize, phase: u8| {
        told.iter().filter(move |told| told.key == key && told.phase == (phase, phase))
    };
    for key in [0, 1] {
        let bad: Vec<_> = told.iter().filter(|told| told.key == key && told.status != 200).collect();
        assert!(bad.is_empty(), "{bad:?}");
        assert!(of(key, WITHOUT).count() > 100);
    }
    let hard: Vec<_> = of(2, WITHOUT).collect();
    let spent = hard.iter().filter(|told| told.status == 200).count();
    let refused: Vec<_> = told.iter().filter(|told| told.key == 2 && told.status != 200).collect();
    assert!(spent > 0, "what is leased is spent");
    assert!(
        refused.iter().all(|told| told.status == 503 && told.code == "budget_unavailable"),
        "{refused:?}"
    );
    // Nobody queues up behind a database that is away.
    assert!(refused.len() > 3 * CLIENTS, "{} refused", refused.len());
    assert!(of(2, BEFORE).all(|told| told.status == 200));
    let last = told.iter().filter(|told| told.key == 2 && told.phase == (AFTER, AFTER));
    assert!(last.filter(|told| told.status == 200).count() > 10, "hard budgets are paid from again");
}
