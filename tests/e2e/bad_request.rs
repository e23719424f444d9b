//! What clients do wrong: each fault is answered clearly, and the gateway goes on serving.

use http::Method;
use llm_testkit::{Gate, Script, Upstream, canned};
use serde_json::json;

use crate::harness::{Gateway, PATIENCE, Raw, chat, model, openai, streamed};

const CHAT: &str = "/v1/chat/completions";

/// A gateway whose upstream must not be called.
fn gateway(server: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start().unwrap();
    let models = model("smart", &[openai(&upstream)]) + &model("openai/gpt-4o-mini", &[openai(&upstream)]);
    (Gateway::start(&format!("{server}\n{models}")), upstream)
}

#[tokio::test]
async fn a_body_that_is_no_chat_request_is_named_as_such() {
    let (gateway, upstream) = gateway("");
    let check = async |body: &str, says: &[&str]| {
        let error = gateway.post(CHAT).body(body.to_owned()).send().await.error(400);
        assert_eq!(error.kind, "invalid_request_error", "{body}");
        error.says(says);
    };
    check("", &["the body is empty"]).await;
    check(" \n", &["the body is empty"]).await;
    check("hello", &["not a valid JSON object"]).await;
    check("{\"model\": \"smart\"", &["not a valid JSON object"]).await;
    check("[]", &["JSON object"]).await;
    check("[{\"model\": \"smart\"}]", &["JSON object"]).await;
    check("\"smart\"", &["JSON object"]).await;
    check("{\"model\": \"smart\", \"messages\": []} trailing", &["not a valid JSON object"]).await;
    check("{\"model\": \"smart\", \"model\": \"other\", \"messages\": []}", &["duplicate", "`model`"]).await;
    check("{\"model\": \"smart\", \"mod\\u0065l\": \"other\", \"messages\": []}", &["duplicate", "`model`"])
        .await;
    check("{\"model\": \"smart\", \"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}", &[]).await;
    assert_eq!(upstream.requests().len(), 0);
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_refused() {
    let (gateway, upstream) = gateway("");
    let body = b"{\"model\": \"smart\", \"messages\": [{\"role\": \"user\", \"content\": \"\xff\xfe\"}]}";
    gateway.post(CHAT).body(body.as_slice()).send().await.error(400);
    assert_eq!(upstream.requests().len(), 0);
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_model_that_is_missing_or_no_text_is_named() {
    let (gateway, upstream) = gateway("");
    for body in [json!({"messages": []}), json!({"model": null}), json!({"model": 4}), json!({"model": ""})] {
        let reply = gateway.chat(&body).await;
        let expect = if body["model"] == "" { 404 } else { 400 };
        let status = reply.status;
        assert!(status == 400 || status == expect, "{body}: {}", reply.text());
        let error = reply.error(status);
        assert_eq!(error.param, "model", "{body}: {error:?}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn an_unknown_model_is_a_404_that_offers_the_nearest() {
    let (gateway, upstream) = gateway("");
    let error = gateway.chat(&chat("smrat")).await.error(404);
    assert_eq!((error.code.as_str(), error.param.as_str()), ("model_not_found", "model"));
    error.says(&["`smrat`", "`smart`"]);
    gateway.chat(&chat("gpt-4o-mini")).await.error(404).says(&["`openai/gpt-4o-mini`"]);
    // Nothing is alike, so the list is pointed at.
    gateway.chat(&streamed("zzzzzz")).await.error(404).says(&["/v1/models"]);
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_stream_flag_that_is_no_flag_is_named() {
    let (gateway, _upstream) = gateway("");
    let mut body = chat("smart");
    body["stream"] = json!("yes");
    assert_eq!(gateway.chat(&body).await.error(400).param, "stream");
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_announced_or_not() {
    let (gateway, upstream) = gateway("[server]\nmax_body = \"1KiB\"");
    let mut body = chat("smart");
    body["messages"][0]["content"] = canned::text(2000).into();
    let error = gateway.chat(&body).await.error(413);
    assert_eq!(error.code, "request_too_large");
    error.says(&["1024 bytes", "raise server.max_body"]);

    // Announced only: the answer comes before the body.
    let mut raw = Raw::connect(gateway.addr()).await;
    raw.write(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n")).await;
    assert_eq!(raw.head().await.status(), Some(413));

    // Not announced: counted as it comes.
    let mut raw = Raw::connect(gateway.addr()).await;
    raw.write(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")).await;
    raw.write(format!("400\r\n{}\r\n", canned::text(0x400))).await;
    raw.write("1\r\nx\r\n").await;
    assert_eq!(raw.head().await.status(), Some(413));

    assert_eq!(upstream.requests().len(), 0);
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_compressed_body_is_refused_and_an_identity_one_is_not() {
    let (gateway, upstream) = gateway("");
    upstream.always(Script::json(&canned::openai_completion(10)));
    let call = |encoding: &str| {
        gateway.post(CHAT).header("content-encoding", encoding).body(chat("smart").to_string()).send()
    };
    call("gzip").await.error(400).says(&["compressed"]);
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(call("identity").await.status, 200);
}

#[tokio::test]
async fn a_path_or_method_that_is_not_served_is_told_apart() {
    let (gateway, _upstream) = gateway("");
    let error = gateway.get(CHAT).await.error(405);
    assert_eq!(error.code, "method_not_allowed");
    error.says(&["POST", "GET"]);
    gateway.call(Method::DELETE, "/v1/models").send().await.error(405);
    let error = gateway.post("/v1/nothing").body("{}").send().await.error(404);
    assert_eq!(error.code, "not_found");
    error.says(&["/v1/nothing"]);
    gateway.get("/").await.error(404);
    gateway.assert_alive().await;
}

#[tokio::test]
async fn requests_beyond_max_in_flight_are_a_503_that_says_when_to_come_back() {
    let (gateway, upstream) = gateway("[server]\nmax_in_flight = 1");
    let gate = Gate::new();
    let events = canned::openai_stream(2, canned::IncludeUsage::Yes);
    let held = events.iter().cloned().enumerate().fold(
        Script::status(200).header("content-type", "text/event-stream"),
        |script, (index, event)| {
            if index == 3 { script.gate(&gate).chunk(event) } else { script.chunk(event) }
        },
    );
    upstream.push(held);
    upstream.always(Script::json(&canned::openai_completion(10)));
    let mut first = gateway.stream(&streamed("smart")).await;
    first.until("content").await;

    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(reply.error(503).kind, "service_unavailable");
    // What is no call to a model is served all the same.
    assert_eq!(gateway.get("/v1/models").await.status, 200);

    gate.open();
    first.until("[DONE]").await;
    assert_eq!(first.chunk().await, None);
    assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    assert!(upstream.wait_finished(2, PATIENCE).await);
}
