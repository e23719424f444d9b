//! Who is asked: cooldowns, fallbacks, limits, tags, tiers, sessions, and a second one beside a slow one.

use std::time::{Duration, Instant};

use http::Method;
use llm_testkit::{Gate, Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{
    Gateway, Options, PATIENCE, chat, failing, llmctl, model, model_with, openai, streamed, well, well_after,
    with,
};

#[tokio::test]
async fn a_limited_deployment_is_left_alone_and_comes_back() {
    let limited = well_after([failing(429, "rate_limit_exceeded").header("retry-after", "1")]);
    let other = well();
    let gateway = Gateway::start(&model("smart", &[openai(&limited), openai(&other)]));
    let mut last = gateway.chat(&chat("smart")).await;
    while limited.requests().is_empty() {
        last = gateway.chat(&chat("smart")).await;
    }
    assert_eq!((last.served(), last.header("x-gateway-attempts")), ("smart/2", "2"));
    let cooling = Instant::now();
    for _ in 0..5 {
        let reply = gateway.chat(&chat("smart")).await;
        if cooling.elapsed() < Duration::from_millis(900) {
            assert_eq!((reply.served(), reply.header("x-gateway-attempts")), ("smart/2", "1"));
        }
    }
    // One request finds out that it is well again; then it has its share.
    let end = Instant::now() + PATIENCE;
    while limited.requests().len() < 3 && Instant::now() < end {
        gateway.chat(&chat("smart")).await.served();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(limited.requests().len() >= 3);
    let back = limited.requests().get(1).unwrap().at.duration_since(limited.requests().first().unwrap().at);
    assert!(back >= Duration::from_millis(990), "asked again after {back:?}");
}

#[tokio::test]
async fn a_single_deployment_is_never_locked_out() {
    let only = well_after(vec![failing(500, "x"); 6]);
    let config = model("smart", &[openai(&only)]).replace("deployments", "retries = 0\ndeployments");
    let gateway = Gateway::start(&config);
    for _ in 0..6 {
        assert_eq!(gateway.chat(&chat("smart")).await.status, 500);
    }
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "smart/1", "it is asked although it cools down");
}

#[tokio::test]
async fn another_model_takes_over_and_says_so() {
    let (bad, cheap) = (Upstream::start().unwrap(), well());
    bad.always(failing(503, "x"));
    let config = model("smart", &[openai(&bad)])
        .replace("deployments", "fallbacks = [\"cheap\"]\ndeployments")
        + &model("cheap", &[openai(&cheap)])
        + "[router]\nretries = 0\n";
    let gateway = Options::config(config).start();
    for request in [chat("smart"), streamed("smart")] {
        let reply = gateway.chat(&request).await;
        assert_eq!(reply.served(), "cheap/1");
        assert_eq!((reply.header("x-gateway-model"), reply.header("x-gateway-fallback")), ("smart", "cheap"));
    }
    assert_eq!(gateway.chat(&chat("cheap")).await.header("x-gateway-fallback"), "");
    cheap.on("/v1/chat/completions", |_| failing(500, "x"));
    let reply = gateway.chat(&chat("smart")).await;
    reply.error(500).says(&["smart/1", "cheap/1", "2 models", "no luck"]);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_goes_where_it_does() {
    let small = Upstream::start().unwrap();
    let long = well();
    small.push(Script::json(&canned::openai_completion(50)));
    let config = model("smart", &[with(&openai(&small), "context_window = 500")])
        .replace("deployments", "context_window_fallbacks = [\"long\"]\ndeployments")
        + &model("long", &[openai(&long)]);
    let gateway = Gateway::start(&config);
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "smart/1");
    let mut request = chat("smart");
    request["messages"][0]["content"] = "many words ".repeat(800).into();
    assert_eq!(gateway.chat(&request).await.served(), "long/1");
    assert_eq!(small.requests().len(), 1, "it was not asked for what does not fit");
    // The provider may find out as well.
    small.push(failing(400, "context_length_exceeded"));
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "long/1");
    small.push(failing(400, "invalid_value"));
    assert_eq!(gateway.chat(&chat("smart")).await.status, 400, "any other mistake is the caller's");
}

#[tokio::test]
async fn a_fallback_that_is_not_asked_is_told_why() {
    let (bad, good) = (Upstream::start().unwrap(), well());
    bad.always(failing(500, "x"));
    let chains = "fallbacks = [\"broken\", \"spare\", \"last\"]\ncontext_window_fallbacks = [\"long\"]";
    let config = model_with("smart", chains, &[openai(&bad)])
        + &model_with("broken", "fallbacks = [\"smart\"]", &[openai(&bad)])
        + &["spare", "last", "long"].map(|name| model(name, &[openai(&good)])).concat();
    let gateway = Gateway::start(&config);
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!(reply.served(), "spare/1");
    let told = gateway.explained(&reply).await;
    let expect = json!([
        {"model": "last", "fallback_of": "smart", "reason": "another model answered before"},
        {"model": "long", "fallback_of": "smart", "reason": "is for another kind of failure"},
        {"model": "smart", "fallback_of": "broken", "reason": "was asked before"},
    ]);
    assert_eq!(told["passed_over"], expect, "{told}");
    let id = reply.header("x-gateway-request-id");
    let text = llmctl(&["explain", id, "--gateway", &gateway.url()]).run();
    let line = "fallback `smart` of `broken` passed over: was asked before";
    assert!(text.good().contains(line), "{}", text.good());
    // Nobody falls back without a failure.
    let reply = gateway.chat(&chat("spare")).await;
    assert_eq!(gateway.explained(&reply).await.get("passed_over"), None);
}

#[tokio::test]
async fn a_request_brings_its_own_fallbacks() {
    let (bad, one, two) = (Upstream::start().unwrap(), Upstream::start().unwrap(), well());
    bad.always(failing(500, "x"));
    one.always(failing(500, "x"));
    let config =
        model("smart", &[openai(&bad)]) + &model("one", &[openai(&one)]) + &model("two", &[openai(&two)]);
    let gateway = Options::config(config + "[router]\nretries = 0\n").start();
    let mut request = chat("smart");
    request["temperature"] = 1.into();
    request["fallbacks"] = json!(["one", {"model": "two", "temperature": 0, "top_p": 0.5}]);
    assert_eq!(gateway.chat(&request).await.served(), "two/1");
    let sent = |upstream: &Upstream| upstream.last_request().unwrap().json();
    for upstream in [&bad, &one] {
        assert_eq!((&sent(upstream)["temperature"], &sent(upstream)["fallbacks"]), (&json!(1), &Value::Null));
    }
    assert_eq!((&sent(&two)["temperature"], &sent(&two)["top_p"]), (&json!(0), &json!(0.5)));
    assert_eq!(sent(&two).get("fallbacks"), None);
    request["fallbacks"] = json!(["nobody"]);
    let error = gateway.chat(&request).await.error(404);
    assert_eq!(error.param, "fallbacks");
}

#[tokio::test]
async fn a_slow_beginning_is_hedged() {
    let (slow, quick) = (Upstream::start().unwrap(), well());
    let gate = Gate::new();
    slow.always(Script::sse(canned::openai_stream(5, canned::IncludeUsage::Yes)).gate_head(&gate));
    let config = model("smart", &[with(&openai(&slow), "order = 0"), with(&openai(&quick), "order = 1")])
        .replace("deployments", "hedge_after = \"50ms\"\ndeployments");
    let gateway = Gateway::start(&config);
    let reply = gateway.chat(&streamed("smart")).await;
    assert_eq!((reply.served(), reply.header("x-gateway-attempts")), ("smart/2", "2"));
    assert!(reply.text().contains("[DONE]"));
    let told = gateway.explained(&reply).await;
    let attempts = told["groups"][0]["attempts"].as_array().unwrap();
    assert_eq!(
        (&attempts[0]["lost"], attempts[1]["because"].as_str()),
        (&json!(true), Some("the one before took long to begin"))
    );
    assert!(slow.wait_cancelled(PATIENCE).await.is_some(), "the other call is cancelled");
    let list = gateway.get("/admin/v1/deployments").await.json();
    let in_flight: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| &one["in_flight"]).collect();
    assert_eq!(in_flight, [0, 0], "and counts no longer");
    gate.open();
    // The one that is slow is the only one for a whole answer: those are not hedged.
    slow.always(Script::json(&canned::openai_completion(5)).delay_head(Duration::from_millis(150)));
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "smart/1");
}

#[tokio::test]
async fn a_session_stays_where_it_is() {
    let upstreams = [well(), well(), well()];
    let deployments: Vec<String> = upstreams.iter().map(openai).collect();
    let gateway = Gateway::start(&model("smart", &deployments));
    let mut places = Vec::new();
    for session in 0..12 {
        let mut at = Vec::new();
        for _ in 0..3 {
            let body = chat("smart").to_string();
            let call =
                gateway.post("/v1/chat/completions").header("x-gateway-session", &format!("s{session}"));
            at.push(call.body(body).send().await.served().to_owned());
        }
        at.dedup();
        assert_eq!(at.len(), 1, "{at:?}");
        places.extend(at);
    }
    places.sort();
    places.dedup();
    assert!(places.len() > 1, "sessions spread: {places:?}");
}

#[tokio::test]
async fn tags_regions_and_tiers_choose() {
    let upstreams = [well(), well(), well()];
    let [eu, paid, spare] = &upstreams;
    let deployments = [
        with(&openai(eu), "region = \"eu\", tags = [\"private\"]"),
        with(&openai(paid), "region = \"us\", tags = [\"private\", \"paid\"]"),
        with(&openai(spare), "order = 1"),
    ];
    let gateway = Gateway::start(&model("smart", &deployments));
    let ask = async |name: &'static str, value: &str| {
        let call = gateway.post("/v1/chat/completions").header(name, value);
        call.body(chat("smart").to_string()).send().await
    };
    for _ in 0..4 {
        assert_eq!(ask("x-gateway-tags", "private, paid").await.served(), "smart/2");
        assert_eq!(ask("x-gateway-region", "eu").await.served(), "smart/1");
    }
    let reply = ask("x-gateway-tags", "secret").await;
    reply.error(reply.status).says(&["lacks a tag", "smart/1"]);
    assert_eq!(reply.status, 400, "it asks for what nobody has");
    for _ in 0..4 {
        gateway.chat(&chat("smart")).await.served();
    }
    assert_eq!(spare.requests().len(), 0, "a higher tier is not asked while a lower one can be");
    for upstream in [eu, paid] {
        upstream.on("/v1/chat/completions", |_| failing(500, "x"));
    }
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "smart/3");
}

#[tokio::test]
async fn limits_of_deployments_hold() {
    let (narrow, wide) = (Upstream::start().unwrap(), well());
    let gate = Gate::new();
    narrow.always(Script::json(&canned::openai_completion(5)).gate_head(&gate));
    let gateway = Gateway::start(&model(
        "smart",
        &[with(&openai(&narrow), "max_parallel = 1"), with(&openai(&wide), "order = 1")],
    ));
    let body = chat("smart");
    let (first, rest) = tokio::join!(gateway.chat(&body), async {
        while narrow.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..3 {
            assert_eq!(gateway.chat(&body).await.served(), "smart/2");
        }
        gate.open();
    });
    let () = rest;
    assert_eq!(first.served(), "smart/1");
    assert_eq!(narrow.requests().len(), 1);

    let (few, many) = (well(), well());
    let gateway =
        Gateway::start(&model("smart", &[with(&openai(&few), "rpm = 2"), with(&openai(&many), "order = 1")]));
    for _ in 0..6 {
        gateway.chat(&body).await.served();
    }
    assert_eq!((few.requests().len(), many.requests().len()), (2, 4));
}

#[tokio::test]
async fn what_providers_say_of_their_limits_is_heard() {
    let (used_up, other) = (Upstream::start().unwrap(), well());
    let spent = Script::json(&canned::openai_completion(5))
        .header("x-ratelimit-limit-requests", "100")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "1m0s");
    used_up.always(spent);
    let gateway = Gateway::start(&model("smart", &[openai(&used_up), with(&openai(&other), "order = 1")]));
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "smart/1");
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!((reply.served(), reply.header("x-gateway-attempts")), ("smart/2", "1"));
    let told = gateway.explained(&reply).await;
    let reason = told["groups"][0]["decisions"][0]["candidates"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("rate limit is used up"), "{reason}");
}

#[tokio::test]
async fn a_request_is_explained() {
    let (bad, good) = (Upstream::start().unwrap(), well());
    bad.always(failing(500, "x"));
    let config = model("smart", &[with(&openai(&bad), "order = 0"), with(&openai(&good), "order = 1")])
        .replace("deployments", "strategy = \"lowest-latency\"\ndeployments");
    let gateway = Gateway::start(&config);
    let reply = gateway.chat(&streamed("smart")).await;
    reply.served();
    let told = gateway.explained(&reply).await;
    assert_eq!((&told["model"], &told["deployment"]), (&json!("smart"), &json!("smart/2")));
    assert_eq!((&told["outcome"], &told["attempts"]), (&json!("answered"), &json!(2)));
    let group = &told["groups"][0];
    assert_eq!(group["strategy"], "lowest-latency");
    assert_eq!(group["attempts"][0]["error"]["status"], 500);
    assert_eq!(group["decisions"].as_array().unwrap().len(), 2);
    assert_eq!(group["decisions"][1]["candidates"][0]["verdict"], "tried before");
    assert_eq!(told["end"]["input_tokens"], 19);
    assert!(told["upstream_ms"].as_f64().unwrap() <= told["took_ms"].as_f64().unwrap());

    let id = reply.header("x-gateway-request-id");
    let args = ["explain", id, "--gateway", &gateway.url()];
    let text = llmctl(&args).run();
    for word in [id, "smart/1", "smart/2", "500", "no luck", "tried before", "lowest-latency"] {
        assert!(text.good().contains(word), "no `{word}` in {}", text.good());
    }
    assert_eq!(llmctl(&["explain", id, "--json", "--gateway", &gateway.url()]).run().json(), told);
    llmctl(&["explain", "nothing", "--gateway", &gateway.url()]).run().failed(1, &["nothing is known"]);
    let list = gateway.call(Method::GET, "/admin/v1/requests?limit=1").send().await.json();
    assert_eq!((&list["data"][0]["id"], list["data"].as_array().unwrap().len()), (&json!(id), 1));
}
