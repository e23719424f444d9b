//! Options that are objects on the wire.

use llm_types::chat::{
    AudioOutput, ChatRequest, Effort, Format, JsonSchema, ReasoningOptions, Thinking, WebSearch,
};
use llm_types::{Members, MessageQuirk, Str};

use super::super::wire::{self, Request, Written};
use super::encode::Writer;
use crate::dialect::effort::{MIN_BUDGET, budget_of};

/// The word of `reasoning_effort` as it will be sent: the rules of a row may depend on it.
pub(super) fn effort_word(request: &ChatRequest) -> Option<&str> {
    let ReasoningOptions { effort, thinking, summary: _ } = &request.reasoning;
    match (effort, thinking) {
        (Some(effort), _) => Some(effort.name()),
        (None, Some(thinking)) => Some(effort_of(*thinking).name()),
        (None, None) => {
            let raw = request.extra.get("reasoning_effort")?.get();
            raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        }
    }
}

/// The effort that comes closest to Anthropic's switch.
fn effort_of(thinking: Thinking) -> Effort {
    match thinking {
        Thinking::Disabled => Effort::None,
        Thinking::Adaptive | Thinking::Enabled { budget_tokens: None } => Effort::Medium,
        Thinking::Enabled { budget_tokens: Some(4096..) } => Effort::High,
        Thinking::Enabled { budget_tokens: Some(2048..) } => Effort::Medium,
        Thinking::Enabled { budget_tokens: Some(1024..) } => Effort::Low,
        Thinking::Enabled { budget_tokens: Some(_) } => Effort::Minimal,
    }
}

/// `reasoning_effort`, or `thinking` where the row takes it. `most`: the longest answer that is asked for.
pub(super) fn reasoning<'a>(
    writer: &mut Writer<'_, '_>,
    reasoning: &'a ReasoningOptions,
    most: Option<u64>,
    wire: &mut Request<'a>,
) {
    let ReasoningOptions { effort, thinking, summary } = reasoning;
    let takes_thinking = writer.row.takes("thinking");
    let mut shown = false;
    match (effort, thinking) {
        (None, None) => {}
        (effort, Some(thinking)) if takes_thinking => {
            wire.thinking = thinking_json(*thinking, summary.as_deref());
            shown = true;
            wire.reasoning_effort = effort.and_then(|effort| Written::json(&effort.name()));
        }
        (None, Some(thinking)) => {
            let effort = effort_of(*thinking).name();
            wire.reasoning_effort = Written::json(&effort);
            writer.changes.altered("thinking", format!("sent as `reasoning_effort` {effort}"));
        }
        (Some(effort), None) if takes_thinking && writer.row.drops("reasoning_effort") => {
            // Thoughts count as a part of the answer, and are to leave half of it.
            let room = |budget: u64| most.map_or(budget, |most| budget.min(most / 2));
            let has_budget = writer.row.has(MessageQuirk::ThinkingBudget);
            let budget_tokens = has_budget.then(|| room(budget_of(*effort)));
            let (thinking, word) = match effort {
                Effort::None => (Thinking::Disabled, "disabled"),
                // Less than the least is no thinking.
                _ if budget_tokens.is_some_and(|budget| budget < MIN_BUDGET) => {
                    let why = "`max_tokens` leaves no room for thoughts";
                    return writer.changes.dropped("reasoning_effort", why);
                }
                _ => (Thinking::Enabled { budget_tokens }, "enabled"),
            };
            wire.thinking = thinking_json(thinking, None);
            writer.changes.altered("reasoning_effort", format!("sent as `thinking` {word}"));
        }
        (Some(effort), thinking) => {
            wire.reasoning_effort = Written::json(&effort.name());
            if thinking.is_some() {
                writer.changes.dropped("thinking", "`reasoning_effort` is given too");
            }
        }
    }
    if summary.is_some() && !shown {
        writer.changes.dropped("reasoning_effort.summary", "chat completions show no summaries");
    }
}

fn thinking_json<'a>(thinking: Thinking, display: Option<&str>) -> Option<Written<'a>> {
    let (kind, budget_tokens) = match thinking {
        Thinking::Enabled { budget_tokens } => ("enabled", budget_tokens),
        Thinking::Adaptive => ("adaptive", None),
        Thinking::Disabled => ("disabled", None),
    };
    Written::json(&wire::Thinking {
        kind: Some(Str::from(kind)),
        budget_tokens,
        display: display.map(Str::from),
        extra: Members::default(),
    })
}

/// `response_format`. Where a schema is not known, it goes into an instruction at the beginning.
pub(super) fn response_format<'a>(
    writer: &mut Writer<'_, '_>,
    format: &'a Format,
    wire: &mut Request<'a>,
) -> Option<Written<'a>> {
    let Format::JsonSchema(JsonSchema { name: _, description, schema, strict: _ }) = format else {
        return self::format(format);
    };
    if !writer.row.has(MessageQuirk::JsonObjectOnly) {
        return self::format(format);
    }
    let why = "only `json_object` is known there: the schema is sent as an instruction";
    writer.changes.altered("response_format", why);
    let schema = schema.as_ref().map_or("{}", |schema| schema.get());
    let about = description.as_deref().map(|words| format!(" ({words})")).unwrap_or_default();
    let words = format!(
        "Answer with one JSON object{about} that follows this JSON Schema, and nothing else:\n{schema}"
    );
    let instruction = wire::Message {
        role: Some(Str::from("system")),
        content: Some(wire::Content::Text(Str::from(words))),
        ..wire::Message::default()
    };
    wire.messages.get_or_insert_default().insert(0, instruction);
    self::format(&Format::JsonObject)
}

/// `response_format` as OpenAI knows it.
fn format<'a>(format: &Format) -> Option<Written<'a>> {
    let (kind, json_schema) = match format {
        Format::Text => ("text", None),
        Format::JsonObject => ("json_object", None),
        Format::JsonSchema(JsonSchema { name, description, schema, strict }) => {
            let schema = wire::JsonSchema {
                name: Some(Str::from(if name.is_empty() { "response" } else { name.as_str() })),
                description: description.as_ref().map(Str::from),
                schema: schema.as_deref(),
                strict: *strict,
                extra: Members::default(),
            };
            ("json_schema", Some(schema))
        }
    };
    Written::json(&wire::Format { kind: Some(Str::from(kind)), json_schema, extra: Members::default() })
}

/// `audio`.
pub(super) fn audio<'a>(writer: &mut Writer<'_, '_>, audio: &AudioOutput) -> Option<Written<'a>> {
    let AudioOutput { voice, format, language } = audio;
    if language.is_some() && !writer.own {
        writer.changes.dropped("audio.language", writer.row.why());
    }
    Written::json(&wire::AudioOut {
        voice: voice.as_deref(),
        format: format.as_ref().map(Str::from),
        language: language.as_ref().filter(|_| writer.own).map(Str::from),
        extra: Members::default(),
    })
}

/// `web_search_options`.
pub(super) fn web_search<'a>(search: &WebSearch) -> Option<Written<'a>> {
    let WebSearch { context_size, country, region, city, timezone } = search;
    let place = [country, region, city, timezone].iter().any(|part| part.is_some());
    let user_location = place.then(|| wire::UserLocation {
        kind: Some(Str::from("approximate")),
        approximate: Some(wire::Approximate {
            country: country.as_ref().map(Str::from),
            region: region.as_ref().map(Str::from),
            city: city.as_ref().map(Str::from),
            timezone: timezone.as_ref().map(Str::from),
            extra: Members::default(),
        }),
        extra: Members::default(),
    });
    Written::json(&wire::WebSearchOptions {
        search_context_size: context_size.as_ref().map(Str::from),
        user_location,
        extra: Members::default(),
    })
}
