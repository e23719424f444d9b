//! Failures, in the shapes of the sixty providers that speak dialects of OpenAI's.
//!
//! `{"error":{…}}` is OpenAI's; others send a string, FastAPI's `detail`, a flat object, a list, HTML, or
//! put the failure into an answer with status 200.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, ErrorKind, RawValue, Str, wire_struct};

use super::scalar::{Lossy, Word};
use crate::classify::{self, Said};

wire_struct! {
    /// Every member under which some provider says what went wrong.
    struct Shape<'a> {
        error: &'a RawValue,
        errors: &'a RawValue,
        detail: &'a RawValue,
        message as "message" or "Message": &'a RawValue,
        msg: &'a RawValue,
        status_msg: &'a RawValue,
        reason: Word<'a>,
        title: Word<'a>,
        code: Word<'a>,
        error_code as "error_code" or "ErrorCode": Word<'a>,
        status_code: Word<'a>,
        status: Word<'a>,
        kind as "type": Word<'a>,
        error_type: Word<'a>,
        estimated_time: Word<'a>,
        param: Word<'a>,
        loc: Vec<Word<'a>>,
        base_resp: &'a RawValue,
        metadata: Metadata<'a>,
        behind as "OriginalMessage": &'a RawValue,
        behind_status as "OriginalStatusCode": Word<'a>,
        innererror: Inner<'a>,
        inner_error: Inner<'a>,
    }
}

wire_struct! {
    /// An object none of whose members are named.
    struct Open<'a> {}
}

wire_struct! {
    /// OpenRouter's: the true cause is in `raw`.
    struct Metadata<'a> {
        raw: &'a RawValue,
        reasons: &'a RawValue,
        flagged_input: &'a RawValue,
    }
}

wire_struct! {
    /// Azure's.
    struct Inner<'a> {
        code: Word<'a>,
    }
}

/// What was found, in our own memory.
#[derive(Debug, Default)]
struct Found {
    message: String,
    kind: String,
    code: String,
    param: String,
    status: Option<StatusCode>,
    /// The status of a container behind the service that answers.
    behind: Option<StatusCode>,
    flagged: bool,
    /// How long until the model is loaded.
    wait: Option<Duration>,
    /// This is the cause of another error: its own cause is not looked for.
    is_cause: bool,
}

/// How deep shapes may be nested in each other.
const DEPTH: u8 = 4;

/// Classifies an answer that is not 2xx.
pub(super) fn decode(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let mut found = Found::default();
    if let Ok(text) = std::str::from_utf8(body) {
        found.look(text.trim(), DEPTH);
    }
    found.into_error(status, headers, body)
}

/// Classifies a failure that came inside an answer with status 200. The status is the one that it
/// names, else the one that its words suggest.
pub(super) fn inside(json: &str) -> ApiError {
    let mut found = Found::default();
    found.look(json, DEPTH);
    let named = found.status.or_else(|| status_of(&found.code));
    let status = named.unwrap_or_else(|| suggested(&found));
    let mut error = found.into_error(status, &HeaderMap::new(), json.as_bytes());
    error.upstream_status = named;
    error
}

/// An answer with status 200 that is none.
pub(super) fn format(why: &str) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, why)
}

fn status_of(code: &str) -> Option<StatusCode> {
    let status = StatusCode::from_u16(code.parse().ok()?).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

/// The status that a failure without one would have had.
fn suggested(found: &Found) -> StatusCode {
    let words = format!("{} {}", found.kind, found.code).to_lowercase();
    let rules = [
        ("rate_limit", StatusCode::TOO_MANY_REQUESTS),
        ("quota", StatusCode::TOO_MANY_REQUESTS),
        ("authentication", StatusCode::UNAUTHORIZED),
        ("permission", StatusCode::FORBIDDEN),
        ("not_found", StatusCode::NOT_FOUND),
        ("overloaded", StatusCode::SERVICE_UNAVAILABLE),
        ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        ("timeout", StatusCode::REQUEST_TIMEOUT),
        ("invalid_", StatusCode::BAD_REQUEST),
        // Of the Responses API: the codes of `response.error` (providers/errors.md).
        ("image_", StatusCode::BAD_REQUEST),
        ("unsupported_", StatusCode::BAD_REQUEST),
        ("failed_to_download", StatusCode::BAD_REQUEST),
        ("_policy", StatusCode::BAD_REQUEST),
        ("tool_use_failed", StatusCode::BAD_REQUEST),
        ("context_length", StatusCode::BAD_REQUEST),
        ("content_filter", StatusCode::BAD_REQUEST),
    ];
    let said = found.message.to_lowercase();
    if ["rate limit", "rate-limit", "too many requests"].iter().any(|words| said.contains(words)) {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    let rule = rules.iter().find(|(word, _)| words.contains(word));
    rule.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status)
}

impl Found {
    fn into_error(self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        let said = Said { message: &self.message, kind: &self.kind, code: &self.code, param: &self.param };
        let status = self.behind.unwrap_or(status);
        let mut error = classify::upstream_error(status, headers, &said, body);
        error.retry_after = error.retry_after.or(self.wait);
        if self.flagged || self.code == "bio_policy" {
            error.kind = ErrorKind::ContentPolicy;
        }
        // The model wrote a call that its own provider refuses: the next try may do better.
        if matches!(&*self.code, "tool_use_failed" | "json_validate_failed") {
            error.should_retry = error.should_retry.or(Some(true));
        }
        error
    }

    /// Looks through one JSON value; what is found first stays.
    fn look(&mut self, json: &str, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        match json.as_bytes().first() {
            Some(b'"') => {
                if let Ok(text) = serde_json::from_str::<Lossy<'_>>(json) {
                    self.say(&text.0);
                }
            }
            Some(b'[') => {
                let list: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
                for item in list.iter().take(8) {
                    self.look(item.get(), depth);
                }
            }
            Some(b'{') => {
                if let Ok(shape) = serde_json::from_str::<Shape<'_>>(json) {
                    self.shape(&shape, depth);
                } else if let Ok(open) = serde_json::from_str::<Open<'_>>(json) {
                    // A member has another type than expected: the words alone are worth having.
                    for name in ["error", "message", "detail"] {
                        open.extra.get(name).into_iter().for_each(|raw| self.look(raw.get(), depth));
                    }
                }
            }
            _ => {}
        }
    }

    fn shape(&mut self, shape: &Shape<'_>, depth: u8) {
        let word = |words: &[&Option<Word<'_>>]| {
            words.iter().find_map(|word| {
                word.as_ref().map(|word| word.0.as_ref()).filter(|word| !word.is_empty()).map(str::to_owned)
            })
        };
        let place = shape.loc.as_ref().map(|loc| {
            let steps: Vec<&str> = loc.iter().map(|step| &*step.0).filter(|step| *step != "body").collect();
            steps.join(".")
        });
        if let Some(place) = place.filter(|place| !place.is_empty()) {
            if let Some(text) = shape.msg.and_then(|raw| serde_json::from_str::<Str<'_>>(raw.get()).ok()) {
                self.say(&format!("{place}: {}", text.as_str()));
            }
            fill(&mut self.param, Some(place));
            return;
        }
        let nested = [
            shape.error,
            shape.errors,
            shape.detail,
            shape.message,
            shape.msg,
            shape.status_msg,
            shape.base_resp,
        ];
        for raw in nested.into_iter().flatten() {
            self.look(raw.get(), depth);
        }
        if self.message.is_empty() {
            fill(&mut self.message, word(&[&shape.title, &shape.reason]));
        }
        fill(&mut self.code, word(&[&shape.code, &shape.error_code]));
        fill(&mut self.kind, word(&[&shape.kind, &shape.error_type]));
        fill(&mut self.param, word(&[&shape.param]));
        let seconds = word(&[&shape.estimated_time]).and_then(|seconds| seconds.parse().ok());
        self.wait = self.wait.or_else(|| seconds.and_then(classify::wait));
        let status = word(&[&shape.status_code]).or_else(|| word(&[&shape.status]));
        self.status = self.status.or_else(|| status_of(&status.unwrap_or_default()));
        // A service that runs somebody's container: what the container said, and its status, are the cause.
        if let Some(raw) = shape.behind {
            let status = word(&[&shape.behind_status]).and_then(|status| status_of(&status));
            self.behind(raw, status);
        }
        for inner in [&shape.innererror, &shape.inner_error].into_iter().flatten() {
            if let Some(code) = word(&[&inner.code]) {
                self.kind = format!("{} {code}", self.kind);
            }
        }
        if let Some(Metadata { raw, reasons, flagged_input, extra: _ }) = &shape.metadata {
            self.flagged |= reasons.is_some() || flagged_input.is_some();
            if let Some(raw) = raw.filter(|_| !self.is_cause) {
                self.cause(raw);
            }
        }
    }

    /// Takes the words of a container in place of the service's own, which repeat them among others.
    fn behind(&mut self, raw: &RawValue, status: Option<StatusCode>) {
        self.status = self.status.or(status);
        self.behind = status;
        let own = std::mem::take(&mut self.message);
        self.cause(raw);
        if self.message.is_empty() {
            self.message = own;
        }
    }

    /// Adds the message of the provider behind a provider.
    fn cause(&mut self, raw: &RawValue) {
        let text = serde_json::from_str::<Lossy<'_>>(raw.get()).map(|text| text.0);
        let json = text.as_deref().unwrap_or(raw.get());
        let mut cause = Found { is_cause: true, ..Found::default() };
        cause.look(json.trim(), DEPTH);
        let words = if cause.message.is_empty() { json.trim() } else { &cause.message };
        self.say(words);
    }

    fn say(&mut self, words: &str) {
        let words = words.trim();
        if words.is_empty() || self.message.contains(words) {
            return;
        }
        if !self.message.is_empty() {
            self.message.push_str(": ");
        }
        self.message.push_str(words);
    }
}

fn fill(slot: &mut String, value: Option<String>) {
    if let (true, Some(value)) = (slot.is_empty(), value) {
        *slot = value;
    }
}
