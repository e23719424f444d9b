//! The admin routes of deployments: how they are, taking one out and back, trying one.

use http::Method;
use llm_testkit::{Gate, Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, anthropic, chat, model, openai};

/// Two upstreams that answer everything, behind one model.
fn pair() -> (Upstream, Upstream, Gateway) {
    let (one, two) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    for upstream in [&one, &two] {
        upstream.always(Script::json(&canned::openai_completion(20)));
    }
    let gateway = Gateway::start(&model("smart", &[openai(&one), openai(&two)]));
    (one, two, gateway)
}

async fn order(gateway: &Gateway, id: &str, what: &str) -> Value {
    let reply = gateway.post(&format!("/admin/v1/deployments/{id}/{what}")).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn a_drained_deployment_gets_no_request_until_it_is_enabled() {
    let (one, two, gateway) = pair();
    assert_eq!(order(&gateway, "smart/1", "drain").await["state"], "drained");
    for _ in 0..4 {
        let reply = gateway.chat(&chat("smart")).await;
        assert_eq!((reply.status, reply.header("x-gateway-deployment")), (200, "smart/2"));
    }
    assert_eq!((one.requests().len(), two.requests().len()), (0, 4));
    // The last one is not asked either, and the client learns why.
    order(&gateway, "smart/2", "drain").await;
    let refused = gateway.chat(&chat("smart")).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    // An id with its slash as it is in a path's segment.
    let enabled = order(&gateway, "smart%2F1", "enable").await;
    assert_eq!(
        (&enabled["id"], &enabled["state"], &enabled["healthy"]),
        (&json!("smart/1"), &json!("closed"), &json!(true))
    );
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!((reply.status, reply.header("x-gateway-deployment")), (200, "smart/1"));
}

#[tokio::test]
async fn deployments_tell_what_was_seen_of_them() {
    let (one, _two, gateway) = pair();
    let gate = Gate::new();
    one.clear();
    one.always(Script::json(&canned::openai_completion(20)).gate_head(&gate));
    order(&gateway, "smart/2", "drain").await;
    let asked = chat("smart");
    let (answer, ()) = tokio::join!(gateway.chat(&asked), async {
        assert!(one.wait_requests(1, crate::harness::PATIENCE).await);
        let list = gateway.get("/admin/v1/deployments").await.json();
        assert_eq!(list["data"][0]["in_flight"], 1);
        gate.open();
    });
    assert_eq!(answer.status, 200);
    let list = gateway.get("/admin/v1/deployments").await;
    let [first, second] = list.json()["data"].as_array().unwrap().clone().try_into().unwrap();
    let known = [
        ("id", json!("smart/1")),
        ("group", json!("smart")),
        ("model", json!("openai/gpt-4o")),
        ("provider", json!("openai")),
        ("host", json!("127.0.0.1")),
        ("in_flight", json!(0)),
        ("weight", json!(1)),
        ("headroom", json!(1.0)),
        ("state", json!("closed")),
    ];
    for (name, value) in known {
        assert_eq!(first[name], value, "{name} in {first}");
    }
    assert_eq!(first["counts"], json!({"successes": 1, "failures": 0, "refusals": 0}));
    assert!(first["latency_ms"]["whole"].as_f64().unwrap() > 0.0, "{first}");
    assert_eq!((&second["state"], &second["healthy"]), (&json!("drained"), &json!(false)));
    assert!(!list.text().contains(PROVIDER_KEY));
}

#[tokio::test]
async fn a_probe_is_a_real_call_as_small_as_can_be() {
    let upstream = Upstream::start().unwrap();
    let claude = Upstream::start().unwrap();
    claude.always(Script::json(&canned::anthropic_message(5)));
    let embed = openai(&upstream).replace("gpt-4o", "text-embedding-3-small");
    let star = openai(&upstream).replace("gpt-4o", "*");
    let config = [
        model("smart", &[openai(&upstream), anthropic(&claude)]),
        model("vectors", &[embed]),
        model("openai/*", &[star]),
    ];
    let gateway = Gateway::start(&config.concat());

    upstream.push(Script::json(&canned::openai_completion(5)));
    let probed = order(&gateway, "smart/1", "probe").await;
    assert_eq!(
        (&probed["ok"], &probed["operation"], &probed["error"]),
        (&json!(true), &json!("chat"), &Value::Null)
    );
    assert_eq!(probed["deployment"]["last_check"]["ok"], true);
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
    assert_eq!((&sent.json()["model"], &sent.json()["max_completion_tokens"]), (&json!("gpt-4o"), &json!(1)));
    assert_eq!(order(&gateway, "smart/2", "probe").await["ok"], true);
    assert_eq!(claude.last_request().unwrap().json()["max_tokens"], 1);

    // A model that thinks finds one token too few.
    upstream.push(Script::status(400).json_body(&json!({"error": {"message": "max_tokens is too small"}})));
    upstream.push(Script::json(&canned::openai_completion(5)));
    assert_eq!(order(&gateway, "smart/1", "probe").await["ok"], true);
    assert_eq!(upstream.last_request().unwrap().json()["max_completion_tokens"], 16);

    let told = format!("the key {PROVIDER_KEY} is not valid");
    upstream.push(Script::status(401).json_body(&json!({"error": {"message": told}})));
    let failed = order(&gateway, "smart/1", "probe").await;
    assert_eq!((&failed["ok"], &failed["error"]["status"]), (&json!(false), &json!(401)));
    assert_eq!(
        (&failed["deployment"]["healthy"], &failed["deployment"]["state"]),
        (&json!(false), &json!("open"))
    );
    assert!(failed["deployment"]["left_ms"].as_u64().unwrap() > 0);
    assert!(!failed.to_string().contains(PROVIDER_KEY), "{failed}");
    let whole = gateway.chat(&chat("smart")).await;
    assert_eq!(whole.header("x-gateway-deployment"), "smart/2");
    upstream.push(Script::json(&canned::openai_completion(5)));
    assert_eq!(order(&gateway, "smart/1", "probe").await["deployment"]["state"], "closed");

    upstream.push(Script::json(
        &json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "text-embedding-3-small", "usage": {"prompt_tokens": 1, "total_tokens": 1}}),
    ));
    let vectors = order(&gateway, "vectors/1", "probe").await;
    assert_eq!((&vectors["ok"], &vectors["operation"]), (&json!(true), &json!("embed")));
    assert_eq!(upstream.last_request().unwrap().path(), "/v1/embeddings");

    upstream.always(Script::json(&canned::openai_completion(5)));
    order(&gateway, "openai%2F*%2F1", "probe?model=gpt-5.9").await;
    assert_eq!(upstream.last_request().unwrap().json()["model"], "gpt-5.9");
    assert_eq!(order(&gateway, "openai%2F*%2F1", "probe").await["ok"], true);
    assert_ne!(upstream.last_request().unwrap().json()["model"], "*");
}

#[tokio::test]
async fn admin_routes_need_the_key_and_fail_in_openais_shape() {
    let upstream = Upstream::start().unwrap();
    let config = format!("[auth]\nmaster_key = \"sk-m\"\n{}", model("smart", &[openai(&upstream)]));
    let gateway = Gateway::start(&config);
    for path in ["/health", "/admin/v1/deployments", "/admin/v1/config", "/admin/v1/nothing"] {
        gateway.get(path).await.error(401);
    }
    for what in ["drain", "probe"] {
        gateway.post(&format!("/admin/v1/deployments/smart/1/{what}")).send().await.error(401);
    }
    assert_eq!(upstream.requests().len(), 0);
    let ask =
        |method: Method, path: &str| gateway.call(method, path).header("authorization", "Bearer sk-m").send();
    assert_eq!(ask(Method::GET, "/health").await.status, 200);
    assert_eq!(ask(Method::GET, "/admin/v1/deployments/nope").await.error(404).code, "deployment_not_found");
    assert_eq!(ask(Method::GET, "/admin/v1/nothing").await.error(404).code, "not_found");
    let refused = ask(Method::DELETE, "/admin/v1/deployments/smart/1/drain").await;
    refused.error(405).says(&["POST"]);
    assert_eq!(refused.header("allow"), "POST, GET");
}

#[tokio::test]
async fn without_a_key_pages_of_other_machines_are_refused() {
    let (_one, _two, gateway) = pair();
    let drain = || gateway.post("/admin/v1/deployments/smart/1/drain");
    drain().header("origin", "https://evil.example").send().await.error(403).says(&["master_key"]);
    assert_eq!(gateway.get("/admin/v1/deployments/smart/1").await.json()["state"], "closed");
    assert_eq!(drain().header("origin", "http://localhost:3000").send().await.status, 200);
}
