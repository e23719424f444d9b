//! Errors in Anthropic's shape, whoever makes them.

use llm_testkit::{End, Gate, Script, Upstream, canned, sse};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, anthropic, model, openai};
use crate::messages::{COUNT, MESSAGES, message, post};

/// Asserts the shape that Anthropic's SDKs read, and gives type and message.
fn error(reply: &Reply, status: u16) -> (String, String) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/json");
    let body = reply.json();
    assert_eq!(body["type"], "error");
    assert_eq!(body["request_id"], reply.header("request-id"));
    assert_eq!(reply.header("request-id"), reply.header("x-gateway-request-id"));
    let word = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (word("type"), word("message"))
}

/// One deployment that is not asked twice.
fn once(deployment: &str) -> Gateway {
    Gateway::start(&model("m", &[deployment.to_owned()]).replace("deployments", "retries = 0\ndeployments"))
}

#[tokio::test]
async fn the_gateway_s_own_errors() {
    let upstream = Upstream::start().unwrap();
    let config = format!(
        "[server]\nmax_body = \"2KiB\"\n[auth]\nmaster_key = \"sk-master\"\n{}",
        model("gpt", &[openai(&upstream)])
    );
    let gateway = Gateway::start(&config);
    let send = async |path: &'static str, body: String| {
        gateway.post(path).header("x-api-key", "sk-master").body(body).send().await
    };
    for path in [MESSAGES, COUNT] {
        let (kind, told) = error(&post(&gateway, path, &message("gpt")).await, 401);
        assert_eq!(kind, "authentication_error");
        assert!(told.contains("x-api-key"), "{told}");
        let (kind, told) = error(&send(path, message("gpd").to_string()).await, 404);
        assert_eq!(kind, "not_found_error");
        assert!(told.contains("gpt"), "{told}");
        let (kind, _) = error(&send(path, "{".to_owned()).await, 400);
        assert_eq!(kind, "invalid_request_error");
        let large = json!({"model": "gpt", "x": "y".repeat(3000)});
        let (kind, told) = error(&send(path, large.to_string()).await, 413);
        assert_eq!(kind, "request_too_large");
        assert!(told.contains("server.max_body"), "{told}");
    }
    let mut body = message("gpt");
    body["messages"][0]["content"] = json!([{"type": "text"}]);
    let told = error(&send(MESSAGES, body.to_string()).await, 400);
    assert_eq!(told, ("invalid_request_error".into(), "messages.0.content.0.text: Field required".into()));
    let told = error(
        &send(MESSAGES, r#"{"model":"gpt","messages":[{"role":"user","content":"x"}]}"#.into()).await,
        400,
    );
    assert_eq!(told.1, "max_tokens: Field required");
    let reply = gateway.get(MESSAGES).await;
    error(&reply, 401);
    let reply = gateway.call(http::Method::GET, MESSAGES).header("x-api-key", "sk-master").send().await;
    assert_eq!((error(&reply, 405).0.as_str(), reply.header("allow")), ("invalid_request_error", "POST"));
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn anthropic_s_errors_come_back_in_its_own_words() {
    let upstream = Upstream::start().unwrap();
    let gateway = once(&anthropic(&upstream));
    for (status, kind, told) in [
        (400, "invalid_request_error", "max_tokens: 1 > 0"),
        (400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
        (401, "authentication_error", "invalid x-api-key"),
        (403, "permission_error", "no"),
        (404, "not_found_error", "model: claude-none"),
        (413, "request_too_large", "too large"),
        (429, "rate_limit_error", "slow down"),
        (500, "api_error", "Internal server error"),
        (529, "overloaded_error", "Overloaded"),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": told}, "request_id": "req_1"});
        for path in [MESSAGES, COUNT] {
            for stream in [false, true] {
                upstream.push(Script::status(status).header("retry-after", "7").json_body(&body));
                let mut request = message("m");
                request["stream"] = stream.into();
                let reply = post(&gateway, path, &request).await;
                assert_eq!(error(&reply, status), (kind.to_owned(), told.to_owned()));
                assert_eq!(reply.header("retry-after"), "7", "{status}");
            }
        }
    }
}

#[tokio::test]
async fn errors_of_other_providers_are_told_in_anthropic_s_types() {
    let upstream = Upstream::start().unwrap();
    let gateway = once(&openai(&upstream));
    for (status, expect, kind) in [
        (400, 400, "invalid_request_error"),
        (401, 401, "authentication_error"),
        (403, 403, "permission_error"),
        (404, 404, "not_found_error"),
        (429, 429, "rate_limit_error"),
        (500, 500, "api_error"),
        (503, 503, "overloaded_error"),
    ] {
        let body = json!({"error": {"message": "words", "type": "some_error", "param": null, "code": null}});
        upstream.push(Script::status(status).header("retry-after", "7").json_body(&body));
        let reply = post(&gateway, MESSAGES, &message("m")).await;
        assert_eq!(error(&reply, expect), (kind.to_owned(), "openai: words".to_owned()));
        assert_eq!(reply.header("retry-after"), "7");
    }
    upstream.push(Script::close_on_accept());
    assert_eq!(error(&post(&gateway, MESSAGES, &message("m")).await, 502).0, "api_error");
}

/// The events of an answer, and the error that is the last of them.
fn cut(reply: &Reply) -> (Vec<String>, Value) {
    assert_eq!(reply.status, 200);
    let events = sse::events(reply.text());
    let names = events.iter().map(|event| event.name.clone()).collect();
    let last: Value = serde_json::from_str(&events.last().unwrap().data).unwrap();
    (names, last)
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_an_error_event() {
    let native = canned::anthropic_stream(5);
    let foreign = canned::openai_stream(5, canned::IncludeUsage::Yes);
    for (native, events) in [(true, native), (false, foreign)] {
        let upstream = Upstream::start().unwrap();
        let gateway = once(&if native { anthropic(&upstream) } else { openai(&upstream) });
        let mut request = message("m");
        request["stream"] = true.into();
        let some: Vec<String> = events.into_iter().take(6).collect();
        upstream.push(Script::sse(some).then(End::Truncate));
        let reply = post(&gateway, MESSAGES, &request).await;
        let (names, last) = cut(&reply);
        assert_eq!(names.first().map(String::as_str), Some("message_start"));
        assert_eq!(names.last().map(String::as_str), Some("error"));
        assert!(!names.contains(&"message_stop".to_owned()), "{names:?}");
        assert_eq!((&last["type"], &last["error"]["type"]), (&json!("error"), &json!("api_error")));
        assert_eq!(last["request_id"], reply.header("request-id"));
    }
}

#[tokio::test]
async fn an_error_within_anthropic_s_stream_keeps_its_type() {
    let upstream = Upstream::start().unwrap();
    let gateway = once(&anthropic(&upstream));
    let mut events: Vec<String> = canned::anthropic_stream(5).into_iter().take(6).collect();
    let told = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    events.push(format!("event: error\ndata: {told}\n\n"));
    upstream.push(Script::sse(events));
    let mut request = message("m");
    request["stream"] = true.into();
    let (names, last) = cut(&post(&gateway, MESSAGES, &request).await);
    assert_eq!(names.last().map(String::as_str), Some("error"));
    assert_eq!(last["error"]["type"], "overloaded_error");
    assert!(last["error"]["message"].as_str().unwrap().contains("Overloaded"), "{last}");
}

#[tokio::test]
async fn a_silent_upstream_is_bridged_by_pings() {
    let upstream = Upstream::start().unwrap();
    let gateway = once(&anthropic(&upstream));
    let gate = Gate::new();
    let events = canned::anthropic_stream(5);
    upstream.push(Script::sse(events.clone()).gate_head(&gate));
    let mut request = message("m");
    request["stream"] = true.into();
    let mut stream = gateway.post(MESSAGES).body(request.to_string()).open().await;
    const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    assert_eq!(stream.until("\n\n").await, PING);
    gate.open();
    let rest = stream.whole().await;
    assert_eq!(
        rest.text().replace(PING, ""),
        events.concat().replace("event: ping\ndata: {\"type\":\"ping\"}\n\n", "")
    );
}
