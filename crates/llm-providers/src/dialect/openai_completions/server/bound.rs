//! What of a request only a text model can do.

use llm_types::{ApiError, Dialect, ErrorKind, Head, RawValue, Result, Str};

use super::decode::text;

/// The error for a client whose model is no text model; `None`: any model can serve the request.
pub(super) fn bound(head: &Head) -> Result<Option<ApiError>> {
    let prompt = head.read::<&RawValue>("prompt")?.map_or("", RawValue::get);
    if text(prompt.as_bytes()).is_none() {
        return Ok(Some(not_one_text(prompt)));
    }
    if head.read::<Str<'_>>("suffix")?.is_some_and(|suffix| !suffix.as_str().is_empty()) {
        let what = "a chat model cannot fill a gap before a `suffix`: leave it out";
        return Ok(Some(unsupported("suffix", what)));
    }
    if head.read::<bool>("echo")?.unwrap_or(false) {
        let what = "a chat model cannot `echo` the prompt: put it before the answer yourself";
        return Ok(Some(unsupported("echo", what)));
    }
    Ok(None)
}

/// Who else can serve it: a gap before a `suffix` is filled by Ollama as well, by models that were taught to
/// (<https://docs.ollama.com/api/generate>).
pub(super) fn also(head: &Head) -> &'static [Dialect] {
    let is_one_text = head.get("prompt").and_then(text).is_some();
    let echoes = head.read::<bool>("echo").ok().flatten().unwrap_or(false);
    if is_one_text && !echoes { &[Dialect::Ollama] } else { &[] }
}

fn not_one_text(prompt: &str) -> ApiError {
    let wrong = |message: &str| ApiError::bad_request(message).with_param("prompt");
    match prompt {
        "" => wrong("`prompt` is missing: send the text to go on with"),
        list if is_empty(list) => wrong("`prompt` is an empty list: send the text to go on with"),
        list if holds_tokens(list) => {
            unsupported("prompt", "`prompt` is tokens, which a chat model cannot read: send it as text")
        }
        list if list.starts_with('[') => unsupported(
            "prompt",
            "`prompt` is not one text, and a chat model answers one at a time: send a request for each",
        ),
        _ => wrong("`prompt` must be a string, or a list of strings or tokens"),
    }
}

/// Whether a list holds nothing.
fn is_empty(json: &str) -> bool {
    let inner = json.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

fn unsupported(name: &str, what: &str) -> ApiError {
    let message = format!("{what}, or ask a text model");
    ApiError::new(ErrorKind::UnsupportedParam, message).with_param(name)
}

/// Whether a list holds numbers, in it or one level below.
fn holds_tokens(json: &str) -> bool {
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(json) else { return false };
    let first = list.first().map_or("", |value| value.get());
    let number = |json: &str| json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    number(first) || first.strip_prefix('[').is_some_and(|inner| number(inner.trim_start()))
}
