//! Tools, the choice among them, and calls of them.

use std::borrow::Cow;

use llm_types::chat::{Tool, ToolCall, ToolCallKind, ToolChoice, ToolKind};
use llm_types::{Dialect, Members, MessageQuirk, Str};
use sha2::{Digest, Sha256};

use super::super::path::Path;
use super::super::wire::{self, Arguments, CustomCall, FunctionCall, Lossy, Written};
use super::encode::Writer;
use super::schema::opened;

/// The tools on offer, or those of them that bear one of these names.
pub(super) fn tools<'a>(
    writer: &mut Writer<'_, '_>,
    tools: &'a [Tool],
    names: Option<&[String]>,
) -> Vec<Written<'a>> {
    let root = Path::Root;
    let list = root.key("tools");
    let offered = |one: &Tool| {
        names.is_none_or(|names| one.name().is_some_and(|name| names.iter().any(|other| other == name)))
    };
    let tools = tools.iter().enumerate().filter(|(_, one)| offered(one));
    tools.filter_map(|(index, one)| tool(writer, one, &list.index(index))).collect()
}

/// A choice that names tools, as their names and a choice that names none.
pub(super) fn few(choice: &ToolChoice) -> Option<(&[String], ToolChoice)> {
    match choice {
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => None,
        ToolChoice::Function(name) | ToolChoice::Custom(name) => {
            Some((std::slice::from_ref(name), ToolChoice::Required))
        }
        ToolChoice::Allowed { required: true, names } => Some((names, ToolChoice::Required)),
        ToolChoice::Allowed { required: false, names } => Some((names, ToolChoice::Auto)),
    }
}

fn tool<'a>(writer: &mut Writer<'_, '_>, tool: &'a Tool, path: &Path<'_>) -> Option<Written<'a>> {
    let Tool { kind, cache, extra } = tool;
    let open = match kind {
        ToolKind::Function { parameters: Some(parameters), .. }
            if writer.row.has(MessageQuirk::ToolsWithoutAdditionalProperties) =>
        {
            opened(parameters)
        }
        _ => None,
    };
    let mut out = wire::Tool { cache_control: writer.cache(cache.as_ref(), path), ..wire::Tool::default() };
    match kind {
        ToolKind::Function { name, description, parameters, strict } => {
            let without_strict = writer.row.has(MessageQuirk::ToolsWithoutStrict);
            if strict.is_some() && without_strict {
                writer.dropped(&path.key("function").key("strict"));
            }
            if open.is_some() {
                writer.dropped(&path.key("function").key("parameters").key("additionalProperties"));
            }
            out.kind = Some(Str::from("function"));
            out.function = Some(wire::Function {
                name: Some(Str::from(name)),
                description: description.as_ref().map(Str::from),
                parameters: open.as_deref().or(parameters.as_deref()),
                strict: strict.filter(|_| !without_strict),
                cache_control: None,
                extra: writer.inner(extra, "function", path),
            });
            out.extra = writer.extras(extra, path, &["function"]);
        }
        ToolKind::Custom { name, description, format } => {
            out.kind = Some(Str::from("custom"));
            out.custom = Some(wire::Custom {
                name: Some(Str::from(name)),
                description: description.as_ref().map(Str::from),
                format: format.as_deref(),
                extra: writer.inner(extra, "custom", path),
            });
            out.extra = writer.extras(extra, path, &["custom"]);
        }
        ToolKind::Hosted { dialect: Dialect::OpenaiChat, kind: _, json } => {
            return Some(Written::from(&**json));
        }
        ToolKind::Hosted { .. } => {
            writer.dropped(path);
            return None;
        }
    }
    Written::json(&out)
}

/// `tool_choice`.
pub(super) fn choice<'a>(choice: &ToolChoice, tools: &[Tool]) -> Option<Written<'a>> {
    match choice {
        ToolChoice::Auto => Written::json(&"auto"),
        ToolChoice::None => Written::json(&"none"),
        ToolChoice::Required => Written::json(&"required"),
        ToolChoice::Function(name) => Written::json(&named(name, ToolCallKind::Function)),
        ToolChoice::Custom(name) => Written::json(&named(name, ToolCallKind::Custom)),
        ToolChoice::Allowed { required, names } => {
            let kind = |name: &str| {
                let tool = tools.iter().find(|tool| tool.name() == Some(name));
                match tool.map(|tool| &tool.kind) {
                    Some(ToolKind::Custom { .. }) => ToolCallKind::Custom,
                    _ => ToolCallKind::Function,
                }
            };
            Written::json(&wire::ToolChoice {
                kind: Some(Str::from("allowed_tools")),
                allowed_tools: Some(wire::AllowedTools {
                    mode: Some(Str::from(if *required { "required" } else { "auto" })),
                    tools: Some(names.iter().map(|name| named(name, kind(name))).collect()),
                    ..wire::AllowedTools::default()
                }),
                ..wire::ToolChoice::default()
            })
        }
    }
}

fn named(name: &str, kind: ToolCallKind) -> wire::ToolChoice<'_> {
    let named = Some(wire::Named { name: Some(Str::from(name)), extra: Members::default() });
    match kind {
        ToolCallKind::Custom => {
            wire::ToolChoice { kind: Some(Str::from("custom")), custom: named, ..wire::ToolChoice::default() }
        }
        ToolCallKind::Function | ToolCallKind::LegacyFunction => wire::ToolChoice {
            kind: Some(Str::from("function")),
            function: named,
            ..wire::ToolChoice::default()
        },
    }
}

/// A call in the history. Its breakpoint belongs to the message, where the provider takes one.
pub(super) fn call<'a>(
    writer: &mut Writer<'_, '_>,
    call: &'a ToolCall,
    path: &Path<'_>,
) -> wire::ToolCall<'a> {
    let ToolCall { id, name, arguments, kind, signature, cache: _, extra } = call;
    if signature.is_some() {
        writer.dropped(&path.key("provider_specific_fields").key("thought_signature"));
    }
    let id = call_id(writer, id, &path.key("id"));
    let mut out = wire::ToolCall { id: Some(id), ..wire::ToolCall::default() };
    let apart: &[&str] = match kind {
        ToolCallKind::Custom => {
            out.kind = Some(Str::from("custom"));
            out.custom = Some(CustomCall {
                name: Some(Str::from(name)),
                input: Some(Lossy(Cow::Borrowed(arguments))),
                extra: writer.inner(extra, "custom", path),
            });
            &["custom"]
        }
        ToolCallKind::Function | ToolCallKind::LegacyFunction => {
            let empty = arguments.is_empty() && writer.row.has(MessageQuirk::EmptyArguments);
            out.kind = Some(Str::from("function"));
            out.function = Some(FunctionCall {
                name: Some(Str::from(name)),
                arguments: Some(Arguments(Cow::Borrowed(if empty { "{}" } else { arguments }))),
                extra: writer.inner(extra, "function", path),
            });
            &["function"]
        }
    };
    let apart = [apart, &["provider_specific_fields"]].concat();
    if extra.get("provider_specific_fields").is_some() {
        writer.dropped(&path.key("provider_specific_fields"));
    }
    out.extra = writer.extras(extra, path, &apart);
    out
}

/// The longest id of a call that OpenAI takes, in characters.
pub(super) const ID_LIMIT: usize = 40;

/// The id of a call as the provider takes it: without a signature that a client carries in it, and for some
/// providers shortened, to the same text for the call and its result.
pub(super) fn call_id<'a>(writer: &mut Writer<'_, '_>, id: &'a str, path: &Path<'_>) -> Str<'a> {
    let id = id.split_once("__thought__").map_or(id, |(id, _)| id);
    let nine = || id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (short, why) = if writer.row.has(MessageQuirk::ShortToolIds) && !nine() {
        (letters(id, 9), "shortened: ids are nine letters and digits there")
    } else if writer.row.has(MessageQuirk::BoundedToolIds) && id.chars().count() > ID_LIMIT {
        (format!("call_{}", letters(id, ID_LIMIT - 8)), "shortened: ids have at most 40 characters there")
    } else {
        return Str::from(id);
    };
    writer.altered(path, why);
    Str::from(short)
}

/// So many letters and digits that stand for a text, at most 32.
fn letters(text: &str, count: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let bytes = Sha256::digest(text.as_bytes());
    let letters = bytes.iter().take(count).filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
    letters.map(|letter| char::from(*letter)).collect()
}
