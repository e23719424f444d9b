//! Top-level members that clients send although OpenAI does not know them.

/// What becomes of a top-level member that is not OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It was for the gateway, which has read it.
    Gateway,
    /// It belongs to another provider.
    Other,
}

/// Whether a top-level member is known to be no business of an OpenAI-compatible provider.
pub(super) fn foreign(name: &str) -> Option<Foreign> {
    match name {
        "fallbacks" | "tags" | "drop_params" => Some(Foreign::Gateway),
        "extra_headers" | "extra_body" | "context_management" | "thinking" | "cache_control" => {
            Some(Foreign::Other)
        }
        _ => None,
    }
}
