//! Tools and the choice among them.
//!
//! A choice cannot be said: what may not be called is not on offer, and that something must be called is told to
//! nobody.

use llm_types::chat::{Tool, ToolChoice, Tooling};
use llm_types::{Dialect, Result};

use super::super::wire::{self, Raw, Request, ToolFunction};
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::offer::{Function, Offer, Offering, is_left_out};

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
            let none = matches!(choice, Some(ToolChoice::None));
            if none || is_left_out(tool, choice.as_ref()) {
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
        if tool.cache.is_some() {
            self.changes.dropped(format!("tools[{index}].cache_control"), NO_COUNTERPART);
        }
        let mut offering =
            Offering { dialect: Dialect::Ollama, no_counterpart: NO_COUNTERPART, changes: self.changes };
        let function = match offering.offer(index, tool)? {
            None => return Ok(None),
            Some(Offer::Own(tool)) => return Ok(Some(tool)),
            Some(Offer::Function(function)) => function,
        };
        let Function { name, description, parameters, strict } = function;
        if strict {
            self.changes.dropped(format!("tools[{index}].function.strict"), NO_COUNTERPART);
        }
        let function = ToolFunction {
            name: Some(name.into()),
            description: description.map(Into::into),
            parameters: parameters.map(Raw),
            ..ToolFunction::default()
        };
        Ok(Some(wire::Tool {
            kind: Some("function".into()),
            function: Some(function),
            ..wire::Tool::default()
        }))
    }
}
