//! What is priced: one class for each count of a usage.
//!
//! Classes are disjoint as the counts are, so a sum over them bills nothing twice. A class that a model does not
//! price apart costs what a wider one does; which that is stands here and nowhere else.

use llm_types::Usage;

/// One kind of what is used and paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Tokens of the prompt that no other class holds.
    Input,
    /// Tokens read from the provider's cache.
    CacheRead,
    /// Tokens written to the cache for five minutes, or where the provider does not say.
    CacheWrite,
    /// Tokens written to the cache for an hour.
    CacheWrite1h,
    /// Tokens of sound in the prompt.
    InputAudio,
    /// Tokens of pictures in the prompt.
    InputImage,
    /// Tokens of the answer that no other class holds.
    Output,
    /// Tokens of thinking.
    Reasoning,
    /// Tokens of sound in the answer.
    OutputAudio,
    /// Tokens of pictures in the answer.
    OutputImage,
    /// Searches and other queries.
    Query,
    /// The request itself.
    Request,
    /// Pictures made.
    Image,
    /// Pictures in the request.
    GivenImage,
    /// Pixels made.
    Pixel,
    /// Sound in the request: counted in milliseconds, priced by the second.
    Second,
    /// Sound made: counted in milliseconds, priced by the second.
    OutputSecond,
    /// Characters of the request's text.
    Character,
    /// Pages read.
    Page,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every class, in the order of its numbers.
    pub const ALL: [Self; 19] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::InputAudio,
        Self::InputImage,
        Self::Output,
        Self::Reasoning,
        Self::OutputAudio,
        Self::OutputImage,
        Self::Query,
        Self::Request,
        Self::Image,
        Self::GivenImage,
        Self::Pixel,
        Self::Second,
        Self::OutputSecond,
        Self::Character,
        Self::Page,
    ];

    /// Its name in the catalogue, in tables and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
            Self::InputAudio => "input_audio",
            Self::InputImage => "input_image",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
            Self::Query => "query",
            Self::Request => "request",
            Self::Image => "image",
            Self::GivenImage => "given_image",
            Self::Pixel => "pixel",
            Self::Second => "second",
            Self::OutputSecond => "output_second",
            Self::Character => "character",
            Self::Page => "page",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether it is counted in tokens.
    #[must_use]
    pub const fn is_token(self) -> bool {
        Classes::TOKENS.has(self)
    }

    /// How many of what is counted make one of what is priced.
    #[must_use]
    pub const fn per(self) -> u64 {
        match self {
            Self::Second | Self::OutputSecond => 1000,
            _ => 1,
        }
    }

    /// The class whose price holds where this one is not priced apart.
    #[must_use]
    pub const fn wider(self) -> Option<Self> {
        match self {
            Self::CacheRead | Self::CacheWrite | Self::InputAudio | Self::InputImage => Some(Self::Input),
            Self::CacheWrite1h => Some(Self::CacheWrite),
            Self::Reasoning | Self::OutputAudio | Self::OutputImage => Some(Self::Output),
            _ => None,
        }
    }

    /// The tokens that count the same content, where a provider reports both.
    pub(crate) const fn also_in(self) -> Option<Self> {
        match self {
            Self::Image | Self::Pixel => Some(Self::OutputImage),
            Self::GivenImage => Some(Self::InputImage),
            Self::Second => Some(Self::InputAudio),
            Self::OutputSecond => Some(Self::OutputAudio),
            Self::Character | Self::Page => Some(Self::Input),
            _ => None,
        }
    }

    /// How much of it a usage has; one request, always.
    #[must_use]
    pub const fn count(self, usage: &Usage) -> u64 {
        let units = &usage.units;
        if let Some(billed) = usage.billed
            && self.is_token()
        {
            return match self {
                Self::Input => billed.input,
                Self::Output => billed.output,
                _ => 0,
            };
        }
        match self {
            Self::Input => usage.input,
            Self::CacheRead => usage.cache_read,
            Self::CacheWrite => usage.cache_write_5m,
            Self::CacheWrite1h => usage.cache_write_1h,
            Self::InputAudio => usage.input_audio,
            Self::InputImage => usage.input_image,
            Self::Output => usage.output,
            Self::Reasoning => usage.reasoning,
            Self::OutputAudio => usage.output_audio,
            Self::OutputImage => usage.output_image,
            Self::Query => usage.queries,
            Self::Request => 1,
            Self::Image => units.images,
            Self::GivenImage => units.input_images,
            Self::Pixel => units.pixels,
            Self::Second => units.input_audio_ms,
            Self::OutputSecond => units.output_audio_ms,
            Self::Character => units.characters,
            Self::Page => units.pages,
        }
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u32);

impl Classes {
    /// None.
    pub const NONE: Self = Self(0);
    /// The prompt as text, cached or not.
    pub const TEXT_INPUT: Self = Self::of(&[Class::Input, Class::CacheRead, Class::CacheWrite]);
    /// The answer as text, thoughts included.
    pub const TEXT_OUTPUT: Self = Self::of(&[Class::Output, Class::Reasoning]);
    /// Everything that a prompt's tokens can be.
    pub const INPUT: Self =
        Self::TEXT_INPUT.and(Self::of(&[Class::CacheWrite1h, Class::InputAudio, Class::InputImage]));
    /// Everything that an answer's tokens can be.
    pub const OUTPUT: Self = Self::TEXT_OUTPUT.and(Self::of(&[Class::OutputAudio, Class::OutputImage]));
    /// Everything that is counted in tokens.
    pub const TOKENS: Self = Self::INPUT.and(Self::OUTPUT);

    /// These classes.
    #[must_use]
    pub const fn of(classes: &[Class]) -> Self {
        let mut set = 0;
        let mut rest = classes;
        while let [class, others @ ..] = rest {
            set |= class.bit();
            rest = others;
        }
        Self(set)
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

    /// Whether a class is among them.
    #[must_use]
    pub const fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.has(*class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_numbered_named_and_found() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
            assert_eq!(Class::of(class.name()), Some(class));
        }
        assert_eq!(Class::of("tokens"), None);
        assert_eq!(Classes::TOKENS.iter().count(), 10);
    }

    #[test]
    fn what_is_not_priced_apart_ends_at_input_or_output() {
        for class in Classes::TOKENS.iter() {
            let mut widest = class;
            while let Some(wider) = widest.wider() {
                widest = wider;
            }
            let expect = if Classes::INPUT.has(class) { Class::Input } else { Class::Output };
            assert_eq!(widest, expect, "{class:?}");
        }
    }

    #[test]
    fn every_token_of_a_usage_is_in_one_class() {
        let usage = Usage {
            input: 1,
            cache_read: 10,
            cache_write_5m: 100,
            cache_write_1h: 1_000,
            input_audio: 10_000,
            input_image: 100_000,
            output: 1_000_000,
            reasoning: 10_000_000,
            output_audio: 100_000_000,
            output_image: 1_000_000_000,
            ..Usage::default()
        };
        let sum = |classes: Classes| classes.iter().map(|class| class.count(&usage)).sum::<u64>();
        assert_eq!(sum(Classes::INPUT), usage.prompt_tokens());
        assert_eq!(sum(Classes::OUTPUT), usage.completion_tokens());
    }
}
