//! A provider's own API, called through us: what goes through, and what is read of it.
//!
//! Its paths and bodies are the provider's and are not known here. What is known is what must never go through (keys,
//! what belongs to a connection, what says on whose account a call is), and where most APIs tell what was used.

mod elsewhere;
mod form_model;
mod model;
mod told;

use std::borrow::Cow;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use llm_types::{ApiError, Result};

pub(crate) use self::elsewhere::ELSEWHERE;
pub use self::elsewhere::{answered_elsewhere, elsewhere_refused};
pub use self::form_model::FormModel;
pub use self::model::{model, model_in};
pub use self::told::{bodies, told, told_beside, told_by_headers};
use crate::target::Target;

/// What belongs to one connection, in requests and answers (RFC 9110, 7.6.1), and to its body's frame.
const HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];
/// What of a request is for us, or would choose an account in place of the configured one.
const OURS: [&str; 12] = [
    "host",
    "content-length",
    "expect",
    "accept-encoding",
    "forwarded",
    "via",
    "origin",
    "referer",
    "openai-organization",
    "openai-project",
    "x-goog-user-project",
    "x-amz-security-token",
];
/// The beginnings of such names.
const OURS_WITH: [&str; 3] = ["x-gateway-", "x-forwarded-", "sec-"];
/// What of an answer is between the provider and us, or would tell whose account it was.
const THEIRS: [&str; 6] = [
    "set-cookie",
    "alt-svc",
    "strict-transport-security",
    "openai-organization",
    "openai-project",
    "proxy-authentication-info",
];
/// The beginnings of such names.
const THEIRS_WITH: [&str; 2] = ["x-gateway-", "access-control-"];
/// Members of a query that carry keys.
const KEYS: [&str; 6] = ["key", "api_key", "api-key", "apikey", "access_token", "subscription-key"];
/// How often a path is read anew: nobody escapes what is escaped more often in earnest.
const ESCAPES: usize = 3;

/// The headers of a request that go on. Keys are taken out by whoever adds the provider's.
#[must_use]
pub fn request_headers(headers: &HeaderMap) -> HeaderMap {
    passed(headers, |name| OURS.contains(&name) || OURS_WITH.iter().any(|start| name.starts_with(start)))
}

/// The headers of an answer that go on. None repeats what the provider was called with.
#[must_use]
pub fn answer_headers(headers: &HeaderMap, target: &Target) -> HeaderMap {
    let mut passed = passed(headers, |name| {
        THEIRS.contains(&name) || THEIRS_WITH.iter().any(|start| name.starts_with(start))
    });
    let telling: Vec<HeaderName> = passed
        .iter()
        .filter(|(_, value)| target.repeats_secret(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in telling {
        passed.remove(name);
    }
    passed
}

fn passed(headers: &HeaderMap, stays: impl Fn(&str) -> bool) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> =
        named.flat_map(|names| names.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        if !HOP.contains(&text) && !stays(text) && !named.iter().any(|one| one == text) {
            passed.append(name.clone(), HeaderValue::clone(value));
        }
    }
    passed
}

/// Path and query of a call, without keys in its query.
///
/// # Errors
/// For a path that leads elsewhere than below the provider's address.
pub fn path_and_query(path: &str, query: Option<&str>) -> Result<String> {
    let out = || {
        ApiError::bad_request(
            "the path leads out of the provider's API: write it without `.`, `..` and empty segments",
        )
    };
    if path.contains("//") {
        return Err(out());
    }
    let mut read = Cow::Borrowed(path);
    for _ in 0..ESCAPES {
        if read.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
            return Err(out());
        }
        read = Cow::Owned(percent_encoding::percent_decode_str(&read).decode_utf8_lossy().into_owned());
    }
    let kept: Vec<&str> = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
    let kept: Vec<&str> = kept.into_iter().filter(|pair| !is_key(pair)).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok(format!("{path}{mark}{}", kept.join("&")))
}

/// A path as its provider may read it: without escapes, and without slashes that say nothing. For what a call is, never for
/// where it goes.
#[must_use]
pub fn plain_path(path: &str) -> Cow<'_, str> {
    if !path.contains(['%', '\\']) && !path.ends_with('/') && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut read = Cow::Borrowed(path);
    for _ in 0..ESCAPES {
        read = Cow::Owned(percent_encoding::percent_decode_str(&read).decode_utf8_lossy().into_owned());
    }
    let segments = read.split(['/', '\\']).map(str::trim).filter(|segment| !segment.is_empty());
    Cow::Owned(segments.fold(String::new(), |path, segment| path + "/" + segment))
}

fn is_key(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    KEYS.iter().any(|key| name.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_its_provider_may() {
        let check = |path: &str, expect: &str| assert_eq!(plain_path(path), expect, "{path}");
        check("/v1/listen", "/v1/listen");
        check("/v1/listen/", "/v1/listen");
        check("/v1%2Flisten%2f", "/v1/listen");
        check("/v1/%6Cisten", "/v1/listen");
        check("/v1/%256Cisten//", "/v1/listen");
        check("//v1\\listen%20", "/v1/listen");
    }

    #[test]
    fn headers_of_a_connection_and_of_an_account_stay_behind() {
        let headers = [
            ("connection", "x-once, keep-alive"),
            ("x-once", "1"),
            ("host", "gateway"),
            ("openai-organization", "org-other"),
            ("x-gateway-spend-tags", "a"),
            ("anthropic-beta", "files-api-2025-04-14"),
            ("content-type", "application/json"),
        ];
        let headers =
            headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let passed = request_headers(&HeaderMap::from_iter(headers));
        let mut names: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["anthropic-beta", "content-type"]);
    }

    #[test]
    fn a_path_stays_below_its_base_and_a_query_brings_no_key() {
        let check = |path: &str, query: Option<&str>, expect: &str| {
            assert_eq!(path_and_query(path, query).unwrap(), expect);
        };
        check("/files", None, "/files");
        check("/files", Some("key=sk-1"), "/files");
        check("/files", Some("limit=2&API%5Fkey=sk-1&after=a%2Fb"), "/files?limit=2&after=a%2Fb");
        check("/models/a..b/x.", None, "/models/a..b/x.");
        for path in
            ["/../admin", "/a/%2e%2E/b", "/a/%252e%252e/b", "/a%2f..%2fb", "//host/x", "/a/.", "/a\\..\\b"]
        {
            assert!(path_and_query(path, None).is_err(), "{path}");
        }
    }
}
