//! Tools and the choice among them.

use std::borrow::Cow;

use llm_types::chat::{ChatRequest, Part, Tool, ToolChoice, ToolKind, Tooling};
use llm_types::{ApiError, Dialect, RawValue, Result};

use super::super::wire::{self, Function, Raw, Request};
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::anthropic::schema::{self, Input};
use crate::dialect::name::Names;

/// The longest tool name.
const NAME_LIMIT: usize = 64;
/// The schema of a tool that takes free text.
const TEXT_INPUT: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// How the names of all tools of a request are sent.
pub(super) fn names(request: &ChatRequest) -> Names {
    let own = request.tooling.tools.iter().filter_map(Tool::name);
    let calls = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.name.as_str()),
        _ => None,
    });
    let reserved: &[Cow<'_, str>] = &[];
    Names::new(own.chain(calls), reserved, NAME_LIMIT)
}

impl<'r> Encoder<'r, '_> {
    /// The tools on offer, and which of them may or must be called.
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
        let mut strict = Vec::new();
        for (index, tool) in tools.iter().enumerate() {
            if is_left_out(tool, choice.as_ref()) {
                self.changes.altered("tool_choice", "the tools that are not allowed are left out");
                continue;
            }
            let Some(tool) = self.tool(index, tool, &mut strict)? else { continue };
            sent.push(tool);
        }
        if !strict.is_empty() {
            if strict.len() == sent.len() {
                body.strict_tools = Some(true);
            } else {
                for index in strict {
                    let why = "cohere is strict with all tools or with none";
                    self.changes.dropped(format!("tools[{index}].function.strict"), why);
                }
            }
        }
        let word = match choice {
            None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => None,
            Some(ToolChoice::None) => Some("NONE"),
            Some(
                ToolChoice::Required
                | ToolChoice::Function(_)
                | ToolChoice::Custom(_)
                | ToolChoice::Allowed { required: true, .. },
            ) => Some("REQUIRED"),
        };
        if sent.is_empty() {
            if choice.is_some() {
                self.changes.dropped("tool_choice", "there are no tools to choose from");
            }
            return Ok(());
        }
        body.tool_choice = word.map(Into::into);
        body.tools = Some(sent);
        Ok(())
    }

    fn tool(
        &mut self,
        index: usize,
        tool: &'r Tool,
        stricts: &mut Vec<usize>,
    ) -> Result<Option<wire::Tool<'r>>> {
        let Tool { kind, cache, extra } = tool;
        if cache.is_some() {
            self.changes.dropped(format!("tools[{index}].cache_control"), NO_COUNTERPART);
        }
        for (name, _) in extra.iter() {
            self.changes.dropped(format!("tools[{index}].{name}"), NO_COUNTERPART);
        }
        let function = match kind {
            ToolKind::Hosted { dialect: Dialect::Cohere, kind: _, json } => {
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
                    stricts.push(index);
                }
                Function {
                    name: Some(self.names.sent(name)),
                    description: description.as_ref().map(Into::into),
                    parameters: self.parameters(index, parameters.as_deref())?,
                    ..Function::default()
                }
            }
            ToolKind::Custom { name, description, format } => {
                self.changes.altered(format!("tools[{index}]"), "sent as a function with one text, `input`");
                if format.is_some() {
                    self.changes.dropped(format!("tools[{index}].custom.format"), NO_COUNTERPART);
                }
                Function {
                    name: Some(self.names.sent(name)),
                    description: description.as_ref().map(Into::into),
                    parameters: RawValue::from_string(TEXT_INPUT.to_owned()).ok().map(Raw::from),
                    ..Function::default()
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

/// Whether the choice is among others: no single one can be named, so only it is sent.
fn is_left_out(tool: &Tool, choice: Option<&ToolChoice>) -> bool {
    let named = |wanted: &str| tool.name() == Some(wanted);
    match choice {
        Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => !named(name),
        Some(ToolChoice::Allowed { names, required: _ }) => !names.iter().any(|name| named(name)),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => false,
    }
}
