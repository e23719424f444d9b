//! What an answer used, in disjoint classes.
//!
//! Providers count differently: OpenAI and Gemini report cached tokens inside the prompt count,
//! Anthropic beside it; reasoning is inside the output count for most. Each dialect converts its own
//! convention into these classes, so that nothing is billed twice, and back.

use crate::PicoUsd;

/// A provider's tier of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ServiceTier {
    /// The usual one.
    #[default]
    Standard,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// Within a day, in a batch.
    Batch,
}

impl ServiceTier {
    /// Every tier.
    pub const ALL: [Self; 4] = [Self::Standard, Self::Flex, Self::Priority, Self::Batch];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
        }
    }

    /// The tier that a provider's answer names; any other word is the usual one.
    #[must_use]
    pub fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|tier| tier.name() == word).unwrap_or_default()
    }
}

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
    /// The tier of service that answered, where the provider names one.
    pub service: ServiceTier,
    /// What the provider says that it bills for all of it, where it says so.
    pub stated: Option<PicoUsd>,
    /// The tokens that are paid, where the provider bills others than it counts.
    pub billed: Option<Billed>,
}

/// Tokens that a provider bills in place of those that it counts: Cohere leaves out what its own template adds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Billed {
    /// Of the prompt, read from a cache or not.
    pub input: u64,
    /// Of the answer, thinking included.
    pub output: u64,
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

impl Units {
    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let Self { images, input_images, pixels, input_audio_ms, output_audio_ms, characters, pages } = other;
        Self {
            images: self.images.saturating_add(*images),
            input_images: self.input_images.saturating_add(*input_images),
            pixels: self.pixels.saturating_add(*pixels),
            input_audio_ms: self.input_audio_ms.saturating_add(*input_audio_ms),
            output_audio_ms: self.output_audio_ms.saturating_add(*output_audio_ms),
            characters: self.characters.saturating_add(*characters),
            pages: self.pages.saturating_add(*pages),
        }
    }
}

impl Usage {
    /// Both together, class by class: two answers that are one to whoever asked. A tier is theirs where it is the
    /// same, and a cost is stated where both state one.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let Self {
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            input_audio,
            input_image,
            output,
            reasoning,
            output_audio,
            output_image,
            queries,
            accepted_prediction,
            rejected_prediction,
            units,
            estimated,
            service,
            stated,
            billed,
        } = other;
        Self {
            input: self.input.saturating_add(*input),
            cache_read: self.cache_read.saturating_add(*cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(*cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(*cache_write_1h),
            input_audio: self.input_audio.saturating_add(*input_audio),
            input_image: self.input_image.saturating_add(*input_image),
            output: self.output.saturating_add(*output),
            reasoning: self.reasoning.saturating_add(*reasoning),
            output_audio: self.output_audio.saturating_add(*output_audio),
            output_image: self.output_image.saturating_add(*output_image),
            queries: self.queries.saturating_add(*queries),
            accepted_prediction: self.accepted_prediction.saturating_add(*accepted_prediction),
            rejected_prediction: self.rejected_prediction.saturating_add(*rejected_prediction),
            units: self.units.and(units),
            estimated: self.estimated || *estimated,
            service: if self.service == *service { *service } else { ServiceTier::Standard },
            stated: self.stated.zip(*stated).map(|(one, other)| one.saturating_add(other)),
            billed: (self.billed.is_some() || billed.is_some()).then(|| {
                let (one, other) = (self.paid(), other.paid());
                Billed {
                    input: one.input.saturating_add(other.input),
                    output: one.output.saturating_add(other.output),
                }
            }),
        }
    }

    /// Whether it tells nothing: a provider that sends an empty object, or zeros, for an answer has not counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { estimated, service, stated, billed, .. } = self;
        let stated = stated.filter(|stated| *stated == PicoUsd::ZERO);
        let billed = billed.filter(|billed| *billed == Billed::default());
        *self == Self { estimated: *estimated, service: *service, stated, billed, ..Self::default() }
    }

    /// The tokens that are paid: those that are counted, unless the provider bills others.
    fn paid(&self) -> Billed {
        let counted = || Billed { input: self.prompt_tokens(), output: self.completion_tokens() };
        self.billed.unwrap_or_else(counted)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_tell_nothing() {
        let none = Usage { estimated: true, service: ServiceTier::Flex, ..Usage::default() };
        assert!(none.is_empty());
        assert!(
            Usage { stated: Some(PicoUsd::ZERO), billed: Some(Billed::default()), ..none.clone() }.is_empty()
        );
        assert!(!Usage { output: 1, ..none.clone() }.is_empty());
        assert!(!Usage { units: Units { images: 1, ..Units::default() }, ..none.clone() }.is_empty());
        assert!(!Usage { stated: Some(PicoUsd::from_pico(1)), ..none.clone() }.is_empty());
        assert!(!Usage { billed: Some(Billed { input: 1, output: 0 }), ..none }.is_empty());
    }

    #[test]
    fn what_is_paid_adds_up_with_what_is_counted() {
        let counted = Usage { input: 10, cache_read: 5, output: 3, ..Usage::default() };
        assert_eq!(counted.and(&counted).billed, None);
        let paid = Usage { billed: Some(Billed { input: 1, output: 2 }), ..counted.clone() };
        let both = paid.and(&counted);
        assert_eq!((both.total_tokens(), both.billed), (36, Some(Billed { input: 16, output: 5 })));
    }
}
