//! The request, read into the neutral form: the prompt as one user message.

use bytes::Bytes;
use llm_types::chat::{ChatRequest, Delivery, Identity, Limits, Message, OutputOptions, Sampling};
use llm_types::{ApiError, Dialect, Extra, Head, RawValue, Result, Str};

/// Members that the neutral form has a field for. Whatever else a client sends is kept as it is.
const READ: [&str; 15] = [
    "model",
    "prompt",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "n",
    "stream",
    "stream_options",
    "logprobs",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "user",
];

/// The whole request.
pub(super) fn request(body: &[u8]) -> Result<ChatRequest> {
    let head = Head::scan(Bytes::copy_from_slice(body))?;
    let model = head.read::<Str<'_>>("model")?.ok_or_else(|| {
        ApiError::bad_request("`model` is missing: name the model that is to answer").with_param("model")
    })?;
    let mut extra = Extra::default();
    for member in head.members().iter().filter(|member| !READ.contains(&member.name())) {
        keep(&mut extra, &head, member.name())?;
    }
    let n = head.read("n")?;
    without_defaults(&mut extra, n);
    let messages = match head.get("prompt").and_then(text) {
        Some(text) => vec![Message::user(text)],
        None => {
            keep(&mut extra, &head, "prompt")?;
            Vec::new()
        }
    };
    let logprobs: Option<u32> = head.read("logprobs")?;
    let logit_bias = extra.remove("logit_bias");
    Ok(ChatRequest {
        model: model.into_string(),
        messages,
        sampling: Sampling {
            temperature: head.read("temperature")?,
            top_p: head.read("top_p")?,
            top_k: head.read("top_k")?,
            frequency_penalty: head.read("frequency_penalty")?,
            presence_penalty: head.read("presence_penalty")?,
            seed: head.read("seed")?,
            logit_bias,
        },
        output: OutputOptions {
            n,
            logprobs: logprobs.map(|_| true),
            top_logprobs: logprobs,
            ..OutputOptions::default()
        },
        limits: Limits {
            max_tokens: head.read("max_tokens")?,
            max_completion_tokens: None,
            stop: stop(&head)?,
        },
        delivery: delivery(&head, &mut extra)?,
        identity: Identity { user: head.read("user")?, ..Identity::default() },
        origin: Some(Dialect::OpenaiCompletions),
        extra,
        ..ChatRequest::default()
    })
}

/// One text: a string, or a list of one.
pub(super) fn text(json: &[u8]) -> Option<String> {
    if let Ok(text) = serde_json::from_slice::<Str<'_>>(json) {
        return Some(text.into_string());
    }
    match serde_json::from_slice::<Vec<Str<'_>>>(json).ok()?.as_mut_slice() {
        [text] => Some(std::mem::take(text).into_string()),
        _ => None,
    }
}

/// Takes out what says no more than its absence does.
fn without_defaults(extra: &mut Extra, n: Option<u32>) {
    let n = n.unwrap_or(1).to_string();
    let defaults = [("echo", "false"), ("suffix", "\"\""), ("best_of", n.as_str())];
    for (name, default) in defaults {
        if extra.get(name).is_some_and(|value| value.get() == default) {
            extra.remove(name);
        }
    }
}

/// Keeps a member as it came, unless it is absent or `null`.
fn keep(extra: &mut Extra, head: &Head, name: &str) -> Result<()> {
    if let Some(raw) = head.read::<&RawValue>(name)? {
        extra.set(name, raw.to_owned());
    }
    Ok(())
}

/// `stop`: a string, or a list of them.
fn stop(head: &Head) -> Result<Vec<String>> {
    Ok(match head.get("stop") {
        Some([b'[', ..]) => head.read("stop")?.unwrap_or_default(),
        _ => head.read("stop")?.into_iter().collect(),
    })
}

/// How the answer is delivered. What else is in `stream_options` is kept under its name.
fn delivery(head: &Head, extra: &mut Extra) -> Result<Delivery> {
    let mut delivery = Delivery { stream: head.read("stream")?.unwrap_or(false), ..Delivery::default() };
    let Some(options) = head.nested("stream_options")? else { return Ok(delivery) };
    let option = |name: &str| {
        options.read::<bool>(name).map_err(|error| error.with_param(format!("stream_options.{name}")))
    };
    delivery.include_usage = option("include_usage")?;
    delivery.include_obfuscation = option("include_obfuscation")?;
    let mut more = Extra::default();
    for member in options.members() {
        if !["include_usage", "include_obfuscation"].contains(&member.name()) {
            keep(&mut more, &options, member.name())?;
        }
    }
    if !more.is_empty() {
        extra.set_json("stream_options", &more).map_err(|error| ApiError::bad_request(error.to_string()))?;
    }
    Ok(delivery)
}
