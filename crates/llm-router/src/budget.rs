//! A bound on retries over all requests.
//!
//! When everything fails, retrying each request twice triples the load on what is already down. Over the
//! last minute, retries that wait or return to a deployment already tried may be a tenth of the requests,
//! and ten more so that quiet traffic is retried at all. Moving on to an untried deployment is not charged:
//! it takes load off the one that failed.
//!
//! A sliding window, not a bucket: a bucket that only traffic fills leaves a quiet gateway without retries
//! for hours after one outage, and one that never forgets lets a busy day pay for a storm.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const SLOT: Duration = Duration::from_secs(5);
const SLOTS: usize = 12;
const FREE: u64 = 10;
const REQUESTS_PER_RETRY: u64 = 10;

/// Retries granted out of the last minute's traffic.
#[derive(Debug)]
pub struct RetryBudget(Mutex<Window>);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    requests: u64,
    retries: u64,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    /// Number of the newest slot, counted from `start`.
    newest: u64,
    slots: [Slot; SLOTS],
    sum: Slot,
}

impl RetryBudget {
    /// A budget without any traffic yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let slots = [Slot::default(); SLOTS];
        Self(Mutex::new(Window { start: now, newest: 0, slots, sum: Slot::default() }))
    }

    /// Counts a request.
    pub fn deposit(&self, now: Instant) {
        let mut window = self.0.lock();
        window.sum.requests += 1;
        window.slot(now).requests += 1;
    }

    /// Takes one retry, if one is left.
    #[must_use]
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut window = self.0.lock();
        window.advance(now);
        if window.sum.retries >= FREE + window.sum.requests / REQUESTS_PER_RETRY {
            return false;
        }
        window.sum.retries += 1;
        window.slot(now).retries += 1;
        true
    }

    /// Gives back a retry that was taken and not made.
    pub fn give_back(&self, now: Instant) {
        let mut window = self.0.lock();
        window.advance(now);
        let newest = window.newest;
        let slots = (0..SLOTS as u64).map(|back| newest.saturating_sub(back));
        for number in slots {
            let slot = window.at(number);
            if slot.retries > 0 {
                slot.retries -= 1;
                window.sum.retries -= 1;
                return;
            }
        }
    }
}

impl Window {
    /// Forgets what is older than a minute. A clock that is behind the newest slot counts into it.
    fn advance(&mut self, now: Instant) {
        let number = now.saturating_duration_since(self.start).as_secs() / SLOT.as_secs();
        let passed = number.saturating_sub(self.newest);
        for step in 1..=passed.min(SLOTS as u64) {
            let old = std::mem::take(self.at(self.newest + step));
            self.sum.requests -= old.requests;
            self.sum.retries -= old.retries;
        }
        self.newest = self.newest.max(number);
    }

    fn slot(&mut self, now: Instant) -> &mut Slot {
        self.advance(now);
        self.at(self.newest)
    }

    fn at(&mut self, number: u64) -> &mut Slot {
        let index = usize::try_from(number % SLOTS as u64).unwrap_or_default();
        &mut self.slots[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_is_there_again() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        let taken = |now| (0..20).filter(|_| budget.withdraw(now)).count();
        assert_eq!(taken(start), 10);
        // Also when it was taken a while ago, and never more than was taken.
        let later = start + Duration::from_secs(30);
        budget.give_back(later);
        assert_eq!((taken(later), taken(later)), (1, 0));
        (0..30).for_each(|_| budget.give_back(later));
        assert_eq!(taken(later), 10);
    }

    /// Requests and retries at seconds; what each retry is answered.
    fn check(steps: &[(u64, u64, u64)], expect: &[u64]) {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        let granted: Vec<u64> = steps
            .iter()
            .map(|(second, requests, retries)| {
                let now = start + Duration::from_secs(*second);
                (0..*requests).for_each(|_| budget.deposit(now));
                (0..*retries).map(|_| u64::from(budget.withdraw(now))).sum()
            })
            .collect();
        assert_eq!(granted, expect, "{steps:?}");
    }

    #[test]
    fn a_tenth_of_the_traffic_and_ten() {
        check(&[(0, 0, 50)], &[10]);
        check(&[(0, 1, 50)], &[10]);
        check(&[(0, 100, 50)], &[20]);
        check(&[(0, 100, 5), (1, 0, 50)], &[5, 15]);
    }

    #[test]
    fn a_minute_is_forgotten() {
        check(&[(0, 1000, 110), (59, 0, 1)], &[110, 0]);
        check(&[(0, 1000, 110), (60, 0, 50)], &[110, 10]);
        check(&[(0, 0, 10), (30, 0, 1), (61, 0, 11)], &[10, 0, 10]);
        check(&[(0, 0, 10), (1_000_000, 0, 11)], &[10, 10]);
    }

    #[test]
    fn a_clock_that_runs_behind_loses_nothing() {
        check(&[(30, 100, 0), (10, 0, 50)], &[0, 20]);
    }
}
