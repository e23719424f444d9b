//! Why an answer ended, in Anthropic's words.

use llm_types::{Finish, FinishKind};

/// The words that Anthropic documents.
const WORDS: [&str; 8] = [
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
];

/// What an answer holds that decides why it ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    /// Calls of the client's tools.
    pub(super) calls: bool,
    /// A refusal in words.
    pub(super) refusal: bool,
}

/// `stop_reason`. A provider that forces a call may say that it stopped; a client of this API goes on
/// only when it is told to use its tool.
pub(super) fn stop_reason(finish: Option<&Finish>, held: Held) -> &'static str {
    let plain = match held {
        Held { refusal: true, .. } => "refusal",
        Held { calls: true, .. } => "tool_use",
        Held { .. } => "end_turn",
    };
    let Some(Finish { kind, native, stop_sequence }) = finish else {
        return plain;
    };
    let own = native.as_deref().and_then(|native| WORDS.into_iter().find(|word| *word == native));
    if let Some(word) = own {
        return word;
    }
    match kind {
        FinishKind::Stop if stop_sequence.is_some() => "stop_sequence",
        FinishKind::Stop => plain,
        FinishKind::Length => "max_tokens",
        FinishKind::ToolCalls => "tool_use",
        FinishKind::ContentFilter => "refusal",
    }
}
