//! The same dialect on both sides: the provider's bytes are the client's bytes, and a connection that was
//! used once is used again.

use std::fmt::Write as _;
use std::time::Duration;

use llm_testkit::canned::{IncludeUsage, anthropic_stream, openai_stream};
use llm_testkit::conformance::Case;
use llm_testkit::player::{Cut, Player, pieces};
use llm_testkit::{Recording, Script, Upstream};
use serde_json::{Value, json};

use crate::lab::{Lab, deployment};
use crate::tally::recordings;

/// Recordings of providers whose answers go through as they come.
fn passed() -> Vec<Case> {
    let providers = ["openai", "azure"];
    let chats = recordings().operation("chat");
    Case::all(&chats.filter(|recording| {
        recording.response.is_success() && providers.contains(&recording.provider.as_str())
    }))
}

#[tokio::test]
async fn answers_pass_byte_by_byte() {
    let lab = Lab::start().await;
    let mut failures = String::new();
    let (mut whole, mut streams) = (0, 0);
    for case in passed() {
        let mut request = case.request_for("m");
        // A client that asks for the usage gets the whole stream; one that does not misses its event.
        for wanted in if case.recording.is_stream() { vec![true, false] } else { vec![false] } {
            let expect = expected(&case.recording, wanted);
            if case.recording.is_stream() {
                request["stream_options"] = json!({"include_usage": wanted});
                streams += 1;
            } else {
                whole += 1;
            }
            let player = Player::start(&case.recording, Cut::Events).unwrap();
            lab.deploy_for(&case.recording, player.addr());
            let answer = lab.chat(&request).await;
            if answer.body != expect {
                let expect = String::from_utf8_lossy(&expect).into_owned();
                _ = writeln!(failures, "{}: sent {expect}\ngot {}", case.recording, answer.text());
            }
        }
    }
    assert!(whole >= 3 && streams >= 4, "{whole} answers and {streams} streams were played");
    assert!(failures.is_empty(), "\n{failures}");
}

/// What a client must get: what the provider sends, without the event that has only the usage where the
/// client does not want it.
fn expected(recording: &Recording, usage: bool) -> Vec<u8> {
    let Some(text) = recording.response.sse() else { return recording.response.bytes().to_vec() };
    let mut events = pieces(text, Cut::Events);
    events.retain(|event| usage || !only_usage(event));
    events.concat()
}

fn only_usage(event: &[u8]) -> bool {
    let data = event.strip_prefix(b"data: ").unwrap_or_default();
    let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return false };
    chunk["usage"].is_object() && chunk["choices"] == json!([])
}

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
