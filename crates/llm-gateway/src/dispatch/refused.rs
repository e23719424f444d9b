//! An answer that is none: its error, and how long its provider wants to be left alone.

use http::response::Parts;
use llm_providers::codec::ClientCodec;
use llm_types::{ApiError, ErrorKind, RateLimits};

/// The error that an answer tells of. Where it says that nothing is left of a limit, and when there will be something
/// again, that is how long to wait: not all who refuse for it say `Retry-After`.
pub(super) fn refused(codec: &dyn ClientCodec, head: &Parts, body: &[u8]) -> ApiError {
    let mut error = codec.decode_error(head.status, &head.headers, body);
    if error.kind == ErrorKind::RateLimit && error.retry_after.is_none() {
        let RateLimits { requests, tokens } = codec.rate_limits(&head.headers).unwrap_or_default();
        let spent = [requests, tokens].into_iter().filter(|limit| limit.left == Some(0));
        error.retry_after = spent.filter_map(|limit| limit.reset).max();
    }
    error
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Response;
    use llm_types::Dialect;

    use super::*;

    #[test]
    fn a_limit_of_which_nothing_is_left_says_how_long_to_wait() {
        let check = |status: u16, headers: &[(&str, &str)], expect: Option<u64>| {
            let response =
                headers.iter().fold(Response::builder().status(status), |response, (name, value)| {
                    response.header(*name, *value)
                });
            let (head, ()) = response.body(()).unwrap().into_parts();
            let codec = llm_providers::dialect::client(Dialect::OpenaiChat).unwrap();
            let error = refused(codec, &head, br#"{"error": {"message": "slow down"}}"#);
            assert_eq!(error.retry_after, expect.map(Duration::from_secs), "{status} {headers:?}");
        };
        let left = |left| ("x-ratelimit-remaining-requests", left);
        let reset = ("x-ratelimit-reset-requests", "1m0s");
        check(429, &[left("0"), reset], Some(60));
        check(429, &[left("0"), reset, ("retry-after", "3")], Some(3));
        check(429, &[left("7"), reset], None);
        check(429, &[reset], None);
        check(500, &[left("0"), reset], None);
        let tokens = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "90s")];
        check(429, &[&[left("0"), reset], &tokens[..]].concat(), Some(90));
    }
}
