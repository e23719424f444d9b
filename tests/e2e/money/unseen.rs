//! What is written and paid, and seen by nobody: thoughts that are kept back, answers that somebody on the way did not
//! wait for, searches that nobody asked for.

use std::time::Duration;

use llm_testkit::canned::{IncludeUsage, openai_stream};
use llm_testkit::{End, Script, Upstream};
use llm_types::PicoUsd;
use serde_json::json;

use super::{Key, Till, bearer, bounded, hard, priced};
use crate::harness::{chat, deployment, model, streamed};

fn thinking(upstream: &Upstream) -> String {
    priced(upstream).replace("openai/gpt-4o", "openai/o3")
}

#[tokio::test]
async fn thoughts_before_the_first_word_are_paid_when_a_stream_is_cut() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let named = |name: &str| priced(&upstream).replace("openai/gpt-4o", &format!("openai/{name}"));
    let based = named("mine").replace(", price", ", base_model = \"openai/o3\", price");
    let sized = ", context_window = 128000, max_output = 16384, price";
    let unknown = named("unheard-of").replace(", price", sized);
    let models = model("thinks", &[thinking(&upstream)])
        + &model("speaks", &[priced(&upstream)])
        + &model("based", &[based])
        + &model("unknown", &[unknown]);
    let gateway = till.gateway(&models);
    let key = Key::make(&gateway, hard("10")).await;
    let events = || openai_stream(9, IncludeUsage::Yes).into_iter().take(4);
    for name in ["thinks", "speaks", "based", "unknown"] {
        upstream.push(Script::sse(events()).delay_head(Duration::from_millis(400)).then(End::Reset));
        key.call(&gateway, &streamed(name)).open().await.whole().await;
    }
    let rows = till.rows(&key, 4).await;
    let output = |name: &str| rows.iter().find(|row| row.model_asked == name).map(|row| row.usage.output);
    assert_eq!(output("speaks"), Some(4), "{rows:?}");
    for name in ["thinks", "based", "unknown"] {
        assert!(output(name) > Some(4 + 150), "{name}: as much as can be thought in that time: {rows:?}");
    }
}

#[tokio::test]
async fn a_picture_in_the_prompt_of_a_stream_that_is_cut_costs_what_was_reserved_for_it() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("speaks", &[priced(&upstream)]));
    let events = || openai_stream(9, IncludeUsage::Yes).into_iter().take(4);
    let mut body = streamed("speaks");
    let picture = json!({"type": "image_url", "image_url": {"url": "https://pictures.test/cat.png"}});
    let cases = [("text", hard("10")), ("picture", hard("10")), ("picture", soft("10"))];
    for (kind, budget) in cases {
        // Soft budgets are told what is sure.
        let whole = kind == "picture" && budget == hard("10");
        let key = Key::make(&gateway, budget).await;
        if kind == "picture" {
            body["messages"] = json!([{"role": "user", "content": [picture]}]);
        }
        upstream.push(Script::sse(events()).then(End::Reset));
        key.call(&gateway, &body).open().await.whole().await;
        let rows = till.rows(&key, 1).await;
        // A window of 128,000 tokens at 2.5 dollars a million, and four words.
        let window = PicoUsd::from_pico(128_000 * 2_500_000);
        assert_eq!(rows[0].cost > window, whole, "{kind}: {rows:?}");
        assert_eq!(rows[0].usage.input == 128_000, whole, "{kind}: {rows:?}");
        assert!(!rows[0].overrun && rows[0].basis == "received", "{kind}: {rows:?}");
    }
}

#[tokio::test]
async fn so_it_does_by_a_providers_own_api() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("speaks", &[priced(&upstream)]));
    let picture = json!({"type": "image_url", "image_url": {"url": "https://pictures.test/cat.png"}});
    for (content, whole) in [(json!("What is this?"), false), (json!([picture]), true)] {
        let key = Key::make(&gateway, hard("10")).await;
        let events = openai_stream(9, IncludeUsage::Yes).into_iter().take(4);
        upstream.push(Script::sse(events).then(End::Reset));
        let body = json!({"model": "gpt-4o", "stream": true, "max_tokens": 150,
            "messages": [{"role": "user", "content": content}]});
        let call = gateway.post("/v1/openai/chat/completions").header("authorization", &bearer(&key.secret));
        drop(call.body(body.to_string()).try_send().await);
        let rows = till.rows(&key, 1).await;
        assert_eq!(rows[0].cost > PicoUsd::from_pico(128_000 * 2_500_000), whole, "{rows:?}");
    }
}

/// The terms of a key with one soft budget.
fn soft(limit: &str) -> serde_json::Value {
    json!({"budgets": [{"limit_usd": limit, "window": "total", "hard": false}]})
}

#[tokio::test]
async fn a_model_that_thinks_pays_what_was_reserved_where_its_own_api_told_no_usage() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("thinks", &[thinking(&upstream)]));
    let (poor, free) = (Key::make(&gateway, hard("10")).await, Key::make(&gateway, json!({})).await);
    let body = json!({"model": "o3", "stream": true, "max_completion_tokens": 5000,
        "messages": [{"role": "user", "content": "Hi"}]});
    for key in [&poor, &free] {
        upstream.push(Script::sse(openai_stream(9, IncludeUsage::No)));
        let call = gateway
            .post("/v1/openai/chat/completions")
            .header("authorization", &bearer(&key.secret))
            .body(body.to_string());
        assert!(call.send().await.text().contains("[DONE]"));
    }
    let rows = till.rows(&poor, 1).await;
    assert_eq!(rows[0].basis, "reserved", "{rows:?}");
    assert!(rows[0].cost >= PicoUsd::from_pico(10_000_000 * 5_000), "{rows:?}");
    let rows = till.rows(&free, 1).await;
    assert_eq!((rows[0].basis.as_str(), rows[0].usage.output > 0), ("estimated", true), "{rows:?}");
}

#[tokio::test]
async fn whoever_stands_before_a_provider_and_gives_up_says_nothing_of_its_bill() {
    for (status, costs) in [(504, true), (524, true), (408, true), (502, false), (503, false), (429, false)] {
        let (upstream, till) = (Upstream::start().unwrap(), Till::file());
        upstream.always(Script::status(status).body("<html>late</html>"));
        let one = model("smart", &[priced(&upstream)]).replace("deployments", "retries = 0\ndeployments");
        let gateway = till.gateway(&one);
        let key = Key::make(&gateway, hard("10")).await;
        assert_ne!(key.ask(&gateway, &chat("smart")).await.status, 200);
        let rows = till.rows(&key, 1).await;
        assert_eq!(!rows[0].cost.is_zero(), costs, "{status}: {rows:?}");
    }
}

#[tokio::test]
async fn searches_that_nobody_asked_for_are_not_for_hard_budgets() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let of = |name: &str| deployment(name, &format!("{}/v1", upstream.url()));
    let models = model("found", &[of("openai/gpt-4o-search-preview")])
        + &model("deep", &[deployment("perplexity/sonar-deep-research", &upstream.url())]);
    let gateway = till.gateway(&models);
    let key = Key::make(&gateway, hard("100")).await;
    assert_ne!(key.ask(&gateway, &bounded("found")).await.status, 200);
    for (provider, named) in [("openai", "gpt-4o-search-preview"), ("perplexity", "sonar-deep-research")] {
        let body = bounded(named);
        let call = gateway
            .post(&format!("/v1/{provider}/chat/completions"))
            .header("authorization", &bearer(&key.secret))
            .body(body.to_string());
        let reply = call.send().await;
        assert_eq!(reply.status, 402, "{named}: {}", reply.text());
    }
    assert_eq!(upstream.requests().len(), 0);
}
