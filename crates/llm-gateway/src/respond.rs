//! The head of an answer: status, `x-gateway-*` headers, error bodies in the front's shape.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use llm_governance::Refusal;
use llm_providers::codec::{ReplyForm, ServerCodec};
use llm_types::{ApiError, Changes, PicoUsd, RateLimit, RateLimits};
use serde::Serialize;

use crate::body::ClientBody;
use crate::front::Refused;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-gateway-request-id");
const MODEL: HeaderName = HeaderName::from_static("x-gateway-model");
const PROVIDER: HeaderName = HeaderName::from_static("x-gateway-provider");
const DEPLOYMENT: HeaderName = HeaderName::from_static("x-gateway-deployment");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-gateway-attempts");
const FALLBACK: HeaderName = HeaderName::from_static("x-gateway-fallback");
const OVERHEAD: HeaderName = HeaderName::from_static("x-gateway-overhead-us");
const COST: HeaderName = HeaderName::from_static("x-gateway-cost-usd");
/// Limit, what is left of it and when it is whole again: of requests, of tokens.
static LIMITS: [[HeaderName; 3]; 2] = [
    [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ],
    [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ],
];
pub(crate) const CHANGES: HeaderName = HeaderName::from_static("x-gateway-changes");

/// The most headers that an answer usually has: making more room is dearer than having it.
const HEADERS: usize = 12;
/// The same of one that costs something and whose caller has limits.
const METERED_HEADERS: usize = 24;

/// As long as a number with its unit may be, in bytes.
const NUMBER: usize = 24;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The names that a deployment has in headers, made once.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    pub(crate) provider: HeaderValue,
    pub(crate) deployment: HeaderValue,
}

impl Labels {
    pub(crate) fn new(provider: &str, deployment: &str) -> Self {
        Self { provider: name(provider), deployment: name(deployment) }
    }

    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(PROVIDER, self.provider.clone());
        headers.insert(DEPLOYMENT, self.deployment.clone());
    }
}

/// The longest name that a header repeats, in bytes: clients bound their lines.
const NAME_LIMIT: usize = 256;

/// A request that was refused or failed before its answer began, and what its headers say.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: ApiError,
    told: Option<Box<Told>>,
    allow: Option<String>,
    /// What is left of the caller's limits.
    limits: Option<Box<RateLimits>>,
}

#[derive(Debug)]
struct Told {
    model: HeaderValue,
    labels: Labels,
    attempts: usize,
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self { error, told: None, allow: None, limits: None }
    }
}

impl From<Refused> for Failed {
    /// A request that nothing serves.
    fn from(Refused { error, front: _, allow }: Refused) -> Self {
        Self { allow, ..error.into() }
    }
}

impl Failed {
    /// The failure of the last of `attempts` (those that went out), which was at the deployment with these labels.
    pub(crate) fn at(error: ApiError, model: &str, labels: Labels, attempts: usize) -> Self {
        Self { told: Some(Box::new(Told { model: name(model), labels, attempts })), ..error.into() }
    }

    /// A request that was not let in.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let Refusal { error, left, instead: _ } = refusal;
        Self { limits: Some(Box::new(left)), ..error.into() }
    }

    /// Adds the headers that tell who failed, or what would be served.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(limits) = &self.limits {
            write_limits(headers, limits);
        }
        if let Some(allow) = self.allow.as_ref().and_then(|methods| methods.parse().ok()) {
            headers.insert(ALLOW, allow);
        }
        if let Some(told) = &self.told {
            headers.insert(MODEL, told.model.clone());
            told.labels.write(headers);
            headers.insert(ATTEMPTS, HeaderValue::from(told.attempts));
        }
    }
}

/// What the headers of an answer say.
#[derive(Debug)]
pub(crate) struct Served<'a> {
    pub(crate) model: &'a str,
    pub(crate) labels: &'a Labels,
    /// The model that answered, where it is not the one that was asked for.
    pub(crate) fallback: Option<&'a str>,
    pub(crate) attempts: usize,
    pub(crate) changes: &'a Changes,
    pub(crate) overhead: Duration,
}

impl Served<'_> {
    /// Adds the headers that tell who answered and how.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        write_model(headers, self.model);
        self.labels.write(headers);
        if let Some(fallback) = self.fallback {
            headers.insert(FALLBACK, name(fallback));
        }
        headers.insert(ATTEMPTS, HeaderValue::from(self.attempts));
        let overhead = u64::try_from(self.overhead.as_micros()).unwrap_or(u64::MAX);
        headers.insert(OVERHEAD, HeaderValue::from(overhead));
        if !self.changes.is_empty() {
            headers.insert(CHANGES, visible(&self.changes.header()));
        }
    }
}

/// Adds the name of the group that answers.
pub(crate) fn write_model(headers: &mut HeaderMap, model: &str) {
    headers.insert(MODEL, name(model));
}

/// Adds what the answer cost.
pub(crate) fn write_cost(headers: &mut HeaderMap, cost: PicoUsd) {
    headers.insert(COST, visible(cost.text().as_str()));
}

/// Adds what is left of the caller's limits, in OpenAI's form.
pub(crate) fn write_limits(headers: &mut HeaderMap, limits: &RateLimits) {
    let RateLimits { requests, tokens } = limits;
    // One piece of memory for all of them.
    let mut text = BytesMut::with_capacity(6 * NUMBER);
    let mut digits = itoa::Buffer::new();
    let mut value = |number: u64, unit: &[u8]| {
        text.extend_from_slice(digits.format(number).as_bytes());
        text.extend_from_slice(unit);
        HeaderValue::from_maybe_shared(text.split().freeze()).unwrap_or(HeaderValue::from_static("0"))
    };
    for (limit, names) in [(requests, &LIMITS[0]), (tokens, &LIMITS[1])] {
        let RateLimit { limit, left, reset } = *limit;
        let [limit_name, left_name, reset_name] = names;
        if let Some(limit) = limit {
            headers.insert(limit_name, value(limit, b""));
        }
        if let Some(left) = left {
            headers.insert(left_name, value(left, b""));
        }
        if let Some(reset) = reset {
            let millis = u64::try_from(reset.as_millis()).unwrap_or(u64::MAX);
            headers.insert(reset_name, value(millis, b"ms"));
        }
    }
}

/// Adds the id by which a request is found again, also where clients of this front look for it.
pub(crate) fn write_request_id(headers: &mut HeaderMap, request_id: &str, front: &dyn ServerCodec) {
    let id = visible(request_id);
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(front.request_id_header(), id);
}

/// A whole JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<ClientBody> {
    with_room(status, body.into(), HEADERS)
}

/// A whole JSON answer to a request that is metered.
pub(crate) fn metered_json(status: StatusCode, body: Bytes) -> Response<ClientBody> {
    with_room(status, body, METERED_HEADERS)
}

fn with_room(status: StatusCode, body: Bytes, headers: usize) -> Response<ClientBody> {
    let mut response = Response::new(ClientBody::whole(body));
    *response.status_mut() = status;
    response.headers_mut().reserve(headers);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A whole JSON answer from a value.
pub(crate) fn value(status: StatusCode, value: &impl Serialize) -> Response<ClientBody> {
    match serde_json::to_vec(value) {
        Ok(body) => json(status, body),
        Err(_) => json(StatusCode::INTERNAL_SERVER_ERROR, "{}"),
    }
}

/// The head of a streamed answer.
pub(crate) fn stream(body: ClientBody, front: &dyn ServerCodec, form: ReplyForm) -> Response<ClientBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(front.stream_content_type(form)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Keeps nginx and its kin from collecting the stream.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// An error in the front's shape.
pub(crate) fn error(error: &ApiError, front: &dyn ServerCodec) -> Response<ClientBody> {
    let (status, body) = front.encode_error(error);
    let mut response = json(status, body);
    if let Some(wait) = error.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A name as a header value, cut where it is too long.
fn name(text: &str) -> HeaderValue {
    visible(text.get(..text.floor_char_boundary(NAME_LIMIT)).unwrap_or_default())
}

/// A header value of visible ASCII; everything else becomes `?`.
pub(crate) fn visible(text: &str) -> HeaderValue {
    if let Ok(value) = HeaderValue::from_str(text) {
        return value;
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        let shown = if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let _ = clean.write_char(shown);
    }
    HeaderValue::from_str(&clean).unwrap_or(HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_short_in_headers() {
        let check = |text: &str, expect: &str| assert_eq!(name(text), expect);
        check("openai/gpt-4o", "openai/gpt-4o");
        check("größe\r\nx: y", "gr??e??x: y");
        check(&"m".repeat(500_000), &"m".repeat(NAME_LIMIT));
        check(&format!("{}ö", "m".repeat(NAME_LIMIT - 1)), &"m".repeat(NAME_LIMIT - 1));
    }
}
