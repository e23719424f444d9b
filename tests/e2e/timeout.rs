//! Upstreams that take too long.

use std::time::{Duration, Instant};

use llm_testkit::canned::{self, IncludeUsage, openai_stream};
use llm_testkit::{End, Gate, Script, Upstream};

use crate::failover::Pair;
use crate::harness::{Gateway, Options, PATIENCE, chat, model, openai, streamed};

/// A script that answers only when the test says so.
fn never(gate: &Gate) -> Script {
    Script::json(&canned::openai_completion(10)).gate_head(gate)
}

#[tokio::test]
async fn an_attempt_may_take_as_long_as_its_deployment_says() {
    let gate = Gate::new();
    let (slow, good) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let bounded = openai(&slow).replace(" }", ", timeout = \"150ms\" }");
    let gateway = Gateway::start(&model("smart", &[bounded.clone(), openai(&good)]));
    slow.always(never(&gate));
    good.always(Script::json(&canned::openai_completion(10)));
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!((reply.status, reply.header("x-gateway-attempts")), (200, "2"));
    // The late one is not left running.
    assert!(slow.wait_cancelled(PATIENCE).await.is_some());

    let gateway =
        Gateway::start(&model("smart", &[bounded]).replace("deployments", "retries = 0\ndeployments"));
    let error = gateway.chat(&chat("smart")).await.error(408);
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("timeout_error", "timeout"));
    error.says(&["0.15 s"]);
}

#[tokio::test]
async fn an_answer_whose_body_never_ends_is_late_as_well() {
    let upstream = Upstream::start().unwrap();
    let config = model("smart", &[openai(&upstream)])
        .replace("deployments", "timeout = \"150ms\"\nretries = 0\ndeployments");
    let gateway = Gateway::start(&config);
    let answer = canned::openai_completion(10).to_string();
    let half = answer.get(..100).unwrap().to_owned();
    upstream.push(Script::status(200).header("content-type", "application/json").body(half).then(End::Stall));
    gateway.chat(&chat("smart")).await.error(408);
    assert!(upstream.wait_cancelled(PATIENCE).await.is_some());
}

#[tokio::test]
async fn a_stream_without_a_first_token_in_time_moves_on() {
    // No head; a head and nothing; the role but no content.
    let events = openai_stream(5, IncludeUsage::Yes);
    let stream = Script::status(200).header("content-type", "text/event-stream");
    for silent in [
        stream.clone().gate_head(&Gate::new()),
        stream.clone().chunked().then(End::Stall),
        stream.chunk(events.first().unwrap().clone()).then(End::Stall),
    ] {
        let pair = Pair::with("first_token_timeout = \"400ms\"\n");
        pair.heal();
        pair.bad.push(silent);
        let reply = pair.gateway.stream(&streamed("smart")).await.whole().await;
        assert_eq!(reply.header("x-gateway-attempts"), "2");
        assert_eq!(reply.text(), openai_stream(5, IncludeUsage::No).concat());
        assert!(pair.bad.wait_cancelled(PATIENCE).await.is_some());
    }
}

#[tokio::test]
async fn a_stream_may_go_on_for_longer_than_its_first_token() {
    let gate = Gate::new();
    let upstream = Upstream::start().unwrap();
    let config = model("smart", &[openai(&upstream)])
        .replace("deployments", "first_token_timeout = \"500ms\"\ndeployments");
    let gateway = Gateway::start(&config);
    let events = openai_stream(2, IncludeUsage::Yes);
    let (first, rest) = events.split_at(2);
    let script = Script::sse(first.to_vec()).pause(Duration::from_millis(600)).gate(&gate);
    upstream.push(rest.iter().cloned().fold(script, Script::chunk));
    let mut stream = gateway.stream(&streamed("smart")).await;
    stream.until("The ").await;
    gate.open();
    assert!(stream.whole().await.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_stream_that_stalls_ends_with_its_attempt() {
    let stalls = || {
        let events = openai_stream(5, IncludeUsage::Yes);
        Script::sse(events.into_iter().take(3)).then(End::Stall)
    };
    // The request may take ten minutes, and an attempt three seconds.
    let pair = Pair::with("timeout = \"3s\"\nmid_stream = \"error\"\n");
    pair.heal();
    pair.bad.push(stalls());
    let reply = pair.gateway.stream(&streamed("smart")).await.whole().await;
    assert!(reply.text().contains("did not answer within 3 s"), "{}", reply.text());

    let pair = Pair::with("timeout = \"3s\"\nmid_stream = \"continue\"\n");
    pair.heal();
    pair.bad.push(stalls());
    let reply = pair.gateway.stream(&streamed("smart")).await.whole().await;
    assert!(!reply.text().contains("\"error\""), "{}", reply.text());
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    assert_eq!(pair.good.requests().len(), 1);
}

#[tokio::test]
async fn a_stream_that_uses_up_the_requests_time_counts_if_it_had_enough() {
    for (timeout, state) in [("600s", "closed"), ("1500ms", "open")] {
        let upstream = Upstream::start().unwrap();
        let config = format!(
            "[server]\nrequest_timeout = \"1500ms\"\n[router]\ntimeout = \"{timeout}\"\ncooldown = {{ failures = 1 }}\n{}",
            model("smart", &[openai(&upstream)])
        );
        let gateway = Options::config(config).start();
        let begun = openai_stream(5, IncludeUsage::Yes).into_iter().take(3);
        upstream.push(Script::sse(begun).then(End::Stall));
        let reply = gateway.stream(&streamed("smart")).await.whole().await;
        assert!(reply.text().contains("timeout_error"), "{}", reply.text());
        let shown = gateway.get("/admin/v1/deployments").await.json();
        assert_eq!(shown["data"][0]["state"], state, "{timeout}: {shown:#}");
    }
}

#[tokio::test]
async fn all_attempts_together_end_with_the_request_timeout() {
    let gate = Gate::new();
    let pair = {
        let (bad, good) = (Upstream::start().unwrap(), Upstream::start().unwrap());
        let config = format!(
            "[server]\nrequest_timeout = \"400ms\"\n{}",
            model("smart", &[openai(&bad), openai(&good)])
        );
        Pair { gateway: Gateway::start(&config), bad, good }
    };
    pair.bad.always(never(&gate));
    pair.good.always(never(&gate));
    for request in [chat("smart"), streamed("smart")] {
        let started = Instant::now();
        pair.gateway.chat(&request).await.error(408);
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(390) && took < Duration::from_secs(15), "{took:?}");
    }
}

/// A stream that is held until the test has seen two comments: about ten seconds.
#[tokio::test]
async fn silence_is_filled_with_comments_until_content_or_failure() {
    let (gate, upstream) = (Gate::new(), Upstream::start().unwrap());
    let gateway = Gateway::start(
        &model("smart", &[openai(&upstream)]).replace("deployments", "retries = 0\ndeployments"),
    );
    upstream.push(Script::sse(openai_stream(3, IncludeUsage::Yes)).gate_head(&gate));
    upstream.push(Script::status(500).gate_head(&gate));

    let started = Instant::now();
    let request = streamed("smart");
    let (mut good, mut bad) = tokio::join!(gateway.stream(&request), gateway.stream(&request));
    assert!(started.elapsed() >= Duration::from_millis(4900), "{:?}", started.elapsed());
    for stream in [&good, &bad] {
        assert_eq!(stream.status(), 200);
        assert!(stream.header("content-type").starts_with("text/event-stream"));
        assert!(!stream.header("x-gateway-request-id").is_empty());
    }
    assert_eq!(good.until("\n\n").await, ": keepalive\n\n");
    assert_eq!(bad.until("\n\n").await, ": keepalive\n\n");
    gate.open();
    // Which of the two got which script is up to their arrival.
    let (mut good, mut bad) = (good.whole().await, bad.whole().await);
    if bad.text().contains("[DONE]") {
        std::mem::swap(&mut good, &mut bad);
    }
    let comments = |text: &str| text.replace(": keepalive\n\n", "");
    assert_eq!(comments(good.text()), openai_stream(3, IncludeUsage::No).concat());
    let events = bad.events();
    assert_eq!(events.len(), 1, "{}", bad.text());
    assert!(events.iter().all(|event| event["error"]["message"].is_string()), "{}", bad.text());
    assert!(!bad.text().contains("[DONE]"), "{}", bad.text());
}
