//! The request, read into the neutral form.

use llm_types::chat::{
    CacheControl, CacheOptions, ChatRequest, Delivery, Identity, Limits, Sampling, Tooling,
};
use llm_types::{ApiError, Dialect, Extra, Head, Members, Op, Result, Str};
use serde::Serialize;

use super::super::wire::{self, Request};
use super::fault::{self, Place};
use super::{message, option, tool};
use crate::codec::{Asked, Peek};

/// What routing needs, from a shallow scan.
pub(super) fn peek(head: &Head, asked: &Asked) -> Result<Peek> {
    let place = Place::Member("model");
    let model = match head.get("model") {
        None | Some(b"null") => return Err(place.missing()),
        Some(b"\"\"") => return Err(place.wrong("String should have at least 1 character")),
        Some(json) => serde_json::from_slice::<Str<'_>>(json)
            .map_err(|_| place.wrong("Input should be a valid string"))?
            .into_string(),
    };
    let stream = match head.get("stream") {
        _ if asked.op != Op::Chat => false,
        None | Some(b"null" | b"false") => false,
        Some(b"true") => true,
        Some(_) => return Err(Place::Member("stream").wrong("Input should be a valid boolean")),
    };
    // Streams of this API always tell the usage.
    Ok(Peek { model, stream, include_usage: true, ..Peek::default() })
}

/// The whole request.
pub(super) fn request(body: &[u8], op: Op) -> Result<ChatRequest> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("the body is not UTF-8"))?;
    let wire: Request<'_> = serde_json::from_str(text).map_err(|error| fault::unreadable(text, &error))?;
    let Request {
        model,
        max_tokens,
        system,
        messages,
        tools,
        tool_choice,
        thinking,
        output_config,
        temperature,
        top_p,
        top_k,
        stop_sequences,
        stream,
        metadata,
        service_tier,
        cache_control,
        context_management,
        mcp_servers,
        extra,
    } = wire;
    let model = model.ok_or_else(|| Place::Member("model").missing())?;
    let messages = messages.ok_or_else(|| Place::Member("messages").missing())?;
    if messages.is_empty() {
        return Err(Place::Member("messages").wrong("at least one message is required"));
    }
    if max_tokens.is_none() && op == Op::Chat {
        return Err(Place::Member("max_tokens").missing());
    }
    let mut extra = extra.to_extra();
    keep(&mut extra, "context_management", context_management.as_ref());
    keep(&mut extra, "mcp_servers", mcp_servers.as_ref());
    let mut reasoning = option::thinking(thinking, &mut extra)?;
    let (effort, format) = option::output(output_config, &mut extra);
    reasoning.effort = effort;
    let (choice, parallel) = tool::choice(tool_choice, &mut extra)?;
    Ok(ChatRequest {
        model: model.into_string(),
        messages: message::messages(system, messages)?,
        tooling: Tooling { tools: tool::tools(tools.unwrap_or_default())?, choice, parallel, legacy: false },
        sampling: Sampling { temperature, top_p, top_k, ..Sampling::default() },
        output: llm_types::chat::OutputOptions { format, ..Default::default() },
        reasoning,
        limits: Limits {
            max_tokens,
            max_completion_tokens: None,
            stop: stop_sequences.unwrap_or_default().into_iter().map(Str::into_string).collect(),
        },
        delivery: Delivery {
            stream: stream.unwrap_or(false),
            service_tier: service_tier.map(option::tier),
            ..Delivery::default()
        },
        cache: CacheOptions { control: cache_control.map(breakpoint), ..CacheOptions::default() },
        identity: Identity { user: option::user(metadata, &mut extra), ..Identity::default() },
        web_search: None,
        origin: Some(Dialect::Anthropic),
        extra,
    })
}

/// Keeps a member as it came.
pub(super) fn keep(extra: &mut Extra, name: &str, value: Option<&impl Serialize>) {
    if let Some(value) = value {
        // Raw JSON under string names can always be written.
        let _ = extra.set_json(name, value);
    }
}

/// Keeps the members of an object that has a neutral form of its own, under its name.
pub(super) fn keep_inner(extra: &mut Extra, name: &str, members: &Members<'_>) {
    keep(extra, name, Some(members).filter(|members| !members.is_empty()));
}

/// A prompt-cache breakpoint.
pub(super) fn breakpoint(cache: wire::CacheControl<'_>) -> CacheControl {
    let wire::CacheControl { kind, ttl, extra: _ } = cache;
    CacheControl {
        kind: kind.map_or_else(|| "ephemeral".to_owned(), Str::into_string),
        ttl: ttl.map(Str::into_string),
    }
}
