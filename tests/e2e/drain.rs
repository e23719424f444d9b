//! The order to stop: running requests end, new ones are not taken.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use llm_testkit::canned::{self, IncludeUsage, openai_stream};
use llm_testkit::{End, Gate, Script, Upstream};

use crate::harness::{Gateway, PATIENCE, Raw, anthropic, chat, model, openai, streamed};

#[tokio::test]
async fn running_requests_end_and_new_ones_are_refused() {
    let gate = Gate::new();
    let upstream = Upstream::start().unwrap();
    let mut gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let mut idle = Raw::connect(gateway.addr()).await;
    idle.write("GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(idle.answer().await.0.status(), Some(200));

    let events = openai_stream(5, IncludeUsage::Yes);
    let (first, rest) = events.split_at(3);
    let script = Script::sse(first.to_vec()).gate(&gate);
    upstream.push_for("/v1/chat/completions", rest.iter().cloned().fold(script, Script::chunk));
    let mut stream = gateway.stream(&streamed("smart")).await;
    let mut read = stream.until("harbour").await;
    upstream.push_for("/v1/chat/completions", Script::json(&canned::openai_completion(9)).gate_head(&gate));
    let mut whole = Raw::connect(gateway.addr()).await;
    let body = chat("smart").to_string();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}", body.len());
    whole.write(format!("{head}\r\n\r\n{body}")).await;
    assert!(upstream.wait_requests(2, PATIENCE).await);

    gateway.signal("TERM");
    gateway.wait_log("draining");
    // A load balancer that keeps connections learns by their end that it must go elsewhere.
    idle.closed().await;
    // One that asks for the first time is told, and whoever sends a request is sent elsewhere.
    let ready = gateway.get("/health/ready").await;
    assert_eq!((ready.status, ready.text()), (503, r#"{"status":"draining"}"#));
    assert_eq!(ready.header("connection"), "close");
    assert_eq!(gateway.get("/health/live").await.status, 200);
    for body in [chat("smart"), streamed("smart")] {
        let refused = gateway.chat(&body).await;
        refused.error(503).says(&["stopping"]);
        assert_eq!(refused.header("retry-after"), "1");
    }
    assert_eq!(upstream.requests().len(), 2);

    gate.open();
    read.push_str(stream.whole().await.text());
    assert_eq!(read, openai_stream(5, IncludeUsage::No).concat());
    let (head, body) = whole.answer().await;
    assert_eq!(head.status(), Some(200));
    assert_eq!(head.header("connection"), Some("close"));
    assert_eq!(body, canned::openai_completion(9).to_string());
    assert_eq!(gateway.wait_exit().code(), Some(0), "{}", gateway.logs());
    gateway.wait_log("stopped");
    assert!(TcpStream::connect(gateway.addr()).is_err(), "a new connection was taken");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_with_an_error() {
    let upstream = Upstream::start().unwrap();
    let other = Upstream::start().unwrap();
    let config = format!(
        "[server]\ndrain_timeout = \"300ms\"\n{}{}",
        model("smart", &[openai(&upstream)]),
        model("claude", &[anthropic(&other)])
    );
    let mut gateway = Gateway::start(&config);
    // Passed, translated, and one that has not answered at all.
    upstream.push(Script::sse(openai_stream(5, IncludeUsage::Yes).into_iter().take(3)).then(End::Stall));
    let mut passed = gateway.stream(&streamed("smart")).await;
    passed.until("harbour").await;
    other.push(Script::sse(canned::anthropic_stream(5).into_iter().take(4)).then(End::Stall));
    let mut translated = gateway.stream(&streamed("claude")).await;
    translated.until("content").await;
    upstream.push(Script::json(&canned::openai_completion(9)).gate_head(&Gate::new()));
    let mut whole = Raw::connect(gateway.addr()).await;
    let body = chat("smart").to_string();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}", body.len());
    whole.write(format!("{head}\r\n\r\n{body}")).await;
    assert!(upstream.wait_requests(2, PATIENCE).await);

    let started = Instant::now();
    gateway.signal("TERM");
    for stream in [passed, translated] {
        let rest = stream.try_rest().await.expect("a whole body");
        let last = llm_testkit::sse::json_events(&rest).pop().expect("an event");
        assert_eq!(last["error"]["code"], "service_unavailable", "{rest}");
        assert!(last["error"]["message"].as_str().unwrap().contains("drain_timeout"), "{rest}");
        assert!(!rest.contains("[DONE]"), "{rest}");
    }
    assert_eq!(whole.answer().await.0.status(), Some(503));
    assert_eq!(gateway.wait_exit().code(), Some(0), "{}", gateway.logs());
    assert!(started.elapsed() >= Duration::from_millis(290), "{:?}", started.elapsed());
    assert!(upstream.wait_cancelled(PATIENCE).await.is_some());
    gateway.wait_log("drain_timeout");
}

#[tokio::test]
async fn without_requests_it_stops_at_once_by_either_signal() {
    for signal in ["TERM", "INT"] {
        let mut gateway = Gateway::start("");
        gateway.assert_alive().await;
        gateway.signal(signal);
        assert_eq!(gateway.wait_exit().code(), Some(0), "{signal}: {}", gateway.logs());
    }
}
