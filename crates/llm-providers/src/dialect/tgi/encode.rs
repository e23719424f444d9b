//! A call in this dialect.

use llm_types::chat::{ChatRequest, Format, Limits, OutputOptions, Sampling};
use llm_types::{ApiError, Changes, Dialect, ErrorKind, Result, Str};

use super::wire::{Parameters, Request};
use crate::codec::EncodeCx;
use crate::dialect::{media, openai_completions, prompt};
use crate::quirk::Row;

const NO_COUNTERPART: &str = "a text generation server has no counterpart";
/// What stands for 0, which it refuses.
const COLDEST: f64 = 0.01;
/// Parameters of its own that clients of any dialect may send.
const TERMS: [&str; 13] = [
    "adapter_id",
    "best_of",
    "decoder_input_details",
    "details",
    "do_sample",
    "grammar",
    "repetition_penalty",
    "return_full_text",
    "top_n_tokens",
    "truncate",
    "typical_p",
    "watermark",
    "min_new_tokens",
];

/// The body.
///
/// # Errors
/// When it cannot be expressed: several answers, tools in the conversation, pictures.
pub(super) fn body(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    let ChatRequest {
        messages,
        sampling,
        output,
        limits,
        delivery,
        origin,
        extra,
        model: _,
        // Left out below.
        tooling: _,
        reasoning: _,
        cache: _,
        identity: _,
        web_search: _,
    } = request;
    let prompt = openai_completions::prompt(messages, cx.changes)?;
    let mut parameters = Parameters::default();
    self::sampling(sampling, &mut parameters, cx.changes);
    self::limits(limits, &mut parameters, cx.changes);
    self::output(output, cx.changes)?;
    prompt::leave_out(request, NO_COUNTERPART, cx.changes);
    let row = Row::new(cx.spec, cx.model, None);
    let own = origin.is_none_or(|origin| origin == Dialect::Tgi);
    for (name, value) in extra.iter() {
        if own || TERMS.contains(&name) || row.takes(name) {
            parameters.extra.push(name.into(), value);
        } else {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    // Servers differ in whether they repeat the prompt.
    parameters.return_full_text = extra.get("return_full_text").is_none().then_some(false);
    media::said_twice(&parameters, cx.changes);
    media::bytes(&Request {
        inputs: Some(prompt.into()),
        parameters: Some(parameters),
        stream: delivery.stream.then_some(true),
        ..Request::default()
    })
}

fn sampling(sampling: &Sampling, parameters: &mut Parameters<'_>, changes: &mut Changes) {
    let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
        sampling;
    parameters.temperature = temperature.map(|degree| {
        if degree > 0.0 {
            return degree;
        }
        changes.altered("temperature", "it must be above 0 there: 0.01");
        COLDEST
    });
    // Everything, which is what holds where nothing is said; the word itself is refused.
    parameters.top_p = top_p.filter(|share| *share < 1.0);
    parameters.top_k = *top_k;
    parameters.frequency_penalty = *frequency_penalty;
    parameters.seed = *seed;
    if presence_penalty.is_some() {
        changes.dropped("presence_penalty", NO_COUNTERPART);
    }
    if logit_bias.is_some() {
        changes.dropped("logit_bias", NO_COUNTERPART);
    }
}

fn limits<'r>(limits: &'r Limits, parameters: &mut Parameters<'r>, changes: &mut Changes) {
    let Limits { max_tokens, max_completion_tokens, stop } = limits;
    if max_tokens.is_some() && max_completion_tokens.is_some() && max_tokens != max_completion_tokens {
        changes.dropped("max_tokens", "`max_completion_tokens` is given too");
    }
    parameters.max_new_tokens = max_completion_tokens.or(*max_tokens).map(|most| {
        if most == 0 {
            changes.altered("max_tokens", "it must be above 0 there: 1");
        }
        most.max(1)
    });
    parameters.stop = (!stop.is_empty()).then(|| stop.iter().map(Str::from).collect());
}

fn output(output: &OutputOptions, changes: &mut Changes) -> Result<()> {
    let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
        output;
    if n.is_some_and(|n| n != 1) {
        let message = "a text generation server gives one answer: leave out `n`, or send it once per answer";
        return Err(ApiError::new(ErrorKind::UnsupportedParam, message).with_param("n"));
    }
    let lost = [
        ("response_format", format.as_ref().is_some_and(|format| !matches!(format, Format::Text))),
        ("modalities", modalities.iter().any(|modality| modality != "text")),
        ("audio", audio.is_some()),
        ("logprobs", *logprobs == Some(true)),
        ("top_logprobs", top_logprobs.is_some_and(|count| count > 0)),
        ("prediction", prediction.is_some()),
        ("verbosity", verbosity.is_some()),
    ];
    for (name, _) in lost.into_iter().filter(|(_, set)| *set) {
        changes.dropped(name, NO_COUNTERPART);
    }
    Ok(())
}
