//! Options whose form varies.
//!
//! What cannot be read exactly (an unknown word or member) is kept raw under the name of its object: the same
//! dialect gets it unchanged, and elsewhere it is reported instead of being half understood.

use llm_types::chat::{Effort, Format, JsonSchema, ReasoningOptions};
use llm_types::{Extra, Str};

use super::super::wire::{self, Reasoning, TextOptions};

fn owned(text: Option<Str<'_>>) -> Option<String> {
    text.map(Str::into_string)
}

/// Keeps unknown members of an object.
fn keep(extra: &mut Extra, name: &str, members: &Extra) {
    if !members.is_empty() {
        // Raw JSON under string names can always be written.
        let _ = extra.set_json(name, members);
    }
}

/// `text`: the form of the answer, and how wordy it is.
pub(super) fn text(options: Option<TextOptions<'_>>, extra: &mut Extra) -> (Option<Format>, Option<String>) {
    let Some(TextOptions { format, verbosity, extra: more }) = options else { return (None, None) };
    let mut more = more.to_extra();
    let format = format.and_then(|json| {
        let known = read_format(&json);
        if known.is_none() {
            let _ = more.set_json("format", &json);
        }
        known
    });
    keep(extra, "text", &more);
    (format, owned(verbosity))
}

fn read_format(json: &wire::Format<'_>) -> Option<Format> {
    let wire::Format { kind, name, description, schema, strict, extra } = json;
    if !extra.is_empty() {
        return None;
    }
    match kind.as_ref()?.as_str() {
        "text" => Some(Format::Text),
        "json_object" => Some(Format::JsonObject),
        "json_schema" => Some(Format::JsonSchema(JsonSchema {
            name: name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
            description: description.as_ref().map(|text| text.as_str().to_owned()),
            schema: schema.as_ref().map(|schema| schema.0.clone().into_owned()),
            strict: *strict,
        })),
        _ => None,
    }
}

/// `reasoning`: how hard the model thinks, and what of it is shown.
pub(super) fn reasoning(options: Option<Reasoning<'_>>, extra: &mut Extra) -> ReasoningOptions {
    let Some(Reasoning { effort, summary, generate_summary, extra: more }) = options else {
        return ReasoningOptions::default();
    };
    let mut more = more.to_extra();
    let effort = effort.and_then(|word| {
        let known = Effort::parse(word.as_str());
        if known.is_none() {
            let _ = more.set_json("effort", &word);
        }
        known
    });
    keep(extra, "reasoning", &more);
    ReasoningOptions { effort, thinking: None, summary: owned(summary.or(generate_summary)) }
}
