//! Largest share of its rate limits left.
//!
//! What is left comes from two sides: our own count against the configured limits, and the newest word of the
//! provider's headers, which knows about everybody else who uses the key. The smaller one counts. Shares and
//! not absolute numbers, so that limits of different size are used up together.

use super::{COMPARED, Estimate, PickCx, Picker, weigh_drawn};
use crate::candidates::Candidates;
use crate::pool::{Pool, Seat, Turn};

/// The largest share left; of equals the one with fewest requests in flight, then the next in turn by weight. Unknown limits are whole.
#[derive(Debug, Default)]
pub struct MostHeadroom {
    turn: Turn,
}

/// Less is better: the share used up, then requests in flight.
fn score(seat: &Seat, cx: &PickCx) -> f64 {
    let used = 1.0 - seat.stats.headroom(&seat.allowance, cx.now);
    used + f64::from(seat.stats.in_flight()) * 1e-6
}

impl Picker for MostHeadroom {
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
        pool.least_in_turn(COMPARED, (cx.random, self.turn.next()), |_, seat| score(seat, cx))
    }

    fn estimate(&self, seat: &Seat, cx: &PickCx) -> Estimate {
        Estimate::of(score(seat, cx))
    }

    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        weigh_drawn(self, pool, cx.random, cx, candidates);
    }
}
