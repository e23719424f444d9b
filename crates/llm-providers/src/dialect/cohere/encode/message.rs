//! The conversation, message by message.

use llm_types::chat::{Message, Part, Role, ToolResult};
use llm_types::{ApiError, Result, Str};

use super::super::wire::{self, Content};
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
        // What results show stands behind all of them: nothing may come between.
        let mut shown = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            let Message { role, parts, name, extra } = message;
            let named = |path: &str| format!("messages[{index}].{path}");
            if name.is_some() && *role != Role::Tool {
                self.changes.dropped(named("name"), NO_COUNTERPART);
            }
            for (name, _) in extra.iter() {
                self.changes.dropped(named(name), NO_COUNTERPART);
            }
            if *role != Role::Tool {
                flush(&mut shown, &mut out);
            }
            match role {
                Role::System | Role::Developer => {
                    let said = self.plain("system", index, parts, &mut out)?;
                    out.extend(message_of("system", said));
                }
                Role::User => {
                    let said = self.plain("user", index, parts, &mut out)?;
                    out.extend(message_of("user", said));
                }
                Role::Assistant => out.extend(self.assistant(index, parts)),
                Role::Tool => shown.extend(self.plain("tool", index, parts, &mut out)?),
            }
        }
        flush(&mut shown, &mut out);
        if out.is_empty() {
            let message = "there is nothing to answer: send a user message with content";
            return Err(ApiError::bad_request(message).with_param("messages"));
        }
        Ok(out)
    }

    /// What a message of the application or the user says. Results of tools are messages of their own, before what
    /// else is said; what a result shows is said by the user.
    fn plain(
        &mut self,
        role: &'static str,
        index: usize,
        parts: &'r [Part],
        out: &mut Vec<wire::Message<'r>>,
    ) -> Result<Vec<wire::Part<'r>>> {
        let mut said = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            let at = At { message: index, part: place };
            match part {
                Part::ToolResult(result) => {
                    let (message, shown) = self.result(result, at)?;
                    out.extend(message);
                    said.extend(shown);
                }
                part => said.extend(self.part(part, at, role)?),
            }
        }
        Ok(said)
    }

    /// What the model said. Beside calls its text is their plan.
    fn assistant(&mut self, index: usize, parts: &'r [Part]) -> Option<wire::Message<'r>> {
        let mut said = Said::default();
        for (place, part) in parts.iter().enumerate() {
            self.said(part, At { message: index, part: place }, &mut said);
        }
        let Said { mut content, thoughts, calls, citations } = said;
        let mut plan = String::new();
        if !calls.is_empty() {
            // Thoughts of a model that has a plan only are that plan.
            let texts = content.iter_mut().filter_map(|part| part.text.take());
            plan = thoughts.into_iter().chain(texts).map(Str::into_string).collect();
            content.retain(|part| part.thinking.is_some());
        } else if !thoughts.is_empty() {
            self.changes.dropped(format!("messages[{index}].reasoning"), "this model takes no thoughts back");
        }
        if content.is_empty() && calls.is_empty() {
            return None;
        }
        Some(wire::Message {
            role: Some("assistant".into()),
            content: (!content.is_empty()).then_some(Content(content)),
            tool_plan: (!plan.is_empty()).then(|| plan.into()),
            tool_calls: (!calls.is_empty()).then_some(calls),
            citations: (!citations.is_empty()).then_some(citations),
            ..wire::Message::default()
        })
    }

    /// The result of a call, and what of it is no text.
    fn result(
        &mut self,
        result: &'r ToolResult,
        at: At,
    ) -> Result<(Option<wire::Message<'r>>, Vec<wire::Part<'r>>)> {
        let ToolResult { call_id, name, parts, is_error, cache, extra } = result;
        let id = match self.ids.result(call_id, name.as_deref()) {
            Answers::Call { id, name: _ } | Answers::Unknown(id) => id,
            Answers::Again => {
                self.changes.dropped(at.path(), "the call has a result already");
                return Ok((None, Vec::new()));
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
        let (mut content, mut shown) = (Vec::with_capacity(parts.len()), Vec::new());
        for part in parts {
            match part {
                Part::ToolResult(_) | Part::ToolCall(_) | Part::Reasoning(_) | Part::Citation(_) => {
                    self.changes.dropped(at.path(), "cohere does not take such a part in a tool result");
                }
                part => {
                    let Some(part) = self.part(part, at, "tool")? else { continue };
                    if part.image_url.is_none() {
                        content.push(part);
                        continue;
                    }
                    self.changes.altered(at.path(), "the picture is sent behind the result, as the user's");
                    shown.push(part);
                }
            }
        }
        if content.is_empty() {
            content.push(wire::Part::text(if shown.is_empty() { "(no output)" } else { "(see below)" }));
        }
        let message = wire::Message {
            role: Some("tool".into()),
            tool_call_id: Some(id.into()),
            content: Some(Content(content)),
            ..wire::Message::default()
        };
        Ok((Some(message), shown))
    }
}

/// A message of these parts, unless there are none.
fn message_of<'r>(role: &'static str, parts: Vec<wire::Part<'r>>) -> Option<wire::Message<'r>> {
    let message = |parts| wire::Message {
        role: Some(role.into()),
        content: Some(Content(parts)),
        ..wire::Message::default()
    };
    (!parts.is_empty()).then(|| message(parts))
}

fn flush<'r>(shown: &mut Vec<wire::Part<'r>>, out: &mut Vec<wire::Message<'r>>) {
    out.extend(message_of("user", std::mem::take(shown)));
}
