//! Who is well: `/health`, checks by the clock, and `llmctl health`.

use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, chat, llmctl, model, openai};

fn broken() -> Script {
    Script::status(500).json_body(&json!({"error": {"message": "out of order"}}))
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_summary_counts_and_checks_when_asked() {
    let (good, bad) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    good.always(Script::json(&canned::openai_completion(20)));
    bad.always(broken());
    let config = model("smart", &[openai(&good), openai(&bad)]) + &model("plain", &[openai(&good)]);
    let gateway = Gateway::start(&config);
    let health = gateway.get("/health").await.json();
    assert_eq!((&health["healthy_count"], &health["unhealthy_count"]), (&json!(3), &json!(0)));
    assert_eq!(good.requests().len() + bad.requests().len(), 0, "nobody is asked");

    let health = gateway.get("/health?check").await.json();
    assert_eq!((&health["healthy_count"], &health["unhealthy_count"]), (&json!(2), &json!(1)));
    assert_eq!(ids(&health["healthy_endpoints"]), ["smart/1", "plain/1"]);
    let sick = &health["unhealthy_endpoints"][0];
    assert_eq!((&sick["id"], &sick["last_check"]["ok"]), (&json!("smart/2"), &json!(false)));
    assert!(sick["reason"].as_str().unwrap().contains("out of order"), "{sick}");
    assert_eq!((good.requests().len(), bad.requests().len()), (2, 1));
    // It is remembered until something else is seen.
    assert_eq!(gateway.get("/health").await.json()["unhealthy_count"], 1);
    let only = gateway.get("/health?check&model=plain").await.json();
    assert_eq!(ids(&only["healthy_endpoints"]), ["plain/1"]);
    gateway.get("/health?model=nope").await.error(404).says(&["nope"]);

    bad.clear();
    bad.always(Script::json(&canned::openai_completion(20)));
    for _ in 0..2 {
        assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    }
    assert_eq!(gateway.get("/health").await.json()["unhealthy_count"], 0, "it has answered since");
}

#[tokio::test]
async fn checks_by_the_clock_find_out_and_forgive() {
    let (good, bad) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    good.always(Script::json(&canned::openai_completion(20)));
    bad.always(broken());
    let config = "health_check = { interval = \"20ms\" }\ncooldown = { duration = \"1m\" }\n".to_owned();
    let gateway = Gateway::start(&(config + &model("smart", &[openai(&good), openai(&bad)])));
    gateway.wait_log("health check failed");
    assert!(bad.wait_requests(4, crate::harness::PATIENCE).await);
    // Three failures in a row are enough, without any request of a client.
    let sick = gateway.get("/admin/v1/deployments/smart/2").await.json();
    assert_eq!(sick["state"], "open", "{sick}");
    for _ in 0..4 {
        let reply = gateway.chat(&chat("smart")).await;
        assert_eq!((reply.status, reply.header("x-gateway-attempts")), (200, "1"));
    }
    bad.clear();
    bad.always(Script::json(&canned::openai_completion(20)));
    gateway.wait_log("health check passed again");
    let well = gateway.get("/admin/v1/deployments/smart/2").await.json();
    assert_eq!((&well["state"], &well["healthy"]), (&json!("closed"), &json!(true)));

    // Nobody calls a deployment that is out of service.
    gateway.post("/admin/v1/deployments/smart/2/drain").send().await;
    let before = good.requests().len();
    assert!(good.wait_requests(before + 2, crate::harness::PATIENCE).await);
    bad.clear();
    let before = good.requests().len();
    assert!(good.wait_requests(before + 3, crate::harness::PATIENCE).await);
    assert_eq!(bad.requests().len(), 0);
}

#[test]
fn llmctl_shows_the_deployments_and_orders_them() {
    let (good, bad) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    good.always(Script::json(&canned::openai_completion(20)));
    bad.always(broken());
    let config = format!("[auth]\nmaster_key = \"sk-m\"\n{}", model("smart", &[openai(&good), openai(&bad)]));
    let gateway = Gateway::start(&config);
    let url = gateway.url();
    let run = |args: &[&str]| {
        let at = ["--gateway", &url];
        llmctl(&[args, &at].concat()).env("GATEWAY_MASTER_KEY", "sk-m").run()
    };
    let table = run(&["health"]);
    assert!(table.good().starts_with("DEPLOYMENT"), "{table:?}");
    assert!(table.out.contains("smart/1") && table.out.contains("closed"), "{table:?}");
    assert!(table.err.contains("2 of 2 deployments healthy"), "{table:?}");
    assert_eq!(run(&["deployments", "drain", "smart/1"]).good(), "smart/1: drained\n");
    let list = run(&["health", "--json"]);
    list.good();
    assert_eq!((&list.json()[0]["state"], &list.json()[1]["state"]), (&json!("drained"), &json!("closed")));
    assert!(run(&["deployments", "probe", "smart/1"]).good().starts_with("smart/1: answered in "));
    assert_eq!(run(&["deployments", "enable", "smart/1"]).good(), "smart/1: closed\n");
    let failed = run(&["deployments", "probe", "smart/2"]);
    assert_eq!((failed.code, failed.out.contains("out of order")), (Some(1), true), "{failed:?}");
    let probed = run(&["deployments", "probe", "smart/2", "--json"]);
    assert_eq!((&probed.json()["ok"], probed.code), (&json!(false), Some(1)));
    assert!(run(&["health"]).err.contains("1 of 2 deployments healthy"));
    run(&["deployments", "drain", "nope"]).failed(1, &["no deployment `nope`"]);
    llmctl(&["health", "--gateway", &url]).run().failed(4, &["key"]);
    llmctl(&["health", "--gateway", "http://127.0.0.1:9"]).run().failed(5, &["connect"]);

    // Live: the next look shows what has happened since.
    let args = ["health", "--watch", "--every", "1", "--gateway", &url];
    let mut going = llmctl(&args).env("GATEWAY_MASTER_KEY", "sk-m").start();
    going.until("smart/2");
    run(&["deployments", "drain", "smart/2"]);
    going.until("drained");
    going.kill();
    gateway.configure("[nonsense");
    gateway.wait_log("stays in place");
    assert!(run(&["health"]).err.contains("the newest configuration was refused"));
}
