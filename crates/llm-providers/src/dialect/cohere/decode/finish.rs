//! Why an answer ended.

use llm_types::{Finish, FinishKind};

/// Whether the word says that the provider failed.
pub(super) fn is_failure(reason: &str) -> bool {
    matches!(reason, "ERROR" | "TIMEOUT")
}

/// Why an answer ended.
pub(super) fn finish(reason: &str) -> Finish {
    let (kind, keep) = match reason {
        "COMPLETE" | "STOP_SEQUENCE" => (FinishKind::Stop, false),
        "TOOL_CALL" => (FinishKind::ToolCalls, false),
        "MAX_TOKENS" => (FinishKind::Length, false),
        "ERROR_LIMIT" => (FinishKind::Length, true),
        "ERROR_TOXIC" => (FinishKind::ContentFilter, true),
        _ => (FinishKind::Stop, true),
    };
    Finish { kind, native: keep.then(|| reason.to_owned()), stop_sequence: None }
}
