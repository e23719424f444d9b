//! How many refusals of those who are no administrators are written down: nobody fills the audit log with them, and nobody
//! keeps those of others out of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Of one caller, and of all of them, in a minute.
const MOST: u32 = 60;
const MOST_OF_ALL: u32 = 3_000;
const MINUTE: Duration = Duration::from_secs(60);

/// The refusals of the present minute that are in the audit log.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    began: Option<Instant>,
    all: u32,
    by: HashMap<String, u32>,
}

impl Refusals {
    /// Whether one more of this caller is written down.
    pub(super) fn may_note(&mut self, by: &str, now: Instant) -> bool {
        if self.began.is_none_or(|began| now >= began + MINUTE) {
            *self = Self { began: Some(now), ..Self::default() };
        }
        if self.all >= MOST_OF_ALL {
            return false;
        }
        let count = match self.by.get_mut(by) {
            Some(count) => count,
            None => self.by.entry(by.to_owned()).or_default(),
        };
        if *count >= MOST {
            return false;
        }
        (*count, self.all) = (*count + 1, self.all + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_often_keeps_nobody_else_out_of_the_log() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let mut noted =
            |by: &str, times: usize, now: Instant| (0..times).filter(|_| refusals.may_note(by, now)).count();
        assert_eq!([noted("loud", 100, now), noted("other", 3, now), noted("loud", 1, now)], [60, 3, 0]);
        let later = now + MINUTE;
        assert_eq!([noted("loud", 100, later), noted("other", 1, later)], [60, 1]);
        let many = (0..100).map(|nth| noted(&format!("key {nth}"), 60, later)).sum::<usize>();
        assert_eq!(many, 3_000 - 61);
        assert_eq!(noted("late", 1, later), 0);
    }
}
