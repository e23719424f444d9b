//! The request, read into the neutral form.

use llm_types::chat::{CacheOptions, ChatRequest, Delivery, Identity, Message, Part, Role, Tooling};
use llm_types::{ApiError, Dialect, Extra, Head, Op, RawValue, Result, Str, wire_struct};

use super::super::ids::Calls;
use super::super::wire;
use super::{config, content, tool};
use crate::codec::{Asked, Peek, ReplyForm};
use crate::dialect::path::without_halves;

wire_struct! {
    /// The body of `countTokens`: a conversation alone, or a whole request.
    struct Counted<'a> {
        whole as "generateContentRequest" or "generate_content_request": &'a RawValue,
    }
}

wire_struct! {
    /// An object of which nothing is known.
    struct Object<'a> {}
}

/// What routing needs: the path says the model and whether a stream is wanted.
pub(super) fn peek(head: &Head, asked: &Asked) -> Result<Peek> {
    let stream = asked.op == Op::Chat && asked.stream.unwrap_or(false);
    let list = match asked.op {
        Op::Embed => head.get("requests").is_some(),
        _ => stream && !wants_events(asked.query.as_deref().unwrap_or_default()),
    };
    let form = if list { ReplyForm::List } else { ReplyForm::Usual };
    // The counts come with every stream.
    Ok(Peek { model: model(asked)?.to_owned(), stream, include_usage: true, form, binary: false })
}

/// The model, as the path names it.
pub(super) fn model(asked: &Asked) -> Result<&str> {
    asked.model.as_deref().filter(|model| !model.is_empty()).ok_or_else(|| {
        ApiError::bad_request("name the model in the path: /v1beta/models/{model}:generateContent")
            .with_param("model")
    })
}

/// `?alt=sse`: server-sent events instead of one JSON array.
fn wants_events(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "alt=sse" | "$alt=sse" | "%24alt=sse"))
}

/// A conversation turn.
///
/// # Errors
/// When a member is not what it should be, or there is no conversation.
pub(super) fn chat(body: &[u8], asked: &Asked) -> Result<ChatRequest> {
    let mut request = read(body, asked)?;
    request.delivery.stream = asked.stream.unwrap_or(false);
    Ok(request)
}

/// A conversation whose tokens are to be counted.
///
/// # Errors
/// As [`chat`].
pub(super) fn counted(body: &[u8], asked: &Asked) -> Result<ChatRequest> {
    let counted: Counted<'_> = serde_json::from_slice(body).map_err(|error| wrong(body, &error))?;
    match counted.whole {
        None => read(body, asked),
        Some(whole) => {
            let mut request = read(whole.get().as_bytes(), asked)?;
            // The path names it already.
            request.extra.remove("model");
            Ok(request)
        }
    }
}

fn read(body: &[u8], asked: &Asked) -> Result<ChatRequest> {
    if let Ok(text) = std::str::from_utf8(body) {
        without_halves(text)?;
    }
    let wire: wire::Request<'_> = serde_json::from_slice(body).map_err(|error| wrong(body, &error))?;
    let wire::Request {
        contents,
        system_instruction,
        tools,
        tool_config,
        safety_settings,
        generation_config,
        cached_content,
        labels,
        service_tier,
        extra,
    } = wire;
    let mut extra = extra.to_extra();
    let kept = [("safetySettings", safety_settings), ("cachedContent", cached_content), ("labels", labels)];
    for (name, value) in kept {
        if let Some(value) = value {
            extra.set(name, value.0.into_owned());
        }
    }
    let config = config::read(generation_config.unwrap_or_default(), &mut extra)?;
    let choice = tool_config.map(|config| tool::choice(config, &mut extra)).transpose()?.flatten();
    Ok(ChatRequest {
        model: model(asked)?.to_owned(),
        messages: messages(system_instruction, contents)?,
        tooling: Tooling {
            tools: tool::tools(tools.unwrap_or_default().0)?,
            choice,
            parallel: None,
            legacy: false,
        },
        sampling: config.sampling,
        output: config.output,
        reasoning: config.reasoning,
        limits: config.limits,
        delivery: Delivery { service_tier: service_tier.map(tier), ..Delivery::default() },
        cache: CacheOptions::default(),
        identity: Identity::default(),
        web_search: None,
        origin: Some(Dialect::Gemini),
        extra,
    })
}

/// The tier in the words of the neutral form, which are OpenAI's.
fn tier(tier: Str<'_>) -> String {
    match tier.into_string() {
        tier if tier == "standard" => "default".to_owned(),
        tier => tier,
    }
}

fn messages(
    system: Option<wire::Content<'_>>,
    contents: Option<wire::List<wire::Content<'_>>>,
) -> Result<Vec<Message>> {
    let mut out = Vec::new();
    if let Some(system) = system {
        let parts = system.parts.unwrap_or_default().0;
        let parts = parts.into_iter().map(content::spoken).collect::<Result<Vec<Part>>>()?;
        out.push(Message { extra: system.extra.to_extra(), ..Message::new(Role::System, parts) });
    }
    let contents = contents.ok_or_else(|| {
        ApiError::bad_request("`contents` is missing: send the conversation").with_param("contents")
    })?;
    if contents.0.is_empty() {
        return Err(
            ApiError::bad_request("`contents` is empty: send the conversation").with_param("contents")
        );
    }
    let mut calls = Calls::default();
    for (index, one) in contents.into_iter().enumerate() {
        content::turn(one, &mut calls, &mut out)
            .map_err(|error| error.with_param(format!("contents[{index}]")))?;
    }
    Ok(out)
}

/// A body that is not what it should be: names the member at fault where it can be found.
pub(super) fn wrong(body: &[u8], error: &serde_json::Error) -> ApiError {
    match blame(body) {
        Some((name, error)) => {
            ApiError::bad_request(format!("`{name}` is not what it should be: {error}")).with_param(name)
        }
        None => ApiError::bad_request(format!("the body is not what Gemini takes: {error}")),
    }
}

/// The first member that cannot be read on its own.
fn blame(body: &[u8]) -> Option<(String, serde_json::Error)> {
    let object: Object<'_> = serde_json::from_slice(body).ok()?;
    object.extra.iter().find_map(|(name, value)| {
        let mut one = Extra::default();
        one.set(name, value.to_owned());
        let alone = serde_json::to_string(&one).ok()?;
        serde_json::from_str::<wire::Request<'_>>(&alone).err().map(|error| (name.to_owned(), error))
    })
}
