//! The error body: `{"error":{message,type,param,code}}`.

use llm_types::ApiError;
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The body that OpenAI's clients understand; it serves as the data of a stream's last event too.
pub(super) fn body(error: &ApiError) -> Vec<u8> {
    let message = error.to_string();
    let body = Body {
        error: Inner {
            message: &message,
            r#type: error.kind.type_name(),
            param: error.param.as_deref(),
            code: error.public_code(),
        },
    };
    serde_json::to_vec(&body).unwrap_or_default()
}
