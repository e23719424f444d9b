//! What a model can do, and what a request uses of it.

/// What a deployment can do, or a request uses: a set of up to 64 abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Nothing in particular.
    pub const NONE: Self = Self(0);
    /// Everything: of a deployment nothing is known of.
    pub const ALL: Self = Self(u64::MAX);
    /// Calls functions.
    pub const TOOLS: Self = Self(1);
    /// Reads images.
    pub const IMAGE_INPUT: Self = Self(1 << 1);
    /// Reads audio.
    pub const AUDIO_INPUT: Self = Self(1 << 2);
    /// Reads files.
    pub const FILE_INPUT: Self = Self(1 << 3);
    /// Answers with audio.
    pub const AUDIO_OUTPUT: Self = Self(1 << 4);
    /// Answers in JSON.
    pub const JSON: Self = Self(1 << 5);
    /// Keeps to a JSON schema.
    pub const JSON_SCHEMA: Self = Self(1 << 6);
    /// Thinks before it answers.
    pub const REASONING: Self = Self(1 << 7);
    /// Streams.
    pub const STREAM: Self = Self(1 << 8);
    /// Searches the web.
    pub const WEB_SEARCH: Self = Self(1 << 9);
    /// Gives log probabilities.
    pub const LOG_PROBS: Self = Self(1 << 10);

    const NAMES: [(Self, &'static str); 11] = [
        (Self::TOOLS, "tools"),
        (Self::IMAGE_INPUT, "image input"),
        (Self::AUDIO_INPUT, "audio input"),
        (Self::FILE_INPUT, "file input"),
        (Self::AUDIO_OUTPUT, "audio output"),
        (Self::JSON, "JSON output"),
        (Self::JSON_SCHEMA, "JSON schemas"),
        (Self::REASONING, "reasoning"),
        (Self::STREAM, "streaming"),
        (Self::WEB_SEARCH, "web search"),
        (Self::LOG_PROBS, "log probabilities"),
    ];

    /// An ability that the caller gives a meaning to, counted from the top: 0 to 31.
    #[must_use]
    pub const fn own(number: u32) -> Self {
        Self(1 << (63 - number % 32))
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the other is part of this.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The first ability in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(one, _)| self.0 & one.0 != 0);
        named.map_or("something it cannot do", |(_, name)| *name)
    }
}
