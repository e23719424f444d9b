//! Shortest expected time.
//!
//! Of two candidates drawn by chance the better one is asked ("power of two choices"): always asking the best
//! sends everybody to one deployment until it is the worst. The expected time is that to the first content for
//! streams and to the end for whole answers, per token of the answer where its length is known, times one more
//! than what is already under way there.

use super::{Estimate, PickCx, Picker, told, weigh_each};
use crate::candidates::Candidates;
use crate::pool::{Pool, Seat};
use crate::record::Reason;

/// The better of two, by peak-EWMA and requests in flight.
#[derive(Debug)]
pub struct LowestLatency;

/// Two candidates' expected times, each times one more than what is under way there.
fn costs([first, second]: [&Seat; 2], cx: &PickCx) -> [f64; 2] {
    // Who was never asked is taken to be as fast as the other: it gets its share and no flood.
    let (known, other) = (cx.expected(first), cx.expected(second));
    let cost =
        |seat: &Seat, time: Option<f64>| time.unwrap_or(1.0) * (f64::from(seat.stats.in_flight()) + 1.0);
    [cost(first, known.or(other)), cost(second, other.or(known))]
}

impl Picker for LowestLatency {
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
        let [(one, first), (two, second)] = pool.two(cx.random)?;
        if one == two {
            return Some(one);
        }
        let [cost, other] = costs([first, second], cx);
        Some(if other < cost { two } else { one })
    }

    fn estimate(&self, seat: &Seat, cx: &PickCx) -> Estimate {
        let seconds = cx.expected(seat);
        let busy = f64::from(seat.stats.in_flight()) + 1.0;
        let score = seconds.map(|seconds| told(seconds * busy));
        Estimate { score, seconds: seconds.map(told), ..Estimate::default() }
    }

    /// Of more than two only those that this chance draws are compared.
    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        let Some([(one, first), (two, second)]) =
            pool.two(cx.random).filter(|[(one, _), (two, _)]| one != two)
        else {
            return weigh_each(self, pool, cx, candidates);
        };
        let [cost, other] = costs([first, second], cx).map(told);
        let compared = |seat: &Seat, cost| Estimate { score: Some(cost), ..self.estimate(seat, cx) };
        pool.for_each(|index, seat| match index {
            index if index == one => candidates.think(index, compared(seat, cost)),
            index if index == two => candidates.think(index, compared(seat, other)),
            _ => candidates.pass_over(index, Reason::NotDrawn),
        });
    }
}
