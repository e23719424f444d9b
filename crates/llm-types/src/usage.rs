//! What an answer used, in disjoint classes.
//!
//! Providers count differently: OpenAI and Gemini report cached tokens inside the prompt count,
//! Anthropic beside it; reasoning is inside the output count for most. Each dialect converts its own
//! convention into these classes, so that nothing is billed twice, and back.

/// Disjoint counts: the total is their sum. Tokens unless the name says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens that no other class holds.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: u64,
    /// Prompt tokens written to the cache for five minutes (or where the provider does not say).
    pub cache_write_5m: u64,
    /// Prompt tokens written to the cache for an hour.
    pub cache_write_1h: u64,
    /// Sound in the prompt.
    pub input_audio: u64,
    /// Pictures in the prompt, where they are counted apart.
    pub input_image: u64,
    /// Answer tokens that no other class holds.
    pub output: u64,
    /// Thinking.
    pub reasoning: u64,
    /// Sound in the answer.
    pub output_audio: u64,
    /// Pictures in the answer.
    pub output_image: u64,
    /// Searches and other priced queries that the provider ran.
    pub queries: u64,
    /// Part of `output`: predicted tokens that were right.
    pub accepted_prediction: u64,
    /// Part of `output`: predicted tokens that were wrong, and are billed.
    pub rejected_prediction: u64,
    /// What is not counted in tokens.
    pub units: Units,
    /// Whether the counts are estimated because the provider reported none.
    pub estimated: bool,
}

/// What providers count in other units than tokens. Content is counted here only where it is not counted in
/// tokens as well, or where the provider sells it by the piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    /// Pictures made.
    pub images: u64,
    /// Pictures in the request.
    pub input_images: u64,
    /// Pixels of the pictures made.
    pub pixels: u64,
    /// Sound in the request, in milliseconds.
    pub input_audio_ms: u64,
    /// Sound made, in milliseconds.
    pub output_audio_ms: u64,
    /// Characters of the request's text.
    pub characters: u64,
    /// Pages read.
    pub pages: u64,
}

impl Usage {
    /// All prompt tokens.
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        [self.cache_read, self.cache_write(), self.input_audio, self.input_image]
            .iter()
            .fold(self.input, |sum, n| sum.saturating_add(*n))
    }

    /// All prompt tokens written to a cache.
    #[must_use]
    pub fn cache_write(&self) -> u64 {
        self.cache_write_5m.saturating_add(self.cache_write_1h)
    }

    /// All answer tokens, thinking included.
    #[must_use]
    pub fn completion_tokens(&self) -> u64 {
        [self.reasoning, self.output_audio, self.output_image]
            .iter()
            .fold(self.output, |sum, n| sum.saturating_add(*n))
    }

    /// Prompt and answer.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.completion_tokens())
    }
}
