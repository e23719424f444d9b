//! A plain HTTP client: no retries, no redirects, bodies as they come.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use llm_testkit::sse;
use serde_json::Value;
use tokio::time::timeout;

use super::PATIENCE;

/// Calls one gateway.
#[derive(Debug)]
pub(crate) struct Client {
    addr: SocketAddr,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self { addr, pool: Pool::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        let uri = format!("http://{}{path}", self.addr);
        Call { client: self, request: Request::builder().method(method).uri(uri).body(Bytes::new()).unwrap() }
    }
}

/// A request in the making.
#[derive(Debug)]
pub(crate) struct Call<'c> {
    client: &'c Client,
    request: Request<Bytes>,
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn send(self) -> Reply {
        self.open().await.whole().await
    }

    /// Sends it and reads the whole answer; `None` when the connection breaks first.
    pub(crate) async fn try_send(self) -> Option<Reply> {
        let answer = timeout(PATIENCE, self.client.pool.request(self.request.map(Full::new))).await;
        let (head, body) = answer.expect("an answer in time").ok()?.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("the whole body in time").ok()?;
        Some(Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }

    /// Sends it and waits for the head of the answer.
    pub(crate) async fn open(self) -> Streaming {
        let answer = timeout(PATIENCE, self.client.pool.request(self.request.map(Full::new))).await;
        Streaming { response: answer.expect("an answer in time").unwrap() }
    }
}

/// An answer that is read piece by piece.
#[derive(Debug)]
pub(crate) struct Streaming {
    response: Response<Incoming>,
}

impl Streaming {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        header(self.response.headers(), name)
    }

    /// The next piece; `None` at a clean end.
    pub(crate) async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            let frame = timeout(PATIENCE, self.response.body_mut().frame()).await.expect("a piece in time");
            match frame?.expect("an unbroken body").into_data() {
                Ok(data) if !data.is_empty() => return Some(data),
                _ => {}
            }
        }
    }

    /// Reads until `text` has come; what was read.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            let chunk = self.chunk().await.unwrap_or_else(|| panic!("`{text}` must come, got: {read}"));
            read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        read
    }

    /// All that is left.
    pub(crate) async fn whole(self) -> Reply {
        let (head, body) = self.response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("the whole body in time");
        let body = body.expect("an unbroken body").to_bytes();
        Reply { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// All that is left; an error when the connection breaks first.
    pub(crate) async fn try_rest(mut self) -> Result<String, hyper::Error> {
        let body = timeout(PATIENCE, self.response.body_mut().collect()).await.expect("an end in time")?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The deployment that answered; panics when none did.
    pub(crate) fn served(&self) -> &str {
        assert_eq!(self.status, 200, "{}", self.text());
        self.header("x-gateway-deployment")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// What a chat completion says.
    pub(crate) fn content(&self) -> String {
        let body = self.json();
        let content = body["choices"][0]["message"]["content"].as_str();
        content.unwrap_or_else(|| panic!("no content: {body}")).to_owned()
    }

    /// The JSON events of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        sse::json_events(self.text())
    }

    /// What a streamed chat completion says.
    pub(crate) fn streamed_content(&self) -> String {
        let events = self.events();
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
    }

    /// Asserts the shape that OpenAI's SDKs read, and gives the error.
    pub(crate) fn error(&self, status: u16) -> Error {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        assert!(!self.header("x-gateway-request-id").is_empty());
        let body = self.json();
        let error = &body["error"];
        let members: Vec<&str> = error.as_object().unwrap().keys().map(String::as_str).collect();
        for name in ["message", "type", "param", "code"] {
            assert!(members.contains(&name), "no `{name}` in {body}");
        }
        let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let error =
            Error { message: word("message"), kind: word("type"), param: word("param"), code: word("code") };
        assert!(!error.message.is_empty() && !error.kind.is_empty(), "{body}");
        error
    }
}

/// The members of an error body.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) param: String,
    pub(crate) code: String,
}

impl Error {
    /// Asserts that the message holds all of these.
    pub(crate) fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.message.contains(word), "no `{word}` in `{}`", self.message);
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}
