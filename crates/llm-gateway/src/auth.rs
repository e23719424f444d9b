//! Who calls: the key of a request, wherever its client puts it.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use llm_types::{ApiError, ErrorKind, Result, Secret};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use crate::principal::Principal;

/// The headers that may carry a key, beside `Authorization: Bearer`.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// Finds out who calls.
///
/// # Errors
/// [`ErrorKind::Auth`] when a master key is set and the request does not carry it.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    query: Option<&str>,
    master: Option<&Secret>,
) -> Result<Principal> {
    let Some(master) = master else {
        return Ok(Principal::Open);
    };
    let Some(key) = key(headers).or_else(|| query.and_then(key_in)) else {
        return Err(ApiError::new(
            ErrorKind::Auth,
            "no key in the request: send `Authorization: Bearer <key>` (or x-api-key, api-key, x-goog-api-key)",
        )
        .with_code("missing_api_key"));
    };
    if bool::from(key.as_bytes().ct_eq(master.expose().as_bytes())) {
        return Ok(Principal::Master);
    }
    Err(ApiError::new(
        ErrorKind::Auth,
        "the key is not valid here: use a key of this gateway, not a provider's",
    ))
}

/// The query without the key in it: it is for us and for nobody behind us.
pub(crate) fn without_key(query: &str) -> Option<String> {
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && value_of(pair).is_none()).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// The key of a query (`?key=…`), which Google's clients and examples use.
fn key_in(query: &str) -> Option<Cow<'_, str>> {
    let value = query.split('&').find_map(value_of)?;
    Some(percent_decode_str(value).decode_utf8_lossy())
}

fn value_of(pair: &str) -> Option<&str> {
    pair.strip_prefix("key=")
}

fn key(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let plain =
        || KEY_HEADERS.iter().find_map(|name| headers.get(*name).and_then(|value| value.to_str().ok()));
    bearer.or_else(plain).map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_key_is_read_from_every_place_a_client_puts_it() {
        let master = Secret::new("sk-right");
        let check = |name: &'static str, value: &'static str, expect: bool| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            let result = authenticate(&headers, None, Some(&master));
            assert_eq!(result.is_ok(), expect, "{name}: {value}");
            if let Err(error) = result {
                assert_eq!(error.kind, ErrorKind::Auth);
                assert!(!error.message.contains("sk-"), "{error}");
            }
        };
        check("authorization", "Bearer sk-right", true);
        check("authorization", "bearer  sk-right", true);
        check("x-api-key", "sk-right", true);
        check("api-key", "sk-right", true);
        check("x-goog-api-key", "sk-right", true);
        check("authorization", "Bearer sk-wrong", false);
        check("authorization", "Bearer sk-right-and-more", false);
        check("authorization", "Basic sk-right", false);
        check("x-other", "sk-right", false);
    }

    #[test]
    fn without_a_master_key_anyone_may_call() {
        assert_eq!(authenticate(&HeaderMap::new(), None, None).unwrap(), Principal::Open);
    }

    #[test]
    fn a_key_may_stand_in_the_query_and_goes_no_further() {
        let master = Secret::new("sk-right+1");
        let check = |query: &str, expect: bool, rest: Option<&str>| {
            let result = authenticate(&HeaderMap::new(), Some(query), Some(&master));
            assert_eq!(result.is_ok(), expect, "{query}");
            assert_eq!(without_key(query).as_deref(), rest, "{query}");
        };
        check("key=sk-right+1", true, None);
        check("alt=sse&key=sk-right%2B1", true, Some("alt=sse"));
        check("key=sk-wrong&alt=sse", false, Some("alt=sse"));
        check("monkey=sk-right+1", false, Some("monkey=sk-right+1"));
        check("alt=sse", false, Some("alt=sse"));
    }
}
