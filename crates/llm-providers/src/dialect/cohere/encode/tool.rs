//! Tools and the choice among them.

use std::borrow::Cow;

use llm_types::chat::{ChatRequest, Part, Tool, ToolChoice, Tooling};
use llm_types::{Dialect, Result};

use super::super::wire::{self, Function, Raw, Request};
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::name::Names;
use crate::dialect::offer::{self, Offer, Offering, is_left_out};

/// The longest tool name.
const NAME_LIMIT: usize = 64;

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
        if tool.cache.is_some() {
            self.changes.dropped(format!("tools[{index}].cache_control"), NO_COUNTERPART);
        }
        let mut offering =
            Offering { dialect: Dialect::Cohere, no_counterpart: NO_COUNTERPART, changes: self.changes };
        let function = match offering.offer(index, tool)? {
            None => return Ok(None),
            Some(Offer::Own(tool)) => return Ok(Some(tool)),
            Some(Offer::Function(function)) => function,
        };
        let offer::Function { name, description, parameters, strict } = function;
        stricts.extend(strict.then_some(index));
        let function = Function {
            name: Some(self.names.sent(name)),
            description: description.map(Into::into),
            parameters: parameters.map(Raw),
            ..Function::default()
        };
        Ok(Some(wire::Tool {
            kind: Some("function".into()),
            function: Some(function),
            ..wire::Tool::default()
        }))
    }
}
