//! What a provider says of its rate limits.

use std::time::Duration;

/// One rate limit as a provider reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimit {
    /// The most in its period.
    pub limit: Option<u64>,
    /// What is left of it.
    pub left: Option<u64>,
    /// The time until it is whole again.
    pub reset: Option<Duration>,
}

/// What a provider's headers say of its rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// In requests.
    pub requests: RateLimit,
    /// In tokens.
    pub tokens: RateLimit,
}
