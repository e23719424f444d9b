//! Money through the real binary: what many requests at once may spend, what a crash or a lost database leaves behind,
//! and what each attempt writes down.
//!
//! Sums are taken from outside: from what the upstream answered, at prices that the test states, and from the rows in
//! the database, which the test opens beside the gateway.

mod till;

mod alerts;
mod attempts;
mod batches;
mod believed;
mod beside;
mod bounds;
mod changes;
mod checks;
mod crash;
mod fees;
mod full;
mod hostile;
mod outage;
mod rush;
mod served;
mod terms;
mod unseen;
mod unsent;

use std::sync::Arc;

use llm_types::PicoUsd;
use serde_json::{Value, json};

use crate::harness::{Gateway, chat};

pub(crate) use till::{COST, Key, Till, admin, answer, bearer, priced, wait};

/// A request whose answer the caller bounds, so that nobody else does. The answers of these tests are shorter.
fn bounded(model: &str) -> Value {
    let mut body = chat(model);
    body["max_tokens"] = json!(150);
    body
}

/// The most that a request can cost, as a key says that has next to no money.
async fn reserved(gateway: &Gateway, body: &Value) -> PicoUsd {
    let poor = Key::make(gateway, hard("0.000000000001")).await;
    let error = poor.ask(gateway, body).await.error(402);
    let usd = error.message.split("it may cost ").nth(1).and_then(|rest| rest.split(' ').next());
    usd.unwrap_or_else(|| panic!("no cost in {error:?}")).parse().unwrap()
}

/// The terms of a key with one hard budget that never starts again.
fn hard(limit: impl ToString) -> Value {
    json!({"budgets": [{"limit_usd": limit.to_string(), "window": "total"}]})
}

/// Asks one after the other until the money is gone: how often it was answered.
async fn spend_up(gateways: &[&Arc<Gateway>], key: &Key, body: &Value) -> u64 {
    let mut answered = 0;
    let mut refused = 0;
    let mut turns = gateways.iter().cycle();
    while let Some(gateway) = turns.next().filter(|_| refused < gateways.len()) {
        let reply = key.ask(gateway, body).await;
        match reply.status {
            200 => (answered, refused) = (answered + 1, 0),
            _ => {
                assert_eq!(reply.error(402).code, "budget_exceeded");
                refused += 1;
            }
        }
    }
    answered
}
