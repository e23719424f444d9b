//! Fees beside tokens: of a request, and of each search that a model makes.

use llm_testkit::{Script, Upstream};
use llm_types::PicoUsd;
use serde_json::json;

use super::{Key, Till, bounded, hard, reserved};
use crate::harness::{deployment, model};

fn sonar(upstream: &Upstream, name: &str) -> String {
    deployment(&format!("perplexity/{name}"), &upstream.url())
}

fn searched(model: &str, queries: u64) -> Script {
    Script::json(&json!({"id": "a", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "num_search_queries": queries}}))
}

fn usd(text: &str) -> PicoUsd {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_request_of_perplexity_is_reserved_and_billed_with_its_fee() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let models =
        model("pro", &[sonar(&upstream, "sonar-pro")]) + &model("plain", &[sonar(&upstream, "sonar")]);
    let gateway = till.gateway(&models);
    for (name, own, fee, cost) in
        [("pro", "sonar-pro", "0.006", "0.00633"), ("plain", "sonar", "0.005", "0.00503")]
    {
        upstream.always(searched(own, 200));
        let bound = reserved(&gateway, &bounded(name)).await;
        assert!(bound > usd(fee) && bound < usd("0.02"), "{name}: {bound}");
        let key = Key::make(&gateway, hard("0.02")).await;
        assert_eq!(key.ask(&gateway, &bounded(name)).await.status, 200);
        let rows = till.rows(&key, 1).await;
        // Its searches are in the fee.
        assert_eq!(
            (rows[0].cost, rows[0].cost_incomplete, rows[0].overrun),
            (usd(cost), false, false),
            "{rows:?}"
        );
    }
}

#[tokio::test]
async fn research_that_searches_as_it_likes_is_for_who_has_no_hard_budget() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(searched("sonar-deep-research", 200));
    let gateway = till.gateway(&model("deep", &[sonar(&upstream, "sonar-deep-research")]));
    let key = Key::make(&gateway, hard("100")).await;
    assert_ne!(key.ask(&gateway, &bounded("deep")).await.status, 200);
    assert_eq!(upstream.requests().len(), 0);
    let free = Key::make(&gateway, json!({})).await;
    assert_eq!(free.ask(&gateway, &bounded("deep")).await.status, 200);
    let rows = till.rows(&free, 1).await;
    assert_eq!((rows[0].cost, rows[0].cost_incomplete), (usd("1.00018"), false), "{rows:?}");
}

#[tokio::test]
async fn a_request_that_is_refused_costs_no_fee() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(Script::status(400).body(r#"{"error":{"message":"no such thing","code":400}}"#));
    let gateway = till.gateway(&model("plain", &[sonar(&upstream, "sonar")]));
    let key = Key::make(&gateway, hard("0.02")).await;
    assert_eq!(key.ask(&gateway, &bounded("plain")).await.status, 400);
    let rows = till.rows(&key, 1).await;
    assert_eq!((rows[0].cost, rows[0].items.len(), rows[0].cost_incomplete), (PicoUsd::ZERO, 0, false));
}
