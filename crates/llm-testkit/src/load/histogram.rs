//! Durations, and the values below which a share of them lies.
//!
//! Every value is kept: a run has some hundred thousand at most, and no bucket width has to be
//! defended when two programs differ by a few microseconds.

use std::time::Duration;

/// Recorded durations.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    values: Vec<Duration>,
}

impl Histogram {
    /// Adds a value.
    pub fn record(&mut self, value: Duration) {
        self.values.push(value);
    }

    /// Adds all values of another one.
    pub fn merge(&mut self, other: &Self) {
        self.values.extend_from_slice(&other.values);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value at or below which that share lies, from 0 to 100 (nearest rank); zero where there is
    /// none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut values = self.values.clone();
        let rank = (values.len() * percent.min(100)).div_ceil(100).saturating_sub(1);
        if rank >= values.len() {
            return Duration::ZERO;
        }
        *values.select_nth_unstable(rank).1
    }

    /// The largest value; zero where there is none.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.values.iter().max().copied().unwrap_or_default()
    }

    /// How far each value is from `expect`.
    #[must_use]
    pub fn deviation_from(&self, expect: Duration) -> Self {
        Self { values: self.values.iter().map(|value| value.abs_diff(expect)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[u64], percent: usize, expect: u64) {
        let mut histogram = Histogram::default();
        values.iter().for_each(|ms| histogram.record(Duration::from_millis(*ms)));
        assert_eq!(histogram.percentile(percent), Duration::from_millis(expect), "p{percent} of {values:?}");
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        check(&[], 50, 0);
        check(&[7], 0, 7);
        check(&[7], 99, 7);
        check(&[4, 1, 3, 2], 50, 2);
        check(&[4, 1, 3, 2], 51, 3);
        check(&[4, 1, 3, 2], 100, 4);
        let hundred: Vec<u64> = (1..=100).rev().collect();
        check(&hundred, 99, 99);
        check(&hundred, 50, 50);
    }

    #[test]
    fn deviation_counts_both_ways() {
        let mut gaps = Histogram::default();
        [18, 20, 25].iter().for_each(|ms| gaps.record(Duration::from_millis(*ms)));
        let deviation = gaps.deviation_from(Duration::from_millis(20));
        assert_eq!(
            (deviation.max(), deviation.percentile(50)),
            (Duration::from_millis(5), Duration::from_millis(2))
        );
    }
}
