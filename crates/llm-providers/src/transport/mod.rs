//! The way to a provider.
//!
//! Codecs make bytes; a [`Transport`] carries them. The gateway's is hyper-util with hyper-rustls (feature
//! `hyper`), the SDK's is reqwest (feature `reqwest`), and a test's is whatever it likes: provider logic
//! compiles without any HTTP client.

mod body;
mod encoding;
mod filed;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod follow;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "reqwest")]
mod reqwest;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use llm_types::{ApiError, ErrorKind, Result};

pub use self::body::RequestBody;
pub use self::encoding::decoded;
pub use self::filed::Filed;
#[cfg(feature = "hyper")]
pub use self::hyper::{Guard, HyperOptions, HyperTransport};
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;

/// The bytes of an answer as they come. Dropping it cancels the call.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Carries a request to a provider and brings back the head of the answer and its body.
#[async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends a request. Returns as soon as the head of the answer is there, whatever its status.
    ///
    /// # Errors
    /// [`ErrorKind::Connection`] when the provider cannot be reached or breaks the connection.
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>>;

    /// The same, for somebody who may give it up on the way and has to know then whether anything was sent.
    ///
    /// A transport that cannot tell has sent it from the beginning.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    async fn send_watched(
        &self,
        request: http::Request<RequestBody>,
        progress: Option<&Progress>,
    ) -> Result<http::Response<ByteStream>> {
        if let Some(progress) = progress {
            progress.set(true);
        }
        self.send(request).await
    }

    /// Opens a connection to where a request goes, for another protocol than HTTP to be agreed on: nothing is sent.
    /// Where its credentials have to be fetched first, they are in the request afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::Connection`] when the provider cannot be reached; [`ErrorKind::Internal`] where the transport
    /// knows HTTP alone.
    #[cfg(feature = "hyper")]
    async fn open(&self, request: &mut http::Request<RequestBody>) -> Result<Box<dyn Duplex>> {
        let _ = request;
        Err(ApiError::new(ErrorKind::Internal, "this transport opens no connections but for HTTP"))
    }

    /// Sends a request for another protocol than HTTP, with the headers that ask for it. The connection, once the provider
    /// has agreed (101); else its answer.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`ErrorKind::Internal`] where the transport knows HTTP alone.
    #[cfg(feature = "reqwest")]
    async fn upgrade(&self, request: http::Request<RequestBody>) -> Result<Upgrade> {
        let _ = request;
        Err(ApiError::new(ErrorKind::Internal, "this transport knows no protocol but HTTP"))
    }
}

/// What a provider said to another protocol.
#[cfg(feature = "reqwest")]
pub enum Upgrade {
    /// It agreed: its headers, and the connection.
    Agreed(http::HeaderMap, Box<dyn Duplex>),
    /// It answered.
    Refused(http::Response<ByteStream>),
}

#[cfg(feature = "reqwest")]
impl Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agreed(..) => "Agreed",
            Self::Refused(_) => "Refused",
        })
    }
}

/// An open connection: bytes in both directions.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

#[cfg(any(feature = "hyper", feature = "reqwest"))]
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

/// The most room that is made for a body because its head says how long it is: a claim costs nothing.
const ROOM: usize = 32 * 1024 * 1024;

/// Whether a provider may have got something of a request.
#[derive(Debug, Default)]
pub struct Progress(AtomicBool);

impl Progress {
    /// It may have; or it has turned out that nothing went out.
    pub fn set(&self, sent: bool) {
        // Nothing else is told by it.
        self.0.store(sent, Ordering::Relaxed);
    }

    /// Whether it may have.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What went wrong with the request's own body, and not on the way: no provider is at fault then.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
fn ours(mut cause: Option<&(dyn std::error::Error + 'static)>) -> Option<ApiError> {
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<ApiError>() {
            return (own.origin == llm_types::Origin::Gateway).then(|| own.clone());
        }
        cause = error.source();
    }
    None
}

/// Whether a call that failed may have reached its provider: one that found no connection did not. Of one that was
/// given up, [`Progress`] knows.
#[must_use]
pub fn was_sent(error: &ApiError) -> bool {
    if error.kind != ErrorKind::Connection {
        return error.origin == llm_types::Origin::Upstream;
    }
    #[cfg(feature = "hyper")]
    if hyper::is_unsent(error) {
        return false;
    }
    #[cfg(feature = "reqwest")]
    if reqwest::is_connect(error) {
        return false;
    }
    true
}

/// Reads a body to its end, up to `limit` bytes.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when it is larger, or what the stream fails with.
pub async fn collect(body: ByteStream, limit: usize) -> Result<Bytes> {
    collect_long(body, limit, None).await
}

/// The same for a body of which its head says how long it is: there is room for all of it at once, and it is not
/// copied as it grows.
///
/// # Errors
/// As [`collect`].
pub async fn collect_told(body: ByteStream, limit: usize, head: &http::HeaderMap) -> Result<Bytes> {
    let told = head.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    collect_long(body, limit, told).await
}

async fn collect_long(mut body: ByteStream, limit: usize, told: Option<usize>) -> Result<Bytes> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let mut rest = BytesMut::new();
    if let Some(told) = told.filter(|told| *told > first.len()) {
        rest.reserve(told.min(limit).min(ROOM));
    }
    let mut size = first.len();
    while let Some(chunk) = body.next().await.transpose()? {
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        size += chunk.len();
        if size > limit {
            break;
        }
        rest.extend_from_slice(&chunk);
    }
    if size > limit {
        return Err(ApiError::upstream(
            ErrorKind::UpstreamFormat,
            format!("the upstream's answer is larger than {limit} bytes"),
        ));
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
