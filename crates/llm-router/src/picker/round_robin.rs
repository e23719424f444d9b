//! One after the other.
//!
//! The turn is counted over whoever may be picked, so that the turn of one that is left out is shared by all
//! and not taken by its neighbour. One counter, no lock.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{PickCx, Picker};
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
}
