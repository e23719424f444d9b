//! Cheapest for this request.
//!
//! The price of a request depends on its own size: who is cheap for long prompts may be dear for long answers.
//! With a bound on the time, the cheapest of those expected within it; if nobody is, the fastest, because the
//! bound is what the caller cares about most.

use std::time::Duration;

use super::{Estimate, PickCx, Picker};
use crate::pool::{Pool, Seat};

/// Tokens assumed on either side when a request's size is not known.
const TYPICAL: u64 = 1000;

/// The lowest price; of equals the one with fewest requests in flight. An unknown price is the highest.
#[derive(Debug)]
pub struct LowestCost {
    within: Option<Duration>,
}

impl LowestCost {
    /// With an optional bound on the expected time: to a stream's first content, or to the end.
    #[must_use]
    pub fn new(within: Option<Duration>) -> Self {
        Self { within }
    }

    /// Seconds past the bound; 0 within it, and for those nobody knows yet.
    fn late(&self, seat: &Seat, cx: &PickCx) -> f64 {
        let Some(within) = self.within else {
            return 0.0;
        };
        let within = within.as_secs_f64();
        match cx.expected(seat) {
            Some(expected) if expected > within => expected - within,
            _ => 0.0,
        }
    }
}

fn price(seat: &Seat, cx: &PickCx) -> u64 {
    let or_typical = |tokens| if tokens == 0 { TYPICAL } else { tokens };
    let (input, output) = (or_typical(cx.input_tokens), or_typical(cx.output_tokens));
    seat.price.map_or(u64::MAX, |price| price.of(input, output))
}

impl Picker for LowestCost {
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
        let (mut best, mut least): (Option<(usize, &Seat)>, _) = (None, (f64::INFINITY, u64::MAX));
        pool.for_each(|index, seat| {
            let key = (self.late(seat, cx), price(seat, cx));
            // Who is busier is looked up only for equals: it lies elsewhere in memory.
            let tie = |other: &Seat| key == least && seat.stats.in_flight() < other.stats.in_flight();
            if best.is_none_or(|(_, other)| key < least || tie(other)) {
                (best, least) = (Some((index, seat)), key);
            }
        });
        best.map(|(index, _)| index)
    }

    fn estimate(&self, seat: &Seat, cx: &PickCx) -> Estimate {
        let price = Some(price(seat, cx)).filter(|price| *price < u64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
        let usd = price.map(|pico| pico as f64 / 1e12);
        Estimate { score: usd, usd, seconds: cx.expected(seat), ..Estimate::default() }
    }
}
