//! Why an answer ended, and which calls it holds.

use llm_types::{Finish, FinishKind};

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
    /// The structured answer came: calls of the client's tools win over it.
    pub(super) fn structured(&mut self) {
        if *self == Self::Plainly {
            *self = Self::Structured;
        }
    }

    /// A call of the client's tools came.
    pub(super) fn called(&mut self) {
        *self = Self::ByCalls;
    }
}

/// Why an answer ended. A structured answer that came through a tool is no call to the client.
pub(super) fn finish(reason: &str, answered: Answered) -> Finish {
    let (kind, keep) = match reason {
        "end_turn" | "stop_sequence" => (FinishKind::Stop, false),
        "tool_use" if answered == Answered::Structured => (FinishKind::Stop, false),
        "tool_use" => (FinishKind::ToolCalls, false),
        "max_tokens" => (FinishKind::Length, false),
        "model_context_window_exceeded" => (FinishKind::Length, true),
        "guardrail_intervened" | "content_filtered" => (FinishKind::ContentFilter, true),
        _ => (FinishKind::Stop, true),
    };
    Finish { kind, native: keep.then(|| reason.to_owned()), stop_sequence: None }
}
