//! The messages of the conversation.
//!
//! What this dialect cannot say in a message is recorded with its place. Thoughts are the special case:
//! some providers want them back, each under a name of its own, most refuse a message that has them.

use std::borrow::Cow;

use llm_types::chat::{Audio, Message, Part, Reasoning, Role, ToolResult};
use llm_types::{Dialect, Extra, MessageQuirk as Q, Result, Str};
use serde::Serialize;

use super::super::path::Path;
use super::super::wire::{self, AudioRef, Content, Written};
use super::encode::Writer;
use super::part::{self, Body};
use super::{tool, turns};

/// All messages. Results of tool calls become messages of their own.
pub(super) fn messages<'a>(
    writer: &mut Writer<'_, '_>,
    messages: &'a [Message],
) -> Result<Vec<wire::Message<'a>>> {
    let root = Path::Root;
    let list = root.key("messages");
    let mut out = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let path = list.index(index);
        match message.role {
            Role::Assistant => out.push(assistant(writer, message, &path)),
            Role::Tool => results(writer, message, &path, &mut out),
            Role::System | Role::Developer | Role::User => {
                results(writer, message, &path, &mut out);
                let only_results = message.parts.iter().all(|part| matches!(part, Part::ToolResult(_)));
                if message.parts.is_empty() || !only_results {
                    out.push(plain(writer, message, &path));
                }
            }
        }
    }
    if writer.row.has(Q::Alternate) {
        out = turns::alternate(writer.changes, out);
    }
    Ok(out)
}

/// The role's word, as far as the provider knows it.
fn role(writer: &mut Writer<'_, '_>, role: Role, path: &Path<'_>) -> &'static str {
    let word = match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let to = match role {
        Role::System | Role::Developer if writer.row.has(Q::SystemToUser) => "user",
        Role::Developer if writer.row.has(Q::DeveloperToSystem) => "system",
        _ => word,
    };
    if to != word {
        writer.changes.altered(path.key("role").to_string(), format!("sent as `{to}`"));
    }
    to
}

fn name<'a>(writer: &mut Writer<'_, '_>, message: &'a Message, path: &Path<'_>) -> Option<Str<'a>> {
    let name = message.name.as_ref()?;
    if writer.row.has(Q::NameOnToolsOnly) {
        writer.dropped(&path.key("name"));
        return None;
    }
    Some(Str::from(name))
}

/// Members that no field names. Echoes of our own answers and of other providers' are taken out.
fn extras<'a>(writer: &mut Writer<'_, '_>, extra: &'a Extra, path: &Path<'_>) -> llm_types::Members<'a> {
    let mut apart = vec!["provider_specific_fields", "thinking_blocks", "reasoning_content", "reasoning"];
    if !writer.row.has(Q::ReplayReasoningDetails) {
        apart.push("reasoning_details");
    }
    if writer.row.has(Q::NoEchoes) {
        apart.extend(["annotations", "images"]);
    }
    let said = |name: &str| extra.get(name).is_some_and(|json| !matches!(json.get(), "null" | "[]"));
    for name in apart.iter().filter(|name| said(name)) {
        writer.dropped(&path.key(name));
    }
    writer.extras(extra, path, &apart)
}

fn plain<'a>(writer: &mut Writer<'_, '_>, message: &'a Message, path: &Path<'_>) -> wire::Message<'a> {
    let Message { role: speaker, parts, name: _, extra } = message;
    let mut body = Body::default();
    let content = path.key("content");
    for (index, one) in parts.iter().enumerate() {
        if !matches!(one, Part::ToolResult(_)) {
            part::push(writer, one, &content.index(index), &mut body);
        }
    }
    wire::Message {
        role: Some(Str::from(role(writer, *speaker, path))),
        content: Some(body.content(writer)),
        name: name(writer, message, path),
        extra: extras(writer, extra, path),
        ..wire::Message::default()
    }
}

fn results<'a>(
    writer: &mut Writer<'_, '_>,
    message: &'a Message,
    path: &Path<'_>,
    out: &mut Vec<wire::Message<'a>>,
) {
    let content = path.key("content");
    for (index, one) in message.parts.iter().enumerate() {
        match one {
            Part::ToolResult(result) => out.push(tool_result(writer, result, path)),
            _ if message.role == Role::Tool => writer.dropped(&content.index(index)),
            _ => {}
        }
    }
    if message.role == Role::Tool {
        // Unknown members of a tool message are those of its result.
        for (name, _) in message.extra.iter() {
            writer.dropped(&path.key(name));
        }
    }
}

fn tool_result<'a>(
    writer: &mut Writer<'_, '_>,
    result: &'a ToolResult,
    path: &Path<'_>,
) -> wire::Message<'a> {
    let ToolResult { call_id, name, parts, is_error, cache, extra } = result;
    if *is_error == Some(true) {
        writer.dropped_because(&path.key("is_error"), "chat completions cannot say that a tool failed");
    }
    let content = path.key("content");
    let mut body = Body::default();
    for (index, one) in parts.iter().enumerate() {
        let path = content.index(index);
        match one {
            Part::Text(_) | Part::Image(_) | Part::Opaque(_) => part::push(writer, one, &path, &mut body),
            _ => writer.dropped_because(&path, "the result of a tool may hold text and pictures only"),
        }
    }
    wire::Message {
        role: Some(Str::from("tool")),
        content: Some(body.content(writer)),
        name: name.as_ref().map(Str::from),
        tool_call_id: Some(tool::call_id(writer, call_id, &path.key("tool_call_id"))),
        cache_control: writer.cache(cache.as_ref(), path),
        extra: extras(writer, extra, path),
        ..wire::Message::default()
    }
}

fn assistant<'a>(writer: &mut Writer<'_, '_>, message: &'a Message, path: &Path<'_>) -> wire::Message<'a> {
    let Message { role: _, parts, name: _, extra } = message;
    let mut out = wire::Message { role: Some(Str::from("assistant")), ..wire::Message::default() };
    let mut body = Body::default();
    let mut refusal = String::new();
    let mut calls = Vec::new();
    let mut thoughts = Vec::new();
    let content = path.key("content");
    let call_list = path.key("tool_calls");
    for one in parts {
        let place = content.index(body.len());
        match one {
            Part::Reasoning(reasoning) => thoughts.push(reasoning),
            Part::Refusal(text) => refusal.push_str(&text.text),
            Part::ToolCall(call) => {
                let place = call_list.index(calls.len());
                if call.cache.is_some() {
                    out.cache_control = writer.cache(call.cache.as_ref(), path);
                }
                calls.push(tool::call(writer, call, &place));
            }
            Part::Audio(audio) => sound(writer, audio, &place, (&mut out, &mut body)),
            Part::Citation(_) => {
                writer.dropped_because(&place, "the sources of an earlier answer cannot be sent back");
            }
            Part::ToolResult(_) => writer.dropped(&place),
            Part::Text(_) | Part::Image(_) | Part::File(_) | Part::Opaque(_) => {
                part::push(writer, one, &place, &mut body);
            }
        }
    }
    replay(writer, &thoughts, extra, path, (&mut out, &mut body));
    if !calls.is_empty() && out.reasoning_content.is_none() && writer.row.has(Q::FillReasoning) {
        writer.changes.altered(path.key("reasoning_content").to_string(), "a blank stands for lost thoughts");
        out.reasoning_content = Some(Str::from(" "));
    }
    let silent = body.is_empty() && (!calls.is_empty() || !refusal.is_empty() || out.audio.is_some());
    out.content = Some(if silent { Content::Null } else { body.content(writer) });
    out.refusal = (!refusal.is_empty()).then(|| Str::from(refusal));
    out.tool_calls = Some(calls).filter(|calls| !calls.is_empty());
    out.name = name(writer, message, path);
    out.extra = extras(writer, extra, path);
    out
}

/// The model's own sound goes back by its id; without one, what it said goes as text.
fn sound<'a>(
    writer: &mut Writer<'_, '_>,
    audio: &'a Audio,
    path: &Path<'_>,
    (out, body): (&mut wire::Message<'a>, &mut Body<'a>),
) {
    let Audio { media: _, format: _, transcript, id, expires_at: _, cache, extra } = audio;
    let _ = writer.cache(cache.as_ref(), path);
    match (id, transcript) {
        (Some(id), _) => {
            let extra = writer.extras(extra, path, &[]);
            out.audio = Some(AudioRef { id: Some(Str::from(id)), extra });
        }
        (None, Some(transcript)) => {
            writer.changes.altered(path.to_string(), "its transcript is sent in its place");
            body.text(transcript);
        }
        (None, None) => writer.dropped_because(path, "an earlier answer's sound is known by its id only"),
    }
}

#[derive(Serialize)]
struct Detail<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
}

/// Mistral's form of thoughts.
#[derive(Serialize)]
struct ThinkingPart<'a> {
    r#type: &'static str,
    thinking: [Detail<'a>; 1],
}

/// Sends thoughts back in the way that the provider wants.
fn replay<'a>(
    writer: &mut Writer<'_, '_>,
    thoughts: &[&'a Reasoning],
    extra: &Extra,
    path: &Path<'_>,
    (out, body): (&mut wire::Message<'a>, &mut Body<'a>),
) {
    if thoughts.is_empty() {
        return;
    }
    let text: String = thoughts.iter().map(|reasoning| reasoning.text.as_str()).collect();
    let sealed = thoughts.iter().any(|one| one.signature.is_some() || one.redacted.is_some());
    for Reasoning { text: _, signature: _, redacted: _, origin: _, extra } in thoughts {
        for (name, _) in extra.iter() {
            writer.dropped(&path.key("thinking_blocks").key(name));
        }
    }
    if writer.row.has(Q::ReplayReasoningDetails) {
        if thoughts.iter().any(|one| !one.is_readable_by(Dialect::OpenaiChat)) {
            writer
                .dropped_because(&path.key("thinking_blocks"), "the thoughts are sealed by another provider");
        }
        // The provider's own form, echoed by the client, is better than one put together anew.
        if extra.get("reasoning_details").is_none() {
            let details: Vec<Detail<'_>> = thoughts.iter().map(|one| detail(one)).collect();
            out.reasoning_details = Written::json(&details);
        }
        return;
    }
    if sealed {
        writer.dropped(&path.key("thinking_blocks"));
    }
    if text.is_empty() {
        return;
    }
    if writer.row.has(Q::ReplayReasoning) {
        out.reasoning_content = Some(Str(Cow::Owned(text)));
    } else if writer.row.has(Q::ReplayReasoningField) {
        out.reasoning = Some(Str(Cow::Owned(text)));
    } else if writer.row.has(Q::ThinkingParts) {
        let inner = Detail { r#type: "text", text: Some(&text), signature: None, data: None };
        body.first(Written::json(&ThinkingPart { r#type: "thinking", thinking: [inner] }));
    } else {
        writer.dropped(&path.key("reasoning_content"));
    }
}

fn detail(reasoning: &Reasoning) -> Detail<'_> {
    let Reasoning { text, signature, redacted, origin: _, extra: _ } = reasoning;
    if !reasoning.is_readable_by(Dialect::OpenaiChat) {
        return Detail { r#type: "reasoning.text", text: Some(text), signature: None, data: None };
    }
    match redacted {
        Some(data) => Detail { r#type: "reasoning.encrypted", text: None, signature: None, data: Some(data) },
        None => {
            Detail { r#type: "reasoning.text", text: Some(text), signature: signature.as_deref(), data: None }
        }
    }
}

/// Whether a part is of this dialect.
pub(super) fn is_own(dialect: Dialect) -> bool {
    dialect == Dialect::OpenaiChat
}
