//! What a deployment is, as far as choosing one goes.
//!
//! The caller fills these in from its configuration and catalogue; the router compares them with what a
//! request [needs](crate::Needs) and never learns where they come from.

use std::sync::Arc;

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

/// What a token costs, in pico-dollars: 1 USD per million tokens is 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// One token of the prompt.
    pub input_pico_usd: u64,
    /// One token of the answer.
    pub output_pico_usd: u64,
    /// A request, whatever its length.
    pub request_pico_usd: u64,
}

impl Price {
    /// What a request of this size costs, in pico-dollars.
    #[must_use]
    pub fn of(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let input = self.input_pico_usd.saturating_mul(input_tokens);
        let output = self.output_pico_usd.saturating_mul(output_tokens);
        input.saturating_add(output).saturating_add(self.request_pico_usd)
    }
}

/// The most that a deployment may be asked; what is `None` is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Requests in any minute.
    pub rpm: Option<u32>,
    /// Tokens in any minute, prompt and answer.
    pub tpm: Option<u32>,
    /// Requests at the same time.
    pub max_parallel: Option<u32>,
}

impl Allowance {
    /// Whether there is no bound at all.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a minute is bounded.
    pub(crate) fn per_minute(&self) -> bool {
        self.rpm.is_some() || self.tpm.is_some()
    }
}

/// What is known of a deployment before it is asked anything.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its tier: a higher one is asked only when nobody of a lower one can be.
    pub order: u32,
    /// Where it stands.
    pub region: Option<Arc<str>>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// The most tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// The most tokens of an answer.
    pub max_output: Option<u64>,
    /// What it costs; unknown is not free.
    pub price: Option<Price>,
    /// The most it may be asked.
    pub allowance: Allowance,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            order: 0,
            region: None,
            capabilities: Capabilities::ALL,
            context_window: None,
            max_output: None,
            price: None,
            allowance: Allowance::default(),
        }
    }
}
