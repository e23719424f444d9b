//! Options whose form varies between clients.
//!
//! One that cannot be read exactly (an unknown word, a vendor's own member in it) is kept raw: the same
//! dialect gets it unchanged, and elsewhere it is reported instead of being half understood.

use llm_types::chat::{AudioOutput, Effort, Format, JsonSchema, ReasoningOptions, Thinking, WebSearch};
use llm_types::{Members, Str};
use serde::Deserialize;

use super::super::wire::{self, Written};
use super::decode::Keep;

/// Reads `json` as `T`, if it is one.
fn read<'a, T: Deserialize<'a>>(json: &'a Written<'_>) -> Option<T> {
    serde_json::from_str(json.get()).ok()
}

fn owned(text: Option<Str<'_>>) -> Option<String> {
    text.map(Str::into_string)
}

/// `reasoning_effort` (a word, or the object of the Responses API) and Anthropic's `thinking`.
pub(super) fn reasoning(
    effort: Option<Written<'_>>,
    thinking: Option<Written<'_>>,
    keep: &mut Keep<'_>,
) -> ReasoningOptions {
    let mut out = ReasoningOptions::default();
    if let Some(json) = effort {
        match read_effort(&json) {
            Some((effort, summary)) => {
                out.effort = effort;
                out.summary = summary;
            }
            None => keep.keep("reasoning_effort", &json),
        }
    }
    if let Some(json) = thinking {
        match read_thinking(&json) {
            Some((thinking, display)) => {
                out.thinking = Some(thinking);
                out.summary = out.summary.or(display);
            }
            None => keep.keep("thinking", &json),
        }
    }
    out
}

fn read_effort(json: &Written<'_>) -> Option<(Option<Effort>, Option<String>)> {
    if let Some(word) = read::<Str<'_>>(json) {
        return Some((Some(Effort::parse(word.as_str())?), None));
    }
    let wire::Effort { effort, summary, extra } = read(json)?;
    let effort = match effort {
        Some(word) => Some(Effort::parse(word.as_str())?),
        None => None,
    };
    extra.is_empty().then(|| (effort, owned(summary)))
}

fn read_thinking(json: &Written<'_>) -> Option<(Thinking, Option<String>)> {
    let wire::Thinking { kind, budget_tokens, display, extra } = read(json)?;
    let thinking = match kind?.as_str() {
        "enabled" => Thinking::Enabled { budget_tokens },
        "adaptive" => Thinking::Adaptive,
        "disabled" => Thinking::Disabled,
        _ => return None,
    };
    extra.is_empty().then(|| (thinking, owned(display)))
}

/// `response_format`.
pub(super) fn format(json: Written<'_>, keep: &mut Keep<'_>) -> Option<Format> {
    let read = read_format(&json);
    if read.is_none() {
        keep.keep("response_format", &json);
    }
    read
}

fn read_format(json: &Written<'_>) -> Option<Format> {
    let wire::Format { kind, json_schema, extra } = read(json)?;
    if !extra.is_empty() {
        return None;
    }
    match (kind?.as_str(), json_schema) {
        ("text", None) => Some(Format::Text),
        ("json_object", None) => Some(Format::JsonObject),
        ("json_schema", Some(wire::JsonSchema { name, description, schema, strict, extra })) => {
            extra.is_empty().then(|| {
                Format::JsonSchema(JsonSchema {
                    name: owned(name).unwrap_or_default(),
                    description: owned(description),
                    schema: schema.map(ToOwned::to_owned),
                    strict,
                })
            })
        }
        _ => None,
    }
}

/// `audio`.
pub(super) fn audio(json: Written<'_>, keep: &mut Keep<'_>) -> Option<AudioOutput> {
    match read::<wire::AudioOut<'_>>(&json) {
        Some(wire::AudioOut { voice, format, language, extra }) if extra.is_empty() => Some(AudioOutput {
            voice: voice.map(ToOwned::to_owned),
            format: owned(format),
            language: owned(language),
        }),
        _ => {
            keep.keep("audio", &json);
            None
        }
    }
}

/// `web_search_options`.
pub(super) fn web_search(json: Written<'_>, keep: &mut Keep<'_>) -> Option<WebSearch> {
    let search = read_web_search(&json);
    if search.is_none() {
        keep.keep("web_search_options", &json);
    }
    search
}

fn read_web_search(json: &Written<'_>) -> Option<WebSearch> {
    let wire::WebSearchOptions { search_context_size, user_location, extra } = read(json)?;
    let mut search = WebSearch { context_size: owned(search_context_size), ..WebSearch::default() };
    let mut unknown = !extra.is_empty();
    if let Some(wire::UserLocation { kind, approximate, extra }) = user_location {
        unknown |= !extra.is_empty() || kind.is_some_and(|kind| kind.as_str() != "approximate");
        if let Some(place) = approximate {
            let wire::Approximate { country, region, city, timezone, extra } = place;
            unknown |= !Members::is_empty(&extra);
            search.country = owned(country);
            search.region = owned(region);
            search.city = owned(city);
            search.timezone = owned(timezone);
        }
    }
    (!unknown).then_some(search)
}
