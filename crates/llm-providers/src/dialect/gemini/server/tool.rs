//! Tools and the choice among them.

use llm_types::chat::{Tool, ToolChoice, ToolKind};
use llm_types::{ApiError, Dialect, Extra, RawValue, Result, Str};

use super::super::encode::camel;
use super::super::wire;
use super::config;

/// The tools on offer: each function is one, and so is each tool that the provider runs.
///
/// # Errors
/// When a function has no name, or a schema is none.
pub(super) fn tools(tools: Vec<wire::Tool<'_>>) -> Result<Vec<Tool>> {
    let mut out = Vec::new();
    for (index, tool) in tools.into_iter().enumerate() {
        let wire::Tool { function_declarations, extra } = tool;
        for (name, json) in extra.iter().filter(|(_, json)| json.get() != "null") {
            out.push(hosted(name, json)?);
        }
        for (number, function) in function_declarations.into_iter().flatten().enumerate() {
            let tool = self::function(function).map_err(|error| {
                error.with_param(format!("tools[{index}].functionDeclarations[{number}]"))
            })?;
            out.push(tool);
        }
    }
    Ok(out)
}

fn hosted(name: &str, json: &RawValue) -> Result<Tool> {
    let mut whole = Extra::default();
    whole.set(name, json.to_owned());
    let json = serde_json::value::to_raw_value(&whole)
        .map_err(|error| ApiError::bad_request("a tool cannot be written as JSON").with_source(error))?;
    let kind = ToolKind::Hosted { dialect: Dialect::Gemini, kind: camel(name), json };
    Ok(Tool { kind, cache: None, extra: Extra::default() })
}

fn function(function: wire::FunctionDeclaration<'_>) -> Result<Tool> {
    let wire::FunctionDeclaration { name, description, parameters, parameters_json_schema, extra } = function;
    let name = name.filter(|name| !name.as_str().is_empty());
    let name = name.ok_or_else(|| ApiError::bad_request("a function has no name"))?;
    let kind = ToolKind::Function {
        name: name.into_string(),
        description: description.map(Str::into_string),
        parameters: config::parameters(parameters, parameters_json_schema)?,
        strict: None,
    };
    Ok(Tool { kind, cache: None, extra: extra.to_extra() })
}

/// Which functions may or must be called. What the neutral form cannot say of it is kept whole in `extra`,
/// for a provider that knows it.
///
/// # Errors
/// When it cannot be kept.
pub(super) fn choice(config: wire::ToolConfig<'_>, extra: &mut Extra) -> Result<Option<ToolChoice>> {
    let json = serde_json::value::to_raw_value(&config).map_err(|error| {
        ApiError::bad_request("`toolConfig` cannot be written as JSON").with_source(error)
    })?;
    let wire::ToolConfig { function_calling_config, include_server_side_tool_invocations, extra: more } =
        config;
    let mut whole = more.is_empty() && include_server_side_tool_invocations.is_none();
    let mut choice = None;
    if let Some(calls) = function_calling_config {
        let wire::AllowedCalls { mode, allowed_function_names, extra: more } = calls;
        let names: Vec<String> = allowed_function_names.into_iter().flatten().map(Str::into_string).collect();
        let mode = mode.map(|mode| mode.as_str().to_uppercase());
        whole &= more.is_empty();
        choice = match (mode.as_deref(), names.as_slice()) {
            (None | Some("" | "MODE_UNSPECIFIED"), []) => None,
            (Some("AUTO"), []) => Some(ToolChoice::Auto),
            (Some("NONE"), _) => Some(ToolChoice::None),
            (Some("ANY"), []) => Some(ToolChoice::Required),
            (Some("ANY"), [one]) => Some(ToolChoice::Function(one.clone())),
            (Some("ANY"), _) => Some(ToolChoice::Allowed { required: true, names }),
            (Some("VALIDATED"), [_, ..]) => Some(ToolChoice::Allowed { required: false, names }),
            _ => {
                // `VALIDATED` without names is `AUTO` with stricter arguments.
                whole = false;
                Some(ToolChoice::Auto)
            }
        };
    }
    if !whole {
        extra.set("toolConfig", json);
    }
    Ok(choice)
}
