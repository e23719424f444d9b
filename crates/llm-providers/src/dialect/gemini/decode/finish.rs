//! Why an answer ended.

use llm_types::{Finish, FinishKind};

use super::super::wire::Word;

/// Names of `FinishReason` by number, for callers that asked for numbers.
const REASONS: &[&str] = &[
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
];
/// Names of `BlockedReason` by number.
const BLOCKS: &[&str] =
    &["BLOCKED_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"];
const FILTERED: &[&str] = &[
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "OTHER",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "ESCALATION",
    "MODEL_ARMOR",
];

/// Whether the answer calls functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Called {
    /// It does not.
    #[default]
    Nothing,
    /// It does.
    Functions,
}

/// The provider's word.
pub(super) fn word(reason: &Word<'_>) -> String {
    reason.name(REASONS).into_owned()
}

/// What the provider's word means. It is kept where it says more than the neutral one.
pub(super) fn finish(word: &str, called: Called) -> Finish {
    let kind = match word {
        _ if called == Called::Functions => FinishKind::ToolCalls,
        "MAX_TOKENS" => FinishKind::Length,
        word if FILTERED.contains(&word) => FinishKind::ContentFilter,
        _ => FinishKind::Stop,
    };
    let says_nothing_more = word == "STOP" || (word == "MAX_TOKENS" && kind == FinishKind::Length);
    Finish { kind, native: (!says_nothing_more).then(|| word.to_owned()), stop_sequence: None }
}

/// The prompt was refused.
pub(super) fn blocked(reason: &Word<'_>) -> Finish {
    let native = Some(reason.name(BLOCKS).into_owned());
    Finish { kind: FinishKind::ContentFilter, native, stop_sequence: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let check = |reason: &str, called, kind, native: Option<&str>| {
            let finish = finish(reason, called);
            assert_eq!((finish.kind, finish.native.as_deref()), (kind, native), "{reason}");
        };
        use Called::{Functions, Nothing};
        use FinishKind::{ContentFilter, Length, Stop, ToolCalls};
        check("STOP", Nothing, Stop, None);
        check("STOP", Functions, ToolCalls, None);
        check("MAX_TOKENS", Nothing, Length, None);
        check("MAX_TOKENS", Functions, ToolCalls, Some("MAX_TOKENS"));
        for reason in FILTERED {
            check(reason, Nothing, ContentFilter, Some(reason));
        }
        for reason in [
            "FINISH_REASON_UNSPECIFIED",
            "MALFORMED_FUNCTION_CALL",
            "MALFORMED_RESPONSE",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "NEWER_THAN_US",
        ] {
            check(reason, Nothing, Stop, Some(reason));
        }
        assert_eq!(word(&Word::Number(2)), "MAX_TOKENS");
        assert_eq!(word(&Word::Number(99)), "99");
        assert_eq!(blocked(&Word::Number(4)).native.as_deref(), Some("PROHIBITED_CONTENT"));
    }
}
