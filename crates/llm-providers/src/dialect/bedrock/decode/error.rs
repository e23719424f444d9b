//! What the service says when it fails: an HTTP answer, or a message in a stream.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, ErrorKind};

use super::super::wire::Failure;
use crate::classify::{self, Said};
use crate::frame::{EventMessage, MessageKind};

/// Where the type of an error stands: `ThrottlingException:http://…`.
const TYPE: &str = "x-amzn-errortype";

/// Classifies an answer that is not 2xx.
pub(in super::super) fn error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let failure: Failure<'_> = serde_json::from_slice(body).unwrap_or_default();
    let named = headers.get(TYPE).and_then(|value| value.to_str().ok());
    let own = failure.kind.as_ref().map(|kind| kind.as_str());
    classified(status, headers, named.or(own).map(bare).unwrap_or_default(), &failure, body)
}

/// The error that a message of a stream is.
pub(super) fn in_stream(message: &EventMessage<'_>) -> ApiError {
    let mut failure: Failure<'_> = serde_json::from_slice(message.payload).unwrap_or_default();
    if message.kind == MessageKind::Error && failure.message.is_none() {
        failure.message = Some(message.text.into());
    }
    let status = status_of(message.name);
    let mut error = classified(status, &HeaderMap::new(), message.name, &failure, message.payload);
    // The status of the HTTP answer was 200.
    error.upstream_status = None;
    error
}

/// The name without what stands around it: `com.amazon#ThrottlingException:http://…`.
fn bare(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default()
}

fn classified(
    status: StatusCode,
    headers: &HeaderMap,
    kind: &str,
    failure: &Failure<'_>,
    body: &[u8],
) -> ApiError {
    let message = failure.message.as_ref().map(|message| message.as_str()).unwrap_or_default();
    let said = Said { message, kind, ..Said::default() };
    let mut error = classify::upstream_error(status, headers, &said, body);
    if let Some(kind) = by_type(kind, message) {
        error.kind = kind;
    } else if error.kind == ErrorKind::BadRequest && says_any(message, TOO_LONG) {
        error.kind = ErrorKind::ContextWindow;
    } else if says_any(message, WRONG_KEY) {
        error.kind = ErrorKind::Auth;
    }
    error
}

/// What a prompt that does not fit is called.
const TOO_LONG: &[&str] = &[
    "input is too long",
    "too many input tokens",
    "too many tokens",
    "expected maxlength:",
    "exceed model maximum",
];
/// What a wrong key is called, whatever its type.
const WRONG_KEY: &[&str] =
    &["security token included in the request is", "signature we calculated does not match"];

fn says_any(message: &str, words: &[&str]) -> bool {
    let message = message.to_lowercase();
    words.iter().any(|word| message.contains(word))
}

/// The class of a type that means the same whatever its words: those of throttling speak of too many tokens.
fn by_type(kind: &str, message: &str) -> Option<ErrorKind> {
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    let any = |names: &[&str]| names.iter().any(|name| is(name));
    if any(&["ThrottlingException", "TooManyRequestsException"]) {
        return Some(ErrorKind::RateLimit);
    }
    if is("ServiceQuotaExceededException") {
        return Some(ErrorKind::Quota);
    }
    if any(&["ModelNotReadyException", "ServiceUnavailableException"]) {
        return Some(ErrorKind::Unavailable);
    }
    if is("ModelTimeoutException") {
        return Some(ErrorKind::Timeout);
    }
    if any(&["ModelErrorException", "ModelStreamErrorException"]) {
        let picture = message.contains("Could not process image");
        return Some(if picture { ErrorKind::BadRequest } else { ErrorKind::Internal });
    }
    if is("InternalServerException") {
        return Some(ErrorKind::Internal);
    }
    let keys = [
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "ExpiredToken",
        "MissingAuthenticationTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
    ];
    if any(&keys) {
        return Some(ErrorKind::Auth);
    }
    is("ResourceNotFoundException").then_some(ErrorKind::NotFound)
}

/// The status that the service gives an error of this type when no stream has begun.
fn status_of(kind: &str) -> StatusCode {
    match kind.to_ascii_lowercase().as_str() {
        "validationexception" => StatusCode::BAD_REQUEST,
        "accessdeniedexception" => StatusCode::FORBIDDEN,
        "throttlingexception" => StatusCode::TOO_MANY_REQUESTS,
        "modelstreamerrorexception" => StatusCode::FAILED_DEPENDENCY,
        "modeltimeoutexception" => StatusCode::REQUEST_TIMEOUT,
        "serviceunavailableexception" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
