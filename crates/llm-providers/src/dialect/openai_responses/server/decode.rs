//! The request, read into the neutral form.

use bytes::Bytes;
use llm_types::chat::{
    CacheOptions, ChatRequest, Delivery, Identity, Limits, Message, OutputOptions, Sampling, Tooling,
};
use llm_types::{ApiError, Dialect, Extra, Head, RawValue, Result, Str};

use super::super::wire::{Input, Item, Raw, Request, StreamOptions};
use super::{item, option, tool};
use crate::codec::Peek;
use crate::dialect::path::{Path, without_halves};

/// What an item of `include` asks for that every answer has here.
const ENCRYPTED: &str = "reasoning.encrypted_content";
const LOG_PROBS: &str = "message.output_text.logprobs";

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
    // The last event holds the usage, whether anybody asks for it or not.
    Ok(Peek { model, stream: head.read("stream")?.unwrap_or(false), include_usage: true, ..Peek::default() })
}

/// The whole request.
pub(super) fn request(body: &[u8]) -> Result<ChatRequest> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("the body is not UTF-8"))?;
    without_halves(text)?;
    let mut wire: Request<'_> = Path::Root.read(text).map_err(|error| blame(text).unwrap_or(error))?;
    let model = wire
        .model
        .take()
        .ok_or_else(|| ApiError::bad_request("`model` is missing: name the model").with_param("model"))?;
    let stored = [wire.previous_response_id.is_some(), wire.conversation.is_some(), wire.prompt.is_some()];
    if wire.input.is_none() && !stored.contains(&true) {
        return Err(ApiError::bad_request("`input` is missing: send the conversation").with_param("input"));
    }
    if matches!(&wire.input, Some(Input::Items(items)) if items.is_empty()) && !stored.contains(&true) {
        return Err(ApiError::bad_request("`input` is empty: send the conversation").with_param("input"));
    }
    let mut extra = wire.extra.to_extra();
    kept(&mut wire, &mut extra);
    let include = include(&mut wire, &mut extra);
    let (format, verbosity) = option::text(wire.text.take(), &mut extra);
    let reasoning = option::reasoning(wire.reasoning.take(), &mut extra);
    let mut messages: Vec<Message> = Vec::new();
    messages.extend(
        wire.instructions
            .take()
            .filter(|text| !text.as_str().is_empty())
            .map(Str::into_string)
            .map(Message::system),
    );
    item::input(wire.input.take(), &mut messages)?;
    Ok(ChatRequest {
        model: model.into_string(),
        messages,
        tooling: Tooling {
            tools: tool::tools(wire.tools.take().unwrap_or_default())?,
            choice: wire.tool_choice.take().and_then(|choice| tool::choice(choice, &mut extra)),
            parallel: wire.parallel_tool_calls,
            legacy: false,
        },
        sampling: Sampling { temperature: wire.temperature, top_p: wire.top_p, ..Sampling::default() },
        output: OutputOptions {
            format,
            verbosity,
            logprobs: (include || wire.top_logprobs.is_some_and(|top| top > 0)).then_some(true),
            top_logprobs: wire.top_logprobs.filter(|top| include || *top > 0),
            ..OutputOptions::default()
        },
        reasoning,
        limits: Limits { max_completion_tokens: wire.max_output_tokens, ..Limits::default() },
        delivery: Delivery {
            stream: wire.stream.unwrap_or(false),
            include_usage: None,
            include_obfuscation: stream_options(wire.stream_options.take(), &mut extra),
            service_tier: owned(wire.service_tier.take()),
            store: wire.store,
        },
        cache: CacheOptions {
            key: owned(wire.prompt_cache_key.take()),
            retention: owned(wire.prompt_cache_retention.take()),
            options: wire.prompt_cache_options.take().map(raw),
            control: None,
        },
        identity: Identity {
            user: owned(wire.user.take()),
            safety_identifier: owned(wire.safety_identifier.take()),
            metadata: wire.metadata.take().map(raw).filter(|json| json.get() != "{}"),
        },
        web_search: None,
        origin: Some(Dialect::OpenaiResponses),
        extra,
    })
}

/// What is wrong with `input`, if it is that: its forms are told apart before they are read, and their errors do not
/// say where they are.
fn blame(body: &str) -> Option<ApiError> {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).ok()?;
    let json = std::str::from_utf8(head.get("input")?).ok()?.trim();
    let root = Path::Root;
    let input = root.key("input");
    match json.as_bytes().first()? {
        b'n' => None,
        b'"' => input.read::<Str<'_>>(json).err(),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| input.index(index).read::<Item<'_>>(item.get()).err())
        }
        _ => Some(input.error("must be a text or a list of items")),
    }
}

fn owned(text: Option<Str<'_>>) -> Option<String> {
    text.map(Str::into_string)
}

fn raw(json: Raw<'_>) -> Box<RawValue> {
    json.0.into_owned()
}

/// Members that the neutral form has no field for: they stay raw, and reach the same dialect.
fn kept(wire: &mut Request<'_>, extra: &mut Extra) {
    // What was read from JSON can be written as JSON.
    let mut text = |name: &str, text: Option<Str<'_>>| {
        if let Some(text) = text {
            let _ = extra.set_json(name, &text);
        }
    };
    text("previous_response_id", wire.previous_response_id.take());
    // The default needs no word.
    text("truncation", wire.truncation.take().filter(|word| word.as_str() != "disabled"));
    if wire.background == Some(true) {
        let _ = extra.set_json("background", &true);
    }
    if let Some(most) = wire.max_tool_calls {
        let _ = extra.set_json("max_tool_calls", &most);
    }
    if let Some(conversation) = wire.conversation.take() {
        let _ = extra.set_json("conversation", &conversation);
    }
    for (name, json) in [
        ("context_management", wire.context_management.take()),
        ("prompt", wire.prompt.take()),
        ("moderation", wire.moderation.take()),
    ] {
        if let Some(json) = json {
            extra.set(name, raw(json));
        }
    }
}

/// What is to be included beside what every answer has; returns whether log probabilities are.
fn include(wire: &mut Request<'_>, extra: &mut Extra) -> bool {
    let mut words = wire.include.take().unwrap_or_default();
    let logprobs = words.iter().any(|word| word.as_str() == LOG_PROBS);
    words.retain(|word| !matches!(word.as_str(), ENCRYPTED | LOG_PROBS));
    if !words.is_empty() {
        let _ = extra.set_json("include", &words);
    }
    logprobs
}

fn stream_options(options: Option<StreamOptions<'_>>, extra: &mut Extra) -> Option<bool> {
    let StreamOptions { include_obfuscation, extra: more } = options?;
    if !more.is_empty() {
        let _ = extra.set_json("stream_options", &more);
    }
    include_obfuscation
}
