//! Failures in every shape, and answers that are none.

use http::{HeaderMap, StatusCode};
use llm_types::ErrorKind;

use super::super::Client;
use super::{decode, plain};
use crate::codec::ClientCodec as _;

#[test]
fn errors_of_every_shape_are_read() {
    let check = |status: u16, body: &str, expect: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &HeaderMap::new(), body.as_bytes());
        let got = format!(
            "{:?} {} {:?} {:?}",
            error.kind,
            error.message,
            error.code.as_deref().unwrap_or_default(),
            error.param.as_deref().unwrap_or_default()
        );
        assert_eq!(got, expect, "{body}");
    };
    check(400, r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#, r#"BadRequest m "c" "p""#);
    check(401, r#"{"error":"bad key"}"#, r#"Auth bad key "" """#);
    check(401, r#"{"detail":"Invalid API Key"}"#, r#"Auth Invalid API Key "" """#);
    check(
        422,
        r#"{"detail":[{"loc":["body","messages",0,"x"],"msg":"Extra inputs","type":"extra_forbidden"}]}"#,
        r#"Unprocessable messages.0.x: Extra inputs "" "messages.0.x""#,
    );
    check(
        429,
        r#"{"object":"error","message":"slow","type":"t","param":null,"code":3505}"#,
        r#"RateLimit slow "3505" """#,
    );
    check(
        400,
        r#"{"object":"error","message":{"detail":[{"loc":["body","stop"],"msg":"no"}]}}"#,
        r#"BadRequest stop: no "" "stop""#,
    );
    check(403, r#"{"code":"denied","error":"no team"}"#, r#"Permission no team "denied" """#);
    check(404, r#"[{"error":{"message":"gone","code":404}}]"#, r#"NotFound gone "404" """#);
    check(
        403,
        r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}"#,
        r#"Auth Authentication error "10000" """#,
    );
    check(
        403,
        r#"{"error_code":"PERMISSION_DENIED","message":"no"}"#,
        r#"Permission no "PERMISSION_DENIED" """#,
    );
    check(
        429,
        r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"provider_name":"X","raw":"{\"error\":{\"message\":\"limit of X\"}}"}}}"#,
        r#"RateLimit Provider returned error: limit of X "429" """#,
    );
    check(
        403,
        r#"{"error":{"code":403,"message":"flagged","metadata":{"reasons":["violence"],"flagged_input":"…"}}}"#,
        r#"ContentPolicy flagged "403" """#,
    );
    check(
        400,
        r#"{"error":{"code":"content_filter","message":"filtered","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        r#"ContentPolicy filtered "content_filter" """#,
    );
    check(
        502,
        "<html>secret</html>",
        r#"BadGateway the upstream answered 502 Bad Gateway without a readable error "" """#,
    );
    check(
        500,
        "",
        r#"Internal the upstream answered 500 Internal Server Error without a readable error "" """#,
    );
    let groq = r#"{"error":{"code":"tool_use_failed","message":"m","failed_generation":"x"}}"#;
    let error = Client.decode_error(StatusCode::BAD_REQUEST, &HeaderMap::new(), groq.as_bytes());
    assert_eq!(error.should_retry, Some(true));
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let check = |body: &str, kind: ErrorKind| {
        assert_eq!(decode(body, &plain()).unwrap_err().kind, kind, "{body}");
        let tapped = Client.tap(llm_types::Op::Chat, body.as_bytes());
        if kind == ErrorKind::UpstreamFormat {
            assert_eq!(tapped.unwrap_err().kind, kind, "{body}");
        }
    };
    check("[]", ErrorKind::UpstreamFormat);
    check(r#"{"status":"ok"}"#, ErrorKind::UpstreamFormat);
    check(r#"{"error":{"message":"x","code":402}}"#, ErrorKind::Payment);
    check(r#"{"choices":[],"base_resp":{"status_code":1002,"status_msg":"slow"}}"#, ErrorKind::RateLimit);
    check(r#"{"choices":[],"base_resp":{"status_code":1001,"status_msg":"late"}}"#, ErrorKind::Timeout);
    check(r#"{"error":{"message":"Rate limit reached for x"}}"#, ErrorKind::RateLimit);
    check(
        r#"{"choices":[{"error":{"message":"x","code":503},"finish_reason":"error"}]}"#,
        ErrorKind::Unavailable,
    );
    check(r#"{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}"#, ErrorKind::Api);
}

#[test]
fn a_failure_beside_the_chunks_of_a_stream_is_one() {
    let fed = |code: u32| {
        let chunk = format!(
            "data: {{\"id\":\"x\",\"choices\":[],\"base_resp\":{{\"status_code\":{code},\"status_msg\":\"m\"}}}}\n\n"
        );
        let spec = llm_types::ProviderSpec::default();
        let memo = crate::codec::Memo::default();
        let cx = crate::codec::DecodeCx { spec: &spec, model: "m", memo: &memo };
        let mut decoder = Client.decoder(llm_types::Op::Chat, &cx);
        let mut sink = |_: llm_types::Event<'_>| llm_types::Flow::Continue(());
        decoder.feed(chunk.as_bytes(), &mut sink).map(|_| ()).map_err(|error| error.kind)
    };
    assert_eq!(fed(0), Ok(()));
    assert_eq!(fed(1002), Err(ErrorKind::RateLimit));
    assert_eq!(fed(1000), Err(ErrorKind::Internal));
}

#[test]
fn a_model_that_is_being_loaded_says_how_long() {
    let check = |body: &str, expect: Option<f64>| {
        let error = Client.decode_error(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.kind, ErrorKind::Unavailable, "{body}");
        assert_eq!(error.retry_after.map(|wait| wait.as_secs_f64()), expect, "{body}");
    };
    check(r#"{"error":"Model x is currently loading","estimated_time":20.5}"#, Some(20.5));
    check(r#"{"error":"Model x is currently loading","estimated_time":1e9}"#, Some(1e9));
    check(r#"{"error":"Model x is currently loading","estimated_time":"soon"}"#, None);
    check(r#"{"error":"Model x is currently loading","estimated_time":-1}"#, None);
}

#[test]
fn the_words_of_a_container_are_the_cause() {
    let decode = |status: u16, body: &str| {
        Client.decode_error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    };
    let body = r#"{"ErrorCode":"CLIENT_ERROR_FROM_MODEL","LogStreamArn":"arn",
        "Message":"Received client error (422) from primary with message \"…\". See the log",
        "OriginalMessage":"{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096\",\"error_type\":\"validation\"}",
        "OriginalStatusCode":422}"#;
    let error = decode(424, body);
    assert_eq!(error.kind, ErrorKind::ContextWindow);
    assert_eq!(error.message, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096");
    let error = decode(400, r#"{"Message":"Endpoint x of account 0 not found."}"#);
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::BadRequest, "Endpoint x of account 0 not found.")
    );
}
