//! Keys of clients, and keys that are missing towards providers.

use http::Method;
use llm_testkit::{Script, Upstream, canned};

use crate::harness::{Gateway, PROVIDER_KEY, chat, model, openai};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn with_a_master_key_every_route_but_health_needs_it() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&format!(
        "[auth]\nmaster_key = \"sk-master\"\n{}",
        model("smart", &[openai(&upstream)])
    ));
    let error = gateway.chat(&chat("smart")).await.error(401);
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("authentication_error", "missing_api_key"));
    error.says(&["Authorization: Bearer", "x-api-key"]);
    for path in ["/v1/models", "/v1/models/smart", "/nothing"] {
        gateway.get(path).await.error(401);
    }
    gateway.call(Method::PUT, CHAT).send().await.error(401);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(gateway.get(path).await.status, 200);
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_wrong_key_is_refused_without_repeating_it() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&format!(
        "[auth]\nmaster_key = \"sk-master\"\n{}",
        model("smart", &[openai(&upstream)])
    ));
    for (name, value) in [
        ("authorization", "Bearer sk-wrong"),
        ("authorization", "Basic sk-master"),
        ("x-api-key", "sk-master-and-more"),
        ("api-key", "sk-maste"),
        ("x-goog-api-key", "sk-wrong"),
    ] {
        let reply = gateway.post(CHAT).header(name, value).body(chat("smart").to_string()).send().await;
        let error = reply.error(401);
        assert!(!error.message.contains("sk-"), "{name}: {error:?}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn the_key_is_taken_from_wherever_a_client_puts_it_and_stays_here() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Gateway::start(&format!(
        "[auth]\nmaster_key = \"sk-master\"\n{}",
        model("smart", &[openai(&upstream)])
    ));
    for (name, value) in [
        ("authorization", "Bearer sk-master"),
        ("authorization", "bearer sk-master"),
        ("x-api-key", "sk-master"),
        ("api-key", "sk-master"),
        ("x-goog-api-key", "sk-master"),
    ] {
        let reply = gateway.post(CHAT).header(name, value).body(chat("smart").to_string()).send().await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let received = upstream.last_request().unwrap();
        assert_eq!(received.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
        assert!(received.headers.iter().all(|(_, value)| !value.contains("sk-master")), "{received:?}");
    }
}

#[tokio::test]
async fn a_missing_provider_key_is_a_401_that_names_the_variable() {
    let gateway = Gateway::start(
        "[[models]]\nname = \"a\"\ndeployments = [{ model = \"openai/gpt-4o\" }]\n\
         [[models]]\nname = \"b\"\ndeployments = [{ model = \"anthropic/claude-sonnet-4-5\" }]\n",
    );
    gateway.chat(&chat("a")).await.error(401).says(&["OPENAI_API_KEY"]);
    gateway.chat(&chat("b")).await.error(401).says(&["ANTHROPIC_API_KEY"]);
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_deployment_without_a_key_leaves_the_work_to_the_next() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let keyless = "{ model = \"anthropic/claude-sonnet-4-5\" }".to_owned();
    let gateway = Gateway::start(&model("smart", &[keyless, openai(&upstream)]));
    for _ in 0..4 {
        let reply = gateway.chat(&chat("smart")).await;
        assert_eq!((reply.status, reply.header("x-gateway-provider")), (200, "openai"));
    }
}
