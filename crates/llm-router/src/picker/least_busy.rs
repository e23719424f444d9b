//! Fewest requests under way.
//!
//! Right when requests differ much in length: who is stuck with long ones gets no more. In flight is divided
//! by weight, so that a deployment of weight 3 carries three times as many.

use super::{Estimate, PickCx, Picker, leave_out, weigh_each};
use crate::candidates::Candidates;
use crate::mask::Mask;
use crate::pool::{Equals, Pool, Seat, Turn, below};

/// The most that are looked at for one pick.
const MOST: usize = 128;

/// Least requests in flight per weight; of equals (all that are idle) the next in turn, by weight.
#[derive(Debug, Default)]
pub struct LeastBusy {
    turn: Turn,
}

impl Picker for LeastBusy {
    fn pick(&self, pool: &Pool<'_>, _: &PickCx) -> Option<usize> {
        let turn = self.turn.next();
        // Among few the turn alone decides; two draws by the same number would not be even.
        let from = if pool.len() > MOST { below(turn, pool.len())? } else { 0 };
        // It need not look at hundreds: among so many some are idle, or all are equally busy.
        let some = || pool.from(from).take(MOST);
        let load = |seat: &Seat| (u64::from(seat.stats.in_flight()), u64::from(seat.weight.max(1)));
        let (mut best, mut equals) = (None, Equals::default());
        let (mut least, mut share) = (u64::MAX, 1);
        for (index, seat) in some() {
            let (busy, weight) = load(seat);
            if best.is_none() || busy * share < least * weight {
                (best, least, share, equals) = (Some(index), busy, weight, Equals::default());
            }
            if busy * share <= least * weight {
                equals.add(seat);
            }
        }
        if equals.count < 2 {
            return best;
        }
        let mut nth = equals.nth(turn);
        let mut equal = some().filter(|(_, seat)| {
            let (busy, weight) = load(seat);
            busy * share <= least * weight
        });
        equal.find(|(_, seat)| nth.passes(seat)).map(|(index, _)| index).or(best)
    }

    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        weigh_each(self, pool, cx, candidates);
        if pool.len() > MOST {
            let mut looked = Mask::none(pool.seats());
            let from = below(self.turn.peek(), pool.len()).unwrap_or_default();
            pool.from(from).take(MOST).for_each(|(index, _)| looked.set(index));
            leave_out(pool, |index| !looked.has(index), candidates);
        }
    }

    fn estimate(&self, seat: &Seat, _: &PickCx) -> Estimate {
        Estimate::of(f64::from(seat.stats.in_flight()) / f64::from(seat.weight.max(1)))
    }
}
