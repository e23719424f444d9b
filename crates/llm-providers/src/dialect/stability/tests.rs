//! Failures in the provider's own words.

use http::{HeaderMap, StatusCode};
use llm_types::ErrorKind;

use super::Client;
use crate::codec::ClientCodec as _;

#[test]
fn failures_are_told_in_its_words() {
    let check = |status: u16, body: &str, expect: (ErrorKind, &str)| {
        let status = StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.kind, error.message.contains(expect.1)), (expect.0, true), "{error:?}");
    };
    check(
        403,
        r#"{"id":"1","name":"content_moderation","errors":["Your request was flagged"]}"#,
        (ErrorKind::ContentPolicy, "flagged"),
    );
    check(
        400,
        r#"{"id":"1","name":"bad_request","errors":["prompt: required","seed: too large"]}"#,
        (ErrorKind::BadRequest, "prompt: required; seed"),
    );
}
