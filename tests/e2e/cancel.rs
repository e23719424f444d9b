//! A client that goes away ends the call to the provider.

use llm_testkit::canned::{self, IncludeUsage, anthropic_stream, openai_stream};
use llm_testkit::{Gate, Script, Upstream};

use crate::harness::{Gateway, PATIENCE, Raw, anthropic, chat, model, openai, streamed};

fn request(body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn within_a_stream() {
    let gate = Gate::new();
    let upstream = Upstream::start().unwrap();
    let gateway =
        Gateway::start(&(model("smart", &[openai(&upstream)]) + &model("claude", &[anthropic(&upstream)])));
    for (model, events) in [("smart", openai_stream(5, IncludeUsage::Yes)), ("claude", anthropic_stream(5))] {
        upstream.clear();
        upstream.push(Script::sse(events.into_iter().take(5)).gate(&gate));
        let mut stream = gateway.stream(&streamed(model)).await;
        stream.until("harbour").await;
        drop(stream);
        assert!(upstream.wait_cancelled(PATIENCE).await.is_some(), "{model}: the call goes on");
        assert_eq!(upstream.requests().len(), 1, "{model}");
    }
    gateway.assert_alive().await;
}

#[tokio::test]
async fn before_the_head() {
    let gate = Gate::new();
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    for body in [chat("smart"), streamed("smart")] {
        upstream.clear();
        upstream.push(Script::json(&canned::openai_completion(10)).gate_head(&gate));
        let mut raw = Raw::connect(gateway.addr()).await;
        raw.write(request(&body)).await;
        assert!(upstream.wait_requests(1, PATIENCE).await);
        drop(raw);
        assert!(upstream.wait_cancelled(PATIENCE).await.is_some(), "the call goes on");
        assert_eq!(upstream.requests().len(), 1, "it was tried again");
    }
    gateway.assert_alive().await;
}

#[tokio::test]
async fn before_the_first_content() {
    let gate = Gate::new();
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let role = openai_stream(1, IncludeUsage::No).into_iter().take(1);
    upstream.push(Script::sse(role).gate(&gate));
    let mut raw = Raw::connect(gateway.addr()).await;
    raw.write(request(&streamed("smart"))).await;
    assert!(upstream.wait_requests(1, PATIENCE).await);
    drop(raw);
    assert!(upstream.wait_cancelled(PATIENCE).await.is_some(), "the call goes on");
}

#[tokio::test]
async fn its_place_among_the_running_is_free_again() {
    let gate = Gate::new();
    let upstream = Upstream::start().unwrap();
    let gateway =
        Gateway::start(&format!("[server]\nmax_in_flight = 1\n{}", model("smart", &[openai(&upstream)])));
    for _ in 0..3 {
        upstream.clear();
        upstream.push(Script::sse(openai_stream(5, IncludeUsage::Yes).into_iter().take(3)).gate(&gate));
        let mut stream = gateway.stream(&streamed("smart")).await;
        assert_eq!(stream.status(), 200);
        stream.until("harbour").await;
        drop(stream);
        assert!(upstream.wait_cancelled(PATIENCE).await.is_some());
        // The upstream sees the end a moment before the gateway has let go of the request.
        while gateway.chat(&chat("none")).await.status == 503 {
            tokio::task::yield_now().await;
        }
    }
}
