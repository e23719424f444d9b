//! The part that is open.

use llm_types::{PartStart, SurrogateCarry};

use super::audio::Base64Carry;

/// What a part is, as far as it matters for what may join it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Thoughts.
    Reasoning,
    /// Anything that nothing joins by its kind alone.
    Other,
}

impl Kind {
    /// What a part is that begins like this.
    pub(super) fn of(start: &PartStart<'_>) -> Self {
        match start {
            PartStart::Text => Self::Text,
            PartStart::Reasoning => Self::Reasoning,
            PartStart::Refusal
            | PartStart::ToolCall { .. }
            | PartStart::Audio { .. }
            | PartStart::Image { .. }
            | PartStart::Opaque(_) => Self::Other,
        }
    }
}

/// The part that is open.
#[derive(Debug)]
pub(super) struct Open {
    /// Its number.
    pub(super) part: u32,
    pub(super) kind: Kind,
    /// It has a signature: nothing may join it.
    pub(super) signed: bool,
    /// Half a character that waits for its other half.
    pub(super) carry: SurrogateCarry,
    /// Its text so far, for the places of its sources.
    pub(super) text: String,
    /// The media type of raw sound, which sound of the same type joins.
    pub(super) media_type: Option<String>,
    /// Sound that waits for its next chunk.
    pub(super) samples: Base64Carry,
}

impl Open {
    /// A part that just began.
    pub(super) fn new(part: u32, kind: Kind) -> Self {
        Self {
            part,
            kind,
            signed: false,
            carry: SurrogateCarry::default(),
            text: String::new(),
            media_type: None,
            samples: Base64Carry::default(),
        }
    }
}
