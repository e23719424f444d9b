//! Options that are objects on the wire.
//!
//! What of them has no neutral form is kept under the name of the object: other dialects report it.

use llm_types::chat::{Effort, Format, JsonSchema, ReasoningOptions, Thinking};
use llm_types::{Extra, Result, Str};

use super::super::wire::{self, Metadata, OutputConfig, OutputFormat};
use super::decode::{keep, keep_inner};
use super::fault::Place;

/// `thinking`.
///
/// # Errors
/// When its type is not known.
pub(super) fn thinking(asked: Option<wire::Thinking<'_>>, extra: &mut Extra) -> Result<ReasoningOptions> {
    let Some(wire::Thinking { kind, budget_tokens, display, extra: more }) = asked else {
        return Ok(ReasoningOptions::default());
    };
    let place = Place::Member("thinking");
    let thinking = match kind.as_ref().map(Str::as_str) {
        Some("enabled") => Thinking::Enabled { budget_tokens },
        Some("adaptive") => Thinking::Adaptive,
        Some("disabled") => Thinking::Disabled,
        Some(_) => {
            return Err(place.key("type").wrong("Input should be 'enabled', 'adaptive' or 'disabled'"));
        }
        None => return Err(place.key("type").missing()),
    };
    keep_inner(extra, "thinking", &more);
    Ok(ReasoningOptions { effort: None, thinking: Some(thinking), summary: display.map(Str::into_string) })
}

/// `output_config`, and the older `output_format`: how hard to think, and the form of the answer.
pub(super) fn output(
    config: Option<OutputConfig<'_>>,
    extra: &mut Extra,
) -> (Option<Effort>, Option<Format>) {
    let mut left = OutputConfig::default();
    let (mut effort, mut schema) = (None, None);
    if let Some(OutputConfig { effort: word, format: asked, extra: more }) = config {
        effort = word.as_ref().and_then(|word| known_effort(word.as_str()));
        left.effort = word.filter(|_| effort.is_none());
        schema = asked.as_ref().and_then(format);
        left.format = asked.filter(|_| schema.is_none());
        left.extra = more;
    }
    let left_over = left.effort.is_some() || left.format.is_some() || !left.extra.is_empty();
    keep(extra, "output_config", Some(&left).filter(|_| left_over));
    if schema.is_none() && left.format.is_none() {
        let older = extra.remove("output_format");
        let read = older.as_deref().and_then(|json| serde_json::from_str(json.get()).ok());
        schema = read.as_ref().and_then(format);
        // What cannot be read stays as it came.
        keep(extra, "output_format", older.as_ref().filter(|_| schema.is_none()));
    }
    (effort, schema)
}

/// The levels that this API knows.
fn known_effort(word: &str) -> Option<Effort> {
    Effort::parse(word).filter(|effort| !matches!(effort, Effort::None | Effort::Minimal))
}

/// JSON by a schema; `None`: a form that is not known.
fn format(asked: &OutputFormat<'_>) -> Option<Format> {
    let OutputFormat { kind, schema, extra } = asked;
    let is_schema = kind.as_ref().is_some_and(|kind| kind.as_str() == "json_schema");
    let schema = schema.as_ref().map(|schema| schema.0.clone().into_owned());
    let schema = JsonSchema { schema, ..JsonSchema::default() };
    (is_schema && extra.is_empty()).then_some(Format::JsonSchema(schema))
}

/// `metadata.user_id`.
pub(super) fn user(metadata: Option<Metadata<'_>>, extra: &mut Extra) -> Option<String> {
    let Metadata { user_id, extra: more } = metadata?;
    keep_inner(extra, "metadata", &more);
    user_id.map(Str::into_string)
}

/// `service_tier` in neutral words, which are OpenAI's.
pub(super) fn tier(word: Str<'_>) -> String {
    match word.as_str() {
        "standard_only" => "default".to_owned(),
        _ => word.into_string(),
    }
}
