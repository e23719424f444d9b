//! Further calls of a request that a deployment has let in: one that goes out in parts is a request for each of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::minute::Booked;
use super::{InFlight, Stats};
use crate::facts::Allowance;

/// Further calls that are booked in this minute. Those that have not gone out when it is dropped are for others.
#[derive(Debug)]
#[must_use = "what is booked is for others once this is dropped"]
pub struct Further {
    stats: Arc<Stats>,
    booked: Vec<Booked>,
}

impl Further {
    /// One of them goes out.
    pub fn go(&mut self) {
        self.booked.pop();
    }
}

impl Drop for Further {
    fn drop(&mut self) {
        let now = Instant::now();
        self.booked.drain(..).for_each(|booked| self.stats.cancel(Some(booked), now));
    }
}

impl Stats {
    /// Books so many further calls: all of them, or none. Their tokens are those of the request, which are booked.
    ///
    /// # Errors
    /// The time until there is room for them; `None`: there never is.
    pub fn book_further(
        self: &Arc<Self>,
        allowance: &Allowance,
        count: usize,
        now: Instant,
    ) -> Result<Further, Option<Duration>> {
        let mut further = Further { stats: Arc::clone(self), booked: Vec::new() };
        let Some(rpm) = allowance.rpm.filter(|_| count > 0) else { return Ok(further) };
        let calls = Allowance { rpm: Some(rpm), ..Allowance::default() };
        let mut minute = self.minute.lock();
        let booked = (0..count).map_while(|_| minute.book(&calls, 0, self.clock, now));
        further.booked = booked.collect();
        let all = further.booked.len() == count;
        let mut free = || {
            further.booked.drain(..).for_each(|booked| minute.cancel(booked));
            let left = u32::try_from(count - 1).ok().and_then(|others| rpm.checked_sub(others))?;
            // The request itself was let in and counts.
            let last = Allowance { rpm: Some(left), ..calls };
            minute.free_at(&last, 0, self.clock, now).filter(|_| left > 1)
        };
        let result = if all { Ok(()) } else { Err(free()) };
        self.publish(&mut minute, now);
        drop(minute);
        result.map(|()| further)
    }

    /// A place for a further call beside those under way; `None`: there are as many as there may be.
    #[must_use]
    pub fn enter(self: &Arc<Self>, allowance: &Allowance) -> Option<InFlight> {
        let most = allowance.max_parallel.unwrap_or(u32::MAX);
        let enter = |count: u32| (count < most).then(|| count.saturating_add(1));
        self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        Some(InFlight(Arc::clone(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_further_calls_are_booked_or_none() {
        let now = Instant::now();
        let stats = Arc::new(Stats::new(now));
        let allowance = Allowance { rpm: Some(5), tpm: Some(100), max_parallel: Some(2) };
        let grant = stats.acquire(&allowance, 100, false, now).unwrap();
        let requests = || stats.load(now).requests;
        assert_eq!(stats.book_further(&allowance, 5, now).unwrap_err(), None, "six never fit into five");
        assert_eq!(requests(), 1);
        let mut further = stats.book_further(&allowance, 3, now).unwrap();
        assert_eq!(requests(), 4);
        let wait = stats.book_further(&allowance, 2, now).unwrap_err().unwrap();
        assert!(wait <= Duration::from_secs(65) && requests() == 4, "{wait:?}");
        further.go();
        drop(further);
        assert_eq!(requests(), 2, "two of three did not go out");
        assert_eq!(stats.load(now).tokens, 100);
        let beside = stats.enter(&allowance).unwrap();
        assert!(stats.enter(&allowance).is_none());
        drop(beside);
        assert!(stats.enter(&allowance).is_some());
        stats.give_back(&grant, now);
        assert_eq!(stats.in_flight(), 0);
    }
}
