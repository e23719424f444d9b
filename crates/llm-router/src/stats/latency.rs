//! How long a deployment takes, as moving averages that believe a peak at once.
//!
//! A plain average needs many slow answers before it says "slow"; by then they have all been waited for. A
//! sample above the estimate replaces it, one below pulls it down with time ("peak EWMA", as in Finagle and
//! linkerd). An estimate that hears nothing fades, so that a slow deployment is asked again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clock::Clock;

/// The time in which an estimate loses two thirds of its weight, in milliseconds.
const FADE_MS: f32 = 30_000.0;
/// An exponential to this power is as good as one here, and several times as fast. After so many times nothing is left.
const STEPS: f32 = 16.0;

/// Milliseconds in which nothing fades that anybody could tell: a thousandth.
const NOTHING: u32 = 30;

/// The most that an old estimate counts against a better sample.
const OLD_SHARE: f32 = 0.8;

/// One peak-EWMA: seconds in the upper half, milliseconds of the last sample in the lower one.
#[derive(Debug, Default)]
pub(crate) struct PeakEwma(AtomicU64);

impl PeakEwma {
    pub(crate) fn note(&self, sample: Duration, clock: Clock, now: Instant) {
        let at = millis(clock, now);
        let sample = sample.as_secs_f32();
        let update = |word| {
            let next = match faded(word, at) {
                Some((old, weight)) if sample < old => {
                    let old_share = weight.min(OLD_SHARE);
                    sample * (1.0 - old_share) + old * old_share
                }
                _ => sample,
            };
            Some(pack(next, at))
        };
        // The closure always gives a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    /// As it was when it was last heard of, in seconds.
    pub(crate) fn last(&self) -> Option<f64> {
        value(self.0.load(Ordering::Relaxed)).map(f64::from)
    }

    /// In seconds; `None` until something was seen.
    pub(crate) fn estimate(&self, clock: Clock, now: Instant) -> Option<f64> {
        let (value, weight) = faded(self.0.load(Ordering::Relaxed), millis(clock, now))?;
        Some(f64::from(value) * f64::from(weight))
    }
}

/// The value as it was; `None` for no sample.
fn value(word: u64) -> Option<f32> {
    (word != 0).then(|| f32::from_bits(u32::try_from(word >> 32).unwrap_or_default()))
}

/// The value as it was, and the weight it has left.
fn faded(word: u64, at: u32) -> Option<(f32, f32)> {
    let value = value(word)?;
    let then = u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
    let passed = at.saturating_sub(then);
    if passed < NOTHING {
        return Some((value, 1.0));
    }
    #[expect(clippy::cast_precision_loss, reason = "a weight, good to a thousandth")]
    let times = passed as f32 / FADE_MS;
    Some((value, (1.0 - times / STEPS).max(0.0).powi(16)))
}

fn pack(value: f32, at: u32) -> u64 {
    (u64::from(value.to_bits()) << 32) | u64::from(at)
}

/// Milliseconds, never 0; stands still after seven weeks without a reload, when estimates stop fading.
fn millis(clock: Clock, now: Instant) -> u32 {
    u32::try_from(clock.tick(now) / 1000).unwrap_or(u32::MAX).max(1)
}

/// What is known of a deployment's times.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    /// To the first content of a stream.
    pub(crate) first_token: PeakEwma,
    /// To the end of an answer of unknown length.
    pub(crate) whole: PeakEwma,
    /// To the end, per token of the answer.
    pub(crate) per_token: PeakEwma,
}

impl Latency {
    /// Seconds to a stream's first content, or to the end of an answer of so many tokens (0: unknown).
    pub(crate) fn expected(
        &self,
        stream: bool,
        tokens: u32,
        estimate: impl Fn(&PeakEwma) -> Option<f64>,
    ) -> Option<f64> {
        if stream {
            return estimate(&self.first_token);
        }
        let each = if tokens > 0 { estimate(&self.per_token) } else { None };
        each.map(|each| each * f64::from(tokens)).or_else(|| estimate(&self.whole))
    }
}

/// Estimated times of a deployment at one moment; what was never seen is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Latencies {
    /// To the first content of a stream, in seconds.
    pub first_token: Option<f64>,
    /// To the end of a whole answer, in seconds.
    pub whole: Option<f64>,
    /// To the end of a whole answer, in seconds per token of it.
    pub per_token: Option<f64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_peak_is_believed_and_forgotten() {
        let start = Instant::now();
        let clock = Clock::new(start);
        let ewma = PeakEwma::default();
        assert_eq!(ewma.estimate(clock, start), None);
        ewma.note(100 * MS, clock, start);
        let at = |seconds| ewma.estimate(clock, start + Duration::from_secs(seconds)).unwrap();
        assert!((at(0) - 0.1).abs() < 1e-6);
        assert!(at(30) < 0.04 && at(30) > 0.03, "fades to 1/e");

        ewma.note(2000 * MS, clock, start + Duration::from_secs(30));
        assert!((at(30) - 2.0).abs() < 1e-6, "at once");
        for _ in 0..30 {
            ewma.note(100 * MS, clock, start + Duration::from_secs(30));
        }
        assert!(at(30) < 0.11, "good answers bring it down");
    }

    proptest! {
        #[test]
        fn an_estimate_stays_between_its_samples(samples in prop::collection::vec((1_u64..100_000, 0_u64..5_000), 1..50)) {
            let mut now = Instant::now();
            let clock = Clock::new(now);
            let ewma = PeakEwma::default();
            for (sample, passed) in &samples {
                now += Duration::from_millis(*passed);
                ewma.note(Duration::from_millis(*sample), clock, now);
            }
            let got = ewma.estimate(clock, now).unwrap() * 1000.0;
            let low = samples.iter().map(|(sample, _)| *sample).min().unwrap() as f64;
            let high = samples.iter().map(|(sample, _)| *sample).max().unwrap() as f64;
            prop_assert!((low * 0.999..=high * 1.001).contains(&got), "{got} outside {low}..{high}");
        }
    }
}
