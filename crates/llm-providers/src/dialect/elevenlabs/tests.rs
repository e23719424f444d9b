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
        r#"{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}"#,
        (ErrorKind::Auth, "Invalid API key"),
    );
    check(
        422,
        r#"{"detail":[{"loc":["body","text"],"msg":"field required","type":"missing"}]}"#,
        (ErrorKind::Unprocessable, "field required"),
    );
    check(404, r#"{"detail":"Not Found"}"#, (ErrorKind::NotFound, "Not Found"));
}
