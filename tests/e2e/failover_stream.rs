//! Streams that fail: before content another deployment takes over, after it the client is told.

use std::time::{Duration, Instant};

use llm_testkit::canned::{IncludeUsage, openai_stream};
use llm_testkit::{End, Script, Upstream, sse};
use serde_json::Value;

use crate::failover::Pair;
use crate::harness::{Gateway, Reply, anthropic, model, openai, streamed};

const ERROR_EVENT: &str =
    "data: {\"error\":{\"message\":\"it broke\",\"type\":\"server_error\",\"code\":\"server_error\"}}\n\n";

/// The first `count` events of a stream, marked so that they can be told from others.
fn begun(count: usize) -> Script {
    let events = openai_stream(5, IncludeUsage::Yes);
    let events = events.into_iter().take(count).map(|event| event.replace("chatcmpl-", "chatcmpl-FIRST-"));
    Script::sse(events)
}

#[tokio::test]
async fn a_stream_that_fails_before_content_leaves_no_trace() {
    let expect = openai_stream(5, IncludeUsage::No).concat();
    for failure in [
        // The role comes, no content.
        begun(1).then(End::Truncate),
        begun(1).then(End::Reset),
        begun(1),
        begun(1).chunk(ERROR_EVENT),
        Script::sse([ERROR_EVENT]),
        Script::sse(["data: this is no JSON\n\n"]),
        Script::sse(["<html>"]),
    ] {
        let pair = Pair::new();
        pair.heal();
        pair.bad.always(failure.clone());
        let reply = pair.gateway.stream(&streamed("smart")).await.whole().await;
        assert_eq!((reply.status, reply.header("x-gateway-attempts")), (200, "2"), "{failure:?}");
        assert_eq!(reply.header("x-gateway-deployment"), "smart/2");
        assert_eq!(reply.text(), expect, "{failure:?}");
        assert_eq!((pair.bad.requests().len(), pair.good.requests().len()), (1, 1));
    }
}

/// Asserts that a stream ends in one error event after what was sent, and gives the error.
fn broken(reply: &Reply) -> Value {
    let text = reply.text();
    assert_eq!(reply.status, 200);
    assert!(!text.contains("[DONE]"), "a clean end: {text}");
    let events = sse::json_events(text);
    let (last, before) = events.split_last().unwrap();
    assert!(last["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    assert!(last["error"]["type"].is_string(), "{text}");
    for event in before {
        assert!(event.get("error").is_none(), "{text}");
        assert!(event["choices"][0]["finish_reason"].is_null(), "{text}");
    }
    last["error"].clone()
}

#[tokio::test]
async fn a_stream_that_breaks_after_content_ends_in_an_error_event() {
    for failure in
        [begun(4).then(End::Truncate), begun(4).then(End::Reset), begun(4), begun(4).chunk(ERROR_EVENT)]
    {
        let pair = Pair::new();
        pair.heal();
        pair.bad.always(failure.clone());
        let reply = pair.gateway.stream(&streamed("smart")).await.whole().await;
        assert_eq!(reply.header("x-gateway-attempts"), "1");
        broken(&reply);
        // What was sent is sent once, and nobody else is asked.
        assert_eq!(reply.streamed_content(), "The harbour opens ", "{failure:?}");
        assert_eq!((pair.bad.requests().len(), pair.good.requests().len()), (1, 0));
        pair.gateway.assert_alive().await;
    }
}

#[tokio::test]
async fn an_event_cut_in_the_middle_is_not_sent_at_all() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let events = openai_stream(5, IncludeUsage::Yes);
    let half = events.get(4).unwrap().get(..60).unwrap().to_owned();
    upstream.push(begun(4).chunk(half).then(End::Truncate));
    let reply = gateway.stream(&streamed("smart")).await.whole().await;
    broken(&reply);
    for event in sse::events(reply.text()) {
        assert!(serde_json::from_str::<Value>(&event.data).is_ok(), "half an event: {}", event.data);
    }
}

#[tokio::test]
async fn a_stream_that_stalls_ends_in_an_error_event() {
    let upstream = Upstream::start().unwrap();
    let config = format!("[server]\nrequest_timeout = \"1500ms\"\n{}", model("smart", &[openai(&upstream)]));
    let gateway = Gateway::start(&config);
    upstream.push(begun(4).then(End::Stall));
    let started = Instant::now();
    let reply = gateway.stream(&streamed("smart")).await.whole().await;
    assert!(started.elapsed() >= Duration::from_millis(1490), "{:?}", started.elapsed());
    let error = broken(&reply);
    assert_eq!(error["type"], "timeout_error", "{error}");
    assert_eq!(reply.streamed_content(), "The harbour opens ");
    assert!(upstream.wait_cancelled(crate::harness::PATIENCE).await.is_some());
}

#[tokio::test]
async fn a_translated_stream_that_breaks_ends_in_an_error_event() {
    let events = llm_testkit::canned::anthropic_stream(5);
    let begun = |count: usize| Script::sse(events.iter().take(count).cloned());
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"too much\"}}\n\n";
    for failure in
        [begun(5).then(End::Truncate), begun(5).then(End::Reset), begun(5), begun(5).chunk(overloaded)]
    {
        let upstream = Upstream::start().unwrap();
        let gateway = Gateway::start(&model("claude", &[anthropic(&upstream)]));
        upstream.push(failure);
        let reply = gateway.stream(&streamed("claude")).await.whole().await;
        broken(&reply);
        assert_eq!(reply.streamed_content(), "The harbour ");
    }
}

#[tokio::test]
async fn another_dialect_takes_over_without_a_trace() {
    let (bad, good) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let gateway = Gateway::start(&model("smart", &[anthropic(&bad), openai(&good)]));
    // Begins as Anthropic does, then fails before any text.
    bad.push(Script::sse(llm_testkit::canned::anthropic_stream(5).into_iter().take(3)).then(End::Reset));
    good.push(Script::sse(openai_stream(5, IncludeUsage::Yes)));
    let reply = gateway.stream(&streamed("smart")).await.whole().await;
    assert_eq!((reply.header("x-gateway-attempts"), reply.header("x-gateway-provider")), ("2", "openai"));
    assert_eq!(reply.text(), openai_stream(5, IncludeUsage::No).concat());
}

#[tokio::test]
async fn another_deployment_goes_on_with_the_text() {
    for front in ["/v1/chat/completions", "/v1/messages"] {
        let pair = Pair::with("mid_stream = \"continue\"\n");
        pair.good.on("/v1/chat/completions", |request| {
            let sent = request.json();
            let turns = sent["messages"].as_array().unwrap();
            let (last, before) = turns.split_last().unwrap();
            assert_eq!(before.last().unwrap()["content"], "The harbour opens ");
            assert_eq!(last["role"], "user");
            Script::sse(openai_stream(5, IncludeUsage::Yes))
        });
        pair.bad.always(begun(4).then(End::Reset));
        let mut request = streamed("smart");
        request["max_tokens"] = 100.into();
        let reply = pair.gateway.post(front).body(request.to_string()).open().await.whole().await;
        let events = reply.events();
        let said: String = match front {
            "/v1/messages" => {
                let deltas = events.iter().filter_map(|event| event["delta"]["text"].as_str());
                assert_eq!(events.iter().filter(|event| event["type"] == "content_block_start").count(), 1);
                assert_eq!(events.last().unwrap()["type"], "message_stop");
                deltas.collect()
            }
            _ => reply.streamed_content(),
        };
        assert!(said.starts_with("The harbour opens The harbour opens at "), "{front}: {said}");
        assert!(!reply.text().contains("\"error\""), "{}", reply.text());
        assert!(reply.text().contains(": continued by smart/2"), "the seam is marked");
        assert_eq!((pair.bad.requests().len(), pair.good.requests().len()), (1, 1));
        let path = format!("/admin/v1/requests/{}", reply.header("x-gateway-request-id"));
        let told = pair.gateway.call(http::Method::GET, &path).send().await.json();
        assert_eq!(told["end"]["continued_by"], serde_json::json!(["smart/2"]), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_plain_text_is_not_gone_on_with() {
    let call = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n";
    let mut json = streamed("smart");
    json["response_format"] = serde_json::json!({"type": "json_object"});
    for (request, failure) in
        [(streamed("smart"), begun(3).chunk(call).then(End::Reset)), (json, begun(4).then(End::Reset))]
    {
        let pair = Pair::with("mid_stream = \"continue\"\n");
        pair.heal();
        pair.bad.always(failure);
        broken(&pair.gateway.stream(&request).await.whole().await);
        assert_eq!((pair.bad.requests().len(), pair.good.requests().len()), (1, 0));
    }
    // Nobody is left to go on.
    let pair = Pair::with("mid_stream = \"continue\"\n");
    pair.good.always(begun(4).then(End::Reset));
    pair.bad.always(begun(4).then(End::Reset));
    let reply = pair.gateway.stream(&streamed("smart")).await.whole().await;
    broken(&reply);
    assert_eq!(reply.streamed_content(), "The harbour opens The harbour opens ");
}
