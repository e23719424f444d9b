//! What upstreams do wrong: the client gets an error of the gateway's own making, never the mess.

use llm_testkit::{End, Script, Upstream, canned};
use serde_json::json;

use crate::harness::{Gateway, chat, model, openai, streamed};

/// One deployment that is not asked twice.
fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&model("smart", &[openai(upstream)]).replace("deployments", "retries = 0\ndeployments"))
}

const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";

fn html(status: u16) -> Script {
    Script::status(status).header("content-type", "text/html").body(HTML)
}

#[tokio::test]
async fn bytes_that_are_no_http_are_a_502() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for body in [chat("smart"), streamed("smart")] {
        upstream.push(Script::garbage("SSH-2.0-OpenSSH_9.6\r\n"));
        let error = gateway.chat(&body).await.error(502);
        assert_eq!(error.kind, "api_connection_error");
        assert!(!error.message.contains("SSH"), "{error:?}");
    }
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_refused_or_closed_connection_is_a_502() {
    let mut upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(Script::close_on_accept());
    let error = gateway.chat(&chat("smart")).await.error(502);
    assert_eq!(error.code, "upstream_unreachable");
    upstream.stop();
    for body in [chat("smart"), streamed("smart")] {
        let error = gateway.chat(&body).await.error(502);
        assert_eq!(error.code, "upstream_unreachable");
        error.says(&["openai"]);
    }
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_good_status_with_a_page_is_an_error_without_the_page() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for body in [chat("smart"), streamed("smart")] {
        upstream.push(html(200));
        let reply = gateway.chat(&body).await;
        assert!(reply.status >= 500, "{}: {}", reply.status, reply.text());
        let error = reply.error(reply.status);
        assert!(!error.message.contains('<'), "{error:?}");
    }
    // JSON, but no answer to a chat.
    for body in [json!({}), json!([]), json!("hello"), json!(null)] {
        upstream.push(Script::json(&body));
        let reply = gateway.chat(&chat("smart")).await;
        assert!(reply.status >= 500, "{body} gave {}: {}", reply.status, reply.text());
        reply.error(reply.status);
    }
    gateway.assert_alive().await;
}

#[tokio::test]
async fn an_error_within_a_good_status_is_an_error() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let body = json!({"error": {"message": "model is overloaded", "type": "server_error", "code": 503}});
    for request in [chat("smart"), streamed("smart")] {
        upstream.push(Script::json(&body));
        let reply = gateway.chat(&request).await;
        assert!(reply.status >= 500, "{}: {}", reply.status, reply.text());
        reply.error(reply.status).says(&["model is overloaded"]);
    }
}

#[tokio::test]
async fn a_bad_status_with_a_page_does_not_echo_the_page() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for (status, expect) in [(500, 500), (502, 502), (503, 503)] {
        upstream.push(html(status));
        let error = gateway.chat(&chat("smart")).await.error(expect);
        assert!(!error.message.contains('<') && !error.message.contains("nginx"), "{error:?}");
    }
}

#[tokio::test]
async fn what_a_provider_says_is_told_to_the_client() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let check = async |status: u16, error: serde_json::Value, expect: u16, code: &str| {
        upstream.push(Script::status(status).json_body(&json!({"error": error})));
        let seen = gateway.chat(&chat("smart")).await.error(expect);
        assert_eq!(seen.code, code, "{seen:?}");
        seen.says(&["what is wrong"]);
        seen
    };
    let error =
        |code: &str| json!({"message": "what is wrong", "type": "x", "param": "messages", "code": code});
    let seen = check(400, error("invalid_value"), 400, "invalid_value").await;
    assert_eq!(seen.param, "messages");
    check(400, error("context_length_exceeded"), 400, "context_length_exceeded").await;
    check(404, error("model_not_found"), 404, "model_not_found").await;
    check(401, error("invalid_api_key"), 401, "invalid_api_key").await;
    check(429, error("rate_limit_exceeded"), 429, "rate_limit_exceeded").await;
    check(429, error("insufficient_quota"), 429, "insufficient_quota").await;
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_a_502() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let answer = canned::openai_completion(400).to_string();
    for end in [End::Truncate, End::Reset] {
        let half = answer.get(..300).unwrap().to_owned();
        upstream.push(Script::status(200).header("content-type", "application/json").body(half).then(end));
        assert_eq!(gateway.chat(&chat("smart")).await.error(502).kind, "api_connection_error");
    }
    gateway.assert_alive().await;
}
