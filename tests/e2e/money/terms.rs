//! What a key may spend and how often it may ask: clamped answers, cheaper models, nested budgets, limits.

use std::sync::Arc;

use llm_testkit::{Gate, Script, Upstream, canned};
use llm_types::PicoUsd;
use serde_json::{Value, json};

use super::{COST, Key, Till, admin, answer, bounded, hard, priced, reserved, spend_up, wait};
use crate::harness::{Gateway, PATIENCE, chat, model};

/// The answer limit that the upstream was sent, whatever it is called.
fn limit_sent(upstream: &Upstream) -> Option<u64> {
    let body = upstream.last_request()?.json();
    body["max_tokens"].as_u64().or_else(|| body["max_completion_tokens"].as_u64())
}

#[tokio::test]
async fn an_answer_is_as_long_as_the_money_reaches() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    // A whole answer of this model may have 16,384 tokens, for 0.16 dollars.
    let rich = Key::make(&gateway, hard("1.00")).await;
    let reply = rich.ask(&gateway, &chat("smart")).await;
    assert_eq!((reply.status, reply.header("x-gateway-changes")), (200, ""));
    assert_eq!(limit_sent(&upstream), None);

    let poor = Key::make(&gateway, hard("0.01")).await;
    let reply = poor.ask(&gateway, &chat("smart")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("x-gateway-changes").contains("max_tokens"), "{:?}", reply.headers);
    let limit = limit_sent(&upstream).unwrap();
    // All of it, to the last token: the prompt may cost at least what its bytes are.
    assert!((500..1_000).contains(&limit), "{limit}");

    // What the caller wants is not made less, and what is too little for a word is refused.
    let mut long = chat("smart");
    long["max_tokens"] = json!(10_000);
    assert_eq!(poor.ask(&gateway, &long).await.error(402).code, "budget_exceeded");
    let broke = Key::make(&gateway, hard("0.0001")).await;
    assert_eq!(broke.ask(&gateway, &chat("smart")).await.error(402).code, "budget_exceeded");
}

#[tokio::test]
async fn where_nothing_is_clamped_an_answer_without_a_limit_is_refused() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let models = model("smart", &[priced(&upstream)]);
    let gateway = till.gateway(&format!("[server]\nclamp_output = false\n{models}"));
    let poor = Key::make(&gateway, hard("0.01")).await;
    poor.ask(&gateway, &chat("smart")).await.error(402).says(&["max_tokens", "0.01"]);
    assert_eq!(poor.ask(&gateway, &bounded("smart")).await.status, 200);
    assert_eq!(limit_sent(&upstream), Some(150));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn what_has_no_price_is_refused_by_a_hard_budget_alone() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let mut unpriced = canned::openai_completion(20);
    unpriced["model"] = json!("nobody-knows");
    upstream.always(Script::json(&unpriced));
    let unknown = priced(&upstream)
        .replace("openai/gpt-4o", "openai/nobody-knows")
        .replace(", price = { input = 2.5, output = 10.0 }", "");
    let gateway = till.gateway(&model("new", &[unknown]));
    let strict = Key::make(&gateway, hard("100.00")).await;
    assert_eq!(strict.ask(&gateway, &bounded("new")).await.error(402).code, "cost_unbounded");
    let soft = json!({"budgets": [{"limit_usd": "0.00", "window": "day", "hard": false}]});
    let lenient = Key::make(&gateway, soft).await;
    assert_eq!(lenient.ask(&gateway, &bounded("new")).await.status, 200);
    let rows = till.rows(&lenient, 1).await;
    assert!(rows[0].cost_incomplete && rows[0].cost.is_zero() && rows[0].usage.output == 120, "{rows:?}");
}

#[tokio::test]
async fn a_cheaper_model_answers_when_the_money_is_gone() {
    let (dear, cheap, till) = (Upstream::start().unwrap(), Upstream::start().unwrap(), Till::file());
    dear.always(answer());
    cheap.always(answer());
    let penny = priced(&cheap).replace("input = 2.5, output = 10.0", "input = 0.025, output = 0.1");
    let gateway = till.gateway(&format!("{}{}", model("smart", &[priced(&dear)]), model("cheap", &[penny])));
    let body = bounded("smart");
    let bound = reserved(&gateway, &body).await;
    // For one of the dear ones, and some of the others.
    let limit = bound.saturating_add(COST);
    let budget = json!({"limit_usd": limit.to_string(), "window": "total", "fallbacks": ["cheap"]});
    let key = Key::make(&gateway, json!({"budgets": [budget]})).await;
    let mut served = Vec::new();
    for _ in 0..4 {
        let reply = key.ask(&gateway, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        served.push(reply.header("x-gateway-deployment").to_owned());
        let fallback = if served.last().unwrap() == "cheap/1" { "cheap" } else { "" };
        assert_eq!(reply.header("x-gateway-fallback"), fallback);
    }
    assert_eq!(served, ["smart/1", "smart/1", "cheap/1", "cheap/1"]);
    let rows = till.rows(&key, 4).await;
    assert!(rows.iter().all(|row| row.model_asked == "smart"));
    let hundredth = PicoUsd::from_pico(COST.pico() / 100);
    assert_eq!(rows.iter().map(|row| row.cost).collect::<Vec<_>>(), [COST, COST, hundredth, hundredth]);
    // Without such a model it is refused.
    key.patch(&gateway, hard(limit)).await;
    assert_eq!(key.ask(&gateway, &body).await.error(402).code, "budget_exceeded");
}

#[tokio::test]
async fn each_budget_that_a_request_falls_under_must_have_room() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    // Two deployments: neither is affordable, and the answer is one.
    let gateway = Arc::new(till.gateway(&model("smart", &[priced(&upstream), priced(&upstream)])));
    let body = bounded("smart");
    let bound = reserved(&gateway, &body).await;
    let budget =
        |times: u64| json!([{"limit_usd": bound.saturating_mul(times).to_string(), "window": "month"}]);
    let team = json!({"id": "search", "budgets": budget(2)});
    assert_eq!(admin(&gateway, http::Method::POST, "/teams", &team).await.status, 201);
    let under = json!({"team_id": "search", "budgets": budget(50), "tags": ["night"]});
    let (one, two) = (Key::make(&gateway, under.clone()).await, Key::make(&gateway, under).await);
    let answered = spend_up(&[&gateway], &one, &body).await;
    let refused = two.ask(&gateway, &body).await.error(402);
    refused.says(&["team:search", "month"]);
    assert!((2..8).contains(&answered), "{answered}");
    // More for the team, but nothing for what is marked so.
    let patch = json!({"budgets": budget(50)});
    assert_eq!(admin(&gateway, http::Method::PATCH, "/teams/search", &patch).await.status, 200);
    assert_eq!(two.ask(&gateway, &body).await.status, 200);
    let tag = json!({"scope": "tag:night", "limit_usd": "0.00", "window": "day"});
    assert_eq!(admin(&gateway, http::Method::POST, "/budgets", &tag).await.status, 201);
    two.ask(&gateway, &body).await.error(402).says(&["tag:night"]);
    let provider = json!({"scope": "provider:openai", "limit_usd": "0.00", "window": "day"});
    assert_eq!(admin(&gateway, http::Method::POST, "/budgets", &provider).await.status, 201);
    two.patch(&gateway, json!({"tags": []})).await;
    two.ask(&gateway, &body).await.error(402).says(&["provider:openai"]);
}

#[tokio::test]
async fn a_lower_limit_holds_for_money_that_is_leased() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    let body = bounded("smart");
    let key = Key::make(&gateway, hard(COST.saturating_mul(10_000))).await;
    assert_eq!(key.ask(&gateway, &body).await.status, 200);
    // One more fits, the reserve for a third does not.
    key.patch(&gateway, hard(COST.saturating_mul(3))).await;
    let mut answered = 1;
    for _ in 0..8 {
        answered += usize::from(key.ask(&gateway, &body).await.status == 200);
    }
    assert!((1..=3).contains(&answered), "{answered} of at most 3");
    let spend = key.spend(&gateway).await;
    assert!(spend.spent <= COST.saturating_mul(3), "{spend:?}");
}

#[tokio::test]
async fn a_limit_of_the_file_wins_over_the_one_that_it_hides() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let models = model("smart", &[priced(&upstream)]);
    let (body, stored) = (bounded("smart"), COST.saturating_mul(1_000));
    let key = {
        let gateway = till.gateway(&models);
        let budget = json!({"scope": "global", "limit_usd": stored.to_string(), "window": "day"});
        assert_eq!(admin(&gateway, http::Method::POST, "/budgets", &budget).await.status, 201);
        let key = Key::make(&gateway, json!({})).await;
        assert_eq!(key.ask(&gateway, &body).await.status, 200);
        key
    };
    let limit = COST.saturating_mul(4);
    let file =
        format!("{models}\n[[budgets]]\nscope = \"global\"\nlimit_usd = \"{limit}\"\nwindow = \"day\"\n");
    let gateway = till.gateway(&file);
    let mut answered = 1;
    for _ in 0..10 {
        answered += usize::from(key.ask(&gateway, &body).await.status == 200);
    }
    assert!((1..=4).contains(&answered), "{answered} of at most 4");
}

#[tokio::test]
async fn limits_say_when_to_come_back() {
    let (upstream, till, gate) = (Upstream::start().unwrap(), Till::file(), Gate::new());
    upstream.always(answer());
    let gateway = Arc::new(till.gateway(&model("smart", &[priced(&upstream)])));
    let limited = async |limits: Value| Key::make(&gateway, json!({"limits": limits})).await;
    let seconds = |reply: &crate::harness::Reply| reply.header("retry-after").parse::<u64>().unwrap();

    let often = limited(json!({"rpm": 2})).await;
    for left in ["1", "0"] {
        let reply = often.ask(&gateway, &bounded("smart")).await;
        assert_eq!((reply.status, reply.header("x-ratelimit-limit-requests")), (200, "2"));
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), left);
    }
    let reply = often.ask(&gateway, &bounded("smart")).await;
    assert!((1..=60).contains(&seconds(&reply)), "{:?}", reply.headers);
    reply.error(429).says(&["2 requests a minute"]);

    // 19 and 120 tokens were used; before that is known, the prompt and the whole 150 count.
    let many = limited(json!({"tpm": 300})).await;
    assert_eq!(many.ask(&gateway, &bounded("smart")).await.status, 200);
    let reply = many.ask(&gateway, &bounded("smart")).await;
    assert!((1..=60).contains(&seconds(&reply)));
    reply.error(429).says(&["300 tokens a minute"]);

    upstream.always(Script::json(&canned::openai_completion(20)).gate_head(&gate));
    let before = upstream.requests().len();
    let together = limited(json!({"parallel": 1})).await;
    let (held, of) = (Arc::clone(&gateway), together.clone());
    let first = tokio::spawn(async move { of.ask(&held, &bounded("smart")).await });
    assert!(upstream.wait_requests(before + 1, PATIENCE).await);
    let reply = together.ask(&gateway, &bounded("smart")).await;
    assert!(seconds(&reply) >= 1);
    reply.error(429).says(&["1 requests at once"]);
    gate.open();
    assert_eq!(first.await.unwrap().status, 200);
    wait("there is a place again", async || {
        (together.ask(&gateway, &bounded("smart")).await.status == 200).then_some(())
    })
    .await;
    // What was refused was not sent, has no row and cost nothing.
    assert_eq!(till.rows(&often, 2).await.len(), 2);
}

#[tokio::test]
async fn what_was_spent_is_spent_after_a_restart() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let config = till.config("one", "", &model("smart", &[priced(&upstream)]));
    let mut gateway = Arc::new(Gateway::start(&config));
    let body = bounded("smart");
    let bound = reserved(&gateway, &body).await;
    let key = Key::make(&gateway, hard(bound.saturating_mul(4))).await;
    let answered = spend_up(&[&gateway], &key, &body).await;
    let spent = COST.saturating_mul(answered);
    assert_eq!(key.spend(&gateway).await.spent, spent);
    for order in ["TERM", "KILL"] {
        gateway.signal(order);
        Arc::get_mut(&mut gateway).unwrap().wait_exit();
        gateway = Arc::new(Gateway::start(&config));
        assert_eq!(key.ask(&gateway, &body).await.error(402).code, "budget_exceeded", "{order}");
        let spend = key.spend(&gateway).await;
        assert_eq!((spend.spent, spend.reserved), (spent, PicoUsd::ZERO), "{order}");
        assert!(spend.left < bound, "{order}: {spend:?}");
    }
    // More money is more money.
    key.patch(&gateway, hard(bound.saturating_mul(8))).await;
    assert_eq!(key.ask(&gateway, &body).await.status, 200);
}
