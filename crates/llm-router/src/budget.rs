//! A bound on retries over all requests to a group.
//!
//! When everything fails, retrying each request twice triples the load on what is already down. Over the
//! last minute, retries that wait or return to a deployment already tried may be a tenth of the requests,
//! and ten more so that quiet traffic is retried at all. Moving on to an untried deployment is not charged:
//! it takes load off the one that failed.
//!
//! Each group has its own, so that one whose provider is down does not take the retries of the others; and beside it an
//! allowance of the same size for hedges, so that neither takes what is the other's.
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
    /// By [`Spent`].
    spent: [u64; 2],
}

/// What is taken out of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// A retry that waits, or returns to a deployment already tried.
    Retry,
    /// A second deployment beside a slow one.
    Hedge,
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
        self.take(Spent::Retry, now)
    }

    /// Takes one retry or hedge, if one of its kind is left.
    #[must_use]
    pub fn take(&self, what: Spent, now: Instant) -> bool {
        let mut window = self.0.lock();
        window.advance(now);
        if *window.sum.of(what) >= FREE + window.sum.requests / REQUESTS_PER_RETRY {
            return false;
        }
        *window.sum.of(what) += 1;
        *window.slot(now).of(what) += 1;
        true
    }

    /// Gives back what was taken and not made.
    pub fn give_back(&self, what: Spent, now: Instant) {
        let mut window = self.0.lock();
        window.advance(now);
        let newest = window.newest;
        let slots = (0..SLOTS as u64).map(|back| newest.saturating_sub(back));
        for number in slots {
            let slot = window.at(number).of(what);
            if *slot > 0 {
                *slot -= 1;
                *window.sum.of(what) -= 1;
                return;
            }
        }
    }
}

impl Slot {
    fn of(&mut self, what: Spent) -> &mut u64 {
        let [retries, hedges] = &mut self.spent;
        match what {
            Spent::Retry => retries,
            Spent::Hedge => hedges,
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
            self.sum.spent.iter_mut().zip(old.spent).for_each(|(sum, old)| *sum -= old);
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
        budget.give_back(Spent::Retry, later);
        assert_eq!((taken(later), taken(later)), (1, 0));
        (0..30).for_each(|_| budget.give_back(Spent::Retry, later));
        assert_eq!(taken(later), 10);
    }

    #[test]
    fn hedges_have_an_allowance_of_their_own() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        let hedges = || (0..30).filter(|_| budget.take(Spent::Hedge, now)).count();
        assert_eq!((hedges(), hedges()), (10, 0));
        assert!(budget.withdraw(now), "retries are not theirs");
        budget.give_back(Spent::Hedge, now);
        assert_eq!(hedges(), 1);
        (0..100).for_each(|_| budget.deposit(now));
        assert_eq!(hedges(), 10);
        assert_eq!(hedges() + usize::from(!budget.take(Spent::Hedge, now + 2 * SLOT)), 1);
        assert!(budget.take(Spent::Hedge, now + 13 * SLOT), "a minute is forgotten");
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
