//! A call in this dialect.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use llm_types::chat::{ChatRequest, Format, Limits, Message, OutputOptions, Role, Sampling};
use llm_types::{ApiError, Changes, Dialect, ErrorKind, Result, Segments, Str};

use super::follow::{Streamed, Whole};
use super::wire::{Input, Request};
use crate::codec::{EncodeCx, Memo, WireRequest};
use crate::dialect::{openai_completions, prompt};
use crate::url::escape;

const NO_COUNTERPART: &str = "replicate has no counterpart";
/// Inputs of its language models that clients of any dialect may send.
const TERMS: [&str; 7] = [
    "min_tokens",
    "min_new_tokens",
    "length_penalty",
    "repetition_penalty",
    "prompt_template",
    "min_p",
    "log_performance_metrics",
];
/// How long the first answer may wait for the whole, at least: only it says where the call can be given up, and the rest
/// is asked for.
const WAIT: &str = "wait=1";

/// The call.
///
/// # Errors
/// When it cannot be expressed: several answers, tools in the conversation, pictures.
pub(super) fn call(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
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
    let called = Called::of(cx.model);
    let (system, said) = apart(messages);
    let mut input =
        Input { prompt: Some(openai_completions::prompt(&said, cx.changes)?.into()), ..Input::default() };
    if let Some(system) = system {
        input.system_prompt = Some(openai_completions::prompt(&[system], cx.changes)?.into());
    }
    self::sampling(sampling, &mut input, cx.changes);
    self::output(output, cx.changes)?;
    self::limits(limits, &called, cx.model, &mut input, cx.changes);
    prompt::leave_out(request, NO_COUNTERPART, cx.changes);
    let own = origin.is_none_or(|origin| origin == Dialect::Replicate);
    for (name, value) in extra.iter() {
        if own || TERMS.contains(&name) {
            input.extra.push(name.into(), value);
        } else {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    let body = Request {
        version: called.version.map(Str::from),
        input: Some(input),
        stream: delivery.stream.then_some(true),
        ..Request::default()
    };
    let body = serde_json::to_vec(&body).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
    })?;
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    if !delivery.stream {
        headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static(WAIT));
    }
    let memo = Memo { follow: Some(if delivery.stream { &Streamed } else { &Whole }), ..Memo::default() };
    Ok(WireRequest { method: Method::POST, path: called.path, headers, body: Segments::from(body), memo })
}

/// How a model is called: an official one or a deployment by its name, any other by its version.
struct Called<'m> {
    path: String,
    version: Option<&'m str>,
}

impl<'m> Called<'m> {
    fn of(model: &'m str) -> Self {
        let version = model.rsplit_once(':').map_or(model, |(_, version)| version);
        if version.len() == 64 && version.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self { path: "/predictions".to_owned(), version: Some(version) };
        }
        let (kind, name) = match model.strip_prefix("deployments/") {
            Some(name) => ("deployments", name),
            None => ("models", model),
        };
        let name: Vec<String> = name.split('/').map(escape).collect();
        Self { path: format!("/{kind}/{}/predictions", name.join("/")), version: None }
    }
}

/// The instructions of the application, and the rest.
fn apart(messages: &[Message]) -> (Option<Message>, Vec<Message>) {
    let is_system = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let system: Vec<&Message> = messages.iter().filter(is_system).collect();
    let said = messages.iter().filter(|message| !is_system(message)).cloned().collect();
    let texts: Vec<String> = system.iter().map(|message| message.text()).collect();
    let first = (!system.is_empty()).then(|| Message::user(texts.join("\n\n")));
    (first, said)
}

fn sampling(sampling: &Sampling, input: &mut Input<'_>, changes: &mut Changes) {
    let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
        sampling;
    input.temperature = *temperature;
    input.top_p = *top_p;
    input.top_k = *top_k;
    input.frequency_penalty = *frequency_penalty;
    input.presence_penalty = *presence_penalty;
    input.seed = *seed;
    if logit_bias.is_some() {
        changes.dropped("logit_bias", NO_COUNTERPART);
    }
}

fn output(output: &OutputOptions, changes: &mut Changes) -> Result<()> {
    let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
        output;
    if n.is_some_and(|n| n != 1) {
        let message = "replicate gives one answer per request: leave out `n`, or send it once per answer";
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

/// Where the answer ends. What the bound is called is a matter of the model.
fn limits<'r>(
    limits: &'r Limits,
    called: &Called<'_>,
    model: &str,
    input: &mut Input<'r>,
    changes: &mut Changes,
) {
    let Limits { max_tokens, max_completion_tokens, stop } = limits;
    if max_tokens.is_some() && max_completion_tokens.is_some() && max_tokens != max_completion_tokens {
        changes.dropped("max_tokens", "`max_completion_tokens` is given too");
    }
    let most = max_completion_tokens.or(*max_tokens);
    let has = |word: &str| model.contains(word);
    let slot = if has("vicuna") || has("flan") {
        &mut input.max_length
    } else if called.version.is_none() || has("codellama-13b") {
        &mut input.max_tokens
    } else {
        &mut input.max_new_tokens
    };
    *slot = most;
    // One text, with commas between them.
    if !stop.is_empty() {
        if stop.iter().any(|text| text.contains(',')) {
            changes.altered("stop", "a comma ends a text: what is behind it is another one");
        }
        input.stop_sequences = Some(stop.join(",").into());
    }
}
