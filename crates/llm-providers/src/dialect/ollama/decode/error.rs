//! What Ollama says when it fails: `{"error": "in words"}`, as a body or as a line of a stream.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, ErrorKind, Raw};

use super::super::wire::Failure;
use crate::classify::{self, Said};
use crate::dialect::scalar::Word;

/// What the context window of the model that is loaded does not hold.
const CONTEXT: [&str; 3] =
    ["exceeded max context length", "exceeds the context length", "exceeds maximum context length"];

/// Classifies an answer that is not 2xx.
pub(in super::super) fn error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let Failure { error, message, extra: _ } = serde_json::from_slice(body).unwrap_or_default();
    let words = error.as_ref().map(words).unwrap_or_default();
    let message = Some(words).filter(|words| !words.is_empty()).unwrap_or_else(|| text(message));
    let said = Said { message: &message, ..Said::default() };
    let mut error = classify::upstream_error(status, headers, &said, body);
    let lower = message.to_lowercase();
    if CONTEXT.iter().any(|words| lower.contains(words)) {
        error.kind = ErrorKind::ContextWindow;
    }
    error
}

/// A failure in the middle of a stream, or in a 200.
pub(super) fn broke_off(raw: &Raw<'_>) -> ApiError {
    let said = words(raw);
    let body = format!("{{\"error\":{}}}", raw.get());
    let mut failed = error(StatusCode::INTERNAL_SERVER_ERROR, &HeaderMap::new(), body.as_bytes());
    if said.is_empty() {
        failed.message = "the model broke off: no reason is given".to_owned();
    }
    failed.upstream_status = None;
    failed
}

/// The words of an error, whichever form it has.
fn words(raw: &Raw<'_>) -> String {
    if let Ok(word) = serde_json::from_str::<Word<'_>>(raw.get())
        && !word.0.is_empty()
    {
        return word.0.into_owned();
    }
    let inner: Failure<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    text(inner.message)
}

fn text(word: Option<Word<'_>>) -> String {
    word.map(|word| word.0.into_owned()).unwrap_or_default()
}
