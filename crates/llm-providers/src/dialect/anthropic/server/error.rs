//! Errors in Anthropic's envelope: `{"type":"error","error":{type,message},"request_id":…}`.
//!
//! What Anthropic itself said comes back in its own words and under its own status; everything else gets
//! the type that Anthropic has for its kind (docs.anthropic.com/en/api/errors).

use http::StatusCode;
use llm_types::{ApiError, ErrorKind, Origin};
use serde::Serialize;

use super::super::wire::{ErrorBody, Watched};

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Inner<'a>,
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inner<'a> {
    r#type: &'a str,
    message: &'a str,
}

/// The types that Anthropic documents.
const TYPES: [&str; 10] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

/// The status of an overloaded Anthropic.
const OVERLOADED: u16 = 529;

/// Status and body; the body serves as the data of a stream's last event too.
pub(super) fn body(error: &ApiError) -> (StatusCode, Vec<u8>) {
    let native = native_type(error);
    let told = error.to_string();
    // Where several attempts failed, the message names them all, whoever failed last.
    let own_words = native.is_some() && error.provider.is_some();
    let envelope = Envelope {
        r#type: "error",
        error: Inner {
            r#type: native.unwrap_or_else(|| type_of(error)),
            message: if own_words { &error.message } else { &told },
        },
        request_id: error.request_id.as_deref(),
    };
    let status = match error.upstream_status {
        Some(status) if native.is_some() && (status.is_client_error() || status.is_server_error()) => status,
        _ => status_of(error),
    };
    (status, serde_json::to_vec(&envelope).unwrap_or_default())
}

/// The type that an upstream of this API gave its error.
fn native_type(error: &ApiError) -> Option<&'static str> {
    let body = error.body.as_deref().filter(|_| error.origin == Origin::Upstream)?;
    let seen: Watched<'_> = serde_json::from_slice(body).ok()?;
    let ErrorBody { kind, message: _ } =
        seen.error.filter(|_| seen.kind.is_some_and(|kind| kind.as_str() == "error"))?;
    TYPES.into_iter().find(|known| *known == kind.as_str())
}

fn status_of(error: &ApiError) -> StatusCode {
    match error.kind {
        ErrorKind::Overloaded => StatusCode::from_u16(OVERLOADED).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        _ => error.status(),
    }
}

/// Anthropic's word for an error.
fn type_of(error: &ApiError) -> &'static str {
    use ErrorKind as K;
    let status = error.status();
    match error.kind {
        // Whatever it is that the caller named: the status alone says that it is not there.
        _ if status == StatusCode::NOT_FOUND => "not_found_error",
        K::Api if status.is_client_error() => "invalid_request_error",
        K::Auth => "authentication_error",
        K::Payment | K::Budget => "billing_error",
        K::Permission => "permission_error",
        K::TooLarge => "request_too_large",
        K::RateLimit | K::Quota => "rate_limit_error",
        K::Timeout | K::GatewayTimeout => "timeout_error",
        K::Unavailable | K::Overloaded => "overloaded_error",
        K::Internal | K::Connection | K::BadGateway | K::UpstreamFormat | K::Api => "api_error",
        // The kinds of a request that is at fault, and whatever is new.
        _ => "invalid_request_error",
    }
}
