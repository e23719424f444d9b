//! Equal requests answered from memory: by whom, for whom, and what is never kept.

use llm_testkit::canned::{self, IncludeUsage, openai_stream};
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{FAST, Gateway, Options, Reply, anthropic, chat, gemini, model, openai, streamed};

const ON: &str = "[cache]\nbackend = \"memory\"\n";

/// A gateway that keeps answers, with one model.
fn smart(upstream: &Upstream, more: &str) -> Gateway {
    Gateway::start(&format!("{ON}{more}{}", model("smart", &[openai(upstream)])))
}

fn answering() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(20)));
    upstream
}

async fn ask(gateway: &Gateway, body: &Value, control: &str) -> Reply {
    let call = gateway.post("/v1/chat/completions").header("cache-control", control);
    call.body(body.to_string()).send().await
}

/// What the headers say of the answer to this body.
async fn told(gateway: &Gateway, body: &Value) -> String {
    let reply = ask(gateway, body, "").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-gateway-cache").to_owned()
}

#[tokio::test]
async fn an_equal_request_is_answered_without_a_provider() {
    let upstream = answering();
    let gateway = smart(&upstream, "");
    let first = gateway.chat(&chat("smart")).await;
    assert_eq!((first.status, first.header("x-gateway-cache")), (200, "miss"));
    let text = "{ \"messages\" : [{\"content\":\"Hello!\", \"role\":\"user\"}],\n\"user\":\"7\", \"stream\":false, \"model\":\"smart\"}";
    let again = gateway.post("/v1/chat/completions").body(text).send().await;
    assert_eq!((again.status, again.header("x-gateway-cache")), (200, "hit"));
    assert_eq!(again.text(), first.text());
    for (name, expect) in [
        ("content-type", "application/json"),
        ("x-gateway-model", "smart"),
        ("x-gateway-provider", "openai"),
        ("x-gateway-deployment", "smart/1"),
        ("x-gateway-attempts", "0"),
        ("x-gateway-changes", ""),
    ] {
        assert_eq!(again.header(name), expect, "{name}");
    }
    assert!(again.header("age").parse::<u64>().unwrap() < 60);
    assert_ne!(again.header("x-gateway-request-id"), first.header("x-gateway-request-id"));
    assert_eq!(upstream.requests().len(), 1);
    // Another question is another request, another route another answer.
    let mut other = chat("smart");
    other["temperature"] = json!(0.1);
    assert_eq!(told(&gateway, &other).await, "miss");
    let messages =
        json!({"model": "smart", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello!"}]});
    let send = async || gateway.post("/v1/messages").body(messages.to_string()).send().await;
    let (one, two) = (send().await, send().await);
    assert_eq!((one.header("x-gateway-cache"), two.header("x-gateway-cache")), ("miss", "hit"));
    assert_eq!((one.text(), &two.json()["type"]), (two.text(), &json!("message")));
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn without_a_cache_nothing_is_said_of_one() {
    let upstream = answering();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    for _ in 0..2 {
        assert_eq!(told(&gateway, &chat("smart")).await, "");
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn cache_control_is_obeyed() {
    let upstream = answering();
    let gateway = smart(&upstream, "");
    let check = async |control: &str, expect: &str, calls: usize| {
        let reply = ask(&gateway, &chat("smart"), control).await;
        assert_eq!((reply.status, reply.header("x-gateway-cache")), (200, expect), "{control}");
        assert_eq!(upstream.requests().len(), calls, "{control}");
    };
    check("no-store", "bypass", 1).await;
    check("", "miss", 2).await;
    check("no-store", "bypass", 3).await;
    check("max-age=60", "hit", 3).await;
    check("max-age=0", "bypass", 4).await;
    upstream.push(Script::json(&canned::openai_completion(300)));
    check("No-Cache", "bypass", 5).await;
    let newest = ask(&gateway, &chat("smart"), "").await;
    assert_eq!(newest.header("x-gateway-cache"), "hit");
    assert!(newest.text().len() > 300, "no-cache keeps the new answer");
}

#[tokio::test]
async fn streams_and_what_providers_keep_go_past() {
    let upstream = Upstream::start().unwrap();
    let gateway = smart(&upstream, "");
    upstream.push(Script::json(&canned::openai_completion(20)));
    assert_eq!(told(&gateway, &chat("smart")).await, "miss");
    for _ in 0..2 {
        upstream.push(Script::sse(openai_stream(3, IncludeUsage::No)));
        let stream = gateway.stream(&streamed("smart")).await;
        assert_eq!(stream.header("x-gateway-cache"), "bypass");
        assert!(stream.whole().await.text().contains("[DONE]"));
    }
    let mut stored = chat("smart");
    stored["store"] = json!(true);
    for _ in 0..2 {
        upstream.push(Script::json(&canned::openai_completion(20)));
        assert_eq!(told(&gateway, &stored).await, "bypass");
    }
    assert_eq!(upstream.requests().len(), 5);
    assert_eq!(told(&gateway, &chat("smart")).await, "hit");
}

#[tokio::test]
async fn only_complete_answers_are_kept() {
    let upstream = Upstream::start().unwrap();
    let gateway = smart(&upstream, "max_answer = \"4KiB\"\n");
    let check = async |script: Script, status: u16| {
        let before = upstream.requests().len();
        upstream.push(script);
        let reply = gateway.chat(&chat("smart")).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(upstream.requests().len(), before + 1, "nothing was kept before");
    };
    let ended = |reason: &str| {
        let mut answer = canned::openai_completion(20);
        answer["choices"][0]["finish_reason"] = json!(reason);
        Script::json(&answer)
    };
    let mut refused = canned::openai_completion(20);
    refused["choices"][0]["message"] = json!({"role": "assistant", "content": null, "refusal": "No."});
    check(
        Script::status(400).body("{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\"}}"),
        400,
    )
    .await;
    check(ended("length"), 200).await;
    check(ended("content_filter"), 200).await;
    check(Script::json(&refused), 200).await;
    check(Script::json(&canned::openai_completion(5000)), 200).await;
    check(ended("stop"), 200).await;
    assert_eq!(told(&gateway, &chat("smart")).await, "hit");
}

#[tokio::test]
async fn what_another_model_answered_is_not_kept() {
    let (sick, well) = (Upstream::start().unwrap(), answering());
    sick.always(Script::status(500));
    let models =
        model("smart", &[openai(&sick)]) + "fallbacks = [\"spare\"]\n" + &model("spare", &[openai(&well)]);
    let gateway = Gateway::start(&format!("{ON}{models}"));
    for _ in 0..2 {
        let reply = gateway.chat(&chat("smart")).await;
        let headers = (reply.header("x-gateway-cache"), reply.header("x-gateway-fallback"));
        assert_eq!((reply.status, headers), (200, ("miss", "spare")));
    }
    assert_eq!(well.requests().len(), 2);
}

#[tokio::test]
async fn what_was_lost_is_told_with_every_hit() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::anthropic_message(20)));
    let gateway = Gateway::start(&format!("{ON}{}", model("smart", &[anthropic(&upstream)])));
    let mut body = chat("smart");
    body["logit_bias"] = json!({"50256": -100});
    let (first, again) = (gateway.chat(&body).await, gateway.chat(&body).await);
    assert_eq!((first.header("x-gateway-cache"), again.header("x-gateway-cache")), ("miss", "hit"));
    assert!(first.header("x-gateway-changes").contains("logit_bias"), "{:?}", first.headers);
    assert_eq!(again.header("x-gateway-changes"), first.header("x-gateway-changes"));
}

#[tokio::test]
async fn headers_and_queries_that_reach_the_provider_count() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::anthropic_message(20)));
    let gateway = Gateway::start(&format!("{ON}{}", model("claude", &[anthropic(&upstream)])));
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    let check = async |beta: &str, session: &str, expect: &str| {
        let call =
            gateway.post("/v1/messages").header("anthropic-beta", beta).header("x-gateway-session", session);
        let reply = call.body(body.to_string()).send().await;
        assert_eq!(reply.header("x-gateway-cache"), expect, "{beta} {session}: {}", reply.text());
    };
    check("a", "1", "miss").await;
    check("a", "2", "hit").await;
    check("b", "1", "miss").await;
    check("b", "1", "hit").await;
}

#[tokio::test]
async fn vectors_and_gemini_routes_are_kept_too() {
    let upstream = Upstream::start().unwrap();
    let answer = json!({"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 2.0]}]});
    upstream.on("/v1/embeddings", move |_| Script::json(&answer));
    let text = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}});
    upstream.always(Script::json(&text));
    let small = openai(&upstream).replace("gpt-4o", "text-embedding-3-small");
    let models = model("small", &[small]) + &model("flash", &[gemini(&upstream)]);
    let gateway = Gateway::start(&format!("{ON}{models}"));
    let check = async |path: &str, body: Value, expect: &str| {
        let reply = gateway.post(path).body(body.to_string()).send().await;
        assert_eq!(
            (reply.status, reply.header("x-gateway-cache")),
            (200, expect),
            "{path}: {}",
            reply.text()
        );
    };
    for expect in ["miss", "hit"] {
        check("/v1/embeddings", json!({"model": "small", "input": "a"}), expect).await;
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
        check("/v1beta/models/flash:generateContent", body, expect).await;
    }
    check("/v1/embeddings", json!({"model": "small", "input": ["a"]}), "miss").await;
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn temperature_counts_where_the_configuration_says_so() {
    let upstream = answering();
    let gateway = smart(&upstream, "max_temperature = 0.0\n");
    let at = |temperature: Value| {
        let mut body = chat("smart");
        body["temperature"] = temperature;
        body
    };
    for (temperature, expect) in
        [(json!(0), ["miss", "hit"]), (json!(0.5), ["bypass", "bypass"]), (Value::Null, ["bypass", "bypass"])]
    {
        for expect in expect {
            assert_eq!(told(&gateway, &at(temperature.clone())).await, expect, "{temperature}");
        }
    }
    // The bytes go through as they came, also where they were read for this.
    assert!(upstream.requests().iter().any(|request| request.json()["temperature"] == json!(0.5)));
}

#[tokio::test]
async fn a_reload_keeps_answers_of_deployments_that_stay() {
    let (one, two) = (answering(), answering());
    let config =
        |upstream: &Upstream, more: &str| format!("{FAST}{ON}{more}{}", model("smart", &[openai(upstream)]));
    let gateway = Options::config(config(&one, "")).start();
    assert_eq!(told(&gateway, &chat("smart")).await, "miss");
    gateway.reconfigure(&(config(&one, "ttl = \"1h\"\n") + &model("other", &[openai(&two)])));
    assert_eq!(told(&gateway, &chat("smart")).await, "hit");
    gateway.reconfigure(&config(&two, ""));
    assert_eq!(told(&gateway, &chat("smart")).await, "miss");
    assert_eq!((one.requests().len(), two.requests().len()), (1, 1));
}
