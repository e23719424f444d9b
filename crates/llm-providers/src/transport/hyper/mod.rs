//! The gateway's transport: hyper's connections over hyper-rustls, in a pool of our own.
//!
//! HTTP/1.1: measured on this work, it costs least per request, and one slow answer cannot stall the others on its
//! connection. `TCP_NODELAY` is on: a chunk leaves when it is written.

mod link;
mod names;
mod pool;
#[cfg(test)]
mod tests;
mod waker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use llm_types::{ApiError, ErrorKind, Result};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use self::names::Guard;
use self::names::Names;
use self::pool::Pool;
use super::follow::{Course, Sending};
use super::{ByteStream, Duplex, Progress, RequestBody, Transport, decoded, ours};
use crate::token::{MadeWith, judge, settle};

/// How connections are made and kept.
#[derive(Debug, Clone)]
pub struct HyperOptions {
    /// How long a connection may take to open, TLS included.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; zero: each is used once.
    pub idle_timeout: Duration,
    /// How many unused connections to one host are kept; zero: each is used once.
    pub max_idle_per_host: usize,
    /// PEM text of further certificate authorities to trust.
    pub extra_ca: Option<Vec<u8>>,
    /// Which addresses of a host may be connected to; `None`: any.
    pub guard: Option<Guard>,
}

impl Default for HyperOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            max_idle_per_host: 512,
            extra_ca: None,
            guard: None,
        }
    }
}

/// A pooled HTTP client.
#[derive(Clone)]
pub struct HyperTransport {
    pool: Arc<Pool>,
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperTransport")
    }
}

impl HyperTransport {
    /// Builds the client. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When `extra_ca` holds no certificate that can be read.
    pub fn new(options: &HyperOptions) -> Result<Self> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = &options.extra_ca {
            add_roots(&mut roots, pem)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ApiError::new(ErrorKind::Internal, "no usable TLS versions").with_source(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new_with_resolver(Names::new(options.guard.clone()));
        http.enforce_http(false);
        http.set_nodelay(true);
        // Shared among the addresses of a name, so that a dead one leaves time for the next; the pool bounds the whole.
        http.set_connect_timeout(Some(options.connect_timeout));
        http.set_keepalive(Some(Duration::from_secs(60)));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let https: HttpsConnector<HttpConnector<Names>> = https;
        Ok(Self { pool: Pool::new(https, options) })
    }
}

fn add_roots(roots: &mut RootCertStore, pem: &[u8]) -> Result<()> {
    let bad = |text: String| ApiError::new(ErrorKind::BadRequest, format!("upstream.extra_ca: {text}"));
    let mut found = 0usize;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| bad(format!("not a PEM file: {error:?}")))?;
        roots.add(certificate).map_err(|error| bad(format!("a certificate is not usable: {error}")))?;
        found += 1;
    }
    if found == 0 {
        return Err(bad("the file holds no certificate; it must be PEM text".to_owned()));
    }
    Ok(())
}

#[async_trait]
impl Transport for HyperTransport {
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        self.send_watched(request, None).await
    }

    async fn send_watched(
        &self,
        request: http::Request<RequestBody>,
        progress: Option<&Progress>,
    ) -> Result<http::Response<ByteStream>> {
        // Boxed: every step on its way would have a place for it otherwise.
        let mut request = Box::new(request);
        let course = Course::of(&request);
        let made_with = settle(&mut request, &|| Arc::new(self.clone())).await?;
        let Some(course) = course else {
            return answered(&self.pool, request, made_with, progress).await;
        };
        let (pool, sent) = (Arc::clone(&self.pool), Arc::new(Progress::default()));
        let going = Arc::clone(&sent);
        let call = Box::pin(async move { answered(&pool, request, made_with, Some(&going)).await });
        let sending = Sending { call, sent: Some(sent), told: progress };
        Box::pin(course.take(sending, Arc::new(self.clone()))).await
    }

    async fn open(&self, request: &mut http::Request<RequestBody>) -> Result<Box<dyn Duplex>> {
        settle(request, &|| Arc::new(self.clone())).await?;
        self.pool.open_to(request.uri()).await
    }
}

/// Sends a request, and gives its answer as it is read.
async fn answered(
    pool: &Arc<Pool>,
    request: Box<http::Request<RequestBody>>,
    made_with: MadeWith,
    progress: Option<&Progress>,
) -> Result<http::Response<ByteStream>> {
    let (mut head, body) = pool.send(request, progress).await?.into_parts();
    judge(made_with, head.status);
    let body = decoded(&mut head.headers, Box::pin(body))?;
    Ok(http::Response::from_parts(head, body))
}

/// There was no connection, or it took nothing: nothing can have been sent.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unsent(Box<dyn std::error::Error + Send + Sync>);

/// The failure with its innermost cause in words.
fn failed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> ApiError {
    let mut cause = error.source();
    if let Some(own) = ours(cause) {
        return own;
    }
    while let Some(deeper) = cause.and_then(|error| error.source()) {
        cause = Some(deeper);
    }
    let message = match cause {
        Some(cause) => format!("{what}: {cause}"),
        None => format!("{what}: {error}"),
    };
    ApiError::upstream(ErrorKind::Connection, message).with_source(error)
}

/// Whether nothing was sent.
pub(super) fn is_unsent(error: &ApiError) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<Unsent>())
}
