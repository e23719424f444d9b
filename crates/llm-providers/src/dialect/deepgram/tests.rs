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
        401,
        r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"1"}"#,
        (ErrorKind::Auth, "Invalid credentials"),
    );
    check(
        400,
        r#"{"category":"INVALID_JSON","message":"Bad body","details":"line 1","request_id":"1"}"#,
        (ErrorKind::BadRequest, "Bad body: line 1"),
    );
    check(502, "<html>", (ErrorKind::BadGateway, ""));
}
