//! A call in the neutral form, written as a text completion request.

use bytes::Bytes;
use llm_types::chat::{
    CacheOptions, ChatRequest, Delivery, Format, Identity, Limits, OutputOptions, ReasoningOptions, Sampling,
    Tooling,
};
use llm_types::{ApiError, Changes, Dialect, Edits, Extra, Head, Members, Result, Segments, Str};

use super::super::super::openai_chat::is_for_gateway;
use super::super::wire::{Request, StreamOptions};
use super::prompt;
use crate::codec::EncodeCx;
use crate::quirk::Row;

const WHY: &str = "text completions have no such parameter";

/// The whole body.
pub(super) fn request(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<Segments> {
    let row = Row::new(cx.spec, cx.model, None);
    let head = Head::scan(write(request, &row, cx.changes)?)?;
    let mut edits = Edits::default();
    row.apply(&head, &mut edits, cx.changes);
    Ok(edits.apply(&head))
}

fn write(request: &ChatRequest, row: &Row<'_>, changes: &mut Changes) -> Result<Bytes> {
    let ChatRequest {
        model: _,
        messages,
        tooling,
        sampling,
        output,
        reasoning,
        limits,
        delivery,
        cache,
        identity,
        web_search,
        origin,
        extra,
    } = request;
    let own = matches!(origin, None | Some(Dialect::OpenaiCompletions));
    let mut wire = Request { model: Some(Str(row.model())), ..Request::default() };
    // Another form of prompt than one text is kept as the client wrote it.
    if !(own && messages.is_empty() && extra.get("prompt").is_some()) {
        wire.prompt = Some(Str::from(prompt::text(messages, changes)?));
    }
    let Limits { max_tokens: _, max_completion_tokens: _, stop } = limits;
    wire.max_tokens = limits.output_tokens();
    wire.stop = (!stop.is_empty()).then(|| stop.iter().map(String::as_str).collect());
    sampling_into(sampling, &mut wire);
    output_into(output, &mut wire, changes);
    delivery_into(delivery, extra, own, &mut wire, changes);
    let Identity { user, safety_identifier, metadata } = identity;
    wire.user = user.as_ref().map(Str::from);
    let Tooling { tools, choice, parallel, legacy: _ } = tooling;
    let ReasoningOptions { effort, thinking, summary } = reasoning;
    let CacheOptions { key, retention, options, control } = cache;
    let lost = [
        ("tools", !tools.is_empty()),
        ("tool_choice", choice.is_some()),
        ("parallel_tool_calls", parallel.is_some()),
        ("reasoning_effort", effort.is_some()),
        ("thinking", thinking.is_some()),
        ("reasoning_effort.summary", summary.is_some()),
        ("prompt_cache_key", key.is_some()),
        ("prompt_cache_retention", retention.is_some()),
        ("prompt_cache_options", options.is_some()),
        ("cache_control", control.is_some()),
        ("safety_identifier", safety_identifier.is_some()),
        ("metadata", metadata.is_some()),
        ("web_search_options", web_search.is_some()),
    ];
    for (name, _) in lost.into_iter().filter(|(_, given)| *given) {
        changes.dropped(name, WHY);
    }
    add_extra(extra, own, row, wire, changes)
}

fn sampling_into<'a>(sampling: &'a Sampling, wire: &mut Request<'a>) {
    let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
        sampling;
    wire.temperature = *temperature;
    wire.top_p = *top_p;
    wire.top_k = *top_k;
    wire.frequency_penalty = *frequency_penalty;
    wire.presence_penalty = *presence_penalty;
    wire.seed = *seed;
    wire.logit_bias = logit_bias.as_deref();
}

fn output_into(output: &OutputOptions, wire: &mut Request<'_>, changes: &mut Changes) {
    let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
        output;
    wire.n = *n;
    // One number says both here.
    wire.logprobs = logprobs.unwrap_or(top_logprobs.is_some()).then(|| top_logprobs.unwrap_or(0));
    let lost = [
        ("response_format", !matches!(format, None | Some(Format::Text))),
        ("modalities", modalities.iter().any(|modality| modality != "text")),
        ("audio", audio.is_some()),
        ("prediction", prediction.is_some()),
        ("verbosity", verbosity.is_some()),
        ("top_logprobs", *logprobs == Some(false) && top_logprobs.is_some()),
    ];
    for (name, _) in lost.into_iter().filter(|(_, given)| *given) {
        changes.dropped(name, WHY);
    }
}

fn delivery_into<'a>(
    delivery: &'a Delivery,
    extra: &'a Extra,
    own: bool,
    wire: &mut Request<'a>,
    changes: &mut Changes,
) {
    let Delivery { stream, include_usage, include_obfuscation, service_tier, store } = delivery;
    if service_tier.is_some() {
        changes.dropped("service_tier", WHY);
    }
    if store.is_some() {
        changes.dropped("store", WHY);
    }
    let more = extra.get("stream_options");
    if !stream {
        if include_usage.is_some() || include_obfuscation.is_some() || more.is_some() {
            changes.dropped("stream_options", "the answer is not streamed");
        }
        return;
    }
    wire.stream = Some(true);
    let more =
        more.filter(|_| own).and_then(|more| serde_json::from_str::<StreamOptions<'a>>(more.get()).ok());
    wire.stream_options = Some(StreamOptions {
        // The gateway has to know what was used, whether the client asks or not.
        include_usage: Some(true),
        include_obfuscation: *include_obfuscation,
        extra: more.map_or_else(Members::default, |more| more.extra),
    });
}

/// Adds the members that no field names, as far as no field says the same.
fn add_extra<'a>(
    extra: &'a Extra,
    own: bool,
    row: &Row<'_>,
    mut wire: Request<'a>,
    changes: &mut Changes,
) -> Result<Bytes> {
    let json = json(&wire)?;
    if extra.is_empty() {
        return Ok(json);
    }
    let head = Head::scan(json)?;
    for (name, value) in extra.members().iter().filter(|(name, _)| *name != "stream_options") {
        let given = head.get(name).is_some();
        if !own {
            changes.dropped(name.to_owned(), WHY);
        } else if given {
            changes.dropped(name.to_owned(), "it is given twice");
        } else if !is_for_gateway(name) || row.takes(name) {
            wire.extra.push(name.to_owned().into(), value);
        }
    }
    self::json(&wire)
}

fn json(wire: &Request<'_>) -> Result<Bytes> {
    serde_json::to_vec(wire).map(Bytes::from).map_err(|error| {
        ApiError::bad_request(format!("the request cannot be written as JSON: {error}")).with_source(error)
    })
}
