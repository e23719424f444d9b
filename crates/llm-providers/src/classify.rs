//! What a provider's failure means.
//!
//! The rules are texts and statuses that providers are known to use (`providers/errors.md`), in the
//! order of that page: context window, content policy, the provider's own words, then the HTTP status.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, ErrorKind};

use crate::{missing, rate_limit};

/// The most of an error body that is kept.
const BODY_LIMIT: usize = 64 * 1024;
/// The most of a provider's message that is repeated.
const MESSAGE_LIMIT: usize = 4096;

/// What a provider said of its failure, whatever shape it said it in. Absent fields are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'a> {
    /// In words.
    pub message: &'a str,
    /// The type of error, as the dialect names it.
    pub kind: &'a str,
    /// Its code.
    pub code: &'a str,
    /// The parameter at fault.
    pub param: &'a str,
}

const CONTEXT: &[&str] = &[
    "exceed context limit",
    "this model's maximum context length is",
    "string too long. expected a string with maximum length",
    "model's maximum context limit",
    "is longer than the model's context length",
    "input tokens exceed the configured limit",
    "`inputs` tokens + `max_new_tokens` must be",
    "exceeds the available context size",
    "exceeds the maximum number of tokens allowed",
    "prompt is too long",
    "prompt: length",
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "reduce the length of the messages",
    "max_tokens must be at least 1, got -",
    "too large for model with",
    "range of input length should be",
    "maximum prompt length",
    "request payload size exceeds",
    "prompt has too many tokens",
    "length limit exceeded",
    "too many tokens: ",
];

const POLICY: &[&str] = &[
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "the response was filtered due to the prompt triggering azure openai's content management",
    "your task failed as a result of our safety system",
    "the model produced invalid content",
    "content_filter_policy",
    "your request was rejected as a result of our safety system",
    "request was rejected as a result of the safety system",
    "content filtering policy",
    "the response was blocked",
    "data_inspection_failed",
    "datainspectionfailed",
    "content violates usage guidelines",
];

const QUOTA: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "credit balance is too low",
    "exceeded your current quota",
];

const AUTH: &[&str] = &[
    "api key not valid",
    "api_key_invalid",
    "invalid api token",
    "invalid_api_key",
    "invalidapikey",
    "no api key provided",
    "a valid user token is required",
    "invalid private key",
    "authentication error",
];

const TIMEOUT: &[&str] = &[
    "request timeout error",
    "request timed out",
    "timed out generating response",
    "the read operation timed out",
    "a timeout occurred",
];

/// One request that is over the limit of a whole minute: waiting does not make it smaller.
const TOO_LARGE: &str = "request too large for";

/// The class of a failure with this status and these words.
#[must_use]
pub fn classify(status: StatusCode, said: &Said<'_>) -> ErrorKind {
    let text = format!("{} {} {}", said.message, said.kind, said.code).to_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let own_length = text.contains("string_above_max_length")
        || (text.contains("invalid 'user'") && text.contains("string too long"));
    let cerebras = text.contains("current length is") && text.contains("while limit is");
    let tokens = text.contains("maximum input length is") && text.contains("tokens");
    let client_fault = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    if (client_fault || status.is_success()) && !own_length && (any(CONTEXT) || cerebras || tokens) {
        return ErrorKind::ContextWindow;
    }
    let prompt = text.contains("invalid prompt") && text.contains("violating our usage policy");
    if any(POLICY) || prompt || said.code == "content_filter" {
        return ErrorKind::ContentPolicy;
    }
    // DashScope's word for a rate, which its text calls a quota.
    if text.contains("throttling.") {
        return ErrorKind::RateLimit;
    }
    if any(QUOTA) {
        return ErrorKind::Quota;
    }
    let kind = by_words(status, said, &text).unwrap_or_else(|| by_status(status));
    // The deployment is fine: what the request names is not there, nor would it be elsewhere.
    if kind == ErrorKind::NotFound && missing::is_the_callers(said) { ErrorKind::BadRequest } else { kind }
}

/// Business codes of Z.AI, which come beside any status (`providers/errors.md`, section 4).
const NUMBERS: &[(&str, ErrorKind)] = &[
    ("1113", ErrorKind::Quota),
    ("1261", ErrorKind::ContextWindow),
    ("1301", ErrorKind::ContentPolicy),
    ("1302", ErrorKind::RateLimit),
    ("1303", ErrorKind::RateLimit),
    ("1305", ErrorKind::RateLimit),
];

/// Words that mean more than the status they came with.
fn by_words(status: StatusCode, said: &Said<'_>, text: &str) -> Option<ErrorKind> {
    if let Some((_, kind)) = NUMBERS.iter().find(|(code, _)| *code == said.code) {
        return Some(*kind);
    }
    let any = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if any(&["model_not_found", "deploymentnotfound"]) {
        return Some(ErrorKind::NotFound);
    }
    if any(AUTH) && (status.is_client_error() || status.is_success()) {
        return Some(ErrorKind::Auth);
    }
    // DashScope's: the account owes.
    if said.code == "Arrearage" {
        return Some(ErrorKind::Payment);
    }
    // 498 is an expired token elsewhere, and no room at Groq.
    let full = status.as_u16() == 498 && text.contains("capacity exceeded");
    if any(&["service tier capacity exceeded", "token_quota_reached", TOO_LARGE])
        || (said.code == "429" && status.is_server_error())
        || full
    {
        return Some(ErrorKind::RateLimit);
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE && text.contains("tokens per minute") {
        return Some(ErrorKind::RateLimit);
    }
    if any(&["overloaded_error"]) || said.code == "529" {
        return Some(ErrorKind::Overloaded);
    }
    if any(TIMEOUT) {
        return Some(ErrorKind::Timeout);
    }
    None
}

/// The class that a status alone means.
#[must_use]
pub fn by_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 498 => ErrorKind::Auth,
        402 => ErrorKind::Payment,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 499 | 522 | 524 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        422 => ErrorKind::Unprocessable,
        425 | 429 => ErrorKind::RateLimit,
        400..=499 => ErrorKind::BadRequest,
        500 => ErrorKind::Internal,
        // Nobody follows a redirect with a key.
        300..=399 | 502 => ErrorKind::BadGateway,
        503 | 520..=527 => ErrorKind::Unavailable,
        504 => ErrorKind::GatewayTimeout,
        529 => ErrorKind::Overloaded,
        _ => ErrorKind::Api,
    }
}

/// The failure as an [`ApiError`], with what its headers say about waiting. `body` is kept for the log.
#[must_use]
pub fn upstream_error(status: StatusCode, headers: &HeaderMap, said: &Said<'_>, body: &[u8]) -> ApiError {
    let message = match led_away(status, headers) {
        Some(message) => message,
        None if said.message.is_empty() => plain_text(status, body),
        None => clip(said.message),
    };
    let mut error = ApiError::upstream(classify(status, said), message);
    error.upstream_status = Some(status);
    error.code = (!said.code.is_empty()).then(|| said.code.to_owned());
    error.param = (!said.param.is_empty()).then(|| said.param.to_owned());
    error.retry_after = retry_after(headers).or_else(|| {
        // The last resort: only where waiting is the answer at all.
        matches!(error.kind, ErrorKind::RateLimit).then(|| wait_in_words(said.message)).flatten()
    });
    error.should_retry = header(headers, "x-should-retry").and_then(|word| word.parse().ok());
    if status.is_redirection() {
        error.should_retry = Some(false);
    }
    if error.kind == ErrorKind::RateLimit && said.message.to_lowercase().contains(TOO_LARGE) {
        error.should_retry = error.should_retry.or(Some(false));
    }
    let kept = body.get(..body.len().min(BODY_LIMIT)).unwrap_or_default();
    error.body = Some(Bytes::copy_from_slice(kept));
    error
}

/// How long the headers ask to wait: `retry-after-ms`, then `retry-after` in seconds or as a date (RFC 9110
/// section 10.2.3). It is what the provider says; whether so long a wait is obeyed is the router's to decide.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let ms = header(headers, "retry-after-ms").and_then(|value| value.parse::<f64>().ok());
    if let Some(ms) = ms {
        return wait(ms / 1000.0);
    }
    let value = header(headers, "retry-after")?;
    match value.parse() {
        Ok(seconds) => wait(seconds),
        Err(_) => until(value, headers),
    }
}

/// How long it is until a date. The provider's own clock counts, where it tells the time.
fn until(date: &str, headers: &HeaderMap) -> Option<Duration> {
    let date = httpdate::parse_http_date(date).ok()?;
    let now = header(headers, "date").and_then(|now| httpdate::parse_http_date(now).ok());
    Some(date.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

/// A wait of so many seconds; `None` for what is no time.
pub(crate) fn wait(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// How long a message asks to wait, in the words of OpenAI and Groq: `Please try again in 1m2.5s`.
fn wait_in_words(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("try again in ")?;
    let word = rest.split_whitespace().next()?.trim_end_matches('.');
    rate_limit::units(word)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// What a redirect means for whoever set the address.
fn led_away(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !status.is_redirection() {
        return None;
    }
    let to = header(headers, "location").and_then(|place| place.parse::<http::Uri>().ok());
    let to = to.as_ref().and_then(http::Uri::host).map(|host| format!(" to {host}")).unwrap_or_default();
    Some(format!(
        "the upstream answered {status} and leads on{to}: redirects are not followed, correct `api_base`"
    ))
}

/// A message for a body that is not in the dialect's shape: HTML is not repeated to the client.
fn plain_text(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(MESSAGE_LIMIT)).unwrap_or_default());
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        return format!("the upstream answered {status} without a readable error");
    }
    clip(text)
}

fn clip(text: &str) -> String {
    text.chars().take(MESSAGE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_an_address_to_correct() {
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://u:secret@other.example/v1?sig=secret".parse().unwrap());
        let status = StatusCode::TEMPORARY_REDIRECT;
        let error = upstream_error(status, &headers, &Said::default(), b"");
        assert_eq!((error.kind, error.should_retry), (ErrorKind::BadGateway, Some(false)));
        assert!(error.message.contains("to other.example: redirects"), "{}", error.message);
        assert!(!error.message.contains("secret"), "{}", error.message);
        let error = upstream_error(status, &HeaderMap::new(), &Said::default(), b"");
        assert!(error.message.contains("leads on: redirects"), "{}", error.message);
    }

    #[test]
    fn clients_hear_openais_words_for_what_they_go_by() {
        let check = |status: u16, message: &str, code: &str, expect: &str| {
            let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
            let error = upstream_error(status, &headers, &Said { message, code, ..Said::default() }, b"");
            assert_eq!(error.public_code(), Some(expect), "{message} {code}");
            assert_eq!(error.code.as_deref(), Some(code), "the provider's is kept");
        };
        for code in ["BAD_REQUEST", "invalid_input_argument", "5021", "CLIENT_ERROR_FROM_MODEL"] {
            check(400, "this model's maximum context length is 8192 tokens", code, "context_length_exceeded");
        }
        check(429, "slow down", "REQUEST_LIMIT_EXCEEDED", "rate_limit_exceeded");
        check(429, "Insufficient balance", "1113", "insufficient_quota");
        check(400, "unsafe or sensitive content", "1301", "content_policy_violation");
        check(400, "filtered", "content_filter", "content_filter");
        check(400, "what is wrong", "invalid_value", "invalid_value");
        check(404, "what is wrong", "DeploymentNotFound", "DeploymentNotFound");
    }

    #[test]
    fn words_decide_before_the_status() {
        let check = |status: u16, message: &str, code: &str, expect: ErrorKind| {
            let said = Said { message, code, ..Said::default() };
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(classify(status, &said), expect, "{status} {message} {code}");
        };
        check(400, "prompt is too long: 210000 tokens > 200000 maximum", "", ErrorKind::ContextWindow);
        check(400, "This model's maximum context length is 8192 tokens", "", ErrorKind::ContextWindow);
        check(
            400,
            "Invalid 'user': string too long. Expected a string with maximum length 64",
            "string_above_max_length",
            ErrorKind::BadRequest,
        );
        check(400, "Output blocked by content filtering policy", "", ErrorKind::ContentPolicy);
        check(429, "You exceeded your current quota", "insufficient_quota", ErrorKind::Quota);
        check(400, "Your credit balance is too low to access the Anthropic API", "", ErrorKind::Quota);
        check(400, "API key not valid. Please pass a valid API key.", "", ErrorKind::Auth);
        check(400, "The requested model 'x' does not exist", "model_not_found", ErrorKind::NotFound);
        check(413, "Request too large for model `x` on tokens per minute (TPM)", "", ErrorKind::RateLimit);
        check(529, "Overloaded", "", ErrorKind::Overloaded);
        check(
            400,
            "too many tokens: total number of tokens cannot exceed 4081",
            "",
            ErrorKind::ContextWindow,
        );
        check(429, "Insufficient balance", "1113", ErrorKind::Quota);
        check(400, "Prompt exceeds max length", "1261", ErrorKind::ContextWindow);
        check(400, "unsafe or sensitive content", "1301", ErrorKind::ContentPolicy);
        check(500, "High concurrency", "1302", ErrorKind::RateLimit);
        check(403, "Authentication error", "10000", ErrorKind::Auth);
        check(400, "A valid user token is required", "", ErrorKind::Auth);
        check(400, "invalid private key", "", ErrorKind::Auth);
        check(401, "", "InvalidApiKey", ErrorKind::Auth);
        check(
            400,
            "Access denied, please make sure your account is in good standing.",
            "Arrearage",
            ErrorKind::Payment,
        );
        check(429, "You exceeded your current quota", "Throttling.AllocationQuota", ErrorKind::RateLimit);
        check(429, "Token quota exceeded", "token_quota_exceeded", ErrorKind::RateLimit);
        check(498, "Flex tier capacity exceeded", "capacity_exceeded", ErrorKind::RateLimit);
        check(498, "invalid token", "", ErrorKind::Auth);
        check(500, "The read operation timed out", "", ErrorKind::Timeout);
        check(500, "A timeout occurred", "", ErrorKind::Timeout);
        check(418, "", "", ErrorKind::BadRequest);
        check(599, "", "", ErrorKind::Api);
    }

    #[test]
    fn waits_are_read_in_every_form_and_not_cut() {
        let check = |lines: &[(&'static str, &'static str)], expect: Option<u64>| {
            let headers = HeaderMap::from_iter(
                lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())),
            );
            assert_eq!(retry_after(&headers), expect.map(Duration::from_millis), "{lines:?}");
        };
        check(&[("retry-after", "2")], Some(2000));
        check(&[("retry-after", "1.5")], Some(1500));
        check(&[("retry-after", "3600")], Some(3_600_000));
        check(&[("retry-after-ms", "150"), ("retry-after", "1")], Some(150));
        check(&[("retry-after", "-1")], None);
        check(&[("retry-after", "1e300")], None);
        check(&[("retry-after", "soon")], None);
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:51:40 GMT")], Some(123_000));
        check(&[date, ("retry-after", "Sunday, 06-Nov-94 08:49:39 GMT")], Some(2000));
        check(&[date, ("retry-after", "Sun Nov  6 08:49:38 1994")], Some(1000));
        check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], Some(0));
        check(&[date, ("retry-after", "Sun, 99 Nov 1994 08:49:00 GMT")], None);
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(0));
    }

    #[test]
    fn a_date_without_a_date_is_measured_by_our_clock() {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(600));
        let headers = HeaderMap::from_iter([("retry-after".parse().unwrap(), date.parse().unwrap())]);
        let wait = retry_after(&headers).unwrap();
        assert!(wait > Duration::from_secs(500) && wait <= Duration::from_secs(600), "{wait:?}");
    }

    #[test]
    fn waits_are_read_from_words_where_no_header_has_them() {
        let check = |message: &str, expect: Option<u64>| {
            let said = Said { message, ..Said::default() };
            let error = upstream_error(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), &said, b"");
            assert_eq!(error.retry_after, expect.map(Duration::from_millis), "{message}");
        };
        check("Rate limit reached. Please try again in 1.2s. Need more?", Some(1200));
        check("Please try again in 280ms", Some(280));
        check("Please try again in 1h2m3.5s.", Some(3_723_500));
        check("Please try again in 7m12s.", Some(432_000));
        check("Please try again in a while", None);
        check("Please try again in 5 parsecs", None);
        check("Please try again in .", None);
        check("Please try again in s", None);
        check("Please try again later", None);
        let said = Said { message: "Please try again in 9s", ..Said::default() };
        let headers = HeaderMap::from_iter([("retry-after".parse().unwrap(), "2".parse().unwrap())]);
        let error = upstream_error(StatusCode::TOO_MANY_REQUESTS, &headers, &said, b"");
        assert_eq!(error.retry_after, Some(Duration::from_secs(2)));
        let error = upstream_error(StatusCode::BAD_REQUEST, &HeaderMap::new(), &said, b"");
        assert_eq!(error.retry_after, None);
    }

    #[test]
    fn every_status_has_its_class() {
        use ErrorKind as K;
        let rows = [
            (K::BadRequest, &[400, 405, 424, 434, 435][..]),
            (K::Auth, &[401, 498]),
            (K::Payment, &[402]),
            (K::Permission, &[403]),
            (K::NotFound, &[404]),
            (K::Timeout, &[408, 499, 522, 524]),
            (K::Conflict, &[409]),
            (K::TooLarge, &[413]),
            (K::Unprocessable, &[422]),
            (K::RateLimit, &[425, 429]),
            (K::Internal, &[500]),
            (K::BadGateway, &[302, 307, 502]),
            (K::Unavailable, &[503, 520, 521, 523, 525, 526, 527]),
            (K::GatewayTimeout, &[504]),
            (K::Overloaded, &[529]),
            (K::Api, &[501, 505, 599]),
        ];
        for (kind, statuses) in rows {
            for status in statuses {
                assert_eq!(by_status(StatusCode::from_u16(*status).unwrap()), kind, "{status}");
            }
        }
    }

    #[test]
    fn a_request_that_can_never_fit_is_not_asked_again() {
        let check = |message: &str, header: Option<&str>, expect: Option<bool>| {
            let said = Said { message, ..Said::default() };
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert("x-should-retry", header.parse().unwrap());
            }
            let error = upstream_error(StatusCode::TOO_MANY_REQUESTS, &headers, &said, b"");
            assert_eq!((error.kind, error.should_retry), (ErrorKind::RateLimit, expect), "{message}");
        };
        check("Request too large for gpt-4o on tokens per min (TPM)", None, Some(false));
        check("Request too large for gpt-4o on tokens per min (TPM)", Some("true"), Some(true));
        check("Rate limit reached for gpt-4o", None, None);
    }

    #[test]
    fn html_is_not_repeated() {
        let body = b"<html><body>nginx secret</body></html>";
        let error = upstream_error(StatusCode::BAD_GATEWAY, &HeaderMap::new(), &Said::default(), body);
        assert_eq!(error.kind, ErrorKind::BadGateway);
        assert!(!error.message.contains("nginx"), "{error}");
    }
}
