//! Tools and the choice among them.

use llm_types::chat::{Tool, ToolChoice, ToolKind};
use llm_types::{Dialect, Extra, Result, Str};

use super::super::wire::{self, Choice, ChoiceObject, Custom, Function};
use crate::dialect::path::Path;

/// The tools on offer.
pub(super) fn tools(tools: Vec<wire::Tool<'_>>) -> Result<Vec<Tool>> {
    let root = Path::Root;
    let list = root.key("tools");
    tools.into_iter().enumerate().map(|(index, tool)| self::tool(tool, &list.index(index))).collect()
}

fn tool(tool: wire::Tool<'_>, path: &Path<'_>) -> Result<Tool> {
    let named = |name: Option<Str<'_>>| match name {
        Some(name) => Ok(name.into_string()),
        None => Err(path.key("name").error("is missing: name the tool")),
    };
    let (kind, extra) = match tool {
        wire::Tool::Function(Function { kind: _, name, description, parameters, strict, extra }) => {
            let kind = ToolKind::Function {
                name: named(name)?,
                description: description.map(Str::into_string).filter(|text| !text.is_empty()),
                parameters: parameters.map(|json| json.0.into_owned()),
                strict,
            };
            (kind, extra.to_extra())
        }
        wire::Tool::Custom(Custom { kind: _, name, description, format, extra }) => {
            let kind = ToolKind::Custom {
                name: named(name)?,
                description: description.map(Str::into_string),
                format: format.map(|json| json.0.into_owned()),
            };
            (kind, extra.to_extra())
        }
        wire::Tool::Hosted(kind, json) => {
            let kind = ToolKind::Hosted {
                dialect: Dialect::OpenaiResponses,
                kind: kind.into_string(),
                json: json.0.into_owned(),
            };
            (kind, Extra::default())
        }
    };
    Ok(Tool { kind, cache: None, extra })
}

/// `tool_choice`; what no other dialect could understand is kept raw.
pub(super) fn choice(choice: Choice<'_>, extra: &mut Extra) -> Option<ToolChoice> {
    let known = match &choice {
        Choice::Word(word) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            _ => None,
        },
        Choice::Object(object) => object_choice(object),
    };
    if known.is_none() {
        // It was read from JSON.
        let _ = extra.set_json("tool_choice", &choice);
    }
    known
}

fn object_choice(object: &ChoiceObject<'_>) -> Option<ToolChoice> {
    let ChoiceObject { kind, name, mode, tools, server_label: _, extra } = object;
    if !extra.is_empty() {
        return None;
    }
    let name = name.as_ref().map(|name| name.as_str().to_owned());
    match kind.as_ref()?.as_str() {
        "function" => name.map(ToolChoice::Function),
        "custom" => name.map(ToolChoice::Custom),
        "allowed_tools" => {
            let required = mode.as_ref().is_some_and(|mode| mode.as_str() == "required");
            let names = tools.as_deref().unwrap_or_default().iter().map(allowed).collect::<Option<_>>()?;
            Some(ToolChoice::Allowed { required, names })
        }
        _ => None,
    }
}

fn allowed(object: &ChoiceObject<'_>) -> Option<String> {
    match object.kind.as_ref()?.as_str() {
        "function" | "custom" => Some(object.name.as_ref()?.as_str().to_owned()),
        _ => None,
    }
}
