//! The SDK's transport: reqwest.
//!
//! It brings proxies from the environment and the operating system's certificates, which is what a program
//! that embeds the SDK expects. Redirects are not followed: a key must not travel to another host.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use http_body_util::BodyExt;
use llm_types::{ApiError, Content, ErrorKind, Piece, Result};

use super::follow::{Course, Sending};
use super::{ByteStream, RequestBody, Transport, Upgrade, decoded, ours};
use crate::token::{MadeWith, judge, settle};

/// A pooled HTTP client on reqwest.
#[derive(Debug, Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    /// Whether the client is the caller's, with settings that nobody knows here.
    is_given: bool,
}

fn settings() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
}

fn built(settings: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    settings.build().map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the HTTP client cannot be built").with_source(error)
    })
}

impl ReqwestTransport {
    /// A client with a connect timeout of ten seconds and no bound on an answer's length in time.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self> {
        Ok(Self { client: built(settings())?, is_given: false })
    }

    /// Uses a client of the caller's own. Sessions of the realtime API are asked for in HTTP/1.1, which it has to speak.
    #[must_use]
    pub fn from_client(client: reqwest::Client) -> Self {
        Self { client, is_given: true }
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, mut request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        let course = Course::of(&request);
        let made_with = settle(&mut request, &|| Arc::new(self.clone())).await?;
        let Some(course) = course else { return answered(&self.client, request, made_with).await };
        let client = self.client.clone();
        let call = Box::pin(async move { answered(&client, request, made_with).await });
        let sending = Sending { call, sent: None, told: None };
        Box::pin(course.take(sending, Arc::new(self.clone()))).await
    }

    async fn upgrade(&self, mut request: http::Request<RequestBody>) -> Result<Upgrade> {
        let made_with = settle(&mut request, &|| Arc::new(self.clone())).await?;
        // HTTP/2 has no such thing, and is what TLS would agree on.
        let client = if self.is_given { self.client.clone() } else { built(settings().http1_only())? };
        let answer = sent(&client, request).await?;
        if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            return read(answer, made_with).map(Upgrade::Refused);
        }
        judge(made_with, answer.status());
        let headers = answer.headers().clone();
        Ok(Upgrade::Agreed(headers, Box::new(answer.upgrade().await.map_err(failed)?)))
    }
}

/// Sends a request, and gives its answer as it is read.
async fn answered(
    client: &reqwest::Client,
    request: http::Request<RequestBody>,
    made_with: MadeWith,
) -> Result<http::Response<ByteStream>> {
    read(sent(client, request).await?, made_with)
}

async fn sent(client: &reqwest::Client, request: http::Request<RequestBody>) -> Result<reqwest::Response> {
    let (mut head, body) = request.into_parts();
    let body = match body {
        RequestBody::Whole { pieces } if matches!(&*pieces, [Piece::Plain(Content::Held(_))]) => {
            reqwest::Body::from(pieces.first().and_then(|piece| piece.held().cloned()).unwrap_or_default())
        }
        body => {
            // For reqwest a stream has no length, and not every provider takes a form that does not say it.
            if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
                head.headers.insert(CONTENT_LENGTH, length.into());
            }
            reqwest::Body::wrap_stream(body.into_data_stream())
        }
    };
    let request = client.request(head.method, head.uri.to_string()).headers(head.headers);
    request.body(body).send().await.map_err(failed)
}

fn read(answer: reqwest::Response, made_with: MadeWith) -> Result<http::Response<ByteStream>> {
    judge(made_with, answer.status());
    let mut out = http::Response::new(());
    *out.status_mut() = answer.status();
    *out.headers_mut() = answer.headers().clone();
    let body = answer.bytes_stream().map(|chunk| chunk.map_err(failed));
    let (mut head, ()) = out.into_parts();
    let body: ByteStream = decoded(&mut head.headers, Box::pin(body))?;
    Ok(http::Response::from_parts(head, body))
}

/// The failure in words; reqwest's own text may hold the URL, which is left out.
fn failed(error: reqwest::Error) -> ApiError {
    let error = error.without_url();
    if let Some(own) = ours(std::error::Error::source(&error)) {
        return own;
    }
    let what = if error.is_connect() {
        "could not connect to the upstream"
    } else if error.is_timeout() {
        "the upstream did not answer in time"
    } else {
        "the upstream broke the connection"
    };
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    ApiError::upstream(ErrorKind::Connection, format!("{what}: {cause}")).with_source(error)
}

/// Whether no connection was found.
pub(super) fn is_connect(error: &ApiError) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<::reqwest::Error>())
        .is_some_and(::reqwest::Error::is_connect)
}
