//! Errors: what a request lacks, and how a failure is told.

use bytes::Bytes;
use http::StatusCode;
use llm_types::{ApiError, ErrorKind, Head};
use serde_json::{Value, json};

use super::{Server, try_read, with};
use crate::codec::{Asked, Peek, ServerCodec};

#[test]
fn mistakes_are_named_as_anthropic_names_them() {
    let check = |body: Value, message: &str| {
        let error = try_read(&body).unwrap_err();
        assert_eq!((error.kind, &*error.message), (ErrorKind::BadRequest, message), "{body}");
        let (param, _) = message.split_once(": ").unwrap();
        assert_eq!(error.param.as_deref(), Some(param), "{body}");
    };
    let block = |block: Value| with(json!({"messages": [{"role": "user", "content": ["x", block]}]}));
    let content = |block: Value| with(json!({"messages": [{"role": "user", "content": [block]}]}));
    check(
        json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}),
        "max_tokens: Field required",
    );
    check(json!({"model": "m", "max_tokens": 1}), "messages: Field required");
    check(with(json!({"messages": []})), "messages: at least one message is required");
    check(with(json!({"messages": 1})), "messages: invalid type: integer `1`, expected a sequence");
    check(with(json!({"max_tokens": "1"})), "max_tokens: invalid type: string \"1\", expected u64");
    check(with(json!({"messages": [{"content": "x"}]})), "messages.0.role: Field required");
    check(
        with(json!({"messages": [{"role": "tool", "content": "x"}]})),
        "messages.0.role: Input should be 'user' or 'assistant'",
    );
    check(with(json!({"messages": [{"role": "user"}]})), "messages.0.content: Field required");
    check(
        block(json!({"type": "text", "text": "a"})),
        "messages.0.content.0: invalid type: string \"x\", expected an object",
    );
    check(content(json!({"type": "text"})), "messages.0.content.0.text: Field required");
    check(
        content(json!({"type": "text", "text": 1})),
        "messages.0.content.0.text: invalid type: integer `1`, expected a string",
    );
    check(content(json!({"text": "a"})), "messages.0.content.0.type: Field required");
    check(content(json!({"type": "image"})), "messages.0.content.0.source: Field required");
    check(
        content(json!({"type": "image", "source": {"type": "base64", "data": "x"}})),
        "messages.0.content.0.source.media_type: Field required",
    );
    check(
        content(
            json!({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": []}]}),
        ),
        "messages.0.content.0.content.0.text: invalid type: sequence, expected a string",
    );
    check(content(json!({"type": "tool_result"})), "messages.0.content.0.tool_use_id: Field required");
    check(with(json!({"system": [{"type": "text"}]})), "system.0.text: Field required");
    check(with(json!({"tools": [{"description": "d"}]})), "tools.0.name: Field required");
    check(
        with(json!({"tools": [{"name": 1}]})),
        "tools.0.name: invalid type: integer `1`, expected a string",
    );
    check(
        with(json!({"tool_choice": {"type": "some"}})),
        "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'",
    );
    check(with(json!({"tool_choice": {"type": "tool"}})), "tool_choice.name: Field required");
    check(with(json!({"thinking": {}})), "thinking.type: Field required");
    check(
        with(json!({"thinking": {"type": "deep"}})),
        "thinking.type: Input should be 'enabled', 'adaptive' or 'disabled'",
    );
}

#[test]
fn routing_needs_a_model_and_a_flag() {
    let peek = |body: &str, op| {
        Server
            .peek(&Head::scan(Bytes::from(body.to_owned())).unwrap(), &Asked::of(op))
            .map_err(|e| e.message.clone())
    };
    use llm_types::Op::{Chat, CountTokens};
    let found = |stream| Ok(Peek { model: "m".into(), stream, include_usage: true, ..Peek::default() });
    assert_eq!(peek(r#"{"model":"m"}"#, Chat), found(false));
    assert_eq!(peek(r#"{"model":"m","stream":true}"#, Chat), found(true));
    assert_eq!(peek(r#"{"model":"m","stream":true}"#, CountTokens), found(false));
    assert_eq!(peek("{}", Chat), Err("model: Field required".into()));
    assert_eq!(peek(r#"{"model":1}"#, Chat), Err("model: Input should be a valid string".into()));
    assert_eq!(peek(r#"{"model":""}"#, Chat), Err("model: String should have at least 1 character".into()));
    assert_eq!(
        peek(r#"{"model":"m","stream":1}"#, Chat),
        Err("stream: Input should be a valid boolean".into())
    );
}

fn told(error: &ApiError) -> (u16, Value) {
    let (status, body) = Server.encode_error(error);
    (status.as_u16(), serde_json::from_slice(&body).unwrap())
}

#[test]
fn every_kind_has_its_type_and_status() {
    use ErrorKind as K;
    let check = |kind: ErrorKind, status: u16, word: &str| {
        let mut error = ApiError::new(kind, "words");
        error.request_id = Some("r1".into());
        let expect =
            json!({"type": "error", "error": {"type": word, "message": "words"}, "request_id": "r1"});
        assert_eq!(told(&error), (status, expect), "{kind:?}");
    };
    check(K::BadRequest, 400, "invalid_request_error");
    check(K::UnsupportedParam, 400, "invalid_request_error");
    check(K::ContextWindow, 400, "invalid_request_error");
    check(K::ContentPolicy, 400, "invalid_request_error");
    check(K::Unprocessable, 422, "invalid_request_error");
    check(K::Conflict, 409, "invalid_request_error");
    check(K::MethodNotAllowed, 405, "invalid_request_error");
    check(K::Guardrail, 400, "invalid_request_error");
    check(K::Auth, 401, "authentication_error");
    check(K::Payment, 402, "billing_error");
    check(K::Budget, 402, "billing_error");
    check(K::Permission, 403, "permission_error");
    check(K::NotFound, 404, "not_found_error");
    check(K::TooLarge, 413, "request_too_large");
    check(K::RateLimit, 429, "rate_limit_error");
    check(K::Quota, 429, "rate_limit_error");
    check(K::Timeout, 408, "timeout_error");
    check(K::GatewayTimeout, 504, "timeout_error");
    check(K::Internal, 500, "api_error");
    check(K::Connection, 502, "api_error");
    check(K::BadGateway, 502, "api_error");
    check(K::UpstreamFormat, 500, "api_error");
    check(K::Unavailable, 503, "overloaded_error");
    check(K::Overloaded, 529, "overloaded_error");
}

#[test]
fn a_status_of_the_provider_s_own_has_its_type() {
    let check = |kind: ErrorKind, status: u16, word: &str| {
        let mut error = ApiError::upstream(kind, "no");
        error.upstream_status = StatusCode::from_u16(status).ok();
        let (told, body) = told(&error);
        assert_eq!((told, body["error"]["type"].as_str()), (status, Some(word)));
    };
    // Of what the caller named: a file, a container, an earlier response.
    check(ErrorKind::BadRequest, 404, "not_found_error");
    check(ErrorKind::NotFound, 404, "not_found_error");
    check(ErrorKind::Api, 418, "invalid_request_error");
    check(ErrorKind::Api, 507, "api_error");
}

#[test]
fn anthropic_s_own_errors_keep_their_words() {
    let check = |status: u16, kind: &str, provider: Option<&str>, expect: (u16, &str, &str)| {
        let mut error = ApiError::upstream(ErrorKind::Quota, "too low");
        error.provider = provider.map(str::to_owned);
        error.upstream_status = StatusCode::from_u16(status).ok();
        let body = json!({"type": "error", "error": {"type": kind, "message": "too low"}});
        error.body = Some(Bytes::from(body.to_string()));
        let (status, body) = told(&error);
        let word = |name: &str| body["error"][name].as_str().unwrap().to_owned();
        assert_eq!((status, &*word("type"), &*word("message")), expect, "{kind} {provider:?}");
    };
    check(400, "invalid_request_error", Some("anthropic"), (400, "invalid_request_error", "too low"));
    check(529, "overloaded_error", Some("anthropic"), (529, "overloaded_error", "too low"));
    // Nobody knows this type: it is told as what it was classified as.
    check(400, "new_error", Some("anthropic"), (429, "rate_limit_error", "anthropic: too low"));
    // A summary of several attempts names no provider of its own.
    check(400, "invalid_request_error", None, (400, "invalid_request_error", "too low"));
}

#[test]
fn errors_of_other_providers_get_their_kind_s_type() {
    let mut error = ApiError::upstream(ErrorKind::RateLimit, "slow down");
    error.provider = Some("openai".into());
    error.upstream_status = StatusCode::from_u16(429).ok();
    error.body = Some(Bytes::from_static(br#"{"error":{"type":"rate_limit_error","message":"slow down"}}"#));
    let (status, body) = told(&error);
    assert_eq!(status, 429);
    assert_eq!(body["error"], json!({"type": "rate_limit_error", "message": "openai: slow down"}));
}
