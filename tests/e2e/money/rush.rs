//! More requests at once than there is money for.

use std::sync::Arc;

use llm_testkit::{Gate, Postgres, Upstream};
use llm_types::PicoUsd;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{COST, Key, Till, answer, bounded, hard, priced, reserved, spend_up, wait};
use crate::harness::{Gateway, PATIENCE, model};

/// Requests at once.
const CROWD: usize = 500;
/// How many of them the money is for.
const FITS: usize = 100;

/// Sends a crowd's requests, turn by turn to each gateway; their answers come as they come.
fn rush(gateways: &[&Arc<Gateway>], key: &Key, body: &Value) -> mpsc::UnboundedReceiver<u16> {
    let (tell, told) = mpsc::unbounded_channel();
    for gateway in gateways.iter().cycle().take(CROWD) {
        let (gateway, key, body, tell) = (Arc::clone(gateway), key.clone(), body.clone(), tell.clone());
        tokio::spawn(async move {
            let reply = key.ask(&gateway, &body).await;
            if reply.status != 200 {
                assert_eq!(reply.error(402).code, "budget_exceeded");
            }
            let _ = tell.send(reply.status);
        });
    }
    told
}

/// Waits until each request of the crowd is refused or at the upstream, which holds its answers: how many are there.
async fn settle_down(upstream: &Upstream, told: &mut mpsc::UnboundedReceiver<u16>) -> usize {
    let mut refused = 0;
    wait("each request is refused or sent", async || {
        while let Ok(status) = told.try_recv() {
            assert_eq!(status, 402, "nothing is answered yet");
            refused += 1;
        }
        (refused + upstream.requests().len() >= CROWD).then_some(())
    })
    .await;
    assert_eq!(refused + upstream.requests().len(), CROWD);
    upstream.requests().len()
}

/// A crowd's rush at gateways with a held upstream, and what came of it.
struct Rush<'g> {
    till: &'g Till,
    gateways: &'g [&'g Arc<Gateway>],
    upstream: &'g Upstream,
    gate: &'g Gate,
}

impl Rush<'_> {
    /// Runs it: how many were under way at once.
    async fn run(&self) -> usize {
        let Self { till, gateways, upstream, gate } = self;
        let first = gateways.first().unwrap();
        let body = bounded("smart");
        let bound = reserved(first, &body).await;
        assert!(bound > COST, "{bound}");
        let limit = bound.saturating_mul(FITS as u64);
        let key = Key::make(first, hard(limit)).await;
        for gateway in *gateways {
            wait("the key is known", async || {
                (gateway.call(http::Method::GET, "/v1/models"))
                    .header("authorization", &super::bearer(&key.secret))
                    .send()
                    .await
                    .status
                    .eq(&200)
                    .then_some(())
            })
            .await;
        }
        let mut told = rush(gateways, &key, &body);
        let held = settle_down(upstream, &mut told).await;
        let mut reserved = PicoUsd::ZERO;
        for gateway in *gateways {
            reserved = reserved.saturating_add(key.spend(gateway).await.reserved);
        }
        assert_eq!(reserved, bound.saturating_mul(held as u64));
        gate.open();
        for _ in 0..held {
            let status = tokio::time::timeout(PATIENCE, told.recv()).await.expect("an answer in time");
            assert_eq!(status, Some(200));
        }

        // What settling gave back is spent by who asks alone, to less than one more request may cost at each gateway.
        let answered = held as u64 + spend_up(gateways, &key, &body).await;
        let spent = COST.saturating_mul(answered);
        assert_eq!(upstream.requests().len() as u64, answered);
        assert!(spent <= limit, "{spent} of {limit}");
        let left = limit.saturating_sub(spent);
        assert!(
            left < bound.saturating_mul(gateways.len() as u64),
            "{left} is left, one costs at most {bound}"
        );

        let rows = till.rows(&key, usize::try_from(answered).unwrap()).await;
        assert_eq!(rows.len() as u64, answered);
        let sum = rows.iter().fold(PicoUsd::ZERO, |sum, row| sum.saturating_add(row.cost));
        assert_eq!(sum, spent, "to the pico-dollar");
        assert!(rows.iter().all(|row| row.basis == "reported" && !row.overrun && row.status == 200));
        let window = till.window(&key).await.view;
        assert_eq!((window.spent, window.unknown), (spent, PicoUsd::ZERO));
        assert!(window.committed <= limit, "{window:?}");
        held
    }
}

#[tokio::test]
async fn no_more_at_once_than_the_money_is_for() {
    let (upstream, gate, till) = (Upstream::start().unwrap(), Gate::new(), Till::file());
    upstream.always(answer().gate_head(&gate));
    let mut gateway = till.gateway(&model("smart", &[priced(&upstream)])).into();
    let gateways = [&gateway];
    let held = Rush { till: &till, gateways: &gateways, upstream: &upstream, gate: &gate }.run().await;
    assert_eq!(held, FITS);
    // What is left of the lease goes back with the gateway.
    let gateway: &mut Gateway = Arc::get_mut(&mut gateway).unwrap();
    gateway.signal("TERM");
    assert!(gateway.wait_exit().success());
}

#[tokio::test]
async fn two_gateways_on_one_database_have_one_budget() {
    let postgres = Postgres::start().unwrap();
    let (upstream, gate, till) = (Upstream::start().unwrap(), Gate::new(), Till::shared(&postgres));
    upstream.always(answer().gate_head(&gate));
    let models = model("smart", &[priced(&upstream)]);
    let start = |name: &str| Arc::new(Gateway::start(&till.config(name, "", &models)));
    let gateways = [&start("one"), &start("two")];
    let held = Rush { till: &till, gateways: &gateways, upstream: &upstream, gate: &gate }.run().await;
    assert!(held <= FITS && held * 100 >= FITS * 95, "{held} of {FITS} fit");
}
