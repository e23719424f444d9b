//! Whose probe is due in a large group, without a look at each.
//!
//! Every deployment says here until when something stands against it, when that changes, which is rare; a choice among a
//! thousand reads some words of bits, and a number of those who are unwell.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::clock::Clock;
use crate::mask::Mask;

/// So many of those that are due are looked at for one choice.
const LOOKED: usize = 8;

/// When the deployments of a group are to be probed, by their positions.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Clock,
    /// Who has a probe to come.
    marked: Box<[AtomicU64]>,
    /// When, in ticks.
    due: Box<[AtomicU64]>,
}

impl Watch {
    pub(crate) fn new(len: usize, now: Instant) -> Self {
        let zeros = |len: usize| (0..len).map(|_| AtomicU64::new(0)).collect();
        Self { clock: Clock::new(now), marked: zeros(len.div_ceil(64)), due: zeros(len) }
    }

    /// From this moment on the deployment is to be probed; `None`: not, or only after something else has changed.
    pub(super) fn mark(&self, index: usize, due: Option<Instant>) {
        let (Some(word), Some(tick)) = (self.marked.get(index / 64), self.due.get(index)) else {
            return;
        };
        let bit = 1 << (index % 64);
        match due {
            Some(due) => {
                tick.store(self.clock.tick(due), Ordering::Relaxed);
                word.fetch_or(bit, Ordering::Release);
            }
            None => {
                word.fetch_and(!bit, Ordering::Release);
            }
        }
    }

    /// The first of these whose probe is due and who `may` be asked.
    pub(crate) fn due(&self, open: &Mask, now: Instant, may: impl Fn(usize) -> bool) -> Option<usize> {
        let now = self.clock.tick(now);
        let mut looked = 0;
        for (at, (marked, open)) in self.marked.iter().zip(open.words()).enumerate() {
            let mut word = marked.load(Ordering::Acquire) & open;
            while word != 0 {
                let index = at * 64 + word.trailing_zeros() as usize;
                word &= word - 1;
                if self.due.get(index).is_none_or(|due| due.load(Ordering::Relaxed) > now) {
                    continue;
                }
                if may(index) {
                    return Some(index);
                }
                looked += 1;
                if looked == LOOKED {
                    return None;
                }
            }
        }
        None
    }
}
