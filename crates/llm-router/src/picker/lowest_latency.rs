//! Shortest expected time.
//!
//! Of two candidates drawn by chance the better one is asked ("power of two choices"): always asking the best
//! sends everybody to one deployment until it is the worst. The expected time is that to the first content for
//! streams and to the end for whole answers, per token of the answer where its length is known, times one more
//! than what is already under way there.

use super::{Estimate, PickCx, Picker, is_fast_enough, told, weigh_each};
use crate::candidates::Candidates;
use crate::pool::{Pool, Seat};
use crate::record::Reason;

/// The better of two, by peak-EWMA and requests in flight.
#[derive(Debug)]
pub struct LowestLatency;

/// What one of two candidates is compared by.
struct Cost {
    /// The expected time.
    seconds: Option<f64>,
    /// It, or what is taken for it, times one more than what is under way there.
    score: f64,
}

fn costs([first, second]: [&Seat; 2], cx: &PickCx) -> [Cost; 2] {
    // Who was never asked is taken to be as fast as the other: it gets its share and no flood.
    let (known, other) = (cx.expected(first), cx.expected(second));
    let cost = |seat: &Seat, seconds: Option<f64>, instead: Option<f64>| {
        let busy = f64::from(seat.stats.in_flight()) + 1.0;
        Cost { seconds, score: seconds.or(instead).unwrap_or(1.0) * busy }
    };
    [cost(first, known, other), cost(second, other, known)]
}

impl Cost {
    fn estimate(&self) -> Estimate {
        Estimate { score: Some(told(self.score)), seconds: self.seconds.map(told), ..Estimate::default() }
    }
}

impl Picker for LowestLatency {
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
        let [(one, first), (two, second)] = pool.two(cx.random)?;
        if one == two {
            return Some(one);
        }
        let [cost, other] = costs([first, second], cx);
        Some(if other.score < cost.score { two } else { one })
    }

    fn keeps(&self, index: usize, pool: &Pool<'_>, cx: &PickCx) -> bool {
        is_fast_enough(index, pool, cx)
    }

    fn estimate(&self, seat: &Seat, cx: &PickCx) -> Estimate {
        let seconds = cx.expected(seat);
        let busy = f64::from(seat.stats.in_flight()) + 1.0;
        // As in a comparison of two that nobody knows.
        let score = Some(told(seconds.unwrap_or(1.0) * busy));
        Estimate { score, seconds: seconds.map(told), ..Estimate::default() }
    }

    /// Of more than two only those that this chance draws are compared.
    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        let Some([(one, first), (two, second)]) =
            pool.two(cx.random).filter(|[(one, _), (two, _)]| one != two)
        else {
            return weigh_each(self, pool, cx, candidates);
        };
        let [cost, other] = costs([first, second], cx);
        pool.for_each(|index, _| match index {
            index if index == one => candidates.think(index, cost.estimate()),
            index if index == two => candidates.think(index, other.estimate()),
            _ => candidates.pass_over(index, Reason::NotDrawn),
        });
    }
}
