//! One turn of the conversation.

use super::{Part, Text, ToolResult};
use crate::Extra;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions of the application.
    System,
    /// Instructions of the application, in the word of OpenAI's newer models.
    Developer,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// Results of tool calls: such a message holds [`Part::ToolResult`] parts only.
    Tool,
}

/// One turn: a role and its content, in order.
#[derive(Debug, Clone)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said. Reasoning, text and tool calls of one assistant turn keep the order in which
    /// the model produced them.
    pub parts: Vec<Part>,
    /// The name of the participant, where the dialect has one.
    pub name: Option<String>,
    /// Members that no field names.
    pub extra: Extra,
}

impl Message {
    /// A message of the given parts.
    #[must_use]
    pub fn new(role: Role, parts: impl IntoIterator<Item = Part>) -> Self {
        Self { role, parts: parts.into_iter().collect(), name: None, extra: Extra::default() }
    }

    /// A system message of one text.
    #[must_use]
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, [Part::Text(Text::new(text))])
    }

    /// A user message of one text.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, [Part::Text(Text::new(text))])
    }

    /// An assistant message of one text.
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, [Part::Text(Text::new(text))])
    }

    /// The result of one tool call, as text.
    #[must_use]
    pub fn tool_result(call_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(
            Role::Tool,
            [Part::ToolResult(ToolResult {
                call_id: call_id.into(),
                parts: vec![Part::Text(Text::new(text))],
                ..ToolResult::default()
            })],
        )
    }

    /// All text parts joined.
    #[must_use]
    pub fn text(&self) -> String {
        Part::text_of(&self.parts)
    }
}
