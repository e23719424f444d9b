//! What was asked of a deployment in the last minute, against what may be.
//!
//! "Never beyond" is meant for any minute, not for those that begin on the clock: a bucket that refills, or a
//! counter that starts anew, lets twice the limit through around the turn. Slots of five seconds are summed
//! over a little more than a minute, so the error is always on the safe side.

use std::time::{Duration, Instant};

use super::clock::Clock;
use crate::facts::Allowance;

const SLOT: Duration = Duration::from_secs(5);
/// A minute, and the slot that has only begun.
const SLOTS: usize = 13;

/// Requests and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests begun.
    pub requests: u64,
    /// Tokens, reserved or used.
    pub tokens: u64,
}

/// A sliding minute.
#[derive(Debug, Default)]
pub(crate) struct Minute {
    newest: u64,
    slots: [Load; SLOTS],
    sum: Load,
}

/// Where a request's tokens were booked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Booked {
    slot: u64,
    tokens: u64,
}

impl Minute {
    pub(crate) fn load(&mut self, clock: Clock, now: Instant) -> Load {
        self.advance(clock.period(now, SLOT));
        self.sum
    }

    /// Books a request, if it is within the allowance.
    pub(crate) fn book(
        &mut self,
        allowance: &Allowance,
        tokens: u64,
        clock: Clock,
        now: Instant,
    ) -> Option<Booked> {
        let load = self.load(clock, now);
        if !fits(allowance, load, tokens) {
            return None;
        }
        self.add(Load { requests: 1, tokens });
        Some(Booked { slot: self.newest, tokens })
    }

    /// Corrects the tokens of a request once they are known.
    pub(crate) fn settle(&mut self, booked: Booked, used: u64, clock: Clock, now: Instant) {
        self.advance(clock.period(now, SLOT));
        match used.checked_sub(booked.tokens) {
            Some(more) => self.add(Load { requests: 0, tokens: more }),
            None if self.newest - booked.slot < SLOTS as u64 => {
                let less = booked.tokens - used;
                let slot = self.at(booked.slot);
                slot.tokens = slot.tokens.saturating_sub(less);
                self.sum.tokens = self.sum.tokens.saturating_sub(less);
            }
            None => {}
        }
    }

    /// Takes a request back that was never sent.
    pub(crate) fn cancel(&mut self, booked: Booked) {
        if self.newest - booked.slot < SLOTS as u64 {
            let slot = self.at(booked.slot);
            slot.requests = slot.requests.saturating_sub(1);
            slot.tokens = slot.tokens.saturating_sub(booked.tokens);
            self.sum.requests = self.sum.requests.saturating_sub(1);
            self.sum.tokens = self.sum.tokens.saturating_sub(booked.tokens);
        }
    }

    /// When a request of so many tokens will fit; `None`: it does now, or never will.
    pub(crate) fn free_at(
        &mut self,
        allowance: &Allowance,
        tokens: u64,
        clock: Clock,
        now: Instant,
    ) -> Option<Duration> {
        let mut load = self.load(clock, now);
        if fits(allowance, load, tokens) {
            return None;
        }
        let elapsed = (clock.tick(now) - 1) % micros(SLOT);
        for step in 1..=SLOTS as u64 {
            let gone = *self.at(self.newest + step);
            load.requests -= gone.requests.min(load.requests);
            load.tokens -= gone.tokens.min(load.tokens);
            if fits(allowance, load, tokens) {
                return Some(Duration::from_micros(step * micros(SLOT) - elapsed));
            }
        }
        None
    }

    fn add(&mut self, load: Load) {
        let newest = self.newest;
        self.sum.requests += load.requests;
        self.sum.tokens = self.sum.tokens.saturating_add(load.tokens);
        let slot = self.at(newest);
        slot.requests += load.requests;
        slot.tokens = slot.tokens.saturating_add(load.tokens);
    }

    fn advance(&mut self, number: u64) {
        let passed = number.saturating_sub(self.newest);
        for step in 1..=passed.min(SLOTS as u64) {
            let old = std::mem::take(self.at(self.newest + step));
            self.sum.requests = self.sum.requests.saturating_sub(old.requests);
            self.sum.tokens = self.sum.tokens.saturating_sub(old.tokens);
        }
        self.newest = self.newest.max(number);
    }

    fn at(&mut self, number: u64) -> &mut Load {
        let index = usize::try_from(number % SLOTS as u64).unwrap_or_default();
        &mut self.slots[index]
    }
}

pub(crate) fn fits(allowance: &Allowance, load: Load, tokens: u64) -> bool {
    let requests = allowance.rpm.is_none_or(|rpm| load.requests < u64::from(rpm));
    requests && allowance.tpm.is_none_or(|tpm| load.tokens.saturating_add(tokens.max(1)) <= u64::from(tpm))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn allow(rpm: Option<u32>, tpm: Option<u32>) -> Allowance {
        Allowance { rpm, tpm, max_parallel: None }
    }

    #[test]
    fn a_minute_is_full_until_its_beginning_has_passed() {
        let start = Instant::now();
        let clock = Clock::new(start);
        let mut minute = Minute::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        let allowance = allow(Some(2), None);
        assert!(minute.book(&allowance, 0, clock, at(3)).is_some());
        assert!(minute.book(&allowance, 0, clock, at(50)).is_some());
        assert!(minute.book(&allowance, 0, clock, at(63)).is_none());
        assert_eq!(minute.free_at(&allowance, 0, clock, at(63)), Some(Duration::from_secs(2)));
        assert!(minute.book(&allowance, 0, clock, at(65)).is_some());
        assert_eq!(minute.free_at(&allow(Some(0), None), 0, clock, at(65)), None, "never");
    }

    #[test]
    fn tokens_are_corrected_when_they_are_known() {
        let start = Instant::now();
        let clock = Clock::new(start);
        let mut minute = Minute::default();
        let allowance = allow(None, Some(100));
        let booked = minute.book(&allowance, 90, clock, start).unwrap();
        assert!(minute.book(&allowance, 20, clock, start).is_none());
        minute.settle(booked, 30, clock, start + SLOT);
        let second = minute.book(&allowance, 20, clock, start + SLOT).unwrap();
        assert_eq!(minute.load(clock, start + SLOT), Load { requests: 2, tokens: 50 });
        minute.settle(second, 60, clock, start + SLOT);
        assert_eq!(minute.load(clock, start + SLOT).tokens, 90);
        minute.cancel(booked);
        assert_eq!(minute.load(clock, start + 100 * SLOT), Load::default());
        minute.settle(booked, 0, clock, start + 100 * SLOT);
        assert_eq!(minute.load(clock, start + 100 * SLOT), Load::default());
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_allowed(
            rpm in 1_u32..20,
            tpm in 1_u32..2000,
            asks in prop::collection::vec((0_u64..20_000, 1_u64..500), 1..200),
        ) {
            let mut now = Instant::now();
            let clock = Clock::new(now);
            let mut minute = Minute::default();
            let allowance = allow(Some(rpm), Some(tpm));
            let mut granted: Vec<(Instant, u64)> = Vec::new();
            for (passed, tokens) in asks {
                now += Duration::from_millis(passed);
                let free = minute.free_at(&allowance, tokens, clock, now);
                if minute.book(&allowance, tokens, clock, now).is_some() {
                    prop_assert_eq!(free, None);
                    granted.push((now, tokens));
                } else if tokens <= u64::from(tpm) {
                    // What is promised holds.
                    let then = free.unwrap();
                    prop_assert!(then <= Duration::from_secs(65));
                    let load = Minute { newest: minute.newest, slots: minute.slots, sum: minute.sum }.load(clock, now + then);
                    prop_assert!(fits(&allowance, load, tokens));
                }
            }
            for (first, _) in &granted {
                let window = granted.iter().filter(|(at, _)| at >= first && *at - *first < Duration::from_secs(60));
                let (count, sum) = window.fold((0, 0), |(count, sum), (_, tokens)| (count + 1, sum + tokens));
                prop_assert!(count <= rpm && sum <= u64::from(tpm), "{count} requests, {sum} tokens");
            }
        }
    }
}
