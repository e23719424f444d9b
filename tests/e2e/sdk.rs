//! OpenAI's own Python SDK in front of the gateway, with an upstream of each shape behind it.
//!
//! The cases are in `python/sdk.py`. Its interpreter is the one that `cargo xtask test` makes.

mod shape;

use std::path::Path;

use llm_testkit::{End, Program, Received, Script, Upstream, canned};
use serde_json::json;

use crate::harness::{Gateway, PATIENCE, anthropic, gemini, model, openai};

const KEY: &str = "sk-master-of-the-sdk";

/// A gateway with one model named `smart`.
fn gateway(deployment: &str) -> Gateway {
    let config = format!("[auth]\nmaster_key = \"{KEY}\"\n[router]\nretries = 0\n");
    crate::harness::Options::config(config + &model("smart", &[deployment.to_owned()])).start()
}

/// Runs cases of the script against a gateway.
fn run(gateway: &Gateway, cases: &[&str]) {
    let python = std::env::var_os("LLM_PYTHON").filter(|python| !python.is_empty());
    let python = python.expect("LLM_PYTHON names no python with the openai package: run cargo xtask test");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/python/sdk.py");
    for case in cases {
        let program = Program::new(&python)
            .args([script.as_os_str(), case.as_ref(), "smart".as_ref()])
            .env("E2E_GATEWAY_URL", gateway.url())
            .env("E2E_GATEWAY_KEY", KEY)
            .env("NO_PROXY", "*")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("OPENAI_API_KEY")
            .env_remove("OPENAI_ORG_ID")
            .env_remove("OPENAI_PROJECT_ID");
        let mut python = program.spawn(gateway.addr()).unwrap();
        let status = python.wait_exit(PATIENCE).unwrap();
        assert!(status.is_some_and(|status| status.success()), "{case}: {status:?}\n{}", python.logs());
    }
}

const EVERYWHERE: [&str; 6] = ["chat", "stream", "async_stream", "tools", "tools_stream", "structured"];

/// An upstream that answers each request by what is in it.
fn upstream(answer: fn(&Received) -> Script) -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.on("*", answer);
    upstream
}

#[test]
fn with_an_upstream_like_openai() {
    let upstream = upstream(shape::openai);
    run(&gateway(&openai(&upstream)), &EVERYWHERE);
    assert_eq!(upstream.unscripted(), 0);
}

#[test]
fn with_an_upstream_like_anthropic() {
    let upstream = upstream(shape::anthropic);
    run(&gateway(&anthropic(&upstream)), &EVERYWHERE);
    assert_eq!(upstream.unscripted(), 0);
}

#[test]
fn with_an_upstream_like_gemini() {
    let upstream = upstream(shape::gemini);
    run(&gateway(&gemini(&upstream)), &EVERYWHERE);
    assert_eq!(upstream.unscripted(), 0);
}

#[test]
fn with_images() {
    let upstreams = [upstream(shape::openai), upstream(shape::anthropic), upstream(shape::gemini)];
    let [one, two, three] = &upstreams;
    for deployment in [openai(one), anthropic(two), gemini(three)] {
        run(&gateway(&deployment), &["image"]);
    }
    for upstream in &upstreams {
        let sent = upstream.last_request().unwrap().text();
        assert!(sent.contains("iVBORw0KGgo=") && sent.contains("image/png"), "{sent}");
    }
}

#[test]
fn errors_are_the_sdks_own_classes() {
    let failure = |status: u16| {
        Script::status(status).json_body(&json!({"error": {"message": "no", "type": "x", "code": null}}))
    };
    let upstream = Upstream::start().unwrap();
    upstream.on("*", move |request| match request.json()["user"].as_str() {
        Some("limited") => failure(429).header("retry-after", "7"),
        Some("refused") => failure(400),
        Some("cut") => {
            let events = canned::openai_stream(5, canned::IncludeUsage::Yes);
            Script::sse(events.into_iter().take(4)).then(End::Truncate)
        }
        _ => failure(500),
    });
    run(&gateway(&openai(&upstream)), &["errors"]);
}

#[test]
fn models_are_listed_and_found() {
    let upstream = Upstream::start().unwrap();
    let config = format!("[auth]\nmaster_key = \"{KEY}\"\n")
        + &model("zeta", &[openai(&upstream)])
        + &model("smart", &[openai(&upstream)])
        + &model("openai/gpt-4o", &[openai(&upstream)]);
    run(&crate::harness::Options::config(config).start(), &["models"]);
}
