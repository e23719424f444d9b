//! What has been seen of a deployment.
//!
//! Counters are atomics beside the deployment, not in it: a reload builds new deployments and hands the
//! counters of those that did not change over to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use llm_types::ErrorKind;

/// How an attempt ended, as far as the deployment's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered to the end.
    Success,
    /// It failed, or the call could not be made.
    Failure(ErrorKind),
    /// The client went away: says nothing about the deployment.
    Cancelled,
}

/// The counters of one deployment.
#[derive(Debug)]
pub struct Stats {
    since: Instant,
    in_flight: AtomicU32,
    successes: AtomicU64,
    failures: AtomicU64,
    refusals: AtomicU64,
    /// Milliseconds after `since`, plus one; 0: never.
    last_failure: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Attempts begun and not ended.
    pub in_flight: u32,
    /// Attempts answered.
    pub successes: u64,
    /// Attempts failed by the deployment or on the way to it.
    pub failures: u64,
    /// Requests that the deployment refused for a fault of their own.
    pub refusals: u64,
}

impl Stats {
    /// Counters that start at zero.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            in_flight: AtomicU32::new(0),
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            last_failure: AtomicU64::new(0),
        }
    }

    /// Takes note of how an attempt ended.
    ///
    /// A failure that no other deployment could have avoided (a malformed request) counts as a refusal:
    /// callers must not be able to spoil a deployment's record.
    pub fn note(&self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Success => {
                self.successes.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Failure(kind) if kind.retry_other() => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                let after = now.saturating_duration_since(self.since).as_millis();
                let after = u64::try_from(after).unwrap_or(u64::MAX).saturating_add(1);
                self.last_failure.fetch_max(after, Ordering::Relaxed);
            }
            Outcome::Failure(_) => {
                self.refusals.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Cancelled => {}
        }
    }

    /// Attempts begun and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// All counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            in_flight: self.in_flight(),
            successes: self.successes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
        }
    }

    /// When the deployment last failed, to the millisecond.
    #[must_use]
    pub fn last_failure(&self) -> Option<Instant> {
        let after = self.last_failure.load(Ordering::Relaxed).checked_sub(1)?;
        self.since.checked_add(Duration::from_millis(after))
    }

    /// Counts an attempt as in flight until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }
}

/// An attempt in flight. Owned by whatever holds the upstream exchange, so that a dropped exchange
/// cannot leave the counter high.
#[derive(Debug)]
#[must_use = "the attempt counts as ended once this is dropped"]
pub struct InFlight(Arc<Stats>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_by_whose_fault_they_are() {
        let check = |outcome, successes, failures, refusals| {
            let now = Instant::now();
            let stats = Stats::new(now);
            stats.note(outcome, now + Duration::from_millis(5));
            let expect = Counts { in_flight: 0, successes, failures, refusals };
            assert_eq!(stats.counts(), expect, "{outcome:?}");
            assert_eq!(
                stats.last_failure(),
                (failures > 0).then(|| now + Duration::from_millis(5)),
                "{outcome:?}"
            );
        };
        check(Outcome::Success, 1, 0, 0);
        check(Outcome::Failure(ErrorKind::Unavailable), 0, 1, 0);
        check(Outcome::Failure(ErrorKind::Auth), 0, 1, 0);
        check(Outcome::Failure(ErrorKind::BadRequest), 0, 0, 1);
        check(Outcome::Failure(ErrorKind::ContextWindow), 0, 0, 1);
        check(Outcome::Cancelled, 0, 0, 0);
    }

    #[test]
    fn a_guard_counts_while_it_lives() {
        let stats = Arc::new(Stats::new(Instant::now()));
        let first = stats.begin();
        let second = stats.begin();
        assert_eq!(stats.in_flight(), 2);
        drop(first);
        assert_eq!(stats.in_flight(), 1);
        drop(second);
        assert_eq!(stats.in_flight(), 0);
    }
}
