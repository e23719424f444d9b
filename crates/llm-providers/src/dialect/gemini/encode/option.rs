//! `generationConfig`, and how the answer is served.
//!
//! A member that the caller wrote in this dialect's own terms (`generation_config`) wins over the
//! neutral field, which is then reported.

use std::borrow::Cow;

use llm_types::chat::{AudioOutput, Delivery, Format, JsonSchema, Limits, OutputOptions, Sampling};
use llm_types::{ApiError, RawValue, Result, Str};

use super::{Cx, NO_COUNTERPART, wire};
use crate::dialect::gemini::schema;

const STOP_LIMIT: usize = 5;
const CANDIDATE_LIMIT: u32 = 8;
const SAID_ALREADY: &str = "generation_config says it already";

/// Sets a member that is still open.
fn fill<T>(slot: &mut Option<T>, value: Option<T>, path: &'static str, cx: &mut Cx<'_>) {
    match (slot.is_some(), value) {
        (_, None) => {}
        (true, Some(_)) => cx.changes.dropped(path, SAID_ALREADY),
        (false, value) => *slot = value,
    }
}

/// How tokens are drawn.
pub(super) fn sampling(sampling: &Sampling, config: &mut wire::GenerationConfig<'_>, cx: &mut Cx<'_>) {
    let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
        sampling;
    fill(&mut config.temperature, *temperature, "temperature", cx);
    fill(&mut config.top_p, *top_p, "top_p", cx);
    fill(&mut config.top_k, top_k.map(wire::Whole), "top_k", cx);
    let penalties = [
        (&mut config.frequency_penalty, *frequency_penalty, "frequency_penalty"),
        (&mut config.presence_penalty, *presence_penalty, "presence_penalty"),
    ];
    for (slot, value, path) in penalties {
        if cx.model.penalties {
            fill(slot, value, path, cx);
        } else if value.is_some() {
            cx.changes.dropped(path, cx.not_taken());
        }
    }
    match seed {
        Some(seed) if i32::try_from(*seed).is_err() => {
            cx.changes.dropped("seed", "gemini takes seeds of 32 bits");
        }
        seed => fill(&mut config.seed, seed.map(wire::Whole), "seed", cx),
    }
    cx.no_counterpart("logit_bias", logit_bias.as_ref());
}

/// Where the answer ends.
pub(super) fn limits<'a>(limits: &'a Limits, config: &mut wire::GenerationConfig<'a>, cx: &mut Cx<'_>) {
    let Limits { max_tokens, max_completion_tokens, stop } = limits;
    fill(&mut config.max_output_tokens, limits.output_tokens().map(wire::Whole), "max_completion_tokens", cx);
    if max_completion_tokens.is_some() && max_tokens.is_some_and(|max| Some(max) != *max_completion_tokens) {
        cx.changes.dropped("max_tokens", "max_completion_tokens says it already");
    }
    if stop.len() > STOP_LIMIT {
        cx.changes.dropped("stop", format!("gemini takes {STOP_LIMIT} stop texts: only the first are sent"));
    }
    let texts: Vec<Str<'a>> = stop.iter().take(STOP_LIMIT).map(Str::from).collect();
    fill(&mut config.stop_sequences, (!texts.is_empty()).then_some(wire::List(texts)), "stop", cx);
}

/// How closely the model looks, where that is said once for the request.
pub(super) fn resolution(level: Option<&'static str>, config: &mut wire::GenerationConfig<'_>) {
    if config.media_resolution.is_none() {
        config.media_resolution = level.map(Str::from);
    }
}

/// The form of the answer.
///
/// # Errors
/// When sound is asked for in a format that the model does not make.
pub(super) fn output<'a>(
    options: &'a OutputOptions,
    config: &mut wire::GenerationConfig<'a>,
    cx: &mut Cx<'_>,
) -> Result<()> {
    let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
        options;
    let count = n.map(|n| n.clamp(1, CANDIDATE_LIMIT));
    if count != *n {
        cx.changes.altered("n", format!("gemini gives 1 to {CANDIDATE_LIMIT} answers"));
    }
    fill(&mut config.candidate_count, count.map(wire::Whole), "n", cx);
    if let Some(format) = format {
        self::format(format, config, cx)?;
    }
    let mut kinds: Vec<Str<'a>> = modalities.iter().map(|kind| Str::from(kind.to_uppercase())).collect();
    if audio.is_some() && kinds.is_empty() {
        kinds.push(Str::from("AUDIO"));
    }
    fill(&mut config.response_modalities, (!kinds.is_empty()).then_some(wire::List(kinds)), "modalities", cx);
    if let Some(audio) = audio {
        let speech = speech(audio, cx)?;
        fill(&mut config.speech_config, speech, "audio", cx);
    }
    // `logprobs` (a count) is refused unless `responseLogprobs` is set.
    let report = logprobs.or(top_logprobs.map(|_| true));
    fill(&mut config.response_logprobs, report, "logprobs", cx);
    fill(&mut config.logprobs, top_logprobs.map(wire::Whole), "top_logprobs", cx);
    cx.no_counterpart("prediction", prediction.as_ref());
    cx.no_counterpart("verbosity", verbosity.as_ref());
    Ok(())
}

fn format<'a>(format: &'a Format, config: &mut wire::GenerationConfig<'a>, cx: &mut Cx<'_>) -> Result<()> {
    const PATH: &str = "response_format";
    let mime = match format {
        Format::Text => "text/plain",
        Format::JsonObject | Format::JsonSchema(_) => "application/json",
    };
    fill(&mut config.response_mime_type, Some(Str::from(mime)), PATH, cx);
    let Format::JsonSchema(JsonSchema { name: _, description, schema, strict }) = format else {
        return Ok(());
    };
    // The name is a label that OpenAI's form demands; the answer does not depend on it.
    cx.no_counterpart("response_format.json_schema.description", description.as_ref());
    if *strict == Some(true) {
        cx.changes.dropped("response_format.json_schema.strict", "gemini always follows the schema");
    }
    let Some(schema) = schema else { return Ok(()) };
    if config.response_schema.is_some() || config.response_json_schema.is_some() {
        cx.changes.dropped("response_format.json_schema.schema", SAID_ALREADY);
    } else if cx.model.json_schema {
        config.response_json_schema = Some(wire::Raw::from(&**schema));
    } else {
        config.response_schema = subset(schema, "response_format.json_schema.schema".into(), cx)?;
    }
    Ok(())
}

/// A schema in the subset that older models take; what is lost is recorded.
///
/// # Errors
/// When it is not a schema.
pub(super) fn subset(
    schema: &RawValue,
    path: Cow<'static, str>,
    cx: &mut Cx<'_>,
) -> Result<Option<wire::Raw<'static>>> {
    let subset = schema::subset(schema).map_err(|error| error.with_param(path.clone()))?;
    if !subset.lost.is_empty() {
        let lost: Vec<String> = subset.lost.into_iter().collect();
        cx.changes.altered(path, format!("{} does not take {}", cx.name, lost.join(", ")));
    }
    Ok(subset.json.map(wire::Raw::from))
}

fn speech<'a>(audio: &'a AudioOutput, cx: &mut Cx<'_>) -> Result<Option<wire::SpeechConfig<'a>>> {
    let AudioOutput { voice, format, language } = audio;
    if let Some(format) = format.as_deref().filter(|format| *format != "pcm16") {
        return Err(ApiError::bad_request(format!(
            "gemini speaks pcm16 only, not {format}: set audio.format to pcm16"
        ))
        .with_param("audio.format"));
    }
    let mut speech = wire::SpeechConfig {
        language_code: language.as_ref().map(Str::from),
        ..wire::SpeechConfig::default()
    };
    if let Some(voice) = voice {
        match serde_json::from_str::<String>(voice.get()) {
            Ok(name) => {
                let voice = wire::Voice { voice_name: Some(Str::from(name)), ..wire::Voice::default() };
                let choice =
                    wire::VoiceChoice { prebuilt_voice_config: Some(voice), ..wire::VoiceChoice::default() };
                speech.voice_config = Some(choice);
            }
            Err(_) => cx.changes.dropped("audio.voice", "gemini takes its own voices by name"),
        }
    }
    Ok((speech.voice_config.is_some() || speech.language_code.is_some()).then_some(speech))
}

/// How the answer is delivered and served: the service tier, if one is asked for.
pub(super) fn delivery<'a>(delivery: &'a Delivery, cx: &mut Cx<'_>) -> Option<Cow<'a, str>> {
    // A stream is asked for in the URL, and the usage always comes.
    let Delivery { stream: _, include_usage: _, include_obfuscation, service_tier, store } = delivery;
    if *include_obfuscation == Some(true) {
        cx.changes.dropped("stream_options.include_obfuscation", NO_COUNTERPART);
    }
    // A provider that keeps nothing is what `false` asks for.
    cx.no_counterpart("store", store.as_ref().filter(|store| **store));
    Some(match service_tier.as_deref()? {
        "auto" => Cow::Borrowed("priority"),
        "default" => Cow::Borrowed("standard"),
        tier => Cow::Owned(tier.to_lowercase()),
    })
}
