//! Connections of clients: what is no HTTP, what takes too long, and what is kept.

use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use llm_testkit::{End, Script, Upstream, canned};

use crate::harness::{Gateway, Raw, chat, model, openai};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn bytes_that_are_no_http_end_their_connection_only() {
    let gateway = Gateway::start("");
    let mut raw = Raw::connect(gateway.addr()).await;
    raw.write("this is not HTTP at all, whatever it is\r\n\r\n").await;
    raw.closed().await;
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_client_that_goes_away_within_its_body_harms_nobody() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let mut raw = Raw::connect(gateway.addr()).await;
    raw.write(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{\"mod")).await;
    drop(raw);
    gateway.assert_alive().await;
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_waited_for_in_vain() {
    let gateway = Gateway::start("[server]\nheader_timeout = \"200ms\"\n");
    let mut raw = Raw::connect(gateway.addr()).await;
    raw.write("GET /health/live HTTP/1.1\r\nhost: x\r\n").await;
    raw.closed().await;
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_until_it_is_idle_for_too_long() {
    let gateway = Gateway::start("[server]\nidle_timeout = \"500ms\"\nheader_timeout = \"400ms\"\n");
    let mut raw = Raw::connect(gateway.addr()).await;
    for _ in 0..3 {
        raw.write("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(raw.answer().await.0.status(), Some(200));
    }
    raw.closed().await;
    gateway.assert_alive().await;
}

#[tokio::test]
async fn a_connection_that_never_says_anything_is_idle_too() {
    let gateway = Gateway::start("[server]\nidle_timeout = \"300ms\"\n");
    Raw::connect(gateway.addr()).await.closed().await;
    gateway.assert_alive().await;
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_order() {
    let gateway = Gateway::start(&model("smart", &["{ model = \"mock/echo\" }".to_owned()]));
    let mut raw = Raw::connect(gateway.addr()).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    raw.write(get("/v1/models/smart") + &get("/v1/models/none") + &get("/health/live")).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(raw.answer().await.0.status());
    }
    assert_eq!(statuses, [Some(200), Some(404), Some(200)]);
}

#[tokio::test]
async fn http_2_is_spoken_without_tls() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<bytes::Bytes>>();
    let request = http::Request::post(format!("{}{CHAT}", gateway.url()));
    let answer = client.request(request.body(chat("smart").to_string().into()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_is_not_lost() {
    let gateway = Gateway::start("[server]\nmax_body = \"64KiB\"\n[auth]\nmaster_key = \"sk-master\"\n");
    let body = vec![b' '; 8 << 20];
    for (key, status) in [("sk-master", 413), ("sk-wrong", 401)] {
        let mut raw = Raw::connect(gateway.addr()).await;
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n");
        raw.write(format!("{head}content-length: {}\r\n\r\n", body.len())).await;
        raw.write(&body).await;
        assert_eq!(raw.answer().await.0.status(), Some(status));
        raw.write("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(raw.answer().await.0.status(), Some(200), "the connection goes on");

        // Who waits to be asked for a body is not asked for one that nobody wants.
        let mut raw = Raw::connect(gateway.addr()).await;
        raw.write(format!("{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len())).await;
        assert_eq!(raw.answer().await.0.status(), Some(status));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_at_once_has_its_head_all_the_same() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("voice", &[openai(&upstream)]));
    // Head and end come in one piece, so that both are there when the answer begins.
    let cut = Script::status(200).header("content-type", "audio/mpeg").header("content-length", "9000");
    upstream.always(cut.chunk(&b"ID3"[..]).then(End::Truncate));
    let body = r#"{"model":"voice","input":"Hi","voice":"alloy"}"#;
    for _ in 0..60 {
        let mut raw = Raw::connect(gateway.addr()).await;
        let length = body.len();
        raw.write(format!(
            "POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
        assert_eq!(raw.head().await.status(), Some(200));
    }
}
