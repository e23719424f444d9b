//! Fewest requests under way.
//!
//! Right when requests differ much in length: who is stuck with long ones gets no more. In flight is divided
//! by weight, so that a deployment of weight 3 carries three times as many.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Estimate, PickCx, Picker};
use crate::pool::{Pool, Seat};

/// Least requests in flight per weight; of equals the next in turn.
#[derive(Debug, Default)]
pub struct LeastBusy {
    turn: AtomicUsize,
}

impl Picker for LeastBusy {
    fn pick(&self, pool: &Pool<'_>, _: &PickCx) -> Option<usize> {
        if pool.is_empty() {
            return None;
        }
        // Where all are idle the first would get everything: the search begins elsewhere each time.
        let from = self.turn.fetch_add(1, Ordering::Relaxed) % pool.len();
        let from = pool.nth(from).map_or(0, |(index, _)| index);
        let mut best: Option<(usize, u64, u64)> = None;
        let mut best_after: Option<(usize, u64, u64)> = None;
        for (index, seat) in pool.iter() {
            let (busy, weight) = (u64::from(seat.stats.in_flight()) + 1, u64::from(seat.weight.max(1)));
            let side = if index < from { &mut best } else { &mut best_after };
            if side.is_none_or(|(_, least, share)| busy * share < least * weight) {
                *side = Some((index, busy, weight));
            }
        }
        match (best, best_after) {
            (Some((before, busy, weight)), Some((after, least, share))) => {
                Some(if busy * share < least * weight { before } else { after })
            }
            (one, other) => one.or(other).map(|(index, ..)| index),
        }
    }

    fn estimate(&self, seat: &Seat, _: &PickCx) -> Estimate {
        Estimate::of((f64::from(seat.stats.in_flight()) + 1.0) / f64::from(seat.weight.max(1)))
    }
}
