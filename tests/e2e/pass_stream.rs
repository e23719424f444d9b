//! OpenAI in front of OpenAI, streamed: events leave as they come.

use llm_testkit::canned::{IncludeUsage, openai_stream};
use llm_testkit::{Gate, Script, Upstream};
use serde_json::json;

use crate::harness::{Gateway, PATIENCE, model, openai, streamed};

#[tokio::test]
async fn a_stream_with_usage_asked_for_is_passed_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let mut events = openai_stream(20, IncludeUsage::Yes);
    // Comments, other line ends and spacing, fields that nobody knows.
    events.insert(0, ": hello\n\n".to_owned());
    events.insert(3, "event: ping\r\nid: 7\r\ndata:{\"choices\" : [ ],\"x\":1}\r\n\r\n".to_owned());
    let whole = events.concat();
    let mut request = streamed("smart");
    request["stream_options"] = json!({"include_usage": true});
    upstream.push(Script::sse(events));
    // The same, cut where no event ends.
    let cuts: Vec<Vec<u8>> = whole.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    upstream.push(Script::sse(cuts));
    // And all at once.
    upstream.push(Script::sse([whole.clone()]));
    for _ in 0..3 {
        let reply = gateway.stream(&request).await;
        assert_eq!(reply.status(), 200);
        assert!(reply.header("content-type").starts_with("text/event-stream"));
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.whole().await.text(), whole);
    }
    assert_eq!(upstream.last_request().unwrap().json()["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn a_stream_that_is_complete_but_not_closed_by_its_upstream_is_closed_for_the_client() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let mut events = openai_stream(3, IncludeUsage::No);
    let whole = events.concat();
    assert_eq!(events.pop().as_deref(), Some("data: [DONE]\n\n"));
    for end in ["", "data: [DONE]", "data: [DONE]\n"] {
        upstream.push(Script::sse(events.iter().cloned().chain([end.to_owned()])));
        let reply = gateway.stream(&streamed("smart")).await.whole().await;
        assert_eq!(reply.text(), whole, "{end:?}");
    }
}

#[tokio::test]
async fn the_usage_of_a_stream_that_ends_without_a_blank_line_reaches_the_client() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let mut events = openai_stream(3, IncludeUsage::Yes);
    let whole = events.concat();
    assert_eq!(events.pop().as_deref(), Some("data: [DONE]\n\n"));
    let usage = events.pop().unwrap();
    for end in ["", "\n"] {
        let last = format!("{}{end}", usage.trim_end());
        let script = events.iter().cloned().chain([last]);
        upstream.push(Script::sse(script.clone()));
        upstream.push(Script::sse(script));
        let mut request = streamed("smart");
        request["stream_options"] = json!({"include_usage": true});
        let reply = gateway.stream(&request).await.whole().await;
        assert_eq!(reply.text(), whole, "{end:?}");
        let reply = gateway.stream(&streamed("smart")).await.whole().await;
        assert_eq!(reply.text(), openai_stream(3, IncludeUsage::No).concat(), "{end:?}");
    }
}

#[tokio::test]
async fn usage_is_asked_for_and_kept_back_from_who_did_not_ask() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let without = openai_stream(5, IncludeUsage::No).concat();
    let check = async |options: serde_json::Value, sent: serde_json::Value| {
        upstream.push(Script::sse(openai_stream(5, IncludeUsage::Yes)));
        let mut request = streamed("smart");
        if !options.is_null() {
            request["stream_options"] = options;
        }
        let reply = gateway.stream(&request).await.whole().await;
        assert_eq!(upstream.last_request().unwrap().json()["stream_options"], sent);
        assert_eq!(reply.text(), without);
    };
    check(json!(null), json!({"include_usage": true})).await;
    check(json!({}), json!({"include_usage": true})).await;
    check(json!({"include_usage": false}), json!({"include_usage": true})).await;
    check(
        json!({"include_obfuscation": false, "x_other": [1, 2]}),
        json!({"include_obfuscation": false, "x_other": [1, 2], "include_usage": true}),
    )
    .await;
}

#[tokio::test]
async fn the_body_stays_as_it_came_around_what_is_added() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    upstream.push(Script::sse(openai_stream(1, IncludeUsage::Yes)));
    let body = "{ \"stream\" :true, \"model\": \"smart\",\"messages\":[ ] , \"x\" : 1.0 ,\
                \"stream_options\" : { \"y\" : 2.50 } }";
    let reply = gateway.post("/v1/chat/completions").body(body).send().await;
    assert_eq!(reply.status, 200);
    let sent = upstream.last_request().unwrap().text();
    for kept in ["{ \"stream\" :true, \"model\": \"gpt-4o\",\"messages\":[ ] , \"x\" : 1.0 ,", "\"y\" : 2.50"]
    {
        assert!(sent.contains(kept), "no `{kept}` in {sent}");
    }
}

#[tokio::test]
async fn every_chunk_leaves_while_the_upstream_holds_the_next() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let events = openai_stream(6, IncludeUsage::Yes);
    let gates: Vec<Gate> = events.iter().map(|_| Gate::new()).collect();
    let script =
        events.iter().zip(&gates).fold(
            Script::status(200).header("content-type", "text/event-stream"),
            |script, (event, gate)| script.gate(gate).chunk(event.clone()),
        );
    upstream.push(script);
    let mut request = streamed("smart");
    request["stream_options"] = json!({"include_usage": true});
    // The head leaves with the first content, which is the second event.
    let (first, rest) = gates.split_at(2);
    first.iter().for_each(Gate::open);
    let mut stream = gateway.stream(&request).await;
    let opening = events.iter().take(2).cloned().collect::<String>();
    let mut read = stream.until(events.get(1).unwrap()).await;
    assert_eq!(read, opening);
    for (event, gate) in events.iter().skip(2).zip(rest) {
        gate.open();
        // Comes before the next gate is open, or never.
        read = stream.until(event).await;
        assert_eq!(&read, event);
    }
    assert_eq!(stream.chunk().await, None);
}

#[tokio::test]
async fn a_connection_is_used_again_after_done() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let gate = Gate::new();
    // The end of the body comes after the client has seen `[DONE]`.
    let slow = openai_stream(3, IncludeUsage::Yes)
        .into_iter()
        .fold(Script::status(200).header("content-type", "text/event-stream"), Script::chunk)
        .gate(&gate);
    upstream.push(slow);
    let reply = gateway.stream(&streamed("smart")).await.whole().await;
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    gate.open();
    assert!(upstream.wait_finished(1, PATIENCE).await);
    for count in 2..5 {
        upstream.push(Script::sse(openai_stream(3, IncludeUsage::Yes)));
        gateway.stream(&streamed("smart")).await.whole().await;
        assert!(upstream.wait_finished(count, PATIENCE).await);
    }
    // The gateway may not have read the end of the first body when the second request came.
    assert!(upstream.connections() <= 2, "{} connections", upstream.connections());
}

#[tokio::test]
async fn a_stream_that_is_answered_whole_is_streamed() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    upstream.push(Script::json(&llm_testkit::canned::openai_completion(100)));
    let reply = gateway.stream(&streamed("smart")).await;
    assert!(reply.header("content-type").starts_with("text/event-stream"));
    let reply = reply.whole().await;
    assert_eq!(reply.streamed_content(), llm_testkit::canned::text(100));
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
}
