//! Tools and the choice among them.

use llm_types::chat::{Tool, ToolChoice, ToolKind};
use llm_types::{Dialect, Extra, Result, Str};

use super::super::wire::{self, Kind, ToolDef};
use super::decode::{breakpoint, keep, keep_inner};
use super::fault::Place;

/// The tools on offer.
///
/// # Errors
/// When one has no name.
pub(super) fn tools(tools: Vec<wire::Tool<'_>>) -> Result<Vec<Tool>> {
    let list = Place::Member("tools");
    tools.into_iter().enumerate().map(|(index, one)| tool(one, &list.index(index))).collect()
}

fn tool(tool: wire::Tool<'_>, place: &Place<'_>) -> Result<Tool> {
    let def = match tool {
        wire::Tool::Def(def) => *def,
        wire::Tool::Hosted(raw) => {
            let Kind(kind) = serde_json::from_str(raw.get()).unwrap_or_default();
            let kind = kind.into_string();
            // Its members, a breakpoint included, are in its own JSON.
            let json = raw.0.into_owned();
            let kind = ToolKind::Hosted { dialect: Dialect::Anthropic, kind, json };
            return Ok(Tool { kind, cache: None, extra: Extra::default() });
        }
    };
    let ToolDef {
        kind: _,
        name,
        description,
        input_schema,
        strict,
        max_uses,
        user_location,
        cache_control,
        extra,
    } = def;
    let mut extra = extra.to_extra();
    keep(&mut extra, "max_uses", max_uses.as_ref());
    keep(&mut extra, "user_location", user_location.as_ref());
    let name = name.filter(|name| !name.as_str().is_empty());
    Ok(Tool {
        kind: ToolKind::Function {
            name: name.ok_or_else(|| place.key("name").missing())?.into_string(),
            description: description.map(Str::into_string),
            parameters: input_schema.map(|schema| schema.0.into_owned()),
            strict,
        },
        cache: cache_control.map(breakpoint),
        extra,
    })
}

/// `tool_choice`: which tools the model may or must call, and whether several at once.
///
/// # Errors
/// When its type is not known, or it names no tool.
pub(super) fn choice(
    asked: Option<wire::ToolChoice<'_>>,
    extra: &mut Extra,
) -> Result<(Option<ToolChoice>, Option<bool>)> {
    let Some(wire::ToolChoice { kind, name, disable_parallel_tool_use, extra: more }) = asked else {
        return Ok((None, None));
    };
    let place = Place::Member("tool_choice");
    let choice = match kind.as_ref().map(Str::as_str) {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Required,
        Some("none") => ToolChoice::None,
        Some("tool") => {
            let name = name.ok_or_else(|| place.key("name").missing())?;
            ToolChoice::Function(name.into_string())
        }
        Some(_) => return Err(place.key("type").wrong("Input should be 'auto', 'any', 'tool' or 'none'")),
        None => return Err(place.key("type").missing()),
    };
    keep_inner(extra, "tool_choice", &more);
    Ok((Some(choice), disable_parallel_tool_use.map(|disabled| !disabled)))
}
