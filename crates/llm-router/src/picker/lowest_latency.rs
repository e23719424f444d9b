//! Shortest expected time.
//!
//! Of two candidates drawn by chance the better one is asked ("power of two choices"): always asking the best
//! sends everybody to one deployment until it is the worst. The expected time is that to the first content for
//! streams and to the end for whole answers, per token of the answer where its length is known, times one more
//! than what is already under way there.

use super::{Estimate, PickCx, Picker};
use crate::pool::{Pool, Seat};

/// The better of two, by peak-EWMA and requests in flight.
#[derive(Debug)]
pub struct LowestLatency;

impl Picker for LowestLatency {
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
        let [(one, first), (two, second)] = pool.two(cx.random)?;
        if one == two {
            return Some(one);
        }
        // Who was never asked is taken to be as fast as the other: it gets its share and no flood.
        let (mut fast, mut slow) = (cx.expected(first), cx.expected(second));
        fast = fast.or(slow).or(Some(1.0));
        slow = slow.or(fast);
        let cost =
            |seat: &Seat, time: Option<f64>| time.unwrap_or(1.0) * (f64::from(seat.stats.in_flight()) + 1.0);
        Some(if cost(second, slow) < cost(first, fast) { two } else { one })
    }

    fn estimate(&self, seat: &Seat, cx: &PickCx) -> Estimate {
        let seconds = cx.expected(seat);
        let busy = f64::from(seat.stats.in_flight()) + 1.0;
        Estimate { score: seconds.map(|seconds| seconds * busy), seconds, ..Estimate::default() }
    }
}
