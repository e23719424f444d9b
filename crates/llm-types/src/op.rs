//! The operations a provider may offer.
//!
//! The provider table states them for each row, so that a model that cannot do what is asked is
//! refused before a call. Only operations that some dialect can carry out are listed in [`crate::Call`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// One kind of work that a provider may offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A conversation turn.
    Chat,
    /// Counting the tokens of a prompt.
    CountTokens,
    /// Legacy text completion.
    Completion,
    /// Text to vectors.
    Embed,
    /// Text to images.
    Image,
    /// Text to speech.
    Speech,
    /// Speech to text.
    Transcribe,
    /// Ordering documents by relevance.
    Rerank,
    /// Classifying content against a policy.
    Moderate,
    /// OpenAI's Responses API.
    Responses,
    /// Work handed in as a file and done later.
    Batch,
    /// Anthropic's Messages API spoken natively.
    Messages,
    /// Speech in any language to English text.
    Translate,
    /// Images to other images.
    ImageEdit,
    /// Images to others like them.
    ImageVariation,
    /// OpenAI's Realtime API: a session of events both ways.
    Realtime,
}

impl Op {
    /// The name used in the provider table and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::CountTokens => "count_tokens",
            Self::Completion => "completion",
            Self::Embed => "embed",
            Self::Image => "image",
            Self::Speech => "speech",
            Self::Transcribe => "transcribe",
            Self::Rerank => "rerank",
            Self::Moderate => "moderate",
            Self::Responses => "responses",
            Self::Batch => "batch",
            Self::Messages => "messages",
            Self::Translate => "translate",
            Self::ImageEdit => "image_edit",
            Self::ImageVariation => "image_variation",
            Self::Realtime => "realtime",
        }
    }
}

impl Op {
    /// Whether it brings pictures.
    #[must_use]
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Image | Self::ImageEdit | Self::ImageVariation)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
