//! The arithmetic of a limit: a bucket that fills with what is taken and empties evenly.
//!
//! The level is counted in units times the milliseconds of a minute, so that emptying by the millisecond is whole
//! and nothing is ever rounded. With limits up to [`MOST`] every figure also fits the doubles of a script that runs
//! in a store: `level = max(0, level - limit * (now - at)); at = now`, then `level + n * 60000 <= limit * 60000`.

use std::time::Duration;

use llm_types::RateLimit;

/// The largest limit: a hundred thousand million a minute.
pub const MOST: u64 = 100_000_000_000;
/// Milliseconds of a minute.
const MINUTE: u64 = 60_000;

/// What is in a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Units times the milliseconds of a minute.
    level: u64,
    /// When that was so, in milliseconds of the caller's clock.
    at_ms: u64,
}

impl Bucket {
    /// One with so much in it, in units times the milliseconds of a minute, as a shared store counts it.
    #[must_use]
    pub const fn holding(level: u64) -> Self {
        Self { level, at_ms: 0 }
    }

    /// Lets time pass. A clock that goes back empties nothing.
    pub fn drain(&mut self, limit: u64, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms);
        self.level = self.level.saturating_sub(limit.saturating_mul(passed));
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// How long until `units` fit; zero: now. More than the limit never fits, so it is taken for the limit: such a
    /// request waits for an empty bucket.
    #[must_use]
    pub fn wait(&self, limit: u64, units: u64) -> Duration {
        let (level, whole) = (self.level, limit.saturating_mul(MINUTE));
        let more = units.min(limit).saturating_mul(MINUTE);
        let over = level.saturating_add(more).saturating_sub(whole);
        match limit {
            0 if units > 0 => Duration::MAX,
            _ if over == 0 => Duration::ZERO,
            0 => Duration::MAX,
            _ => Duration::from_millis(over.div_ceil(limit)),
        }
    }

    /// Puts `units` in, whether they fit or not.
    pub fn put(&mut self, units: u64) {
        self.level = self.level.saturating_add(units.saturating_mul(MINUTE));
    }

    /// Takes `units` out again.
    pub fn take_back(&mut self, units: u64) {
        self.level = self.level.saturating_sub(units.saturating_mul(MINUTE));
    }

    /// What the headers of an answer say: the limit, what still fits, the time until the bucket is empty.
    #[must_use]
    pub fn view(&self, limit: u64) -> RateLimit {
        let left = limit.saturating_sub(self.level.div_ceil(MINUTE));
        let reset = self.level.div_ceil(limit.max(1));
        RateLimit { limit: Some(limit), left: Some(left), reset: Some(Duration::from_millis(reset)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes one if it fits, else says how long to wait.
    fn take(bucket: &mut Bucket, limit: u64, units: u64, now: u64) -> Result<(), u64> {
        bucket.drain(limit, now);
        match bucket.wait(limit, units) {
            Duration::ZERO => {
                bucket.put(units);
                Ok(())
            }
            wait => Err(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    #[test]
    fn the_limit_fits_at_once_and_then_evenly() {
        let mut bucket = Bucket::default();
        for nth in 0..60 {
            assert_eq!(take(&mut bucket, 60, 1, 5_000), Ok(()), "{nth}");
        }
        assert_eq!(take(&mut bucket, 60, 1, 5_000), Err(1_000));
        assert_eq!(take(&mut bucket, 60, 1, 5_999), Err(1));
        assert_eq!(take(&mut bucket, 60, 1, 6_000), Ok(()));
        assert_eq!(take(&mut bucket, 60, 1, 6_000), Err(1_000));
        // The clock is set back: nothing is gained.
        assert_eq!(take(&mut bucket, 60, 1, 0), Err(1_000));
        let view = bucket.view(60);
        assert_eq!((view.left, view.reset), (Some(0), Some(Duration::from_secs(60))));
    }

    #[test]
    fn odd_limits_lose_nothing() {
        let mut bucket = Bucket::default();
        let came = (0..=600_000).filter(|now| take(&mut bucket, 7, 1, *now).is_ok()).count();
        assert_eq!(came, 7 + 70);
    }

    #[test]
    fn more_than_the_limit_waits_for_an_empty_bucket() {
        let mut bucket = Bucket::default();
        assert_eq!(take(&mut bucket, 100, 250, 0), Ok(()));
        assert_eq!(take(&mut bucket, 100, 250, 0), Err(150_000));
        bucket.take_back(200);
        assert_eq!(take(&mut bucket, 100, 50, 0), Ok(()));
        assert_eq!(bucket.view(100).left, Some(0));
        assert_eq!(Bucket::default().wait(0, 1), Duration::MAX, "none is none");
        assert_eq!(Bucket::default().wait(0, 0), Duration::ZERO);
    }

    proptest! {
        /// Over any stretch no more than the limit and what flows off in it, and `wait` is the first moment that fits.
        #[test]
        fn no_stretch_has_too_many(limit in 1..500_u64, steps in proptest::collection::vec((0..3_000_u64, 1..20_u64), 1..200)) {
            let mut bucket = Bucket::default();
            let mut now = 1_000_000;
            let mut came: Vec<(u64, u64)> = Vec::new();
            for (step, units) in steps {
                now += step;
                let units = units.min(limit);
                if let Err(wait) = take(&mut bucket, limit, units, now) {
                    let mut before = bucket;
                    prop_assert!(take(&mut before, limit, units, now + wait - 1).is_err());
                    now += wait;
                    prop_assert_eq!(take(&mut bucket, limit, units, now), Ok(()));
                }
                came.push((now, units));
                let mut sum = 0;
                for (at, units) in came.iter().rev() {
                    sum += units;
                    prop_assert!(sum * MINUTE <= limit * (MINUTE + now - at), "{sum} since {at}");
                }
            }
        }
    }
}
