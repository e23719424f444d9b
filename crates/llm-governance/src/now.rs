//! What time it is, by both clocks.
//!
//! Windows and expiry follow the calendar, limits and leases the steady clock: a wall clock that is set must not
//! open a limit. Everything here takes a [`Now`], so that tests need not wait.

use std::time::Instant;

use jiff::Timestamp;

/// One moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// By the calendar; may be set, also backwards.
    pub wall: Timestamp,
    /// By the steady clock.
    pub steady: Instant,
}

impl Now {
    /// This moment.
    #[must_use]
    pub fn read() -> Self {
        Self { wall: Timestamp::now(), steady: Instant::now() }
    }

    /// Later by so much, by both clocks; at the end of time if that is later still.
    #[must_use]
    pub fn after(self, time: std::time::Duration) -> Self {
        let wall = self.wall.checked_add(time).unwrap_or(Timestamp::MAX);
        Self { wall, steady: self.steady.checked_add(time).unwrap_or(self.steady) }
    }
}
