//! What the gateway asks by itself costs money like everything else: checks of deployments fall under the budgets of
//! everything, of their model, their provider and their tag.

use http::Method;
use llm_testkit::Upstream;
use llm_types::PicoUsd;
use serde_json::{Value, json};

use super::{COST, Till, admin, answer, bearer, priced};
use crate::harness::{Gateway, model};

async fn check(gateway: &Gateway) -> Value {
    let call =
        gateway.call(Method::GET, "/health?check").header("authorization", &bearer(super::till::MASTER));
    call.send().await.json()
}

#[tokio::test]
async fn checks_spend_budgets_and_are_left_out_without_money() {
    for scope in ["global", "provider:openai", "model:smart", "tag:health-check"] {
        let (upstream, till) = (Upstream::start().unwrap(), Till::file());
        upstream.always(answer());
        let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
        let limit: PicoUsd = "0.01".parse().unwrap();
        let budget = json!({"scope": scope, "limit_usd": limit.to_string(), "window": "total"});
        let made = admin(&gateway, Method::POST, "/budgets", &budget).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let first = check(&gateway).await;
        let checked = &first["healthy_endpoints"][0]["last_check"];
        assert_eq!((&checked["ok"], &checked["skipped"]), (&json!(true), &Value::Null), "{scope}: {first}");
        let mut last = first;
        for _ in 0..12 {
            last = check(&gateway).await;
        }
        let asked = u64::try_from(upstream.requests().len()).unwrap();
        let spent = COST.saturating_mul(asked);
        assert!((2..10).contains(&asked) && spent <= limit, "{scope}: {asked}");
        // Nothing is said of the deployment by a check that was not made.
        let skipped = &last["healthy_endpoints"][0]["last_check"];
        assert_eq!(skipped["ok"], Value::Null, "{scope}: {last}");
        assert!(skipped["skipped"].as_str().unwrap().contains("budget"), "{scope}: {last}");
        let path = format!("/budgets/{}", made.json()["id"].as_str().unwrap());
        let shown = admin(&gateway, Method::GET, &path, &Value::Null).await.json();
        let usd = |name: &str| shown["spend"][name].as_str().unwrap().parse::<PicoUsd>().unwrap();
        assert_eq!((usd("spent_usd"), usd("reserved_usd")), (spent, PicoUsd::ZERO), "{scope}: {shown}");
    }
}

#[tokio::test]
async fn nobodys_limits_hold_for_checks() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    let limits = json!({"scope": "global", "rpm": 1});
    let made = admin(&gateway, Method::POST, "/limits", &limits).await;
    assert_eq!(made.status, 201, "{}", made.text());
    for nth in 1..=3 {
        assert_eq!(check(&gateway).await["healthy_count"], 1);
        assert_eq!(upstream.requests().len(), nth);
    }
}
