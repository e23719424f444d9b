//! Shortest expected time.
//!
//! Of two candidates drawn by chance the better one is asked ("power of two choices"): always asking the best
//! sends everybody to one deployment until it is the worst. The expected time is that to the first content for
//! streams and to the end for whole answers, per token of the answer where its length is known, times one more
//! than what is already under way there.

use super::{Estimate, PickCx, Picker};
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
        Estimate { score: seconds.map(|seconds| seconds * busy), seconds, ..Estimate::default() }
    }

    /// Of more than two only those that this chance draws are compared.
    fn compare(&self, pool: &Pool<'_>, cx: &PickCx, estimates: &mut [Estimate]) {
        let Some([(one, first), (two, second)]) =
            pool.two(cx.random).filter(|[(one, _), (two, _)]| one != two)
        else {
            return;
        };
        let drawn = [one, two].into_iter().zip(costs([first, second], cx));
        pool.for_each(|index, _| {
            let score = drawn.clone().find(|(drawn, _)| *drawn == index).map(|(_, cost)| cost);
            if let Some(estimate) = estimates.get_mut(index) {
                estimate.score = score;
                estimate.against = score.is_none().then_some(Reason::NotDrawn);
            }
        });
    }
}
