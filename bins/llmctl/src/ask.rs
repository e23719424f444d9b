//! A gateway's own API: lists and orders, in JSON.

use bytes::Bytes;
use http::Method;
use http::header::AUTHORIZATION;
use llm_providers::classify::{Said, upstream_error};
use llm_providers::transport::{Transport, collect};
use llm_types::{ApiError, ErrorKind, Segments};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::input::gateway::Gateway;

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;

#[derive(Deserialize)]
struct Refusal {
    error: ErrorRow,
}

#[derive(Deserialize)]
struct ErrorRow {
    #[serde(default)]
    message: String,
    code: Option<String>,
}

/// Asks a gateway for something below its address, without a body.
///
/// # Errors
/// When it cannot be reached, refuses, or answers something else.
pub(crate) async fn ask<T: DeserializeOwned>(
    gateway: &Gateway,
    transport: &dyn Transport,
    method: Method,
    url: &str,
) -> Result<T, ApiError> {
    send(gateway, transport, (method, url), Bytes::new()).await
}

/// The same with a body.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn send<T: DeserializeOwned>(
    gateway: &Gateway,
    transport: &dyn Transport,
    (method, url): (Method, &str),
    body: Bytes,
) -> Result<T, ApiError> {
    let mut request = http::Request::builder().method(method).uri(url);
    if let Some(key) = &gateway.key {
        request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
    }
    let request = request
        .body(Segments::from(body).into())
        .map_err(|error| ApiError::bad_request("the key or the address cannot be sent").with_source(error))?;
    let (head, body) = transport.send(request).await?.into_parts();
    let body = collect(body, ANSWER_LIMIT).await?;
    if !head.status.is_success() {
        let said = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
        let (message, code) =
            said.map(|said| (said.message, said.code.unwrap_or_default())).unwrap_or_default();
        let said = Said { message: &message, code: &code, ..Said::default() };
        return Err(upstream_error(head.status, &head.headers, &said, &body));
    }
    serde_json::from_slice(&body).map_err(|error| {
        let message = format!("the answer of {url} cannot be read: is this the gateway's address?");
        ApiError::new(ErrorKind::UpstreamFormat, message).with_source(error)
    })
}
