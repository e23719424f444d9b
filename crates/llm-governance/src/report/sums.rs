//! Sums over rows.

use llm_types::PicoUsd;

use crate::row::{RowCache, UsageRow};

/// What is added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Attempts: rows.
    pub attempts: u64,
    /// Requests: of several attempts the first counts.
    pub requests: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Answers from the cache.
    pub cache_hits: u64,
    /// Prompt tokens that no other class holds.
    pub input: u64,
    /// Prompt tokens read from a provider's cache.
    pub cache_read: u64,
    /// Prompt tokens written to a provider's cache.
    pub cache_write: u64,
    /// Answer tokens that no other class holds.
    pub output: u64,
    /// Thinking.
    pub reasoning: u64,
    /// Sound and pictures, where they are counted in tokens.
    pub other_tokens: u64,
    /// What it cost.
    pub cost: PicoUsd,
    /// Attempts with a price missing: the true cost is higher.
    pub incomplete: u64,
    /// All latencies together, in microseconds.
    pub latency_us: u64,
    /// All times to the first content together, in microseconds.
    pub first_token_us: u64,
    /// How many attempts that is over.
    pub first_tokens: u64,
}

impl Sums {
    /// Of one row.
    #[must_use]
    pub fn of(row: &UsageRow) -> Self {
        let UsageRow { usage, cost, latency, first_token, error, cache, cost_incomplete, attempt, .. } = row;
        let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let media = [usage.input_audio, usage.input_image, usage.output_audio, usage.output_image];
        Self {
            attempts: 1,
            requests: u64::from(*attempt <= 1),
            errors: u64::from(error.is_some()),
            cache_hits: u64::from(*cache == RowCache::Hit),
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write(),
            output: usage.output,
            reasoning: usage.reasoning,
            other_tokens: media.iter().fold(0, |sum: u64, n| sum.saturating_add(*n)),
            cost: *cost,
            incomplete: u64::from(*cost_incomplete),
            latency_us: micros(*latency),
            first_token_us: first_token.map(micros).unwrap_or_default(),
            first_tokens: u64::from(first_token.is_some()),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let sum = |get: fn(&Self) -> u64| get(self).saturating_add(get(other));
        Self {
            attempts: sum(|one| one.attempts),
            requests: sum(|one| one.requests),
            errors: sum(|one| one.errors),
            cache_hits: sum(|one| one.cache_hits),
            input: sum(|one| one.input),
            cache_read: sum(|one| one.cache_read),
            cache_write: sum(|one| one.cache_write),
            output: sum(|one| one.output),
            reasoning: sum(|one| one.reasoning),
            other_tokens: sum(|one| one.other_tokens),
            cost: self.cost.saturating_add(other.cost),
            incomplete: sum(|one| one.incomplete),
            latency_us: sum(|one| one.latency_us),
            first_token_us: sum(|one| one.first_token_us),
            first_tokens: sum(|one| one.first_tokens),
        }
    }

    /// Prompt tokens of all classes.
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// Answer tokens, thinking included.
    #[must_use]
    pub fn completion_tokens(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }
}
