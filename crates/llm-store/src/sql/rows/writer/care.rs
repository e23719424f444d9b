//! Whether the disk is slow: then requests leave writing to the thread for a while.
//!
//! One write that took long says little: on a busy machine the kernel lets others run meanwhile. Several in a row of
//! a second do, or one that took very long, or one that failed.

use std::time::{Duration, Instant};

/// A write that took longer may be one of a slow disk.
const SLOW: Duration = Duration::from_millis(20);
/// A write that took longer is one.
const HANGS: Duration = Duration::from_millis(500);
/// So many slow writes are no accident,
const MANY: u32 = 3;
/// within so long.
const WITHIN: Duration = Duration::from_secs(1);
/// How long only the thread writes, at first; twice as long each time that it did not help.
const FIRST: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST: Duration = Duration::from_secs(5);
/// A disk that was good for so long is like any other.
const FORGIVEN: Duration = Duration::from_secs(10);

/// What is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Care {
    /// The first slow write of late, and how many there were.
    slow: Option<(Instant, u32)>,
    /// The thread alone writes, until then at least.
    until: Option<Instant>,
    /// When it was last so, for how long.
    last: Option<(Instant, Duration)>,
}

impl Care {
    /// Whether only the thread writes.
    pub(super) fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// How a write went, from when to when.
    pub(super) fn note(&mut self, began: Instant, now: Instant, good: bool) {
        let took = now.saturating_duration_since(began);
        if !good || took > HANGS {
            self.begin(now, LONGEST);
        } else if took > SLOW {
            let recent = self.slow.filter(|(first, _)| now.saturating_duration_since(*first) <= WITHIN);
            let (first, count) = recent.unwrap_or((now, 0));
            self.slow = Some((first, count + 1));
            if count + 1 >= MANY {
                let again = self.last.filter(|(end, _)| now.saturating_duration_since(*end) < FORGIVEN);
                self.begin(now, again.map_or(FIRST, |(_, length)| (length * 2).min(LONGEST)));
            }
        }
    }

    fn begin(&mut self, now: Instant, length: Duration) {
        self.slow = None;
        self.until = Some(now + length);
        self.last = Some((now + length, length));
    }

    /// The thread has written everything: others may write again, once the disk has been good for long enough.
    pub(super) fn relax(&mut self, now: Instant) {
        self.until = self.until.filter(|until| now < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Writes that began so long after the start and took so long, in milliseconds; for how long only the thread
    /// writes then.
    fn after(writes: &[(u32, u32)]) -> Option<Duration> {
        let start = Instant::now();
        let mut care = Care::default();
        let mut now = start;
        for (at, took) in writes {
            now = start + MS * (at + took);
            care.relax(now);
            care.note(start + MS * *at, now, true);
        }
        care.until.map(|until| until - now)
    }

    #[test]
    fn slow_writes_now_and_then_are_no_slow_disk() {
        assert_eq!(after(&[(0, 1), (10, 20)]), None);
        assert_eq!(after(&[(0, 100), (100, 1), (200, 400)]), None);
        assert_eq!(after(&[(0, 100), (600, 100), (1200, 100), (1800, 100)]), None);
    }

    #[test]
    fn several_or_a_very_slow_one_are() {
        assert_eq!(after(&[(0, 30), (100, 30), (200, 30)]), Some(FIRST));
        assert_eq!(after(&[(0, 501)]), Some(LONGEST));
        let mut care = Care::default();
        let now = Instant::now();
        care.note(now, now, false);
        assert!(care.is_on());
        care.relax(now + LONGEST - MS);
        assert!(care.is_on());
        care.relax(now + LONGEST);
        assert!(!care.is_on());
    }

    #[test]
    fn what_goes_on_is_waited_for_longer_and_forgiven_in_the_end() {
        let slow = |at: u32| [(at, 30), (at + 100, 30), (at + 200, 30)];
        assert_eq!(after(&[slow(0), slow(1000)].concat()), Some(FIRST * 2));
        let six: Vec<_> = (0..6).flat_map(|nth| slow(nth * 6000)).collect();
        assert_eq!(after(&six), Some(LONGEST));
        assert_eq!(after(&[slow(0), slow(11_000)].concat()), Some(FIRST));
    }
}
