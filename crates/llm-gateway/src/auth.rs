//! Who calls: the key of a request, wherever its client puts it.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use llm_types::{ApiError, ErrorKind, Result, Secret};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use crate::governance::Governance;
use crate::jwt::{Issuers, is_token};
use crate::principal::{Principal, Right};

/// The headers that may carry a key, beside `Authorization: Bearer`.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// What somebody who calls is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Auth<'a> {
    /// The key that may call everything; `None`: no key is needed.
    pub(crate) master: Option<&'a Secret>,
    /// Whose tokens are as good as a key.
    pub(crate) issuers: Option<&'a Issuers>,
    /// The keys that there are beside it.
    pub(crate) governance: &'a Governance,
    /// Where the call comes from.
    pub(crate) address: Option<IpAddr>,
}

impl Auth<'_> {
    /// Finds out who calls.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] when a master key is set and the request carries neither that nor another that is good;
    /// [`ErrorKind::Permission`] for a key that is blocked, or may not be used from there.
    pub(crate) async fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Principal> {
        let key = key(headers).or_else(|| query.and_then(key_in));
        let anyone = |right| Ok(Principal { right, who: self.governance.anyone() });
        let Some(master) = self.master else {
            return match (self.issuers_of(key.as_deref()), key) {
                (Some(issuers), Some(token)) => self.with_token(issuers, &token).await,
                (None, Some(key)) if self.governance.knows(&key) => self.with_key(&key),
                _ => anyone(Right::Open),
            };
        };
        let Some(key) = key else {
            return Err(ApiError::new(
                ErrorKind::Auth,
                "no key in the request: send `Authorization: Bearer <key>` (or x-api-key, api-key, x-goog-api-key)",
            )
            .with_code("missing_api_key"));
        };
        if bool::from(key.as_bytes().ct_eq(master.expose().as_bytes())) {
            return anyone(Right::Master);
        }
        match self.issuers_of(Some(&key)) {
            Some(issuers) => self.with_token(issuers, &key).await,
            None => self.with_key(&key),
        }
    }

    /// The issuers, where what was sent has the shape of a token.
    fn issuers_of(&self, key: Option<&str>) -> Option<&Issuers> {
        self.issuers.filter(|_| key.is_some_and(is_token))
    }

    async fn with_token(&self, issuers: &Issuers, token: &str) -> Result<Principal> {
        // Boxed: most requests bring none, and carry nothing of it along.
        Box::pin(issuers.authenticate(token, self.governance, self.address)).await
    }

    fn with_key(&self, key: &str) -> Result<Principal> {
        self.governance.authenticate(key, self.address).map(|who| Principal { right: Right::Key, who })
    }
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

    fn auth<'a>(master: Option<&'a Secret>, governance: &'a Governance) -> Auth<'a> {
        Auth { master, issuers: None, governance, address: None }
    }

    #[tokio::test]
    async fn the_master_key_is_read_from_every_place_a_client_puts_it() {
        let (master, governance) = (Secret::new("sk-right"), Governance::default());
        let check = async |name: &'static str, value: &'static str, expect: bool| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            let result = auth(Some(&master), &governance).check(&headers, None).await;
            assert_eq!(result.is_ok(), expect, "{name}: {value}");
            if let Err(error) = result {
                assert_eq!(error.kind, ErrorKind::Auth);
                assert!(!error.message.contains("sk-"), "{error}");
            }
        };
        check("authorization", "Bearer sk-right", true).await;
        check("authorization", "bearer  sk-right", true).await;
        check("x-api-key", "sk-right", true).await;
        check("api-key", "sk-right", true).await;
        check("x-goog-api-key", "sk-right", true).await;
        check("authorization", "Bearer sk-wrong", false).await;
        check("authorization", "Bearer sk-right-and-more", false).await;
        check("authorization", "Basic sk-right", false).await;
        check("x-other", "sk-right", false).await;
    }

    #[tokio::test]
    async fn without_a_master_key_anyone_may_call() {
        let governance = Governance::default();
        let right = auth(None, &governance).check(&HeaderMap::new(), None).await.unwrap().right;
        assert_eq!(right, Right::Open);
    }

    #[tokio::test]
    async fn a_key_may_stand_in_the_query_and_goes_no_further() {
        let (master, governance) = (Secret::new("sk-right+1"), Governance::default());
        let check = async |query: &str, expect: bool, rest: Option<&str>| {
            let result = auth(Some(&master), &governance).check(&HeaderMap::new(), Some(query)).await;
            assert_eq!(result.is_ok(), expect, "{query}");
            assert_eq!(without_key(query).as_deref(), rest, "{query}");
        };
        check("key=sk-right+1", true, None).await;
        check("alt=sse&key=sk-right%2B1", true, Some("alt=sse")).await;
        check("key=sk-wrong&alt=sse", false, Some("alt=sse")).await;
        check("monkey=sk-right+1", false, Some("monkey=sk-right+1")).await;
        check("alt=sse", false, Some("alt=sse")).await;
    }
}
