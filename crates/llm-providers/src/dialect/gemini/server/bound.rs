//! What of a request only a provider of this dialect can do.
//!
//! `cachedContent` names a part of the conversation that the provider has stored. Left out, the model would
//! answer without having read it, so such a request goes to a provider of this dialect or is refused.

use llm_types::{ApiError, ErrorKind, Head, Result};

/// The member, in both spellings.
const STORED: [&str; 2] = ["cachedContent", "cached_content"];
/// What holds the request where its tokens are to be counted.
const COUNTED: [&str; 2] = ["generateContentRequest", "generate_content_request"];

/// The refusal of a request that no other dialect can serve; `None`: any can.
pub(super) fn bound(head: &Head) -> Result<Option<ApiError>> {
    if let Some(name) = stored(head) {
        return Ok(Some(refusal(name.to_owned(), name)));
    }
    for outer in COUNTED {
        if let Some(name) = head.nested(outer)?.as_ref().and_then(stored) {
            return Ok(Some(refusal(format!("{outer}.{name}"), name)));
        }
    }
    Ok(None)
}

fn stored(head: &Head) -> Option<&'static str> {
    STORED.into_iter().find(|name| !matches!(head.get(name), None | Some(b"null" | b"\"\"")))
}

fn refusal(param: String, name: &str) -> ApiError {
    let message = format!(
        "`{name}` needs a provider that speaks Gemini's API, and no deployment of this model does: send what is \
         cached as `systemInstruction`, `tools` and `contents`"
    );
    ApiError::new(ErrorKind::UnsupportedParam, message).with_param(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_cannot_do_is_named() {
        let check = |body: &'static str, param: Option<&str>| {
            let error = bound(&Head::scan(body.into()).unwrap()).unwrap();
            assert_eq!(error.as_ref().and_then(|error| error.param.as_deref()), param, "{body}");
            if let Some(error) = error {
                assert_eq!(error.status().as_u16(), 400);
                assert_eq!(error.public_code(), Some("unsupported_parameter"));
            }
        };
        check(r#"{"contents":[]}"#, None);
        check(r#"{"cachedContent":null}"#, None);
        check(r#"{"cachedContent":""}"#, None);
        check(r#"{"contents":[{"parts":[{"text":"cachedContent"}]}]}"#, None);
        check(r#"{"cachedContent":"cachedContents/x"}"#, Some("cachedContent"));
        check(r#"{"cached_content":"cachedContents/x"}"#, Some("cached_content"));
        check(
            r#"{"generateContentRequest":{"model":"m","cachedContent":"cachedContents/x"}}"#,
            Some("generateContentRequest.cachedContent"),
        );
    }
}
