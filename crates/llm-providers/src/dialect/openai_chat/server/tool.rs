//! Tools and the choice among them.

use llm_types::chat::{Tool, ToolChoice, ToolKind, Tooling};
use llm_types::{Dialect, Extra, Members, RawValue, Result, Str};

use super::super::path::Path;
use super::super::wire::{self, Written};
use super::decode::{Keep, cache_control};

/// The tools on offer.
pub(super) fn tools(tools: Vec<Written<'_>>) -> Result<Vec<Tool>> {
    let root = Path::Root;
    let list = root.key("tools");
    tools.iter().enumerate().map(|(index, json)| tool(json, &list.index(index))).collect()
}

fn tool(json: &Written<'_>, path: &Path<'_>) -> Result<Tool> {
    let kind: wire::Open<'_> = path.read(json.get())?;
    let kind = match kind.extra.get("type") {
        Some(word) => Some(path.key("type").read::<Str<'_>>(word.get())?),
        None => None,
    };
    match kind.as_ref().map(Str::as_str) {
        None | Some("function" | "custom") => named(path.read(json.get())?, path),
        Some(hosted) => Ok(Tool {
            kind: ToolKind::Hosted {
                dialect: Dialect::OpenaiChat,
                kind: hosted.to_owned(),
                json: json.0.clone().into_owned(),
            },
            cache: None,
            extra: Extra::default(),
        }),
    }
}

fn named(tool: wire::Tool<'_>, path: &Path<'_>) -> Result<Tool> {
    let wire::Tool { kind: _, function, custom, cache_control: cache, extra } = tool;
    let mut extra = extra.to_extra();
    let (kind, inner_cache) = match (function, custom) {
        (Some(body), _) => function_kind(body, &mut extra, &path.key("function"))?,
        (None, Some(body)) => {
            let wire::Custom { name, description, format, extra: more } = body;
            keep_inner(&mut extra, "custom", &more);
            let kind = ToolKind::Custom {
                name: name_of(name, &path.key("custom"))?,
                description: description.map(Str::into_string),
                format: format.map(ToOwned::to_owned),
            };
            (kind, None)
        }
        (None, None) => return Err(path.error("has neither `function` nor `custom`: describe the tool")),
    };
    Ok(Tool { kind, cache: cache.or(inner_cache).map(cache_control), extra })
}

fn function_kind<'a>(
    body: wire::Function<'a>,
    extra: &mut Extra,
    path: &Path<'_>,
) -> Result<(ToolKind, Option<wire::CacheControlJson<'a>>)> {
    let wire::Function { name, description, parameters, strict, cache_control, extra: more } = body;
    keep_inner(extra, "function", &more);
    let kind = ToolKind::Function {
        name: name_of(name, path)?,
        description: description.map(Str::into_string),
        parameters: parameters.map(ToOwned::to_owned),
        strict,
    };
    Ok((kind, cache_control))
}

fn name_of(name: Option<Str<'_>>, path: &Path<'_>) -> Result<String> {
    let name = name.ok_or_else(|| path.key("name").error("is missing: name the tool"))?;
    Ok(name.into_string())
}

/// Unknown members of an inner object are kept under the name of that object.
pub(super) fn keep_inner(extra: &mut Extra, object: &str, members: &Members<'_>) {
    if !members.is_empty() {
        // Raw JSON values under string names can always be written.
        let _ = extra.set_json(object, members);
    }
}

/// `tool_choice`.
pub(super) fn choice(json: Written<'_>, keep: &mut Keep<'_>) -> Option<ToolChoice> {
    let choice = read_choice(json.get());
    if choice.is_none() {
        keep.keep("tool_choice", &json);
    }
    choice
}

fn read_choice(json: &str) -> Option<ToolChoice> {
    if let Ok(word) = serde_json::from_str::<Str<'_>>(json) {
        return match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" | "any" => Some(ToolChoice::Required),
            _ => None,
        };
    }
    let choice: wire::ToolChoice<'_> = serde_json::from_str(json).ok()?;
    match choice.allowed_tools {
        Some(wire::AllowedTools { mode, tools, extra }) if extra.is_empty() => Some(ToolChoice::Allowed {
            required: mode.is_some_and(|mode| mode.as_str() == "required"),
            names: tools?.into_iter().map(allowed_name).collect::<Option<_>>()?,
        }),
        Some(_) => None,
        None => {
            let custom = choice.custom.is_some();
            let name = allowed_name(choice)?;
            Some(if custom { ToolChoice::Custom(name) } else { ToolChoice::Function(name) })
        }
    }
}

fn allowed_name(choice: wire::ToolChoice<'_>) -> Option<String> {
    let wire::ToolChoice { kind: _, name, function, custom, allowed_tools: _, extra } = choice;
    let inner = function.or(custom).and_then(|named| named.name);
    inner.or(name).filter(|_| extra.is_empty()).map(Str::into_string)
}

/// The deprecated `functions` and `function_call`.
pub(super) fn legacy(
    tooling: &mut Tooling,
    functions: Vec<Written<'_>>,
    call: Option<&RawValue>,
) -> Result<()> {
    let root = Path::Root;
    let list = root.key("functions");
    for (index, json) in functions.iter().enumerate() {
        let path = list.index(index);
        let mut extra = Extra::default();
        let (kind, cache) = function_kind(path.read(json.get())?, &mut extra, &path)?;
        tooling.tools.push(Tool { kind, cache: cache.map(cache_control), extra });
        tooling.legacy = true;
    }
    let Some(call) = call else {
        return Ok(());
    };
    tooling.legacy = true;
    let path = root.key("function_call");
    if let Ok(word) = serde_json::from_str::<Str<'_>>(call.get()) {
        tooling.choice = Some(match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            _ => return Err(path.error("must be `auto`, `none` or {\"name\": …}")),
        });
        return Ok(());
    }
    let named: wire::Named<'_> = path.read(call.get())?;
    tooling.choice = Some(ToolChoice::Function(name_of(named.name, &path)?));
    Ok(())
}
