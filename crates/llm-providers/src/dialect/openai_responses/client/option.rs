//! Options of the answer: its form, and how much the model thinks.

use llm_types::chat::{Effort, Format, JsonSchema, OutputOptions, ReasoningOptions, Thinking};
use llm_types::{ApiError, ErrorKind, Members, RawValue, Result, Str, wire_struct};

use super::super::wire::{self, Reasoning, Request, TextOptions};
use super::encode::Writer;

/// Thoughts come back in a form that only the provider can read.
pub(super) const ENCRYPTED: &str = "reasoning.encrypted_content";
/// Log probabilities of the tokens of texts.
const LOG_PROBS: &str = "message.output_text.logprobs";

wire_struct! {
    /// An object none of whose members are named.
    struct Open<'a> {}
}

/// `text`, and what else is said of the answer.
///
/// # Errors
/// When several answers or sound are asked for: one text would not be what the caller expects.
pub(super) fn output<'a>(
    writer: &mut Writer<'_, '_>,
    output: &'a OutputOptions,
    wire: &mut Request<'a>,
) -> Result<()> {
    let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
        output;
    if n.is_some_and(|n| n != 1) {
        let message =
            "the Responses API gives one answer per request: leave out `n`, or send it once per answer";
        return Err(unsupported(message, "n"));
    }
    if audio.is_some() || modalities.iter().any(|modality| modality == "audio") {
        let message =
            "the Responses API answers in text: leave out `audio`, or choose a model of chat completions";
        return Err(unsupported(message, "modalities"));
    }
    if modalities.iter().any(|modality| modality != "text") {
        writer.changes.dropped("modalities", "the Responses API answers in text");
    }
    if prediction.is_some() {
        writer.changes.dropped("prediction", "the Responses API has no counterpart");
    }
    if format.is_some() || verbosity.is_some() {
        wire.text = Some(TextOptions {
            format: format.as_ref().map(self::format),
            verbosity: verbosity.as_ref().map(Str::from),
            extra: Members::default(),
        });
    }
    log_probs(writer, *logprobs, *top_logprobs, wire);
    Ok(())
}

fn unsupported(message: &str, param: &str) -> ApiError {
    ApiError::new(ErrorKind::UnsupportedParam, message).with_param(param)
}

fn log_probs(writer: &mut Writer<'_, '_>, wanted: Option<bool>, top: Option<u32>, wire: &mut Request<'_>) {
    if wanted != Some(true) {
        if top.is_some_and(|top| top > 0) {
            writer.changes.dropped("top_logprobs", "`logprobs` is not set");
        }
        return;
    }
    // A model that refuses the one refuses the other.
    if writer.row.drops("top_logprobs") || writer.row.drops("include") {
        writer.changes.dropped("logprobs", writer.row.why());
        if top.is_some() {
            writer.changes.dropped("top_logprobs", writer.row.why());
        }
        return;
    }
    wire.include.get_or_insert_default().push(Str::from(LOG_PROBS));
    wire.top_logprobs = top;
}

fn format(format: &Format) -> wire::Format<'_> {
    let kind = |kind: &'static str| wire::Format { kind: Some(Str::from(kind)), ..wire::Format::default() };
    match format {
        Format::Text => kind("text"),
        Format::JsonObject => kind("json_object"),
        Format::JsonSchema(JsonSchema { name, description, schema, strict }) => wire::Format {
            name: Some(Str::from(if name.is_empty() { "response" } else { name })),
            description: description.as_ref().map(Str::from),
            schema: schema.as_deref().map(Into::into),
            strict: *strict,
            ..kind("json_schema")
        },
    }
}

/// How hard the model is to think, as this API can say it.
pub(super) fn effort_of(reasoning: &ReasoningOptions) -> Option<Effort> {
    let ReasoningOptions { effort, thinking, summary: _ } = reasoning;
    effort.or_else(|| {
        thinking.map(|thinking| match thinking {
            Thinking::Disabled => Effort::None,
            Thinking::Adaptive | Thinking::Enabled { budget_tokens: None } => Effort::Medium,
            Thinking::Enabled { budget_tokens: Some(4096..) } => Effort::High,
            Thinking::Enabled { budget_tokens: Some(2048..) } => Effort::Medium,
            Thinking::Enabled { budget_tokens: Some(1024..) } => Effort::Low,
            Thinking::Enabled { budget_tokens: Some(_) } => Effort::Minimal,
        })
    })
}

/// `reasoning`. Whoever switches thinking on in Anthropic's terms expects to see thoughts; the summary is
/// what this API shows of them.
pub(super) fn reasoning<'a>(
    writer: &mut Writer<'_, '_>,
    reasoning: &'a ReasoningOptions,
) -> Option<Reasoning<'a>> {
    let ReasoningOptions { effort, thinking, summary } = reasoning;
    let asked = effort_of(reasoning);
    let word = asked.map(|effort| {
        let word = effort.name();
        match writer.row.word_for("reasoning.effort", word) {
            Some(to) => {
                writer.changes.altered("reasoning_effort", format!("{} says `{to}`", writer.row.provider()));
                Str::from(to.to_owned())
            }
            None => Str::from(word),
        }
    });
    match (effort, thinking, &word) {
        (None, Some(_), Some(word)) => {
            writer.changes.altered("thinking", format!("sent as an effort: {}", word.as_str()));
        }
        (Some(_), Some(_), _) => writer.changes.dropped("thinking", "an effort is given too"),
        _ => {}
    }
    let thinks = matches!(thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive));
    let summary = match summary.as_deref() {
        None => thinks.then_some("auto"),
        Some("omitted") => None,
        Some("summarized") => Some("auto"),
        Some(word) => Some(word),
    };
    let some = word.is_some() || summary.is_some();
    some.then(|| Reasoning { effort: word, summary: summary.map(Str::from), ..Reasoning::default() })
}

/// Adds the caller's own `include`, each word once.
pub(super) fn include<'a>(value: &'a RawValue, wire: &mut Request<'a>) {
    let Ok(words) = serde_json::from_str::<Vec<Str<'a>>>(value.get()) else {
        wire.extra.push("include".into(), value);
        return;
    };
    let list = wire.include.get_or_insert_default();
    for word in words {
        if !list.contains(&word) {
            list.push(word);
        }
    }
}

/// Adds unknown members of an inner object. `false`: they are no object.
pub(super) fn inner<'a>(name: &str, value: &'a RawValue, wire: &mut Request<'a>) -> bool {
    let Ok(Open { extra }) = serde_json::from_str::<Open<'a>>(value.get()) else {
        return false;
    };
    match name {
        "reasoning" => wire.reasoning.get_or_insert_default().extra = extra,
        "text" => wire.text.get_or_insert_default().extra = extra,
        // Without a stream there is nothing to say about it.
        _ if wire.stream == Some(true) => wire.stream_options.get_or_insert_default().extra = extra,
        _ => {}
    }
    true
}
