//! Calls whose answer, and what it cost, goes to another address than where it was asked for.

use std::borrow::Cow;

use llm_types::{ApiError, Head};

/// What says so of transcripts and speech: Deepgram's `callback`, ElevenLabs' `webhook`, and what belongs to them.
pub(crate) const ELSEWHERE: [&str; 5] =
    ["callback", "callback_method", "webhook", "webhook_id", "webhook_metadata"];

/// The member of a query or of a body that has the answer sent elsewhere.
#[must_use]
pub fn answered_elsewhere(query: Option<&str>, body: Option<&Head>) -> Option<&'static str> {
    let pairs =
        || query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let in_query = |name: &str| pairs().any(|(own, value)| decoded(own) == name && says_so(&decoded(value)));
    let in_body = |name: &str| {
        let value = body.and_then(|body| body.get(name)).map(String::from_utf8_lossy);
        value.is_some_and(|value: Cow<'_, str>| says_so(&value))
    };
    ELSEWHERE.into_iter().find(|name| in_query(name) || in_body(name))
}

/// Whether the value of such a field asks for it.
pub(super) fn says_so(value: &str) -> bool {
    !matches!(value, "" | "\"\"" | "null" | "false" | "False" | "0")
}

/// Why such a call is refused where its cost has to be known.
#[must_use]
pub fn elsewhere_refused(name: &str) -> ApiError {
    let message = format!(
        "`{name}` sends the answer, and what it cost, elsewhere, and a hard budget pays: leave it out and read the \
         answer here, or use a key without a hard budget"
    );
    ApiError::bad_request(message).with_param(name).with_code("answered_elsewhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_goes_elsewhere_is_seen() {
        let check = |query: Option<&str>, body: &'static str, expect: Option<&str>| {
            let head = (!body.is_empty()).then(|| Head::scan(body.into()).unwrap());
            assert_eq!(answered_elsewhere(query, head.as_ref()), expect, "{query:?} {body}");
        };
        check(Some("model=nova-3&callback=https%3A%2F%2Fa.example"), "", Some("callback"));
        check(Some("model=nova-3&%63allback=x"), "", Some("callback"));
        check(Some("model=nova-3&callback="), "", None);
        check(None, r#"{"webhook":true}"#, Some("webhook"));
        check(None, r#"{"webhook":false,"text":"callback"}"#, None);
    }
}
