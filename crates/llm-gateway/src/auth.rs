//! Who calls: the key of a request, wherever its client puts it.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use llm_types::{ApiError, ErrorKind, Result, Secret};
use subtle::ConstantTimeEq;

use crate::principal::Principal;

/// The headers that may carry a key, beside `Authorization: Bearer`.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// Finds out who calls.
///
/// # Errors
/// [`ErrorKind::Auth`] when a master key is set and the request does not carry it.
pub(crate) fn authenticate(headers: &HeaderMap, master: Option<&Secret>) -> Result<Principal> {
    let Some(master) = master else {
        return Ok(Principal::Open);
    };
    let Some(key) = key(headers) else {
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

fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| {
        KEY_HEADERS.iter().find_map(|name| headers.get(*name).and_then(|value| value.to_str().ok()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_key_is_read_from_every_place_a_client_puts_it() {
        let master = Secret::new("sk-right");
        let check = |name: &'static str, value: &'static str, expect: bool| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            let result = authenticate(&headers, Some(&master));
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
        assert_eq!(authenticate(&HeaderMap::new(), None).unwrap(), Principal::Open);
    }
}
