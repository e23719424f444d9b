//! The messages of the conversation.
//!
//! OpenAI keeps text, refusal, thoughts and tool calls of one turn in separate members; here they become
//! one list of parts, in the order in which models produce them: thoughts, text, tool calls.

use llm_types::chat::{
    Audio, CacheControl, Message, Opaque, Part, Reasoning, Refusal, Role, Sealed, Text, ToolCall,
    ToolCallKind, ToolResult,
};
use llm_types::{Dialect, Extra, RawValue, Result, Str, wire_struct};

use super::super::path::Path;
use super::super::wire::{self, Content, Written};
use super::decode::cache_control;
use super::part;
use super::tool::keep_inner;

/// What LiteLLM puts between the id of a tool call and the provider's signature over it.
const SIGNATURE_MARK: &str = "__thought__";

wire_struct! {
    /// What our own answers carry in `provider_specific_fields` and clients send back.
    struct OwnFields<'a> {
        opaque: Vec<OpaqueJson<'a>>,
        thought_signature: Str<'a>,
        citations: &'a RawValue,
        native_finish_reason: &'a RawValue,
        stop_sequence: &'a RawValue,
    }
}

wire_struct! {
    /// A part of another dialect.
    struct OpaqueJson<'a> {
        dialect: &'a RawValue,
        kind: Str<'a>,
        json: &'a RawValue,
    }
}

/// All messages.
pub(super) fn messages(messages: Vec<wire::Message<'_>>) -> Result<Vec<Message>> {
    let root = Path::Root;
    let list = root.key("messages");
    let mut legacy = Legacy::default();
    messages
        .into_iter()
        .enumerate()
        .map(|(index, wire)| message(wire, &list.index(index), &mut legacy, index))
        .collect()
}

/// Gives ids to deprecated function calls, which have none, so that every dialect can pair them.
#[derive(Debug, Default)]
struct Legacy {
    open: Vec<(String, String)>,
}

impl Legacy {
    fn call(&mut self, index: usize, name: &str) -> String {
        let id = format!("call_function_{index}");
        self.open.push((name.to_owned(), id.clone()));
        id
    }

    fn result(&mut self, index: usize, name: &str) -> String {
        match self.open.iter().position(|(called, _)| called == name) {
            Some(at) => self.open.remove(at).1,
            None => format!("call_function_{index}"),
        }
    }
}

fn message(
    mut wire: wire::Message<'_>,
    path: &Path<'_>,
    legacy: &mut Legacy,
    index: usize,
) -> Result<Message> {
    let Some(role) = wire.role.take() else {
        return Err(path.key("role").error("is missing: say who speaks"));
    };
    let cache = wire.cache_control.take().map(cache_control);
    let mut message = match role.as_str() {
        "system" => plain(Role::System, wire, path)?,
        "developer" => plain(Role::Developer, wire, path)?,
        "user" => plain(Role::User, wire, path)?,
        "assistant" => assistant(wire, path, legacy, index)?,
        "tool" => tool_result(wire, path)?,
        "function" => {
            let name = wire.name.as_ref().map(Str::as_str).unwrap_or_default();
            let id = legacy.result(index, name);
            let mut message = tool_result(wire::Message { tool_call_id: Some(Str::from(id)), ..wire }, path)?;
            message.name = None;
            message
        }
        _ => {
            return Err(path
                .key("role")
                .error("must be system, developer, user, assistant, tool or function"));
        }
    };
    if let Some(cache) = cache {
        cache_last(&mut message.parts, cache);
    }
    Ok(message)
}

/// A breakpoint of the whole message is one behind its last part.
fn cache_last(parts: &mut [Part], control: CacheControl) {
    let slot = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text(text) => Some(&mut text.cache),
        Part::Image(image) => Some(&mut image.cache),
        Part::Audio(audio) => Some(&mut audio.cache),
        Part::File(file) => Some(&mut file.cache),
        Part::ToolCall(call) => Some(&mut call.cache),
        Part::ToolResult(result) => Some(&mut result.cache),
        Part::Refusal(_) | Part::Reasoning(_) | Part::Citation(_) | Part::Opaque(_) => None,
    });
    if let Some(slot) = slot {
        slot.get_or_insert(control);
    }
}

/// Members that only an assistant has are kept raw on a message of another role.
fn stray(wire: &wire::Message<'_>, extra: &mut Extra) -> Result<(), serde_json::Error> {
    let set = |extra: &mut Extra, name: &str, text: &Option<Str<'_>>| match text {
        Some(text) => extra.set_json(name, text),
        None => Ok(()),
    };
    set(extra, "refusal", &wire.refusal)?;
    set(extra, "reasoning_content", &wire.reasoning_content)?;
    set(extra, "reasoning", &wire.reasoning)?;
    if let Some(calls) = wire.tool_calls.as_ref().filter(|calls| !calls.is_empty()) {
        extra.set_json("tool_calls", calls)?;
    }
    if let Some(blocks) = &wire.thinking_blocks {
        extra.set_json("thinking_blocks", blocks)?;
    }
    if let Some(call) = &wire.function_call {
        extra.set_json("function_call", call)?;
    }
    if let Some(audio) = &wire.audio {
        extra.set_json("audio", audio)?;
    }
    for (name, json) in [
        ("provider_specific_fields", &wire.provider_specific_fields),
        ("reasoning_details", &wire.reasoning_details),
    ] {
        if let Some(json) = json {
            extra.set(name, json.0.clone().into_owned());
        }
    }
    Ok(())
}

fn plain(role: Role, wire: wire::Message<'_>, path: &Path<'_>) -> Result<Message> {
    let mut extra = wire.extra.to_extra();
    // The values were read from JSON and can be written as JSON.
    let _ = stray(&wire, &mut extra);
    if let Some(id) = &wire.tool_call_id {
        let _ = extra.set_json("tool_call_id", id);
    }
    Ok(Message {
        role,
        parts: content(wire.content, &path.key("content"))?,
        name: wire.name.map(Str::into_string),
        extra,
    })
}

fn tool_result(wire: wire::Message<'_>, path: &Path<'_>) -> Result<Message> {
    let mut extra = wire.extra.to_extra();
    let _ = stray(&wire, &mut extra);
    let Some(id) = wire.tool_call_id else {
        return Err(path.key("tool_call_id").error("is missing: name the call that is answered"));
    };
    let result = ToolResult {
        call_id: split_id(id.as_str()).0.to_owned(),
        name: wire.name.map(Str::into_string),
        parts: content(wire.content, &path.key("content"))?,
        is_error: None,
        cache: None,
        extra,
    };
    Ok(Message::new(Role::Tool, [Part::ToolResult(result)]))
}

fn content(content: Option<Content<'_>>, path: &Path<'_>) -> Result<Vec<Part>> {
    match content {
        None | Some(Content::Null) => Ok(Vec::new()),
        Some(Content::Text(text)) if text.as_str().is_empty() => Ok(Vec::new()),
        Some(Content::Text(text)) => Ok(vec![Part::Text(Text::new(text.into_string()))]),
        Some(Content::Parts(parts)) => {
            parts.iter().enumerate().map(|(index, json)| part::part(json, &path.index(index))).collect()
        }
    }
}

fn assistant(wire: wire::Message<'_>, path: &Path<'_>, legacy: &mut Legacy, index: usize) -> Result<Message> {
    let mut extra = wire.extra.to_extra();
    if let Some(id) = &wire.tool_call_id {
        let _ = extra.set_json("tool_call_id", id);
    }
    if let Some(details) = &wire.reasoning_details {
        extra.set("reasoning_details", details.0.clone().into_owned());
    }
    let mut parts = thoughts(wire.thinking_blocks, wire.reasoning_content.or(wire.reasoning));
    let mut signature = None;
    if let Some(fields) = &wire.provider_specific_fields {
        signature = own_fields(fields, &mut parts, &mut extra);
    }
    parts.extend(content(wire.content, &path.key("content"))?);
    if let Some(signature) = signature {
        let text = parts.iter_mut().rev().find_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        });
        if let Some(text) = text {
            text.signature = Some(signature);
        }
    }
    if let Some(refusal) = wire.refusal.filter(|text| !text.as_str().is_empty()) {
        parts.push(Part::Refusal(Refusal { text: refusal.into_string() }));
    }
    if let Some(wire::AudioRef { id, extra: more }) = wire.audio {
        let mut audio = Audio { id: id.map(Str::into_string), ..Audio::default() };
        audio.extra = more.to_extra();
        // The answer's own members, echoed whole, are not part of a reference.
        for name in ["data", "transcript", "expires_at"] {
            audio.extra.remove(name);
        }
        if audio.id.as_deref().is_some_and(|id| !id.is_empty()) {
            parts.push(Part::Audio(audio));
        }
    }
    let calls = path.key("tool_calls");
    for (at, call) in wire.tool_calls.unwrap_or_default().into_iter().enumerate() {
        parts.push(Part::ToolCall(tool_call(call, &calls.index(at))?));
    }
    if let Some(wire::FunctionCall { name: Some(name), arguments, extra: more }) = wire.function_call {
        parts.push(Part::ToolCall(ToolCall {
            id: legacy.call(index, name.as_str()),
            name: name.into_string(),
            arguments: arguments.unwrap_or_default().0.into_owned(),
            kind: ToolCallKind::LegacyFunction,
            extra: more.to_extra(),
            ..ToolCall::default()
        }));
    }
    Ok(Message { role: Role::Assistant, parts, name: wire.name.map(Str::into_string), extra })
}

/// Signed and encrypted thoughts as blocks; the plain text is a copy of theirs, if they have text.
fn thoughts(blocks: Option<Vec<wire::ThinkingBlock<'_>>>, text: Option<Str<'_>>) -> Vec<Part> {
    let blocks: Vec<Reasoning> = blocks.unwrap_or_default().into_iter().map(thinking_block).collect();
    let mut parts = Vec::new();
    let textless = blocks.iter().all(|block| block.text.is_empty());
    if let Some(text) = text.filter(|text| textless && !text.as_str().is_empty()) {
        parts.push(Part::Reasoning(Reasoning { text: text.into_string(), ..Reasoning::default() }));
    }
    parts.extend(blocks.into_iter().map(Part::Reasoning));
    parts
}

fn thinking_block(block: wire::ThinkingBlock<'_>) -> Reasoning {
    let wire::ThinkingBlock { kind: _, thinking, signature, data, extra } = block;
    let mut extra = extra.to_extra();
    extra.remove("cache_control");
    // The number of a block belongs to the stream that it came in.
    extra.remove("index");
    let (signed_by, signature) = opened(signature);
    let (encrypted_by, redacted) = opened(data);
    Reasoning {
        text: thinking.unwrap_or_default().0.into_owned(),
        signature,
        redacted,
        origin: signed_by.or(encrypted_by),
        extra,
    }
}

/// Whose a signature or encrypted thoughts are, and the text. Only those of others say it: the blocks are
/// Anthropic's, and so is what stands in them as it came.
fn opened(text: Option<Str<'_>>) -> (Option<Dialect>, Option<String>) {
    let Some(text) = text.filter(|text| !text.as_str().is_empty()) else { return (None, None) };
    let (dialect, text) = Sealed::unwrap_text(text.as_str()).unwrap_or((Dialect::Anthropic, text.as_str()));
    (Some(dialect), Some(text.to_owned()))
}

/// Takes what is ours out of `provider_specific_fields`; the rest is kept. Returns the signature of
/// the text.
fn own_fields(fields: &Written<'_>, parts: &mut Vec<Part>, extra: &mut Extra) -> Option<String> {
    let Ok(own) = serde_json::from_str::<OwnFields<'_>>(fields.get()) else {
        extra.set("provider_specific_fields", fields.0.clone().into_owned());
        return None;
    };
    for part in own.opaque.unwrap_or_default() {
        let dialect = part.dialect.and_then(|json| serde_json::from_str::<Dialect>(json.get()).ok());
        if let (Some(dialect), Some(kind), Some(json)) = (dialect, part.kind, part.json) {
            let opaque = Opaque { dialect, kind: kind.into_string(), json: json.to_owned() };
            parts.push(Part::Opaque(opaque));
        }
    }
    keep_inner(extra, "provider_specific_fields", &own.extra);
    own.thought_signature.map(Str::into_string)
}

fn tool_call(call: wire::ToolCall<'_>, path: &Path<'_>) -> Result<ToolCall> {
    let wire::ToolCall {
        index: _,
        id,
        kind: _,
        function,
        custom,
        cache_control: cache,
        provider_specific_fields,
        extra,
    } = call;
    let id = id.unwrap_or_default();
    let (id, id_signature) = split_id(id.as_str());
    let mut extra = extra.to_extra();
    let mut signature = id_signature.map(ToOwned::to_owned);
    if let Some(fields) = &provider_specific_fields {
        signature = own_fields(fields, &mut Vec::new(), &mut extra).or(signature);
    }
    let (kind, name, arguments) = match (function, custom) {
        (None, Some(wire::CustomCall { name, input, extra: more })) => {
            keep_inner(&mut extra, "custom", &more);
            (ToolCallKind::Custom, name, input.unwrap_or_default().0.into_owned())
        }
        (Some(wire::FunctionCall { name, arguments, extra: more }), _) => {
            keep_inner(&mut extra, "function", &more);
            (ToolCallKind::Function, name, arguments.unwrap_or_default().0.into_owned())
        }
        (None, None) => return Err(path.error("has neither `function` nor `custom`: name what is called")),
    };
    let Some(name) = name else {
        return Err(path.error("has no name: name the tool that is called"));
    };
    let cache = cache.map(cache_control);
    Ok(ToolCall { id: id.to_owned(), name: name.into_string(), arguments, kind, signature, cache, extra })
}

/// `{id}__thought__{signature}`, taken apart.
fn split_id(id: &str) -> (&str, Option<&str>) {
    match id.split_once(SIGNATURE_MARK) {
        Some((id, signature)) => (id, Some(signature)),
        None => (id, None),
    }
}
