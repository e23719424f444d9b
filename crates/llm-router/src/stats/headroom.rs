//! What the provider says is left of its rate limits.
//!
//! `x-ratelimit-*` headers arrive with every answer, so the newest word is kept and nothing else. A dimension
//! with nothing left rests the deployment until the provider's own reset.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use llm_types::{RateLimit, RateLimits};

use super::clock::Clock;

/// The longest that a reset is believed.
const RESET_LIMIT: Duration = Duration::from_secs(600);

/// How long there is nothing left to ask for.
pub(crate) fn exhausted(limits: &RateLimits) -> Option<Duration> {
    let until = |rate: &RateLimit| match (rate.left, rate.reset) {
        (Some(0), Some(reset)) if !reset.is_zero() => Some(reset.min(RESET_LIMIT)),
        _ => None,
    };
    until(&limits.requests).max(until(&limits.tokens))
}

/// What is left of a provider's rate limits, each from 0 to 1; `None`: it said nothing, or its period is over.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RateLimitsLeft {
    /// Of requests.
    pub requests: Option<f64>,
    /// Of tokens.
    pub tokens: Option<f64>,
}

/// The newest word on both dimensions.
#[derive(Debug, Default)]
pub(crate) struct Headroom {
    requests: Share,
    tokens: Share,
}

/// The share that was left, and until when that means something.
#[derive(Debug, Default)]
struct Share {
    /// Parts of a million, plus one; 0: never heard.
    left: AtomicU64,
    until: AtomicU64,
}

impl Headroom {
    pub(crate) fn note(&self, limits: &RateLimits, clock: Clock, now: Instant) {
        self.requests.note(&limits.requests, clock, now);
        self.tokens.note(&limits.tokens, clock, now);
    }

    /// The smaller share that is left, 0 to 1; 1 when nothing is known.
    pub(crate) fn share(&self, clock: Clock, now: Instant) -> f64 {
        let RateLimitsLeft { requests, tokens } = self.left(clock, now);
        requests.unwrap_or(1.0).min(tokens.unwrap_or(1.0))
    }

    pub(crate) fn left(&self, clock: Clock, now: Instant) -> RateLimitsLeft {
        RateLimitsLeft { requests: self.requests.left(clock, now), tokens: self.tokens.left(clock, now) }
    }
}

impl Share {
    fn note(&self, rate: &RateLimit, clock: Clock, now: Instant) {
        let (Some(left), Some(limit @ 1..)) = (rate.left, rate.limit) else {
            return;
        };
        let parts = left.min(limit).saturating_mul(1_000_000) / limit;
        let reset = rate.reset.unwrap_or(Duration::from_secs(60)).min(RESET_LIMIT);
        self.left.store(parts + 1, Ordering::Relaxed);
        self.until.store(now.checked_add(reset).map_or(0, |until| clock.tick(until)), Ordering::Relaxed);
    }

    fn left(&self, clock: Clock, now: Instant) -> Option<f64> {
        match self.left.load(Ordering::Relaxed) {
            0 => None,
            _ if self.until.load(Ordering::Relaxed) <= clock.tick(now) => None,
            parts => Some(f64::from(u32::try_from(parts - 1).unwrap_or(u32::MAX)) / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_dimension_counts_until_its_reset() {
        let now = Instant::now();
        let clock = Clock::new(now);
        let headroom = Headroom::default();
        let check = |seconds, expect: f64| {
            let got = headroom.share(clock, now + Duration::from_secs(seconds));
            assert!((got - expect).abs() < 1e-5, "{seconds}: {got}");
        };
        check(0, 1.0);
        let rate = |left, limit, reset| RateLimit {
            left: Some(left),
            limit: Some(limit),
            reset: Some(Duration::from_secs(reset)),
        };
        headroom.note(&RateLimits { requests: rate(50, 100, 30), tokens: rate(1, 10, 10) }, clock, now);
        check(0, 0.1);
        check(10, 0.5);
        check(30, 1.0);
        let left = headroom.left(clock, now + Duration::from_secs(10));
        assert_eq!(left, RateLimitsLeft { requests: Some(0.5), tokens: None });
    }

    #[test]
    fn nothing_left_is_a_rest() {
        let rate = |left, reset| RateLimit { left, limit: None, reset };
        let check = |requests, tokens, expect: Option<u64>| {
            let limits = RateLimits { requests, tokens };
            assert_eq!(exhausted(&limits), expect.map(Duration::from_secs), "{limits:?}");
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        check(rate(Some(0), seconds(3)), rate(Some(0), seconds(7)), Some(7));
        check(rate(Some(0), seconds(3)), rate(Some(5), seconds(7)), Some(3));
        check(rate(Some(0), None), rate(None, seconds(7)), None);
        check(rate(Some(0), seconds(100_000)), rate(None, None), Some(600));
    }
}
