//! The error body: `{"error":{code,message,status,details}}`, a `google.rpc.Status`.

use std::borrow::Cow;

use llm_types::{ApiError, RawValue};
use serde::Serialize;

use super::super::wire::{ErrorBody, Problem};

#[derive(Serialize)]
struct Body<'a> {
    error: Status<'a>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    message: String,
    status: &'static str,
    details: Cow<'a, RawValue>,
}

#[derive(Serialize)]
#[serde(tag = "@type")]
enum Detail<'a> {
    #[serde(rename = "type.googleapis.com/google.rpc.ErrorInfo")]
    Info { reason: String, domain: &'static str, metadata: Metadata<'a> },
    #[serde(rename = "type.googleapis.com/google.rpc.BadRequest", rename_all = "camelCase")]
    Request { field_violations: [Violation<'a>; 1] },
    #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo", rename_all = "camelCase")]
    Retry { retry_delay: String },
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
}

#[derive(Serialize)]
struct Violation<'a> {
    field: &'a str,
    description: &'a str,
}

/// The body that Google's clients understand; it serves as the last element of a stream too.
pub(super) fn body(error: &ApiError) -> Vec<u8> {
    let code = error.status().as_u16();
    let given = error.body.as_deref().and_then(details_in);
    let details = match given {
        Some(details) => Cow::Borrowed(details),
        None => Cow::Owned(serde_json::value::to_raw_value(&details(error)).unwrap_or_default()),
    };
    let body = Body { error: Status { code, message: error.to_string(), status: word(code), details } };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The details of an upstream that speaks this dialect.
fn details_in(body: &[u8]) -> Option<&RawValue> {
    let one: ErrorBody<'_> = serde_json::from_slice(body).ok()?;
    let problem: Problem<'_> = serde_json::from_str(one.error?.get()).ok()?;
    problem.status.and(problem.details).filter(|details| details.get().starts_with('['))
}

fn details(error: &ApiError) -> Vec<Detail<'_>> {
    let mut out = Vec::new();
    if let Some(code) = error.public_code() {
        out.push(Detail::Info {
            reason: code.to_uppercase(),
            domain: "gateway",
            metadata: Metadata { provider: error.provider.as_deref() },
        });
    }
    if let Some(field) = &error.param {
        out.push(Detail::Request { field_violations: [Violation { field, description: &error.message }] });
    }
    if let Some(wait) = error.retry_after {
        out.push(Detail::Retry { retry_delay: format!("{}s", wait.as_secs_f64()) });
    }
    out
}

/// Google's word for an HTTP status (`google.rpc.Code`).
fn word(code: u16) -> &'static str {
    match code {
        400 | 405 | 413 | 415 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        500 => "INTERNAL",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use llm_types::ErrorKind;
    use serde_json::{Value, json};

    use super::*;

    fn written(error: &ApiError) -> Value {
        serde_json::from_slice(&body(error)).unwrap()
    }

    #[test]
    fn kinds_have_googles_words() {
        let check = |kind: ErrorKind, code: u16, word: &str| {
            let error = written(&ApiError::new(kind, "m"));
            let got = (error["error"]["code"].as_u64(), error["error"]["status"].as_str());
            assert_eq!(got, (Some(u64::from(code)), Some(word)), "{kind:?}");
            assert_eq!(error["error"]["message"], "m");
        };
        check(ErrorKind::BadRequest, 400, "INVALID_ARGUMENT");
        check(ErrorKind::Auth, 401, "UNAUTHENTICATED");
        check(ErrorKind::Permission, 403, "PERMISSION_DENIED");
        check(ErrorKind::NotFound, 404, "NOT_FOUND");
        check(ErrorKind::Timeout, 408, "DEADLINE_EXCEEDED");
        check(ErrorKind::Quota, 429, "RESOURCE_EXHAUSTED");
        check(ErrorKind::Internal, 500, "INTERNAL");
        check(ErrorKind::Connection, 502, "UNAVAILABLE");
        check(ErrorKind::Overloaded, 503, "UNAVAILABLE");
        check(ErrorKind::GatewayTimeout, 504, "DEADLINE_EXCEEDED");
        check(ErrorKind::Budget, 402, "FAILED_PRECONDITION");
    }

    #[test]
    fn details_say_what_is_known() {
        let mut error = ApiError::bad_request("too big").with_param("contents");
        error.retry_after = Some(Duration::from_millis(1500));
        error.code = Some("odd_code".to_owned());
        let details = written(&error)["error"]["details"].clone();
        assert_eq!(details[0]["reason"], "ODD_CODE");
        assert_eq!(details[1]["fieldViolations"][0]["field"], "contents");
        assert_eq!(details[2]["retryDelay"], "1.5s");
        let given =
            r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"}]}}"#;
        error.body = Some(given.into());
        assert_eq!(written(&error)["error"]["details"], json!([{"@type": "x"}]));
        error.body = Some(r#"{"error":{"message":"m","details":[1]}}"#.into());
        assert_eq!(written(&error)["error"]["details"][0]["reason"], "ODD_CODE");
    }
}
