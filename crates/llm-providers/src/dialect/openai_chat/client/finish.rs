//! Why an answer ended, in the words of sixty providers.

use llm_types::{Finish, FinishKind};

/// What a provider's word means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The answer is complete, or cut for a known reason.
    Finish(Finish),
    /// The provider gave up.
    Failed,
}

/// Reads `finish_reason`. Empty: the provider did not say; an answer that called tools then ended for
/// that, as it did where the provider says `stop`.
pub(super) fn ended(word: &str, calls: usize) -> Ended {
    let stop = if calls > 0 { FinishKind::ToolCalls } else { FinishKind::Stop };
    let (kind, usual) = match word {
        "" | "stop" => (stop, true),
        "length" => (FinishKind::Length, true),
        "tool_calls" | "function_call" => (FinishKind::ToolCalls, true),
        "content_filter" => (FinishKind::ContentFilter, true),
        "max_tokens" | "model_length" => (FinishKind::Length, false),
        "sensitive" => (FinishKind::ContentFilter, false),
        "error" | "network_error" | "insufficient_system_resource" => return Ended::Failed,
        // `eos`, `end_turn`, `stop_sequence` and whatever comes next.
        _ => (stop, false),
    };
    let native = (!usual).then(|| word.to_owned());
    Ended::Finish(Finish { kind, native, stop_sequence: None })
}
