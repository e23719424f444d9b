//! The request, read into the neutral form.

use llm_types::chat::{
    CacheControl, CacheOptions, ChatRequest, Delivery, Identity, Limits, OutputOptions, Sampling, Tooling,
};
use llm_types::{ApiError, Dialect, Extra, Head, Result, Str};

use super::super::path::Path;
use super::super::wire::{CacheControlJson, Request, StreamOptions, Written};
use super::{message, option, tool};
use crate::codec::Peek;

/// What routing needs, from a shallow scan.
pub(super) fn peek(head: &Head) -> Result<Peek> {
    let model = match head.get("model") {
        None | Some(b"null" | b"\"\"") => {
            return Err(ApiError::bad_request("`model` is missing: name the model that is to answer")
                .with_param("model"));
        }
        Some(json) => serde_json::from_slice::<Str<'_>>(json)
            .map_err(|_| ApiError::bad_request("`model` must be a string").with_param("model"))?
            .into_string(),
    };
    let stream = head.read("stream")?.unwrap_or(false);
    let include_usage = match head.nested("stream_options")? {
        Some(options) => options
            .read("include_usage")
            .map_err(|error| error.with_param("stream_options.include_usage"))?
            .unwrap_or(false),
        None => false,
    };
    Ok(Peek { model, stream, include_usage, ..Peek::default() })
}

/// The whole request.
pub(super) fn request(body: &[u8]) -> Result<ChatRequest> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("the body is not UTF-8"))?;
    let wire: Request<'_> = Path::Root.read(text)?;
    let model = wire
        .model
        .ok_or_else(|| ApiError::bad_request("`model` is missing: name the model").with_param("model"))?;
    let messages = wire.messages.ok_or_else(|| {
        ApiError::bad_request("`messages` is missing: send the conversation").with_param("messages")
    })?;
    let mut extra = wire.extra.to_extra();
    let mut keep = Keep(&mut extra);
    let reasoning = option::reasoning(wire.reasoning_effort, wire.thinking, &mut keep);
    let format = wire.response_format.and_then(|json| option::format(json, &mut keep));
    let audio = wire.audio.and_then(|json| option::audio(json, &mut keep));
    let web_search = wire.web_search_options.and_then(|json| option::web_search(json, &mut keep));
    let choice = wire.tool_choice.and_then(|json| tool::choice(json, &mut keep));
    let mut tooling = Tooling {
        tools: tool::tools(wire.tools.unwrap_or_default())?,
        choice,
        parallel: wire.parallel_tool_calls,
        legacy: false,
    };
    tool::legacy(&mut tooling, wire.functions.unwrap_or_default(), wire.function_call)?;
    if messages.is_empty() {
        return Err(ApiError::bad_request("`messages` is empty: send at least one").with_param("messages"));
    }
    let (include_usage, include_obfuscation) = stream_options(wire.stream_options, &mut keep);
    Ok(ChatRequest {
        model: model.into_string(),
        messages: message::messages(messages)?,
        tooling,
        sampling: Sampling {
            temperature: wire.temperature,
            top_p: wire.top_p,
            top_k: wire.top_k,
            frequency_penalty: wire.frequency_penalty,
            presence_penalty: wire.presence_penalty,
            seed: wire.seed,
            logit_bias: wire.logit_bias.map(ToOwned::to_owned),
        },
        output: OutputOptions {
            n: wire.n,
            format,
            modalities: wire.modalities.unwrap_or_default().into_iter().map(Str::into_string).collect(),
            audio,
            logprobs: wire.logprobs,
            top_logprobs: wire.top_logprobs,
            prediction: wire.prediction.map(ToOwned::to_owned),
            verbosity: wire.verbosity.map(Str::into_string),
        },
        reasoning,
        limits: Limits {
            max_tokens: wire.max_tokens,
            max_completion_tokens: wire.max_completion_tokens,
            stop: wire.stop.unwrap_or_default().0.into_iter().map(Str::into_string).collect(),
        },
        delivery: Delivery {
            stream: wire.stream.unwrap_or(false),
            include_usage,
            include_obfuscation,
            service_tier: wire.service_tier.map(Str::into_string),
            store: wire.store,
        },
        cache: CacheOptions {
            key: wire.prompt_cache_key.map(Str::into_string),
            retention: wire.prompt_cache_retention.map(Str::into_string),
            options: wire.prompt_cache_options.map(ToOwned::to_owned),
            control: wire.cache_control.map(cache_control),
        },
        identity: Identity {
            user: wire.user.map(Str::into_string),
            safety_identifier: wire.safety_identifier.map(Str::into_string),
            metadata: wire.metadata.map(ToOwned::to_owned),
        },
        web_search,
        origin: Some(Dialect::OpenaiChat),
        extra,
    })
}

fn stream_options(options: Option<StreamOptions<'_>>, keep: &mut Keep<'_>) -> (Option<bool>, Option<bool>) {
    let Some(StreamOptions { include_usage, include_obfuscation, extra }) = options else {
        return (None, None);
    };
    if let (false, Some(more)) = (extra.is_empty(), Written::json(&extra)) {
        keep.keep("stream_options", &more);
    }
    (include_usage, include_obfuscation)
}

/// A prompt-cache breakpoint.
pub(super) fn cache_control(json: CacheControlJson<'_>) -> CacheControl {
    let CacheControlJson { kind, ttl, extra: _ } = json;
    CacheControl {
        kind: kind.map_or_else(|| "ephemeral".to_owned(), Str::into_string),
        ttl: ttl.map(Str::into_string),
    }
}

/// Takes members that are ours by name but not by content: they stay raw, and reach the same dialect.
#[derive(Debug)]
pub(super) struct Keep<'e>(pub(super) &'e mut Extra);

impl Keep<'_> {
    /// Keeps a member as it came.
    pub(super) fn keep(&mut self, name: &str, json: &Written<'_>) {
        self.0.set(name, json.0.clone().into_owned());
    }
}
