//! A connection that was used once is used again.

use std::time::Duration;

use llm_testkit::canned::{IncludeUsage, anthropic_stream, openai_stream};
use llm_testkit::{Script, Upstream};
use serde_json::json;

use crate::lab::{Lab, deployment};

/// How many requests go over one connection, one after the other.
const REQUESTS: usize = 20;

#[tokio::test]
async fn a_finished_stream_leaves_its_connection_for_the_next() {
    let openai = openai_stream(5, IncludeUsage::Yes);
    check_reuse("openai/gpt-4o", || Script::sse(openai.clone())).await;
    check_reuse("groq/m", || Script::sse(openai.clone())).await;
    let anthropic = anthropic_stream(5);
    check_reuse("anthropic/claude-sonnet-4-5", || Script::sse(anthropic.clone())).await;
    // The end of the body comes after the last event, and later.
    let late = || Script::sse(openai.clone()).pause(Duration::from_millis(5));
    check_reuse("openai/gpt-4o", late).await;
}

async fn check_reuse(model: &str, script: impl Fn() -> Script) {
    let lab = Lab::start().await;
    let upstream = Upstream::start().unwrap();
    lab.deploy(deployment(model), upstream.addr());
    let request = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    for done in 1..=REQUESTS {
        upstream.push(script());
        let answer = lab.chat(&request).await;
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{model}: {}", answer.text());
        assert!(upstream.wait_finished(done, Duration::from_secs(5)).await, "{model}: request {done}");
    }
    // The client may be faster than the pool now and then; a connection for each request is the fault.
    let connections = upstream.connections();
    assert!(connections <= REQUESTS / 4, "{model}: {connections} connections for {REQUESTS} requests");
}
