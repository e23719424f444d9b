//! Cheapest for this request.
//!
//! The price of a request depends on its own size: who is cheap for long prompts may be dear for long answers.
//! With a bound on the time, the cheapest of those expected within it; if nobody is, the fastest, because the
//! bound is what the caller cares about most.

use std::time::Duration;

use super::{Estimate, PickCx, Picker, WORSE, is_fast_enough, leave_out, told, weigh_each};
use crate::candidates::Candidates;
use crate::mask::Mask;
use crate::pool::{Equals, Nth, PART, Pool, Rates, Seat, Turn, below, mix};
use crate::record::{Reason, Verdict};

/// Tokens assumed on either side when a request's size is not known.
const TYPICAL: u64 = 1000;
/// In a larger group not everybody is asked how long it takes: that lies elsewhere in memory, and the price does not.
const MANY: usize = 192;
const ASKED: usize = 64;
/// Of this many of the others one is asked.
const SOME: usize = 16;
/// Parts of a group up to whose ends the weight of equals is noted.
const PARTS: usize = 16;
/// How late somebody unknown counts for each request under way there, in seconds: less than anybody who is known to be.
const MOMENT: f64 = 1e-9;

/// The lowest price; of equals the one with fewest requests in flight, then the next in turn by weight. An unknown price is the highest.
#[derive(Debug)]
pub struct LowestCost {
    within: Option<Duration>,
    turn: Turn,
}

impl LowestCost {
    /// With an optional bound on the expected time: to a stream's first content, or to the end.
    #[must_use]
    pub fn new(within: Option<Duration>) -> Self {
        Self { within, turn: Turn::default() }
    }
}

/// Seconds past the bound; 0 within it. What fades is given a chance by one request at a time, and so is whoever nobody
/// knows yet: it may be slow still.
fn late(seat: &Seat, cx: &PickCx, within: Duration) -> f64 {
    let bound = within.as_secs_f64();
    let busy = seat.stats.in_flight();
    let Some(expected) = cx.expected_at_worst(seat) else {
        return f64::from(busy) * MOMENT;
    };
    if expected <= bound {
        return 0.0;
    }
    let faded = if busy == 0 { cx.expected(seat).unwrap_or(expected) } else { expected };
    (faded - bound).max(0.0)
}

/// What the request costs, in pico-dollars; infinite if that is not known.
fn price(cx: &PickCx) -> impl Fn(&Seat) -> f64 {
    let tokens = |tokens| u32::try_from(if tokens == 0 { TYPICAL } else { tokens }).unwrap_or(u32::MAX);
    let (input, output) = (f64::from(tokens(cx.input_tokens)), f64::from(tokens(cx.output_tokens)));
    move |seat| {
        let Rates { input: each_in, output: each_out, request } = seat.rates;
        each_in * input + each_out * output + request
    }
}

/// The cheapest; of equals the one with fewest requests in flight, which is looked up only for them, then the one whose
/// turn it is by weight.
fn cheapest<'a>(pool: &Pool<'a>, price: impl Fn(&Seat) -> f64, turn: u64) -> Option<(usize, &'a Seat)> {
    let mut found = Cheapest { lowest: f64::INFINITY, fewest: u32::MAX, ..Cheapest::default() };
    let look = |found: &mut Cheapest<'a>, index, seat: &'a Seat| {
        let price = price(seat);
        if price > found.lowest {
            return;
        }
        let busy = seat.stats.in_flight();
        if found.best.is_none() || price < found.lowest || busy < found.fewest {
            (found.best, found.lowest, found.fewest) = (Some((index, seat)), price, busy);
            (found.equals, found.first) = (Equals::default(), index / PART);
        }
        if busy <= found.fewest {
            found.equals.add(seat);
        }
    };
    let mark = |found: &mut Cheapest<'a>, part| {
        if let Some(weight) = found.ends.get_mut(part) {
            *weight = found.equals.weight();
        }
    };
    pool.for_each_part(&mut found, look, mark);
    if found.equals.count < 2 {
        return found.best;
    }
    let (from, mut nth) = found.narrow(found.equals.nth(turn));
    let is_equal = |seat: &Seat| price(seat) <= found.lowest && seat.stats.in_flight() <= found.fewest;
    pool.at(from..pool.seats()).find(|(_, seat)| is_equal(seat) && nth.passes(seat)).or(found.best)
}

/// What was found so far.
#[derive(Default)]
struct Cheapest<'a> {
    best: Option<(usize, &'a Seat)>,
    lowest: f64,
    fewest: u32,
    equals: Equals,
    /// The part where the first of the equals stands.
    first: usize,
    /// How much the equals weigh up to the end of each part, from that one on: the one whose turn it is is looked for in
    /// one part only.
    ends: [u64; PARTS],
}

impl Cheapest<'_> {
    /// Where to look for this place, and the place there.
    fn narrow(&self, nth: Nth) -> (usize, Nth) {
        let (mut part, mut before) = (self.first, 0);
        let ends = self.ends.iter().skip(self.first);
        for end in ends.take_while(|end| **end <= nth.before()) {
            (part, before) = (part + 1, *end);
        }
        (part * PART, nth.after(before))
    }
}

/// The cheapest of those expected in time; the fastest if nobody is. Asks only who would be the cheapest so far. In a
/// group of more than [`MANY`] that are nearly all too slow it finds one of the few by chance, if not for this request
/// then for another one: after [`ASKED`] it asks only some, drawn by chance.
fn cheapest_in_time(
    pool: &Pool<'_>,
    cx: &PickCx,
    within: Duration,
    mut skip: impl FnMut(usize),
) -> Option<usize> {
    let price = price(cx);
    let (mut best, mut lowest, mut fewest) = (None, f64::INFINITY, u32::MAX);
    let (mut fastest, mut least_late) = (None, f64::INFINITY);
    let is_large = pool.len() > MANY;
    let (mut asked, some) = (0, below(mix(cx.random), SOME).unwrap_or_default());
    pool.for_each(|index, seat| {
        let price = price(seat);
        if price > lowest {
            return;
        }
        if is_large && asked >= ASKED && index % SOME != some {
            return skip(index);
        }
        let busy = seat.stats.in_flight();
        if best.is_some() && price >= lowest && busy >= fewest {
            return;
        }
        asked += 1;
        let late = late(seat, cx, within);
        if late <= 0.0 {
            (best, lowest, fewest) = (Some(index), price, busy);
        } else if late < least_late {
            (fastest, least_late) = (Some(index), late);
        }
    });
    best.or(fastest)
}

impl Picker for LowestCost {
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
        let (index, seat) = cheapest(pool, price(cx), self.turn.next())?;
        match self.within {
            Some(within) if late(seat, cx, within) > 0.0 => cheapest_in_time(pool, cx, within, |_| ()),
            _ => Some(index),
        }
    }

    fn keeps(&self, index: usize, pool: &Pool<'_>, cx: &PickCx) -> bool {
        let price = price(cx);
        let best = cheapest(pool, &price, 0).map_or(f64::INFINITY, |(_, seat)| price(seat));
        let in_time = self.within.is_none() || is_fast_enough(index, pool, cx);
        in_time && pool.get(index).is_some_and(|seat| price(seat) <= WORSE * best)
    }

    fn estimate(&self, seat: &Seat, cx: &PickCx) -> Estimate {
        let usd = Some(price(cx)(seat) / 1e12).filter(|usd| usd.is_finite());
        let usd = usd.map(told);
        Estimate { score: usd, usd, seconds: cx.expected(seat).map(told), ..Estimate::default() }
    }

    /// Those beyond the bound are not considered while anybody is within it; if nobody is, the score is by how
    /// many seconds each is late.
    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        weigh_each(self, pool, cx, candidates);
        let (Some(within), Some((_, cheapest))) = (self.within, cheapest(pool, price(cx), self.turn.peek()))
        else {
            return leave_unpriced(pool, candidates);
        };
        let mut skipped = Mask::none(pool.seats());
        if late(cheapest, cx, within) > 0.0 {
            let _ = cheapest_in_time(pool, cx, within, |index| skipped.set(index));
        }
        leave_out(pool, |index| skipped.has(index), candidates);
        let within_ms = millis(within);
        let mut asked = pool.iter().filter(|(index, _)| !skipped.has(*index));
        let anybody = asked.any(|(_, seat)| late(seat, cx, within) <= 0.0);
        pool.for_each(|index, seat| {
            let late = late(seat, cx, within);
            if skipped.has(index) {
                return;
            }
            if !anybody {
                let score = Some(told(late));
                candidates.think(index, Estimate { score, ..candidates.estimate(index) });
            } else if late > 0.0 && cx.expected_at_worst(seat).is_none() {
                candidates.leave_out(index, Reason::Untested);
            } else if late > 0.0 {
                let expected = Duration::try_from_secs_f64(within.as_secs_f64() + late);
                let expected_ms = expected.map_or(u32::MAX, millis);
                candidates.leave_out(index, Reason::Slow { expected_ms, within_ms });
            }
        });
        if anybody {
            leave_unpriced(pool, candidates);
        }
    }
}

/// Says of those without a price that others have one; where nobody has, requests in flight are compared.
fn leave_unpriced(pool: &Pool<'_>, candidates: &mut Candidates) {
    let is_priced = pool.iter().any(|(_, seat)| seat.price.is_some());
    for (index, seat) in pool.iter().filter(|(_, seat)| seat.price.is_none()) {
        if is_priced {
            candidates.leave_out(index, Reason::Unpriced);
        } else if candidates.verdict(index) == Some(Verdict::NotPicked) {
            let score = Some(told(seat.stats.in_flight().into()));
            candidates.think(index, Estimate { score, ..candidates.estimate(index) });
        }
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::deployment::Deployment;
    use crate::facts::{Facts, Price};

    fn seat((price, weight, busy): (u64, u32, u32)) -> Seat {
        let price = Some(Price { input_pico_usd: price, output_pico_usd: 0, request_pico_usd: 0 });
        let deployment =
            Deployment::new("d", 0, ()).weighing(weight).with_facts(Facts { price, ..Facts::default() });
        let seat = Seat::new(&deployment);
        (0..busy).for_each(|_| std::mem::forget(seat.stats.begin()));
        seat
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn whose_turn_it_is_is_found_wherever_it_stands(
            some in prop::collection::vec((0_u64..3, 0_u32..5, 0_u32..2), 1..40),
            count in 1_usize..1_400,
            gone in any::<u64>(),
            turn in any::<u64>(),
        ) {
            let kind = |nth: usize| some[usize::try_from(mix(nth as u64)).unwrap() % some.len()];
            let seats: Vec<_> = (0..count).map(|nth| seat(kind(nth))).collect();
            let mut open = Mask::all(count);
            open.keep(|index| mix(gone ^ index as u64) > u64::MAX / 4);
            let cost = |index: usize| (kind(index).0, kind(index).2);
            let least = open.iter().map(cost).min();
            let equals: Vec<_> = open.iter().filter(|index| Some(cost(*index)) == least).collect();
            let weight = |index: usize| u64::from(kind(index).1.max(1));
            let sum: u64 = equals.iter().map(|index| weight(*index)).sum();
            let mut place = u64::try_from((u128::from(turn) * u128::from(sum)) >> 64).unwrap();
            let expect = equals.into_iter().find(|index| {
                let is_here = place < weight(*index);
                place = place.saturating_sub(weight(*index));
                is_here
            });
            let cx = PickCx::new(Instant::now());
            let found = cheapest(&Pool::new(&seats, &open), price(&cx), turn);
            prop_assert_eq!(found.map(|(index, _)| index), expect);
        }
    }
}
