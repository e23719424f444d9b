//! Routes beside inference: the models on offer, health, and browsers.

use http::Method;
use llm_testkit::Upstream;
use serde_json::Value;

use crate::harness::{Gateway, Options, anthropic, chat, model, openai};

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn models_are_listed_in_config_order() {
    let upstream = Upstream::start().unwrap();
    let config = model("zeta", &[openai(&upstream)])
        + "aliases = [\"gpt-4\"]\n"
        + &model("alpha", &[anthropic(&upstream)])
        + &model("openai/gpt-4o", &[openai(&upstream)]);
    let gateway = Gateway::start(&config);
    for path in ["/v1/models", "/models"] {
        let list = gateway.get(path).await.json();
        assert_eq!(list["object"], "list");
        assert_eq!(ids(&list), ["zeta", "alpha", "openai/gpt-4o"]);
        let first = &list["data"][0];
        assert_eq!((first["object"].as_str(), first["owned_by"].as_str()), (Some("model"), Some("openai")));
        assert!(first["created"].is_u64());
        assert_eq!(list["data"][1]["owned_by"], "anthropic");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn one_model_is_found_by_name_alias_or_wildcard() {
    let upstream = Upstream::start().unwrap();
    let config = model("smart", &[openai(&upstream)])
        + "aliases = [\"gpt-4\"]\n"
        + &model("openai/gpt-4o", &[openai(&upstream)])
        + "[[models]]\nname = \"anthropic/*\"\ndeployments = [{ model = \"anthropic/*\" }]\n";
    let gateway = Gateway::start(&config);
    for (path, id, owner) in [
        ("/v1/models/smart", "smart", "openai"),
        ("/v1/models/gpt-4", "gpt-4", "openai"),
        ("/v1/models/openai/gpt-4o", "openai/gpt-4o", "openai"),
        ("/v1/models/openai%2Fgpt-4o", "openai/gpt-4o", "openai"),
        ("/models/anthropic%2fclaude-x", "anthropic/claude-x", "anthropic"),
    ] {
        let found = gateway.get(path).await;
        assert_eq!(found.status, 200, "{path}: {}", found.text());
        let found = found.json();
        assert_eq!((found["id"].as_str(), found["owned_by"].as_str()), (Some(id), Some(owner)), "{path}");
        assert_eq!(found["object"], "model");
    }
    let error = gateway.get("/v1/models/smarty").await.error(404);
    assert_eq!(error.code, "model_not_found");
    error.says(&["`smart`"]);
}

#[tokio::test]
async fn a_wildcard_passes_the_name_on() {
    let upstream = Upstream::start().unwrap();
    upstream.always(llm_testkit::Script::json(&llm_testkit::canned::openai_completion(10)));
    let wild = openai(&upstream).replace("gpt-4o", "*");
    let gateway = Gateway::start(&model("corp/*", &[wild]));
    let reply = gateway.chat(&chat("corp/some-model:free")).await;
    assert_eq!((reply.status, reply.header("x-gateway-model")), (200, "corp/some-model:free"));
    assert_eq!(upstream.last_request().unwrap().json()["model"], "some-model:free");
}

#[tokio::test]
async fn health_is_told_without_a_key() {
    let gateway = Options::config("[auth]\nmaster_key = \"sk-master\"\n").start();
    for path in ["/health/live", "/health/ready"] {
        let reply = gateway.get(path).await;
        assert_eq!((reply.status, &reply.json()["status"]), (200, &Value::from("ok")));
        let head = gateway.call(Method::HEAD, path).send().await;
        assert_eq!((head.status, head.text()), (200, ""));
    }
    gateway.call(Method::POST, "/health/live").send().await.error(401);
}

#[tokio::test]
async fn browsers_of_listed_origins_may_call() {
    let gateway = Gateway::start(
        "[server]\ncors = { origins = [\"https://app.example\"] }\n[auth]\nmaster_key = \"sk-master\"\n",
    );
    let ask = |origin: &str| {
        gateway
            .call(Method::OPTIONS, "/v1/chat/completions")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, content-type")
            .send()
    };
    let reply = ask("https://app.example").await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(reply.header("access-control-allow-headers"), "authorization, content-type");
    for method in ["POST", "PATCH", "DELETE"] {
        assert!(reply.header("access-control-allow-methods").contains(method), "{method}");
    }
    let refused = ask("https://evil.example").await;
    assert!(refused.status >= 400, "{}", refused.status);
    assert_eq!(refused.header("access-control-allow-origin"), "");
    // Errors can be read by the page as well.
    let call = gateway.call(Method::GET, "/v1/models").header("origin", "https://app.example");
    let reply = call.send().await;
    reply.error(401);
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(reply.header("vary"), "origin");
}
