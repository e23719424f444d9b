//! One after the other.
//!
//! The turn is counted over whoever may be picked, so that the turn of one that is left out is shared by all
//! and not taken by its neighbour. One counter, no lock.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Estimate, PickCx, Picker};
use crate::candidates::Candidates;
use crate::pool::Pool;

/// Round robin over one group; weights do not matter, save that 0 comes last.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turn: AtomicUsize,
}

impl Picker for RoundRobin {
    fn pick(&self, pool: &Pool<'_>, _: &PickCx) -> Option<usize> {
        if pool.is_empty() {
            return None;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        pool.nth(turn % pool.len()).map(|(index, _)| index)
    }

    /// In how many picks it will be its turn.
    fn weigh(&self, pool: &Pool<'_>, _: &PickCx, candidates: &mut Candidates) {
        let Some(turn) = self.turn.load(Ordering::Relaxed).checked_rem(pool.len()) else {
            return;
        };
        candidates.expect(pool.len());
        for (nth, (index, _)) in pool.iter().enumerate() {
            let left = (nth + pool.len() - turn) % pool.len();
            candidates.think(index, Estimate::of(u32::try_from(left).unwrap_or(u32::MAX).into()));
        }
    }
}
