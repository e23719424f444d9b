//! The error body, `{"error":{message,type,param,code}}`, and the event that ends a stream.

use llm_types::ApiError;
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
}

/// What went wrong, in OpenAI's words.
#[derive(Serialize)]
pub(super) struct Inner<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The members of the error; `message` is its text.
pub(super) fn inner<'a>(error: &'a ApiError, message: &'a str) -> Inner<'a> {
    Inner {
        message,
        r#type: error.kind.type_name(),
        param: error.param.as_deref(),
        code: error.public_code(),
    }
}

/// The body that OpenAI's clients understand.
pub(super) fn body(error: &ApiError) -> Vec<u8> {
    let message = error.to_string();
    serde_json::to_vec(&Body { error: inner(error, &message) }).unwrap_or_default()
}
