//! What a failure means.
//!
//! The body is a `google.rpc.Status` in `error`, on streams also as the one element of an array. A 429
//! speaks of an exceeded quota whether it lasts a minute or a day; only its details tell which
//! (recording `gemini/generatecontent-error-429-2fb525`).

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use llm_types::{ApiError, ErrorKind, RawValue};

use super::super::wire::{ErrorBody, Problem, ProblemDetail};
use crate::classify::{Said, by_status, classify, retry_after, upstream_error};

/// An answer that is not 2xx.
pub(in super::super) fn error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    match problem_in(body) {
        Some(problem) => from_problem(status, headers, &problem, body),
        None => upstream_error(status, headers, &Said::default(), body),
    }
}

/// An error that stands in a 200, or in a stream.
pub(in super::super) fn contained(json: &RawValue) -> ApiError {
    let body = json.get().as_bytes();
    let problem: Problem<'_> = serde_json::from_str(json.get()).unwrap_or_default();
    let code = problem.code.as_ref().map(|code| code.name(&[]));
    let status = code
        .and_then(|code| code.parse::<u16>().ok())
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|status| !status.is_success())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    from_problem(status, &HeaderMap::new(), &problem, body)
}

fn problem_in(body: &[u8]) -> Option<Problem<'_>> {
    let one = serde_json::from_slice::<ErrorBody<'_>>(body).ok();
    let one = one.or_else(|| serde_json::from_slice::<Vec<ErrorBody<'_>>>(body).ok()?.into_iter().next())?;
    serde_json::from_str(one.error?.get()).ok()
}

fn from_problem(status: StatusCode, headers: &HeaderMap, problem: &Problem<'_>, body: &[u8]) -> ApiError {
    let details = problem.details.map(|details| details.get()).unwrap_or("[]");
    let details: Vec<ProblemDetail<'_>> = serde_json::from_str(details).unwrap_or_default();
    let message = problem.message.clone().unwrap_or_default().0.into_lossy();
    let code = problem.code.as_ref().map(|code| code.name(&[])).unwrap_or_default();
    let reason =
        details.iter().find_map(|detail| detail.reason.as_ref()).map_or("", |reason| reason.as_str());
    let state = problem.status.as_ref().map_or("", |state| state.as_str());
    let kind = format!("{state} {reason}");
    let said = Said { message: &message, kind: kind.trim(), code: &code, param: "" };
    let mut error = upstream_error(status, headers, &said, body);
    // The code repeats the status; the class has a better word for the client.
    error.code = None;
    error.kind = class(status, &said, &details);
    if error.retry_after.is_none() {
        error.retry_after = details.iter().find_map(wait);
    }
    error
}

fn class(status: StatusCode, said: &Said<'_>, details: &[ProblemDetail<'_>]) -> ErrorKind {
    let limited = status == StatusCode::TOO_MANY_REQUESTS
        || said.kind.starts_with("RESOURCE_EXHAUSTED")
        || (said.code == "429" && status.is_server_error());
    if limited {
        let mut quotas = details.iter().flat_map(|detail| detail.violations.iter().flatten());
        let daily =
            quotas.any(|quota| quota.quota_id.as_ref().is_some_and(|id| id.as_str().contains("PerDay")));
        return if daily { ErrorKind::Quota } else { ErrorKind::RateLimit };
    }
    match classify(status, said) {
        // A quota that is really used up is a 429 here; anything else is about the words of a message.
        ErrorKind::Quota => by_status(status),
        kind => kind,
    }
}

/// `RetryInfo.retryDelay`: decimal seconds with the suffix `s`.
fn wait(detail: &ProblemDetail<'_>) -> Option<std::time::Duration> {
    let seconds = detail.retry_delay.as_ref()?.as_str().strip_suffix('s')?;
    let value = HeaderValue::from_str(seconds).ok()?;
    retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn failures_are_classified() {
        let check = |status: u16, body: &str, expect: ErrorKind| {
            let status = StatusCode::from_u16(status).unwrap();
            let error = error(status, &HeaderMap::new(), body.as_bytes());
            assert_eq!(error.kind, expect, "{body}");
            assert_eq!(error.code, None, "{body}");
        };
        let body = |code: u16, message: &str, state: &str| {
            format!(r#"{{"error":{{"code":{code},"message":"{message}","status":"{state}"}}}}"#)
        };
        use ErrorKind as K;
        let invalid = |message: &str| body(400, message, "INVALID_ARGUMENT");
        check(400, &invalid("API key not valid. Please pass a valid API key."), K::Auth);
        check(400, &invalid("Unknown name \\\"x\\\""), K::BadRequest);
        let long = "The input token count (2000000) exceeds the maximum number of tokens allowed (1048575).";
        check(400, &invalid(long), K::ContextWindow);
        check(400, &invalid("Request payload size exceeds the limit: 20971520 bytes."), K::ContextWindow);
        check(400, &body(400, "User location is not supported", "FAILED_PRECONDITION"), K::BadRequest);
        check(403, &body(403, "API has not been used in project 1", "PERMISSION_DENIED"), K::Permission);
        check(404, &body(404, "models/x is not found for API version v1beta", "NOT_FOUND"), K::NotFound);
        check(429, &body(429, "You exceeded your current quota", "RESOURCE_EXHAUSTED"), K::RateLimit);
        check(499, &body(499, "The operation was cancelled.", "CANCELLED"), K::Timeout);
        check(500, &body(500, "An internal error has occurred.", "INTERNAL"), K::Internal);
        check(503, &body(503, "The model is overloaded.", "UNAVAILABLE"), K::Unavailable);
        check(504, &body(504, "Deadline expired", "DEADLINE_EXCEEDED"), K::GatewayTimeout);
        check(502, &body(429, "Resource exhausted", "RESOURCE_EXHAUSTED"), K::RateLimit);
        check(400, &format!("[{}]", invalid("API key not valid.")), K::Auth);
        check(502, "<html>bad gateway</html>", K::BadGateway);
        check(400, "Output blocked by content filtering policy", K::BadRequest);
        check(400, &invalid("Output blocked by content filtering policy"), K::ContentPolicy);
    }

    #[test]
    fn waits_and_daily_quotas_stand_in_the_details() {
        let check = |quota: &str, delay: &str, kind: ErrorKind, wait: Option<u64>| {
            let body = format!(
                r#"{{"error":{{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
                {{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaId":"{quota}"}}]}},
                {{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{delay}"}}]}}}}"#
            );
            let error = error(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), body.as_bytes());
            assert_eq!((error.kind, error.retry_after), (kind, wait.map(Duration::from_millis)), "{body}");
        };
        check("RequestsPerMinute", "34.4s", ErrorKind::RateLimit, Some(34_400));
        check("RequestsPerDayPerProject", "3600s", ErrorKind::Quota, Some(3_600_000));
        check("x", "-1s", ErrorKind::RateLimit, None);
        check("x", "soon", ErrorKind::RateLimit, None);
    }
}
