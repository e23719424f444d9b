//! The scripted upstream does what its scripts say.

use std::time::Duration;

use bytes::BytesMut;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::http1::{self, BodyReader, Head};
use crate::script::{End, Gate};

const SOON: Duration = Duration::from_secs(5);

struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Client {
    async fn to(upstream: &Upstream) -> Self {
        let stream = TcpStream::connect(upstream.addr()).await.unwrap();
        Self { stream, buffer: BytesMut::new() }
    }

    async fn send(&mut self, path: &str, body: &str) {
        let request = http1::request_bytes("POST", path, &[("x-test", "1")], body.as_bytes());
        self.stream.write_all(&request).await.unwrap();
    }

    async fn head(&mut self) -> io::Result<Head> {
        http1::read_head(&mut self.stream, &mut self.buffer).await?.ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    async fn reply(&mut self) -> io::Result<(u16, String)> {
        let head = self.head().await?;
        let body = http1::read_body(&mut self.stream, &mut self.buffer, head.reply_framing()?).await?;
        Ok((head.status().unwrap(), String::from_utf8_lossy(&body).into_owned()))
    }

    async fn call(&mut self, path: &str, body: &str) -> io::Result<(u16, String)> {
        self.send(path, body).await;
        self.reply().await
    }
}

#[tokio::test]
async fn queue_route_handler_and_fallback_are_asked_in_that_order() {
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::status(201).body("common"));
    upstream.push_for("/v1/a", Script::json(&json!({"from": "route"})));
    upstream.on("/v1/*", |request| Script::status(202).body(request.body.clone()));
    let mut client = Client::to(&upstream).await;
    assert_eq!(client.call("/v1/a?x=y", "1").await.unwrap(), (200, r#"{"from":"route"}"#.into()));
    assert_eq!(client.call("/v1/a", "echo").await.unwrap(), (202, "echo".into()));
    assert_eq!(client.call("/other", "").await.unwrap(), (201, "common".into()));
    assert_eq!(client.call("/other", "").await.unwrap().0, 500);
    assert_eq!(upstream.unscripted(), 1);
    upstream.always(Script::status(204));
    assert_eq!(client.call("/other", "").await.unwrap(), (204, String::new()));

    let requests = upstream.requests();
    let first = &requests[0];
    assert_eq!((first.method.as_str(), first.path(), first.query()), ("POST", "/v1/a", "x=y"));
    assert_eq!((first.header("x-test"), first.json()), (Some("1"), json!(1)));
    assert_eq!((requests.len(), upstream.connections()), (5, 1), "keep-alive is honoured");
    assert!(upstream.wait_finished(5, SOON).await);
}

#[tokio::test]
async fn chunks_leave_one_by_one() {
    let upstream = Upstream::start().unwrap();
    let gate = Gate::new();
    upstream.push(Script::sse(["data: 1\n\n"]).gate(&gate).chunk("data: 2\n\n"));
    let mut client = Client::to(&upstream).await;
    client.send("/", "").await;
    let head = client.head().await.unwrap();
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let mut body = BodyReader::new(head.reply_framing().unwrap());
    let piece = body.next(&mut client.stream, &mut client.buffer).await.unwrap().unwrap();
    assert_eq!(piece, "data: 1\n\n");
    assert_eq!(upstream.requests()[0].outcome, Outcome::Open);
    gate.open();
    let piece = body.next(&mut client.stream, &mut client.buffer).await.unwrap().unwrap();
    assert_eq!(piece, "data: 2\n\n");
    assert_eq!(body.next(&mut client.stream, &mut client.buffer).await.unwrap(), None);
}

#[tokio::test]
async fn broken_ends_reach_the_client_as_such() {
    let cases = [
        (Script::status(200).body("half").then(End::Truncate), io::ErrorKind::UnexpectedEof),
        (Script::sse(["half"]).then(End::Truncate), io::ErrorKind::UnexpectedEof),
        (Script::status(200).body("half").then(End::Reset), io::ErrorKind::ConnectionReset),
        (Script::sse(["half"]).then(End::Reset), io::ErrorKind::ConnectionReset),
        (Script::garbage("\u{16}\u{3}\u{1} not http\r\n\r\n"), io::ErrorKind::InvalidData),
    ];
    for (script, expect) in cases {
        let upstream = Upstream::start().unwrap();
        let shown = format!("{script:?}");
        upstream.push(script);
        let mut client = Client::to(&upstream).await;
        assert_eq!(client.call("/", "").await.unwrap_err().kind(), expect, "{shown}");
        assert!(upstream.wait_finished(1, SOON).await, "{shown}");
    }
}

#[tokio::test]
async fn a_connection_can_be_closed_on_accept() {
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::close_on_accept());
    upstream.push(Script::status(200));
    let mut client = Client::to(&upstream).await;
    assert_eq!(client.stream.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(upstream.requests().is_empty());
    let mut client = Client::to(&upstream).await;
    assert_eq!(client.call("/", "").await.unwrap().0, 200);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed() {
    let gate = Gate::new();
    let cases = [
        Script::sse(["data: 1\n\n"]).then(End::Stall),
        Script::status(200).delay_head(Duration::from_secs(60)),
        Script::status(200).gate_head(&gate),
        Script::sse(["a"]).pause(Duration::from_secs(60)).chunk("b"),
        Script::sse(["a"]).gate(&gate).chunk("b"),
        Script::status(200).slow_head(Duration::from_secs(60)),
    ];
    for script in cases {
        let upstream = Upstream::start().unwrap();
        let shown = format!("{script:?}");
        upstream.push(script);
        let mut client = Client::to(&upstream).await;
        client.send("/x", "").await;
        assert!(upstream.wait_requests(1, SOON).await, "{shown}");
        assert!(!upstream.requests()[0].cancelled(), "{shown}");
        drop(client);
        let cancelled = upstream.wait_cancelled(SOON).await.expect(&shown);
        assert_eq!(cancelled.path(), "/x");
    }
}

#[tokio::test]
async fn a_slow_head_arrives_whole_in_the_end() {
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::status(200).body("late").slow_head(Duration::from_millis(1)));
    assert_eq!(Client::to(&upstream).await.call("/", "").await.unwrap(), (200, "late".into()));
}

#[tokio::test]
async fn chunked_request_bodies_are_read() {
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::status(200));
    let mut client = Client::to(&upstream).await;
    let request = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    client.stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(client.reply().await.unwrap().0, 200);
    assert_eq!(upstream.last_request().unwrap().text(), "hi");
}

#[tokio::test]
async fn a_stopped_upstream_refuses_and_can_come_back() {
    let mut upstream = Upstream::start().unwrap();
    let addr = upstream.addr();
    upstream.stop();
    assert!(TcpStream::connect(addr).await.is_err());
    let upstream = Upstream::start_at(addr).unwrap();
    upstream.always(Script::status(200));
    assert_eq!(Client::to(&upstream).await.call("/", "").await.unwrap().0, 200);
}

#[test]
fn waiting_works_without_a_runtime() {
    let upstream = Upstream::start().unwrap();
    assert!(!upstream.wait_blocking(Duration::from_millis(1), |requests| !requests.is_empty()));
    assert!(upstream.wait_blocking(Duration::from_millis(1), <[Received]>::is_empty));
}
