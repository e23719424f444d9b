//! What a deployment is, as far as choosing one goes.
//!
//! The caller fills these in from its configuration and catalogue; the router compares them with what a
//! request [needs](crate::Needs) and never learns where they come from.

use std::sync::Arc;

pub use llm_types::Capabilities;

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
