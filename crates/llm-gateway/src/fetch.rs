//! Reading a small document from an address: a price map, an issuer's keys. Bounded in size and time.
//!
//! Redirects are not followed: an address that leads elsewhere is a fault of the configuration. What clients name by
//! its address is another matter: [`media`].

mod media;
mod reach;
mod room;

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use llm_providers::transport::{Transport, collect};
use llm_types::{ApiError, Segments};
use tokio::time::timeout;

pub(crate) use self::media::MediaFetch;

/// How much is read, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// In bytes.
    pub(crate) size: usize,
    pub(crate) time: Duration,
}

/// What an address gives.
///
/// # Errors
/// Why it gives nothing, in words for the log.
pub(crate) async fn fetched(transport: &dyn Transport, url: &str, bounds: Bounds) -> Result<Bytes, String> {
    let fetch = async {
        let request = http::Request::get(url).header(ACCEPT, "application/json");
        let request = request.body(Segments::from(Bytes::new()).into());
        let request = request.map_err(|_| ApiError::bad_request("the address cannot be asked for"))?;
        let (head, body) = transport.send(request).await?.into_parts();
        match head.status.is_success() {
            true => collect(body, bounds.size).await,
            false => Err(ApiError::bad_request(format!("it was answered with {}", head.status))),
        }
    };
    match timeout(bounds.time, fetch).await {
        Ok(fetched) => fetched.map_err(|error| error.message.clone()),
        Err(_) => Err(format!("nothing came within {} s", bounds.time.as_secs())),
    }
}
