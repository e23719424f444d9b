//! What an answer of an unknown form says of itself, by the usual names of its members and headers.

use std::borrow::Cow;

use http::HeaderMap;
use llm_types::{Output, RawValue, Usage};
use serde::Deserialize;

use crate::codec::Tapped;

/// What most APIs say of a model and of tokens, in an answer or in an event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Told {
    model: Option<String>,
    model_version: Option<String>,
    usage: Option<Tokens>,
    usage_metadata: Option<Tokens>,
}

/// Tokens by their usual names. An answer may have several of them for the same (a proxy that speaks for clients of two
/// APIs): the first that is there counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tokens {
    #[serde(rename = "input_tokens")]
    input: Option<u64>,
    #[serde(rename = "prompt_tokens")]
    prompt: Option<u64>,
    prompt_token_count: Option<u64>,
    input_tokens: Option<u64>,
    #[serde(rename = "output_tokens")]
    output: Option<u64>,
    #[serde(rename = "completion_tokens")]
    completion: Option<u64>,
    candidates_token_count: Option<u64>,
    output_tokens: Option<u64>,
    #[serde(rename = "total_tokens")]
    total: Option<u64>,
    total_tokens: Option<u64>,
    total_token_count: Option<u64>,
}

impl Tokens {
    fn usage(self) -> Option<Usage> {
        let input = self.input.or(self.prompt).or(self.prompt_token_count).or(self.input_tokens);
        let output = self.output.or(self.completion).or(self.candidates_token_count).or(self.output_tokens);
        let total = self.total.or(self.total_tokens).or(self.total_token_count);
        let output = output.unwrap_or_default();
        let input = input.or_else(|| Some(total?.saturating_sub(output)))?;
        Some(Usage { input, output, ..Usage::default() })
    }
}

/// The headers in which Amazon tells the tokens of a model whose body is the model's own
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>).
const COUNTS: [&str; 2] = ["x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count"];

/// What an answer says of itself. Without such: nothing.
#[must_use]
pub fn told(json: &[u8]) -> Tapped<'static> {
    let Ok(told) = serde_json::from_slice::<Told>(json) else { return Tapped::default() };
    let Told { model, model_version, usage, usage_metadata } = told;
    let usage = usage.or(usage_metadata).and_then(Tokens::usage);
    let model = model.or(model_version);
    Tapped { usage, model: model.filter(|model| !model.is_empty()).map(Cow::Owned) }
}

/// What the head of an answer says of its tokens; `None`: nothing.
#[must_use]
pub fn told_by_headers(headers: &HeaderMap) -> Option<Usage> {
    let [input, output] = COUNTS.map(|name| headers.get(name)?.to_str().ok()?.parse().ok());
    let usage = Usage { input: input?, output: output.unwrap_or_default(), ..Usage::default() };
    Some(usage)
}

/// Adds to vectors what the head of their answer says of their tokens, where its body does not.
pub fn told_beside(output: &mut Output, headers: &HeaderMap) {
    if let Output::Embed(embeddings) = output
        && embeddings.usage.as_ref().is_none_or(Usage::is_empty)
    {
        embeddings.usage = told_by_headers(headers).or(embeddings.usage.take());
    }
}

/// The answers in a body, the last one first: some APIs give a stream as a list of them, where each says what was used
/// so far.
#[must_use]
pub fn bodies(json: &[u8]) -> Vec<&[u8]> {
    let is_list = json.trim_ascii_start().starts_with(b"[");
    let list: Option<Vec<&RawValue>> = if is_list { serde_json::from_slice(json).ok() } else { None };
    list.map_or_else(|| vec![json], |list| list.iter().rev().map(|one| one.get().as_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_by_their_usual_names() {
        let check = |json: &str, expect: Option<(u64, u64)>| {
            let usage = told(json.as_bytes()).usage.map(|usage| (usage.input, usage.output));
            assert_eq!(usage, expect, "{json}");
        };
        check(r#"{"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#, Some((3, 2)));
        check(r#"{"usage":{"input_tokens":3,"output_tokens":2}}"#, Some((3, 2)));
        check(r#"{"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#, Some((3, 0)));
        check(r#"{"usage":{"total_tokens":7}}"#, Some((7, 0)));
        // One that speaks for clients of two APIs.
        let both = r#"{"prompt_tokens":3,"input_tokens":3,"completion_tokens":2,"output_tokens":2,"total_tokens":5}"#;
        check(&format!(r#"{{"usage":{both},"usageMetadata":{{"promptTokenCount":9}}}}"#), Some((3, 2)));
        check(r#"{"usage":{"images":1}}"#, None);
        check(r#"{"usage":"none"}"#, None);
        check("[1]", None);
        assert_eq!(told(br#"{"model":"m-1"}"#).model.as_deref(), Some("m-1"));
    }

    #[test]
    fn headers_tell_what_a_body_may_not() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            told_by_headers(&pairs.collect()).map(|usage| (usage.input, usage.output))
        };
        let [input, output] = COUNTS;
        assert_eq!(headers(&[(input, "7"), (output, "3")]), Some((7, 3)));
        assert_eq!(headers(&[(input, "7")]), Some((7, 0)));
        assert_eq!((headers(&[(output, "3")]), headers(&[(input, "many")])), (None, None));
    }

    #[test]
    fn a_list_is_read_from_its_end() {
        let check = |json: &'static str, expect: &[&str]| {
            let bodies: Vec<_> = bodies(json.as_bytes()).into_iter().map(String::from_utf8_lossy).collect();
            assert_eq!(bodies, expect);
        };
        check(r#"{"a":[1]}"#, &[r#"{"a":[1]}"#]);
        check(" [{\"a\":1},\n{\"a\":2}]", &[r#"{"a":2}"#, r#"{"a":1}"#]);
        check("[1, {", &["[1, {"]);
    }
}
