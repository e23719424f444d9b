//! The conversation, message by message.
//!
//! A message is one text with pictures beside it. Results of tools are messages of their own.

use llm_types::chat::{Message, Part, Role, ToolResult};
use llm_types::{ApiError, Result, Str};

use super::super::wire;
use super::part::Said;
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::at::At;
use crate::dialect::name::Answers;

impl<'r> Encoder<'r, '_> {
    /// All messages.
    ///
    /// # Errors
    /// When there is nothing to answer, or a part cannot be expressed.
    pub(super) fn conversation(&mut self, messages: &'r [Message]) -> Result<Vec<wire::Message<'r>>> {
        let mut out = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let Message { role, parts, name, extra } = message;
            let named = |path: &str| format!("messages[{index}].{path}");
            if name.is_some() && *role != Role::Tool {
                self.changes.dropped(named("name"), NO_COUNTERPART);
            }
            for (name, _) in extra.iter() {
                self.changes.dropped(named(name), NO_COUNTERPART);
            }
            let role = match role {
                Role::System | Role::Developer => "system",
                Role::User => "user",
                Role::Tool => "tool",
                Role::Assistant => {
                    out.extend(self.assistant(index, parts));
                    continue;
                }
            };
            let mut said = Said::default();
            for (place, part) in parts.iter().enumerate() {
                let at = At { message: index, part: place };
                match part {
                    Part::ToolResult(result) => out.extend(self.result(result, at)?),
                    part => self.part(part, at, role, &mut said)?,
                }
            }
            let results = role == "tool" || parts.iter().any(|part| matches!(part, Part::ToolResult(_)));
            // What stands beside results is said by the user; where nothing does, nobody said anything.
            if !(results && said.is_empty()) {
                out.push(said.message(if role == "tool" { "user" } else { role }));
            }
        }
        if out.is_empty() {
            let message = "there is nothing to answer: send a user message with content";
            return Err(ApiError::bad_request(message).with_param("messages"));
        }
        Ok(out)
    }

    /// What the model said.
    fn assistant(&mut self, index: usize, parts: &'r [Part]) -> Option<wire::Message<'r>> {
        let mut said = Said::default();
        for (place, part) in parts.iter().enumerate() {
            self.said(part, At { message: index, part: place }, &mut said);
        }
        (!said.is_empty()).then(|| said.message("assistant"))
    }

    /// The result of a call.
    fn result(&mut self, result: &'r ToolResult, at: At) -> Result<Option<wire::Message<'r>>> {
        let ToolResult { call_id, name, parts, is_error, cache, extra } = result;
        let (id, called) = match self.ids.result(call_id, name.as_deref()) {
            Answers::Call { id, name } => (id, Some(name)),
            Answers::Unknown(id) => (id, name.as_deref()),
            Answers::Again => {
                self.changes.dropped(at.path(), "the call has a result already");
                return Ok(None);
            }
        };
        if *is_error == Some(true) {
            self.changes.dropped(at.member("is_error"), NO_COUNTERPART);
        }
        if cache.is_some() {
            self.changes.dropped(at.member("cache_control"), NO_COUNTERPART);
        }
        for (name, _) in extra.iter() {
            self.changes.dropped(at.member(name), NO_COUNTERPART);
        }
        let mut said = Said::default();
        for part in parts {
            self.part(part, at, "tool", &mut said)?;
        }
        let mut message = said.message("tool");
        message.tool_name = called.map(Str::from);
        message.tool_call_id = Some(id.into());
        Ok(Some(message))
    }
}
