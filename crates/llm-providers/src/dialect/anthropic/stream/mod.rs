//! Streams of the Messages API.
//!
//! Blocks come one after the other and whole events carry all that is needed, so the decoder holds only
//! the open block. Some kinds of blocks are gathered before they are handed on, because nobody can use
//! a piece of them: calls of the provider's own tools and of custom ones, compactions, and a structured
//! answer that may have to be unwrapped.

mod block;
mod decoder;
mod json;
mod tap;

use llm_types::{Finish, FinishKind, Str};

pub(super) use decoder::Decoder;
pub(in crate::dialect) use json::{JsonAnswer, unwrapped};
pub(super) use tap::Tap;

/// Why an answer ended. A structured answer that came through a tool is no call to the client.
pub(super) fn finish_of(reason: &str, stop_sequence: Option<Str<'_>>, calls: Answered) -> Finish {
    let (kind, keep) = match reason {
        "end_turn" => (FinishKind::Stop, false),
        "tool_use" if calls == Answered::Structured => (FinishKind::Stop, false),
        "stop_sequence" => (FinishKind::Stop, stop_sequence.is_none()),
        "max_tokens" => (FinishKind::Length, false),
        "tool_use" => (FinishKind::ToolCalls, false),
        "model_context_window_exceeded" | "compaction" => (FinishKind::Length, true),
        "refusal" => (FinishKind::ContentFilter, true),
        _ => (FinishKind::Stop, true),
    };
    Finish {
        kind,
        native: keep.then(|| reason.to_owned()),
        stop_sequence: stop_sequence.map(Str::into_string),
    }
}

/// Which calls an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Answered {
    /// None.
    #[default]
    Plainly,
    /// The structured answer only.
    Structured,
    /// Calls of the client's tools.
    ByCalls,
}

impl Answered {
    /// Another call came: of the client's tools, they win over the structured answer.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::ByCalls, _) | (_, Self::ByCalls) => Self::ByCalls,
            (Self::Structured, _) | (_, Self::Structured) => Self::Structured,
            (Self::Plainly, Self::Plainly) => Self::Plainly,
        }
    }
}
