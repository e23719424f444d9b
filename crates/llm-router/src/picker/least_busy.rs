//! Fewest requests under way.
//!
//! Right when requests differ much in length: who is stuck with long ones gets no more. In flight is divided
//! by weight, so that a deployment of weight 3 carries three times as many.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Estimate, PickCx, Picker, leave_out, weigh_each};
use crate::candidates::Candidates;
use crate::mask::Mask;
use crate::pool::{Pool, Seat};

/// The most that are looked at for one pick.
const MOST: usize = 128;

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
        // Where all are idle the first would get everything: the search begins elsewhere each time. It need
        // not look at hundreds: among so many some are idle, or all are equally busy.
        let from = self.turn.fetch_add(1, Ordering::Relaxed) % pool.len();
        let mut best: Option<(usize, u64, u64)> = None;
        for (index, seat) in pool.from(from).take(MOST) {
            let (busy, weight) = (u64::from(seat.stats.in_flight()) + 1, u64::from(seat.weight.max(1)));
            if best.is_none_or(|(_, least, share)| busy * share < least * weight) {
                best = Some((index, busy, weight));
            }
        }
        best.map(|(index, ..)| index)
    }

    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        weigh_each(self, pool, cx, candidates);
        if pool.len() > MOST {
            let mut looked = Mask::none(pool.seats());
            let from = self.turn.load(Ordering::Relaxed) % pool.len();
            pool.from(from).take(MOST).for_each(|(index, _)| looked.set(index));
            leave_out(pool, |index| !looked.has(index), candidates);
        }
    }

    fn estimate(&self, seat: &Seat, _: &PickCx) -> Estimate {
        Estimate::of((f64::from(seat.stats.in_flight()) + 1.0) / f64::from(seat.weight.max(1)))
    }
}
