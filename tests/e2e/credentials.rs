//! Tokens that the gateway gets for itself: one for many calls, and nothing of it anywhere else.

use std::sync::Arc;

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, chat, llmctl, model};

const SECRETS: [&str; 3] = ["planted-client-secret", "planted-refresh-token", "planted-access-token"];
const CALL: &str =
    "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:generateContent";

/// A user's credentials, for which `upstream` gives tokens.
fn credentials(upstream: &Upstream) -> Value {
    json!({"type": "authorized_user", "client_id": "client", "client_secret": SECRETS[0],
        "refresh_token": SECRETS[1], "token_uri": format!("{}/token", upstream.url())})
}

fn deployment(upstream: &Upstream) -> String {
    let credentials = credentials(upstream);
    format!(
        "{{ model = \"vertex_ai/gemini-2.5-flash\", project = \"p\", location = \"global\", api_base = \"{}\", \
         credentials = '{credentials}' }}",
        upstream.url()
    )
}

fn answer() -> Script {
    Script::json(&json!({"candidates": [{"index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": [{"text": "Hello!"}]}}],
        "usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 1, "totalTokenCount": 3}}))
}

#[tokio::test]
async fn many_calls_are_made_with_one_token_and_nothing_shows_it() {
    let upstream = Upstream::start().unwrap();
    upstream.on(CALL, |_| answer());
    upstream.push_for("/token", Script::json(&json!({"access_token": SECRETS[2], "expires_in": 3599})));
    let config = format!("[telemetry.log]\nlevel = \"debug\"\n{}", model("smart", &[deployment(&upstream)]));
    let gateway = Arc::new(Gateway::start(&config));
    let calls = (0..20).map(|_| {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move { gateway.chat(&chat("smart")).await.status })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    let requests = upstream.requests();
    let (questions, calls): (Vec<_>, Vec<_>) =
        requests.into_iter().partition(|request| request.path() == "/token");
    assert_eq!((questions.len(), calls.len()), (1, 20));
    let bearer = format!("Bearer {}", SECRETS[2]);
    assert!(calls.iter().all(|call| call.header("authorization") == Some(bearer.as_str())));
    // A provider that repeats the token it was called with.
    let echo = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": format!("no: {}", SECRETS[2])}});
    upstream.push_for(CALL, Script::status(403).json_body(&echo));
    let refused = gateway.chat(&chat("smart")).await;
    let metrics = gateway.get("/metrics").await;
    for shown in [refused.text(), metrics.text(), &gateway.logs()] {
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{secret} in:\n{shown}");
        }
    }
}

#[tokio::test]
async fn refused_credentials_lead_elsewhere_and_say_what_to_do() {
    let (upstream, other) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let refusal = json!({"error": "invalid_grant", "error_description": format!("gone: {}", SECRETS[1])});
    upstream.on("/token", move |_| Script::status(400).json_body(&refusal));
    other.on(CALL, |_| answer());
    other.on("/token", |_| Script::json(&json!({"access_token": SECRETS[2], "expires_in": 3599})));
    let gateway = Gateway::start(&format!(
        "{}{}",
        model("alone", &[deployment(&upstream)]),
        model("both", &[deployment(&upstream), deployment(&other)])
    ));
    let error = gateway.chat(&chat("alone")).await.error(401);
    error.says(&["Google refused", "invalid_grant", "check the credentials"]);
    for _ in 0..4 {
        let reply = gateway.chat(&chat("both")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert!(upstream.requests().iter().all(|request| request.path() == "/token"));
    let shown = format!("{error:?}{}", gateway.logs());
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} in:\n{shown}");
    }
}

#[test]
fn a_configuration_says_what_is_wrong_and_shows_no_secret() {
    let upstream = Upstream::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    std::fs::write(&path, model("smart", &[deployment(&upstream)])).unwrap();
    let path = path.to_str().unwrap();
    let shown = llmctl(&["config", "show", path]).run();
    assert!(!shown.good().contains("planted"), "{}", shown.good());
    llmctl(&["config", "check", "--strict", path]).run().good();
    assert_eq!(upstream.requests().len(), 0, "nothing is asked where nothing is called");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let gateway = Options::config(
        "[[models]]\nname = \"smart\"\ndeployments = [{ model = \"vertex_ai/gemini-2.5-flash\", project = \"p\", \
         credentials = \"/nowhere/key.json\" }]\n",
    )
    .start();
    gateway.chat(&chat("smart")).await.error(401).says(&["credentials names /nowhere/key.json"]);
}
