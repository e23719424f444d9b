//! Nothing goes out for less than it can cost: what is asked for several times over, what comes later, and what leads
//! to another model. And nobody spends what is meant for others.

use llm_testkit::{Script, Upstream};
use llm_types::PicoUsd;
use serde_json::json;

use super::till::MASTER;
use super::{COST, Key, Till, admin, answer, bearer, bounded, hard, priced};
use crate::harness::{Gateway, Reply, model};

fn output(tokens: u64) -> PicoUsd {
    PicoUsd::from_pico(10_000_000).saturating_mul(tokens)
}

async fn send(gateway: &Gateway, key: &str, path: &str, body: &str) -> Reply {
    gateway.post(path).header("authorization", &bearer(key)).body(body.to_owned()).send().await
}

/// The most that a request can cost, as a key says that has next to no money.
async fn most(gateway: &Gateway, path: &str, body: &str) -> PicoUsd {
    let poor = Key::make(gateway, hard("0.000000000001")).await;
    let error = send(gateway, &poor.secret, path, body).await.error(402);
    let usd = error.message.split("it may cost ").nth(1).and_then(|rest| rest.split(' ').next());
    usd.unwrap_or_else(|| panic!("no cost in {error:?}")).parse().unwrap()
}

fn instruct(upstream: &Upstream) -> String {
    priced(upstream).replace("openai/gpt-4o", "openai/gpt-3.5-turbo-instruct")
}

#[tokio::test]
async fn every_prompt_every_candidate_and_either_limit_is_reserved() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let models = model("smart", &[priced(&upstream)]) + &model("instruct", &[instruct(&upstream)]);
    let gateway = till.gateway(&models);
    let prompts = json!({"model": "instruct", "prompt": vec!["a"; 20], "max_tokens": 1000}).to_string();
    let best = json!({"model": "instruct", "prompt": "a", "best_of": 20, "max_tokens": 1000}).to_string();
    let chat = |limits: &str| {
        format!(r#"{{"model":"smart","messages":[{{"role":"user","content":"hi"}}],{limits}}}"#)
    };
    for (path, body, tokens) in [
        ("/v1/completions", prompts, 20_000),
        ("/v1/completions", best, 20_000),
        ("/v1/chat/completions", chat(r#""max_completion_tokens":10,"max_tokens":10000"#), 10_000),
        ("/v1/chat/completions", chat(r#""max_completion_tokens":1e4,"max_tokens":10"#), 10_000),
        ("/v1/chat/completions", chat(r#""max_tokens":10"#), 10),
    ] {
        let most = most(&gateway, path, &body).await;
        assert!(most >= output(tokens) && most < output(tokens + 4_000), "{most} for {body}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_limit_that_a_budget_sets_is_never_more_than_none() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("instruct", &[instruct(&upstream)]));
    upstream.always(Script::json(
        &json!({"id": "c", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": "hi", "finish_reason": "length", "logprobs": null}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 16, "total_tokens": 17}}),
    ));
    let key = Key::make(&gateway, hard("0.02")).await;
    let body = json!({"model": "instruct", "prompt": "hi"}).to_string();
    let reply = send(&gateway, &key.secret, "/v1/completions", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // Without a limit this API writes 16 tokens, and the money would reach for many more.
    assert_eq!(upstream.last_request().unwrap().json()["max_tokens"], 16);
    assert!(reply.header("x-gateway-changes").contains("bounded to 16 tokens"), "{:?}", reply.headers);
}

fn background(status: &str, usage: &serde_json::Value) -> Script {
    Script::json(&json!({"id": "resp_1", "object": "response", "status": status, "background": true,
        "model": "gpt-4o", "output": [], "usage": usage}))
}

#[tokio::test]
async fn what_works_in_the_background_is_reserved_until_it_is_known_and_then_booked_once() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    upstream.always(background("queued", &json!(null)));
    let key = Key::make(&gateway, hard("1.00")).await;
    let body =
        json!({"model": "smart", "input": "x", "max_output_tokens": 1000, "background": true}).to_string();
    let (mut answered, mut id) = (0_u64, String::new());
    loop {
        let reply = send(&gateway, &key.secret, "/v1/responses", &body).await;
        if reply.status != 200 {
            break;
        }
        answered += 1;
        id = reply.json()["id"].as_str().unwrap().to_owned();
    }
    assert!((1..=3).contains(&answered), "each may fill the window for 32 cents: {answered}");
    let spend = key.spend(&gateway).await;
    assert!(spend.spent.is_zero() && spend.reserved >= output(1_000).saturating_mul(answered), "{spend:?}");

    let used = json!({"input_tokens": 19, "output_tokens": 120, "total_tokens": 139});
    upstream.on("/v1/responses/resp_1", move |_| background("completed", &used));
    let read = || async {
        let call = gateway.call(http::Method::GET, &format!("/v1/responses/{id}"));
        call.header("authorization", &bearer(&key.secret)).send().await
    };
    assert_eq!(read().await.json()["status"], "completed");
    let rows = till.rows(&key, usize::try_from(answered).unwrap()).await;
    assert!(rows.iter().all(|row| row.basis == "reported" && row.cost == COST), "{rows:?}");
    assert_eq!(read().await.status, 200, "as often as anybody likes");
    let spend = key.spend(&gateway).await;
    assert_eq!((spend.spent, spend.reserved), (COST.saturating_mul(answered), PicoUsd::ZERO));
    assert_eq!(till.rows(&key, 0).await.len(), rows.len());
}

#[tokio::test]
async fn what_works_in_the_background_and_is_forgotten_costs_what_was_reserved() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    upstream.on("/v1/responses/resp_1", |_| {
        Script::status(404).json_body(&json!({"error": {"message": "gone"}}))
    });
    upstream.always(background("in_progress", &json!(null)));
    let key = Key::make(&gateway, hard("1.00")).await;
    let body =
        json!({"model": "smart", "input": "x", "max_output_tokens": 1000, "background": true}).to_string();
    assert_eq!(send(&gateway, &key.secret, "/v1/responses", &body).await.status, 200);
    let rows = till.rows(&key, 1).await;
    assert!(rows[0].basis == "reserved" && rows[0].cost > output(1_000), "{rows:?}");
    assert_eq!(key.spend(&gateway).await.reserved, PicoUsd::ZERO);
}

#[tokio::test]
async fn a_fallback_falls_under_the_budget_of_its_model() {
    let (bad, good, till) = (Upstream::start().unwrap(), Upstream::start().unwrap(), Till::file());
    let frail = model("frail", &[priced(&bad)])
        .replace("deployments", "retries = 0\nfallbacks = [\"smart\"]\ndeployments");
    let gateway = till.gateway(&format!("{frail}{}", model("smart", &[priced(&good)])));
    bad.always(Script::status(503).json_body(&json!({"error": {"message": "no luck", "type": "x"}})));
    good.always(answer());
    let limit: PicoUsd = "0.012".parse().unwrap();
    let budget = json!({"scope": "model:smart", "limit_usd": limit.to_string(), "window": "total"});
    let made = admin(&gateway, http::Method::POST, "/budgets", &budget).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let key = Key::make(&gateway, json!({})).await;
    let mut own = bounded("frail");
    own["fallbacks"] = json!(["smart"]);
    let mut answered = 0;
    for nth in 0..24 {
        let body = if nth % 2 == 0 { bounded("frail") } else { own.clone() };
        answered += u64::from(key.ask(&gateway, &body).await.status == 200);
    }
    assert!(answered > 0 && COST.saturating_mul(answered) <= limit, "{answered} answers of {COST}");
    let asked_directly = key.ask(&gateway, &bounded("smart")).await.error(402);
    assert!(asked_directly.message.contains("model:smart"), "{asked_directly:?}");
    let rows = till.rows(&key, 1).await;
    let paid = rows.iter().filter(|row| !row.cost.is_zero());
    assert!(paid.clone().count() > 0);
    for row in paid {
        assert!(row.booked.iter().any(|window| format!("{window:?}").contains("smart")), "{row:?}");
    }
}

#[tokio::test]
async fn a_word_with_a_budget_is_for_those_who_have_it() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    upstream.always(answer());
    let budget = json!({"scope": "tag:promo", "limit_usd": "1.00", "window": "total"});
    assert_eq!(admin(&gateway, http::Method::POST, "/budgets", &budget).await.status, 201);
    let stranger = Key::make(&gateway, json!({})).await;
    let own = Key::make(&gateway, json!({"tags": ["promo"]})).await;
    let ask = async |secret: &str, tag: &str| {
        let call = gateway.post("/v1/chat/completions").header("authorization", &bearer(secret));
        let call = call.header("x-gateway-spend-tags", tag);
        call.body(bounded("smart").to_string()).send().await
    };
    let error = ask(&stranger.secret, "blue,promo").await.error(403);
    assert_eq!(error.code, "tag_not_allowed");
    assert_eq!(upstream.requests().len(), 0);
    for (secret, tag) in [(&*stranger.secret, "blue"), (&*own.secret, "promo"), (MASTER, "promo")] {
        let reply = ask(secret, tag).await;
        assert_eq!(reply.status, 200, "{tag}: {}", reply.text());
    }
}
