//! A whole answer.

use crate::chat::{LogProbs, Part};
use crate::{Dialect, Extra, Usage};

/// A whole answer in the neutral form.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The provider's id of the answer; may be empty.
    pub id: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// Unix seconds, where the provider says it.
    pub created: Option<u64>,
    /// The answers, by index.
    pub choices: Vec<Choice>,
    /// What it used; `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// The service tier that was used.
    pub service_tier: Option<String>,
    /// OpenAI's fingerprint of the backend.
    pub system_fingerprint: Option<String>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// One of the answers.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Its place among the answers.
    pub index: u32,
    /// Its content, in order.
    pub parts: Vec<Part>,
    /// Why it ended; `None`: the provider did not say.
    pub finish: Option<Finish>,
    /// Log probabilities, if asked for.
    pub logprobs: Option<LogProbs>,
    /// Members of the choice that no field names.
    pub extra: Extra,
    /// Members of the choice's message that no field names.
    pub message_extra: Extra,
}

/// Why an answer ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finish {
    /// In the terms of every dialect.
    pub kind: FinishKind,
    /// The provider's own word, where it says more (`pause_turn`, `RECITATION`, …).
    pub native: Option<String>,
    /// The stop text that was met.
    pub stop_sequence: Option<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FinishKind {
    /// It was complete, or met a stop text.
    #[default]
    Stop,
    /// It met the token limit or the end of the context window.
    Length,
    /// The model waits for tool results.
    ToolCalls,
    /// It was filtered or refused by policy.
    ContentFilter,
}

impl From<FinishKind> for Finish {
    fn from(kind: FinishKind) -> Self {
        Self { kind, native: None, stop_sequence: None }
    }
}

impl Reply {
    /// The text of the first answer.
    #[must_use]
    pub fn text(&self) -> String {
        self.choices.first().map(|choice| Part::text_of(&choice.parts)).unwrap_or_default()
    }

    /// The tool calls of the first answer, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &crate::chat::ToolCall> {
        self.choices.first().into_iter().flat_map(|choice| &choice.parts).filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// The thoughts of the first answer, joined.
    #[must_use]
    pub fn reasoning(&self) -> String {
        let parts = self.choices.first().map(|choice| choice.parts.as_slice()).unwrap_or_default();
        let mut out = String::new();
        for part in parts {
            if let Part::Reasoning(reasoning) = part {
                out.push_str(&reasoning.text);
            }
        }
        out
    }

    /// Notes whose the signatures and encrypted thoughts are that do not say it themselves, so that they go
    /// back to no other provider.
    pub fn sealed_by(&mut self, dialect: Dialect) {
        for part in self.choices.iter_mut().flat_map(|choice| &mut choice.parts) {
            if let Part::Reasoning(reasoning) = part
                && (reasoning.signature.is_some() || reasoning.redacted.is_some())
            {
                reasoning.origin.get_or_insert(dialect);
            }
        }
    }

    /// Why the first answer ended.
    #[must_use]
    pub fn finish(&self) -> Option<FinishKind> {
        self.choices.first().and_then(|choice| choice.finish.as_ref()).map(|finish| finish.kind)
    }
}
