//! What Cohere says when it fails: `{"message": …}`, or the end of a stream.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, ErrorKind};

use super::super::wire::Failure;
use crate::classify::{self, Said};

/// Classifies an answer that is not 2xx.
pub(in super::super) fn error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let failure: Failure<'_> = serde_json::from_slice(body).unwrap_or_default();
    let Failure { id, message, extra: _ } = failure;
    let message = message.unwrap_or_default().0.into_lossy();
    let said = Said { message: &message, ..Said::default() };
    let mut error = classify::upstream_error(status, headers, &said, body);
    if error.kind == ErrorKind::BadRequest && message.to_lowercase().contains("too many tokens") {
        error.kind = ErrorKind::ContextWindow;
    }
    // What was refused on sight of the text, unless its words say that it is about the key.
    let key = ErrorKind::Auth == classify::classify(StatusCode::FORBIDDEN, &said);
    if status.as_u16() == 498 && !key {
        error.kind = ErrorKind::ContentPolicy;
    }
    if error.request_id.is_none() {
        error.request_id = id.map(llm_types::Str::into_string);
    }
    error
}

/// An answer that the provider broke off, in its own word.
pub(super) fn broke_off(reason: &str, message: &str) -> ApiError {
    let kind = if reason == "TIMEOUT" { ErrorKind::Timeout } else { ErrorKind::Internal };
    let said = if message.is_empty() { "no reason is given" } else { message };
    ApiError::upstream(kind, format!("the model broke off ({reason}): {said}"))
}
