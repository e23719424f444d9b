//! Tools and the choice among them.
//!
//! A choice cannot be said: what may not be called is not on offer, and that something must be called is told to
//! nobody.

use llm_types::chat::{Tool, ToolChoice, ToolKind, Tooling};
use llm_types::{ApiError, Dialect, RawValue, Result};

use super::super::wire::{self, Raw, Request, ToolFunction};
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::anthropic::schema::{self, Input};

/// The schema of a tool that takes free text.
const TEXT_INPUT: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

impl<'r> Encoder<'r, '_> {
    /// The tools on offer.
    ///
    /// # Errors
    /// When a schema is not an object.
    pub(super) fn tools(&mut self, tooling: &'r Tooling, body: &mut Request<'r>) -> Result<()> {
        let Tooling { tools, choice, parallel, legacy: _ } = tooling;
        // Several calls may come in one answer, and that cannot be told otherwise.
        self.refuse(parallel.as_ref().filter(|parallel| !**parallel), "parallel_tool_calls");
        if parallel == &Some(true) && tools.is_empty() {
            self.changes.dropped("parallel_tool_calls", "there are no tools to choose from");
        }
        let mut sent = Vec::with_capacity(tools.len());
        for (index, tool) in tools.iter().enumerate() {
            if is_left_out(tool, choice.as_ref()) {
                self.changes.altered("tool_choice", "the tools that are not allowed are left out");
            } else {
                sent.extend(self.tool(index, tool)?);
            }
        }
        let must = matches!(
            choice,
            Some(
                ToolChoice::Required
                    | ToolChoice::Function(_)
                    | ToolChoice::Custom(_)
                    | ToolChoice::Allowed { required: true, .. }
            )
        );
        if must {
            self.changes.dropped("tool_choice", "ollama cannot be told that a tool must be called");
        } else if choice.is_some() && tools.is_empty() {
            self.changes.dropped("tool_choice", "there are no tools to choose from");
        }
        body.tools = (!sent.is_empty()).then_some(sent);
        Ok(())
    }

    fn tool(&mut self, index: usize, tool: &'r Tool) -> Result<Option<wire::Tool<'r>>> {
        let Tool { kind, cache, extra } = tool;
        if cache.is_some() {
            self.changes.dropped(format!("tools[{index}].cache_control"), NO_COUNTERPART);
        }
        for (name, _) in extra.iter() {
            self.changes.dropped(format!("tools[{index}].{name}"), NO_COUNTERPART);
        }
        let function = match kind {
            ToolKind::Hosted { dialect: Dialect::Ollama, kind: _, json } => {
                let tool = serde_json::from_str(json.get()).map_err(|error| {
                    ApiError::bad_request(format!("not a tool: {error}"))
                        .with_param(format!("tools[{index}]"))
                })?;
                return Ok(Some(tool));
            }
            ToolKind::Hosted { dialect, kind, json: _ } => {
                let why = format!("`{kind}` is run by providers of the {dialect} dialect only");
                self.changes.dropped(format!("tools[{index}]"), why);
                return Ok(None);
            }
            ToolKind::Function { name, description, parameters, strict } => {
                if *strict == Some(true) {
                    self.changes.dropped(format!("tools[{index}].function.strict"), NO_COUNTERPART);
                }
                ToolFunction {
                    name: Some(name.into()),
                    description: description.as_ref().map(Into::into),
                    parameters: self.parameters(index, parameters.as_deref())?,
                    ..ToolFunction::default()
                }
            }
            ToolKind::Custom { name, description, format } => {
                self.changes.altered(format!("tools[{index}]"), "sent as a function with one text, `input`");
                if format.is_some() {
                    self.changes.dropped(format!("tools[{index}].custom.format"), NO_COUNTERPART);
                }
                ToolFunction {
                    name: Some(name.into()),
                    description: description.as_ref().map(Into::into),
                    parameters: RawValue::from_string(TEXT_INPUT.to_owned()).ok().map(Raw::from),
                    ..ToolFunction::default()
                }
            }
        };
        Ok(Some(wire::Tool {
            kind: Some("function".into()),
            function: Some(function),
            ..wire::Tool::default()
        }))
    }

    /// The schema of a function's arguments, which must be there.
    fn parameters(&mut self, index: usize, parameters: Option<&'r RawValue>) -> Result<Option<Raw<'r>>> {
        let Some(parameters) = parameters.filter(|raw| raw.get() != "null") else {
            return Ok(schema::empty_input().map(Raw::from));
        };
        let path = || format!("tools[{index}].function.parameters");
        let input = schema::input(parameters).map_err(|_| {
            ApiError::bad_request("a tool's parameters must be a JSON Schema object").with_param(path())
        })?;
        Ok(Some(match input {
            Input::AsItIs => Raw::from(parameters),
            Input::Completed(schema) => Raw::from(schema),
            Input::Wrapped(schema) => {
                self.changes.altered(path(), "not the schema of an object: sent under the member `values`");
                Raw::from(schema)
            }
        }))
    }
}

/// Whether a tool is not among those that may be called.
fn is_left_out(tool: &Tool, choice: Option<&ToolChoice>) -> bool {
    let named = |wanted: &str| tool.name() == Some(wanted);
    match choice {
        Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => !named(name),
        Some(ToolChoice::Allowed { names, required: _ }) => !names.iter().any(|name| named(name)),
        Some(ToolChoice::None) => true,
        Some(ToolChoice::Auto | ToolChoice::Required) | None => false,
    }
}
