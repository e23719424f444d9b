//! `generationConfig`.
//!
//! What has a neutral field goes there; the rest stays together under its own name, for a provider that
//! knows it.

use llm_types::chat::{
    AudioOutput, Effort, Format, JsonSchema, Limits, OutputOptions, ReasoningOptions, Sampling, Thinking,
};
use llm_types::{ApiError, Extra, RawValue, Result, Str};
use serde::Serialize;

use super::super::wire::{self, Raw, Whole};
use super::schema;

/// What a schema is called where a name is demanded.
const SCHEMA_NAME: &str = "response";

/// The options of a request.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) sampling: Sampling,
    pub(super) output: OutputOptions,
    pub(super) reasoning: ReasoningOptions,
    pub(super) limits: Limits,
}

/// Reads the options; what has no neutral field is kept in `extra`.
///
/// # Errors
/// When a schema is none.
pub(super) fn read(config: wire::GenerationConfig<'_>, extra: &mut Extra) -> Result<Config> {
    let wire::GenerationConfig {
        max_output_tokens,
        temperature,
        top_p,
        top_k,
        candidate_count,
        stop_sequences,
        seed,
        presence_penalty,
        frequency_penalty,
        response_logprobs,
        logprobs,
        response_mime_type,
        response_schema,
        response_json_schema,
        response_modalities,
        speech_config,
        media_resolution,
        thinking_config,
        extra: unknown,
    } = config;
    let mut rest = unknown.to_extra();
    let modalities: Vec<String> =
        response_modalities.into_iter().flatten().map(|kind| kind.as_str().to_lowercase()).collect();
    let speaks = modalities.iter().any(|kind| kind == "audio");
    let audio = speech_config.and_then(|speech| audio(speech, speaks, &mut rest));
    let reasoning = thinking_config.map(|thinking| self::reasoning(thinking, &mut rest)).unwrap_or_default();
    let form = Form { mime_type: response_mime_type, plain: response_schema, json: response_json_schema };
    let format = format(form, &mut rest)?;
    keep(&mut rest, "mediaResolution", media_resolution.as_ref());
    if !rest.is_empty() {
        keep(extra, "generationConfig", Some(&rest));
    }
    Ok(Config {
        sampling: Sampling {
            temperature,
            top_p,
            top_k: top_k.map(|Whole(k)| k),
            frequency_penalty,
            presence_penalty,
            seed: seed.map(|Whole(seed)| seed),
            logit_bias: None,
        },
        output: OutputOptions {
            n: candidate_count.map(|Whole(count)| count),
            format,
            modalities,
            audio,
            logprobs: response_logprobs,
            top_logprobs: logprobs.map(|Whole(count)| count),
            prediction: None,
            verbosity: None,
        },
        reasoning,
        limits: Limits {
            max_tokens: None,
            max_completion_tokens: max_output_tokens.map(|Whole(limit)| limit),
            stop: stop_sequences.into_iter().flatten().map(Str::into_string).collect(),
        },
    })
}

/// Keeps a value under its own name.
fn keep(extra: &mut Extra, name: &str, value: Option<&impl Serialize>) {
    if let Some(value) = value {
        // Whatever was read from JSON can be written as such.
        let _ = extra.set_json(name, value);
    }
}

/// What says the form of an answer.
struct Form<'a> {
    mime_type: Option<Str<'a>>,
    plain: Option<Raw<'a>>,
    json: Option<Raw<'a>>,
}

fn format(form: Form<'_>, rest: &mut Extra) -> Result<Option<Format>> {
    let Form { mime_type, plain, json } = form;
    let schema = match (mime_type.as_ref().map(Str::as_str), json, plain) {
        (Some("application/json"), Some(json), None) => Some(json.0.into_owned()),
        (Some("application/json"), None, Some(plain)) => {
            let param = "generationConfig.responseSchema";
            Some(schema::json_schema(&plain.0).map_err(|error| error.with_param(param))?)
        }
        (Some("application/json"), None, None) => return Ok(Some(Format::JsonObject)),
        (Some("text/plain"), None, None) => return Ok(Some(Format::Text)),
        (_, json, plain) => {
            // A form that no other dialect has (`text/x.enum`), or a schema without its media type.
            keep(rest, "responseMimeType", mime_type.as_ref());
            keep(rest, "responseJsonSchema", json.as_ref());
            keep(rest, "responseSchema", plain.as_ref());
            return Ok(None);
        }
    };
    Ok(Some(Format::JsonSchema(JsonSchema { name: SCHEMA_NAME.to_owned(), schema, ..JsonSchema::default() })))
}

/// The voice. One that only this dialect can describe is kept as it is.
fn audio(speech: wire::SpeechConfig<'_>, speaks: bool, rest: &mut Extra) -> Option<AudioOutput> {
    let wire::SpeechConfig { voice_config, language_code, extra } = &speech;
    let prebuilt = voice_config.as_ref().and_then(|choice| choice.prebuilt_voice_config.as_ref());
    let plain = extra.is_empty()
        && voice_config.as_ref().is_none_or(|choice| {
            choice.extra.is_empty() && prebuilt.is_some_and(|voice| voice.extra.is_empty())
        });
    if !plain || !speaks {
        keep(rest, "speechConfig", Some(&speech));
        return None;
    }
    let name = prebuilt.and_then(|voice| voice.voice_name.as_ref());
    Some(AudioOutput {
        voice: name.and_then(|name| serde_json::value::to_raw_value(name).ok()),
        // What this dialect's models speak, and their clients expect.
        format: Some("pcm16".to_owned()),
        language: language_code.as_ref().map(|code| code.as_str().to_owned()),
    })
}

fn reasoning(thinking: wire::ThinkingConfig<'_>, rest: &mut Extra) -> ReasoningOptions {
    let level = thinking.thinking_level.as_ref().map(|level| Effort::parse(&level.as_str().to_lowercase()));
    if level == Some(None) || !thinking.extra.is_empty() {
        keep(rest, "thinkingConfig", Some(&thinking));
    }
    let wire::ThinkingConfig { include_thoughts, thinking_budget, thinking_level: _, extra: _ } = thinking;
    let budget = thinking_budget.map(|Whole(tokens)| match u64::try_from(tokens) {
        Ok(0) => Thinking::Disabled,
        Ok(tokens) => Thinking::Enabled { budget_tokens: Some(tokens) },
        Err(_) => Thinking::Adaptive,
    });
    let shown = include_thoughts.map(|shown| if shown { "auto" } else { "omitted" });
    ReasoningOptions { effort: level.flatten(), thinking: budget, summary: shown.map(str::to_owned) }
}

/// The schema of a function's arguments.
///
/// # Errors
/// When it is none.
pub(super) fn parameters(plain: Option<Raw<'_>>, json: Option<Raw<'_>>) -> Result<Option<Box<RawValue>>> {
    match (json, plain) {
        (Some(json), None) => Ok(Some(json.0.into_owned())),
        (None, Some(plain)) => schema::json_schema(&plain.0).map(Some),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            Err(ApiError::bad_request("send `parameters` or `parametersJsonSchema`, not both"))
        }
    }
}
