//! A gateway that is killed in the middle, and what the next one finds.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use llm_store::{LeaseView, SqlStore};
use llm_testkit::{Postgres, Upstream};
use llm_types::PicoUsd;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::till::MASTER;
use super::{COST, Key, Till, admin, answer, bounded, hard, priced, reserved, spend_up, wait};
use crate::harness::{Gateway, Reply, llmctl, model};

/// Clients of each gateway that ask without a pause.
const CLIENTS: usize = 12;
/// How many requests the money is for, at their dearest.
const FITS: u64 = 120;
/// A lease ends soon, and so does a request.
const STORE: &str = "lease = \"2s\"";
const SERVER: &str = "[server]\nrequest_timeout = \"2s\"\n";

/// Clients at a gateway until they are told to stop: the ids of the answers that they got whole.
struct Crowd {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<String>>,
}

impl Crowd {
    fn gather(gateway: &Arc<Gateway>, key: &Key) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (gateway, key, stop) = (Arc::clone(gateway), key.clone(), Arc::clone(&stop));
            clients.spawn(async move {
                let mut complete = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match key.call(&gateway, &bounded("smart")).try_send().await {
                        Some(reply) if reply.status == 200 => complete.push(id(&reply)),
                        // Refused for now, for money is held by who died.
                        Some(reply) => assert_eq!(reply.error(402).code, "budget_exceeded"),
                        None => return complete,
                    }
                }
                complete
            });
        }
        Self { stop, clients }
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.concat()
    }
}

fn id(reply: &Reply) -> String {
    reply.header("x-gateway-request-id").to_owned()
}

async fn leases(store: &SqlStore) -> Vec<LeaseView> {
    store.leases(None, jiff::Timestamp::now()).await.unwrap()
}

/// What is checked however many gateways there are.
async fn settled(till: &Till, upstream: &Upstream, key: &Key, complete: &[String], limit: PicoUsd) {
    let asked = upstream.requests().len() as u64;
    let billed = COST.saturating_mul(asked);
    assert!(billed <= limit, "{asked} requests were billed: {billed} of {limit}");
    let (rows, window) = wait("the budget is the sum of the rows", async || {
        let rows = till.rows(key, complete.len()).await;
        let sum = rows.iter().fold(PicoUsd::ZERO, |sum, row| sum.saturating_add(row.cost));
        let window = till.window(key).await.view;
        (window.spent == sum).then_some((rows, window))
    })
    .await;
    let known: HashSet<_> = rows.iter().map(|row| row.request.as_str()).collect();
    for id in complete {
        assert!(known.contains(id.as_str()), "{id} was answered and has no row");
    }
    assert_eq!(known.len(), rows.len(), "each row once");
    assert!(rows.len() as u64 <= asked);
    assert!(window.committed <= limit, "{window:?}");
}

#[tokio::test]
async fn what_was_answered_is_written_down_and_nothing_is_spent_twice() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer().delay_head(Duration::from_millis(15)));
    let config = till.config("one", STORE, &format!("{SERVER}{}", model("smart", &[priced(&upstream)])));
    let gateway = Arc::new(Gateway::start(&config));
    let limit = reserved(&gateway, &bounded("smart")).await.saturating_mul(FITS);
    let key = Key::make(&gateway, hard(limit)).await;
    let mut complete = Vec::new();
    let mut gateway = gateway;
    for life in 1..=3 {
        let crowd = Crowd::gather(&gateway, &key);
        let enough = 25 * life;
        wait("some answers", async || (upstream.requests().len() >= enough).then_some(())).await;
        gateway.signal("KILL");
        complete.extend(crowd.end().await);
        gateway = Arc::new(Gateway::start(&config));
    }
    spend_up(&[&gateway], &key, &bounded("smart")).await;
    assert!(!complete.is_empty());
    settled(&till, &upstream, &key, &complete, limit).await;

    // What is not spent is held by lives that ended, or too little for one request more.
    let bound = limit.pico() / i128::from(FITS);
    let held = |lease: &LeaseView| lease.amount.saturating_sub(lease.used).pico().max(0);
    let (own, alive, lost, spent) = wait("all that fits is spent", async || {
        // What is on its way back to the store is refused for a moment.
        spend_up(&[&gateway], &key, &bounded("smart")).await;
        let spent = key.spend(&gateway).await.spent.pico();
        let store = till.open().await;
        let own = leases(&store).await;
        store.close().await;
        let alive = own.iter().map(|lease| lease.node.clone()).max().unwrap();
        let lost: i128 = own.iter().filter(|lease| lease.node != alive).map(held).sum();
        (spent + lost + bound > limit.pico()).then_some((own, alive, lost, spent))
    })
    .await;
    assert!(spent * 100 >= (limit.pico() - lost) * 95, "{spent} of what {lost} leaves of {limit}");
    // Each life that ended held no more than what it had under way, and a slice.
    let most = bound * i128::try_from(CLIENTS + 1).unwrap() + limit.pico() / 20;
    assert!(own.iter().filter(|lease| lease.node != alive).all(|lease| held(lease) <= most), "{own:?}");

    // It is shown apart, and whoever knows that it was not spent has it back.
    let shown = wait("what was held is unknown", async || {
        let shown = key.spend(&gateway).await;
        (shown.unknown.pico() == lost).then_some(shown)
    })
    .await;
    assert_eq!((shown.spent.pico(), shown.sum()), (spent, limit));
    let id = till.window(&key).await.window.budget.to_string();
    let mut released = 0;
    wait("all of it is released", async || {
        released += release(&gateway, &id).await.pico();
        (released == lost).then_some(())
    })
    .await;
    let shown = key.spend(&gateway).await;
    assert_eq!((shown.unknown, shown.sum()), (PicoUsd::ZERO, limit));
    let spent = wait("the rest is spent", async || {
        spend_up(&[&gateway], &key, &bounded("smart")).await;
        let spent = key.spend(&gateway).await.spent;
        (spent.pico() * 100 >= limit.pico() * 95).then_some(spent)
    })
    .await;
    assert!(spent <= limit);
    // What was released and had been billed after all is what the provider may get beyond it, and no more.
    let billed = COST.saturating_mul(upstream.requests().len() as u64);
    assert!(billed.pico() <= limit.pico() + lost, "{billed} billed of {limit}, {lost} released");
    let audit = admin(&gateway, Method::GET, "/audit", &Value::Null).await.json();
    let entries = audit["data"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["action"] == "release_unknown"), "{audit}");
}

/// Releases what is unknown of a budget.
async fn release(gateway: &Gateway, id: &str) -> PicoUsd {
    let path = format!("/budgets/{id}/release_unknown");
    let done = admin(gateway, Method::POST, &path, &json!({})).await;
    assert_eq!(done.status, 200, "{}", done.text());
    done.json()["released_usd"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn two_gateways_of_which_one_is_killed_overspend_nothing() {
    let postgres = Postgres::start().unwrap();
    let (upstream, till) = (Upstream::start().unwrap(), Till::shared(&postgres));
    upstream.always(answer().delay_head(Duration::from_millis(15)));
    let models = format!("{SERVER}{}", model("smart", &[priced(&upstream)]));
    let start = |name: &str| Arc::new(Gateway::start(&till.config(name, STORE, &models)));
    let (one, two) = (start("one"), start("two"));
    let body = bounded("smart");
    let bound = reserved(&one, &body).await;
    let limit = bound.saturating_mul(FITS);
    let key = Key::make(&one, hard(limit)).await;
    wait("the key is known", async || (key.ask(&two, &body).await.status == 200).then_some(())).await;

    let (first, second) = (Crowd::gather(&one, &key), Crowd::gather(&two, &key));
    wait("some answers", async || (upstream.requests().len() >= 40).then_some(())).await;
    let before = {
        let store = till.open().await;
        leases(&store).await
    };
    one.signal("KILL");
    let mut complete = first.end().await;
    let one = start("one");
    let again = Crowd::gather(&one, &key);
    let enough = upstream.requests().len() + 15;
    wait("more answers", async || (upstream.requests().len() >= enough).then_some(())).await;
    complete.extend(second.end().await);
    complete.extend(again.end().await);
    spend_up(&[&one, &two], &key, &body).await;
    settled(&till, &upstream, &key, &complete, limit).await;

    // What the dead one had leased and no row tells of is unknown once its time is over, and counts as spent.
    let store = till.open().await;
    let key_budget = |lease: &&LeaseView| lease.window.budget.to_string().contains(&key.id);
    let dead = wait("the lease of the dead one ends", async || {
        let leases = leases(&store).await;
        leases
            .into_iter()
            .find(|lease| key_budget(&lease) && lease.until.is_none() && !lease.unknown.is_zero())
    })
    .await;
    assert!(before.iter().any(|lease| lease.node == dead.node), "{dead:?}");
    // At most what it had under way and one slice.
    let most = bound.saturating_mul(CLIENTS as u64 + 1 + FITS.div_ceil(20));
    assert!(dead.unknown <= most, "{dead:?}");
    let window = till.window(&key).await;
    assert_eq!(window.view.unknown, dead.unknown);
    assert!(window.view.committed <= limit);
    // One may have what the other has handed back meanwhile, and no more.
    spend_up(&[&one, &two], &key, &body).await;
    settled(&till, &upstream, &key, &complete, limit).await;

    // It is shown apart, at either, and adds up.
    for gateway in [&one, &two] {
        let shown = key.spend(gateway).await;
        assert!(shown.unknown >= dead.unknown && shown.sum() == limit, "{shown:?}");
    }

    // Whoever knows that it was not spent releases it.
    let id = window.window.budget.to_string();
    let url = two.url();
    let args = ["budgets", "release", &id, "--json", "--gateway", &url];
    let told = llmctl(&args).env("GATEWAY_MASTER_KEY", MASTER).run().good().to_owned();
    let told: Value = serde_json::from_str(&told).unwrap();
    let released: PicoUsd = told["released_usd"].as_str().unwrap().parse().unwrap();
    assert_eq!(released, dead.unknown);
    wait("the money can be spent again", async || (key.ask(&two, &body).await.status == 200).then_some(()))
        .await;
    store.close().await;
}
