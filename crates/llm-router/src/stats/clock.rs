//! Times as numbers, so that they fit an atomic.

use std::time::{Duration, Instant};

/// Counts microseconds from when the counters began. A time before that counts as that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new(since: Instant) -> Self {
        Self(since)
    }

    /// Never 0, which is left to mean "not".
    pub(crate) fn tick(self, now: Instant) -> u64 {
        // Without 128 bits, which take longer.
        let since = now.saturating_duration_since(self.0);
        since.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(since.subsec_micros()) + 1)
    }

    /// `None` for 0.
    pub(crate) fn time(self, tick: u64) -> Option<Instant> {
        self.0.checked_add(Duration::from_micros(tick.checked_sub(1)?))
    }

    /// Full periods passed.
    pub(crate) fn period(self, now: Instant, period: Duration) -> u64 {
        let micros = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1);
        (self.tick(now) - 1) / micros
    }
}
