//! What a provider's failure means.
//!
//! The rules are texts and statuses that providers are known to use (`providers/errors.md`), in the
//! order of that page: context window, content policy, the provider's own words, then the HTTP status.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, ErrorKind};

/// The most of an error body that is kept.
const BODY_LIMIT: usize = 64 * 1024;
/// The most of a provider's message that is repeated.
const MESSAGE_LIMIT: usize = 4096;
/// The longest wait that is obeyed.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(60);

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
    if any(QUOTA) {
        return ErrorKind::Quota;
    }
    by_words(status, said, &text).unwrap_or_else(|| by_status(status))
}

/// Words that mean more than the status they came with.
fn by_words(status: StatusCode, said: &Said<'_>, text: &str) -> Option<ErrorKind> {
    let any = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if any(&["model_not_found", "deploymentnotfound"]) {
        return Some(ErrorKind::NotFound);
    }
    if any(&["api key not valid", "api_key_invalid", "invalid api token", "invalid_api_key"])
        && (status.is_client_error() || status.is_success())
    {
        return Some(ErrorKind::Auth);
    }
    if any(&["service tier capacity exceeded", "token_quota_reached", "request too large for"])
        || (said.code == "429" && status.is_server_error())
    {
        return Some(ErrorKind::RateLimit);
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE && text.contains("tokens per minute") {
        return Some(ErrorKind::RateLimit);
    }
    if any(&["overloaded_error"]) || said.code == "529" {
        return Some(ErrorKind::Overloaded);
    }
    if any(&["request timeout error", "request timed out", "timed out generating response"]) {
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
        502 => ErrorKind::BadGateway,
        503 | 520..=527 => ErrorKind::Unavailable,
        504 => ErrorKind::GatewayTimeout,
        529 => ErrorKind::Overloaded,
        _ => ErrorKind::Api,
    }
}

/// The failure as an [`ApiError`], with what its headers say about waiting. `body` is kept for the log.
#[must_use]
pub fn upstream_error(status: StatusCode, headers: &HeaderMap, said: &Said<'_>, body: &[u8]) -> ApiError {
    let message = if said.message.is_empty() { plain_text(status, body) } else { clip(said.message) };
    let mut error = ApiError::upstream(classify(status, said), message);
    error.upstream_status = Some(status);
    error.code = (!said.code.is_empty()).then(|| said.code.to_owned());
    error.param = (!said.param.is_empty()).then(|| said.param.to_owned());
    error.retry_after = retry_after(headers);
    error.should_retry = header(headers, "x-should-retry").and_then(|word| word.parse().ok());
    let kept = body.get(..body.len().min(BODY_LIMIT)).unwrap_or_default();
    error.body = Some(Bytes::copy_from_slice(kept));
    error
}

/// How long the headers ask to wait: `retry-after-ms`, then `retry-after` in seconds; at most 60 s is
/// obeyed, a longer wait is treated as 60 s by the cooldown and not slept.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let ms = header(headers, "retry-after-ms").and_then(|value| value.parse::<f64>().ok());
    let seconds = header(headers, "retry-after").and_then(|value| value.parse::<f64>().ok());
    wait(ms.map(|ms| ms / 1000.0).or(seconds)?)
}

/// A wait of so many seconds, as far as one is obeyed.
pub(crate) fn wait(seconds: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    Some(wait.min(RETRY_AFTER_LIMIT))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
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
        check(418, "", "", ErrorKind::BadRequest);
        check(599, "", "", ErrorKind::Api);
    }

    #[test]
    fn waits_are_read_and_bounded() {
        let check = |name: &'static str, value: &'static str, expect: Option<u64>| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), expect.map(Duration::from_millis), "{name}: {value}");
        };
        check("retry-after", "2", Some(2000));
        check("retry-after", "600", Some(60_000));
        check("retry-after-ms", "150", Some(150));
        check("retry-after", "-1", None);
        check("retry-after", "soon", None);
    }

    #[test]
    fn html_is_not_repeated() {
        let body = b"<html><body>nginx secret</body></html>";
        let error = upstream_error(StatusCode::BAD_GATEWAY, &HeaderMap::new(), &Said::default(), body);
        assert_eq!(error.kind, ErrorKind::BadGateway);
        assert!(!error.message.contains("nginx"), "{error}");
    }
}
