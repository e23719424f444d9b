//! What the headers of an answer tell, and what strict mode refuses.

use llm_testkit::{Script, Upstream, canned};
use serde_json::json;

use crate::harness::{Gateway, anthropic, chat, model, openai, streamed};

#[tokio::test]
async fn an_answer_names_its_way() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Gateway::start(&(model("smart", &[openai(&upstream)]) + "aliases = [\"gpt-4\"]\n"));
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!(reply.header("x-gateway-model"), "smart");
    assert_eq!(reply.header("x-gateway-provider"), "openai");
    assert_eq!(reply.header("x-gateway-deployment"), "smart/1");
    assert_eq!(reply.header("x-gateway-attempts"), "1");
    assert_eq!(reply.header("x-gateway-changes"), "");
    let overhead: u64 = reply.header("x-gateway-overhead-us").parse().unwrap();
    assert!(overhead < 5_000_000, "{overhead}");
    // The answer's own word on its model stays.
    assert_eq!(reply.json()["model"], canned::openai_completion(0)["model"]);
    let (one, two) = (reply.header("x-gateway-request-id"), reply.header("x-request-id"));
    assert!(one.len() >= 16 && one == two, "{one} {two}");
    let other = gateway.chat(&chat("gpt-4")).await;
    assert_eq!((other.status, other.header("x-gateway-model")), (200, "smart"), "the group's own name");
    assert_ne!(other.header("x-gateway-request-id"), one);
}

#[tokio::test]
async fn a_stream_names_its_way_and_a_failure_its_id() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    upstream.push(Script::sse(canned::openai_stream(3, canned::IncludeUsage::No)));
    let reply = gateway.stream(&streamed("smart")).await;
    for (name, expect) in [
        ("x-gateway-model", "smart"),
        ("x-gateway-provider", "openai"),
        ("x-gateway-deployment", "smart/1"),
        ("x-gateway-attempts", "1"),
    ] {
        assert_eq!(reply.header(name), expect, "{name}");
    }
    let failed = gateway.chat(&chat("none")).await;
    failed.error(404);
    let id = failed.header("x-gateway-request-id");
    gateway.wait_log(id);
}

#[tokio::test]
async fn a_failure_names_the_last_deployment_and_the_attempts() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::status(500));
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    for request in [chat("smart"), streamed("smart")] {
        let reply = gateway.chat(&request).await;
        reply.error(500);
        for (name, expect) in [
            ("x-gateway-model", "smart"),
            ("x-gateway-provider", "openai"),
            ("x-gateway-deployment", "smart/1"),
            ("x-gateway-attempts", "3"),
        ] {
            assert_eq!(reply.header(name), expect, "{name}");
        }
    }
}

#[tokio::test]
async fn a_long_name_of_a_model_does_not_fill_the_head() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(1)));
    let gateway = Gateway::start(&model("*", &[openai(&upstream).replace("gpt-4o", "*")]));
    let long = "m".repeat(100_000);
    let reply = gateway.chat(&chat(&long)).await;
    assert_eq!((reply.status, reply.header("x-gateway-model").len()), (200, 256));
    assert_eq!(upstream.last_request().unwrap().json()["model"], long);
}

/// A request with a member that Anthropic cannot take.
fn seeded() -> serde_json::Value {
    let mut request = chat("claude");
    request["seed"] = json!(7);
    request["logit_bias"] = json!({"50256": -100});
    request
}

#[tokio::test]
async fn what_is_dropped_is_named() {
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::json(&canned::anthropic_message(10)));
    upstream.push(Script::sse(canned::anthropic_stream(3)));
    let gateway = Gateway::start(&model("claude", &[anthropic(&upstream)]));
    let mut request = seeded();
    for stream in [false, true] {
        request["stream"] = stream.into();
        let reply = gateway.chat(&request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        for name in ["dropped seed", "dropped logit_bias"] {
            assert!(reply.header("x-gateway-changes").contains(name), "{:?}", reply.headers);
        }
        let sent = upstream.last_request().unwrap().json();
        assert!(sent.get("seed").is_none() && sent.get("logit_bias").is_none(), "{sent}");
    }
}

#[tokio::test]
async fn strict_mode_refuses_instead() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::anthropic_message(10)));
    let gateway =
        Gateway::start(&format!("[server]\nstrict = true\n{}", model("claude", &[anthropic(&upstream)])));
    let error = gateway.chat(&seeded()).await.error(400);
    assert_eq!(error.code, "unsupported_parameter");
    error.says(&["seed", "logit_bias"]);
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(gateway.chat(&chat("claude")).await.status, 200);
}
