//! Ways to start without a configuration file.

use llm_testkit::{Script, Upstream, canned};
use serde_json::Value;

use crate::harness::{Gateway, Options, chat, streamed};

async fn listed(gateway: &Gateway) -> Vec<String> {
    let list = gateway.get("/v1/models").await.json();
    let ids = list["data"].as_array().unwrap().iter();
    ids.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_demo_answers_streams_and_counts() {
    // A key in the environment adds nothing to the demo.
    let gateway = Options::args(&["--demo"]).env("OPENAI_API_KEY", "sk-x").start();
    let models = listed(&gateway).await;
    assert!(!models.is_empty() && models.iter().all(|model| model.starts_with("mock/")), "{models:?}");
    let first = models.first().unwrap();

    let reply = gateway.chat(&chat(first)).await;
    assert_eq!((reply.status, reply.header("x-gateway-provider")), (200, "mock"));
    assert!(reply.content().contains("Hello!"), "{}", reply.text());
    let body = reply.json();
    assert_eq!(
        (&body["object"], &body["choices"][0]["finish_reason"]),
        (&"chat.completion".into(), &"stop".into())
    );
    assert!(body["id"].is_string() && body["created"].as_u64().unwrap() > 1_700_000_000, "{body}");
    let count = |usage: &Value, name: &str| usage[name].as_u64().unwrap_or_default();
    let usage = &body["usage"];
    assert!(count(usage, "prompt_tokens") > 0 && count(usage, "completion_tokens") > 0, "{usage}");
    assert_eq!(
        count(usage, "total_tokens"),
        count(usage, "prompt_tokens") + count(usage, "completion_tokens")
    );

    let mut request = streamed(first);
    request["stream_options"] = serde_json::json!({"include_usage": true});
    let streamed = gateway.stream(&request).await.whole().await;
    assert_eq!(streamed.streamed_content(), reply.content());
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    let events = streamed.events();
    let deltas = events.iter().filter(|event| event["choices"][0]["delta"]["content"].as_str() > Some(""));
    assert!(deltas.count() >= 5, "{}", streamed.text());
    assert_eq!(&events.last().unwrap()["usage"], usage);
    gateway.chat(&chat("openai/gpt-4o")).await.error(404);
}

#[tokio::test]
async fn every_mock_model_takes_its_time() {
    let gateway = Gateway::start(&crate::harness::model("mock/*", &["{ model = \"mock/*\" }".to_owned()]));
    let started = std::time::Instant::now();
    let reply = gateway.stream(&streamed("mock/lorem")).await.whole().await;
    let pauses = u32::try_from(reply.events().len()).unwrap().min(5);
    assert_eq!(pauses, 5, "{}", reply.text());
    assert!(started.elapsed() >= pauses * std::time::Duration::from_millis(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_demos_stream_comes_in_pieces() {
    let gateway = Options::args(&["--demo"]).start();
    let mut stream = gateway.stream(&streamed("mock/lorem")).await;
    let mut pieces = 0;
    while stream.chunk().await.is_some() {
        pieces += 1;
    }
    assert!(pieces >= 5, "{pieces}");
}

#[tokio::test]
async fn models_named_on_the_command_line_are_served_under_those_names() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Options::args(&["--model", "gpt-4o", "-m", "openai/gpt-4o-mini"])
        .env("OPENAI_API_KEY", "sk-from-env")
        .env("OPENAI_BASE_URL", &format!("{}/v1", upstream.url()))
        .start();
    assert_eq!(listed(&gateway).await, ["gpt-4o", "openai/gpt-4o-mini"]);
    for (name, sent) in [("gpt-4o", "gpt-4o"), ("openai/gpt-4o-mini", "gpt-4o-mini")] {
        let reply = gateway.chat(&chat(name)).await;
        assert_eq!((reply.status, reply.header("x-gateway-model")), (200, name), "{}", reply.text());
        let received = upstream.last_request().unwrap();
        assert_eq!(received.json()["model"], sent);
        assert_eq!(received.path(), "/v1/chat/completions");
        assert_eq!(received.header("authorization"), Some("Bearer sk-from-env"));
    }
    gateway.chat(&chat("gpt-4.1")).await.error(404);
}

#[tokio::test]
async fn with_keys_in_the_environment_every_model_of_those_providers_is_served() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Options::default()
        .env("OPENAI_API_KEY", "sk-from-env")
        .env("OPENAI_BASE_URL", &format!("{}/v1", upstream.url()))
        .start();
    for (name, sent) in [
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o"),
        ("openai/a-model-of-tomorrow", "a-model-of-tomorrow"),
    ] {
        let reply = gateway.chat(&chat(name)).await;
        assert_eq!((reply.status, reply.header("x-gateway-provider")), (200, "openai"), "{}", reply.text());
        assert_eq!(upstream.last_request().unwrap().json()["model"], sent);
    }
    let models = listed(&gateway).await;
    assert!(!models.is_empty() && models.iter().all(|model| model.starts_with("openai/")), "{models:?}");

    gateway.chat(&chat("anthropic/claude-sonnet-4-5")).await.error(401).says(&["ANTHROPIC_API_KEY"]);
    gateway.chat(&chat("claude-sonnet-4-5")).await.error(401).says(&["ANTHROPIC_API_KEY"]);
    let error = gateway.chat(&chat("no-such-thing")).await.error(404);
    assert_eq!(error.code, "model_not_found");
}

#[tokio::test]
async fn without_any_key_it_starts_and_says_what_is_missing() {
    let gateway = Options::default().start();
    assert!(listed(&gateway).await.iter().all(|model| !model.starts_with("openai/")));
    gateway.chat(&chat("openai/gpt-4o")).await.error(401).says(&["OPENAI_API_KEY"]);
    gateway.assert_alive().await;
}
