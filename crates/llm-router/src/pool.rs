//! The deployments of a group as the strategies see them.
//!
//! A strategy sees seats, not deployments: what is called does not matter to it, and a thousand seats lie side
//! by side in memory. Filters have run; what is left is a set of positions.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deployment::Deployment;
use crate::facts::{Allowance, Price};
use crate::mask::Mask;
use crate::stats::Stats;

/// Positions that are looked at together: those of one word of a mask.
pub(crate) const PART: usize = 64;

/// One deployment of a group.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Seat {
    /// What has been seen of it.
    pub stats: Arc<Stats>,
    /// Its share of traffic.
    pub weight: u32,
    /// What it costs.
    pub price: Option<Price>,
    /// The most it may be asked.
    pub allowance: Allowance,
    /// A hash of its id; the same in every process.
    pub key: u64,
    pub(crate) bounded: bool,
    pub(crate) rates: Rates,
}

/// A price to compare by: multiplying whole numbers without overflow takes longer, and exactness is for bills.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) input: f64,
    pub(crate) output: f64,
    pub(crate) request: f64,
}

impl Rates {
    fn of(price: Option<Price>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "compared, never charged")]
        let rate = |of: fn(&Price) -> u64| price.as_ref().map_or(f64::INFINITY, |price| of(price) as f64);
        Self {
            input: rate(|price| price.input_pico_usd),
            output: rate(|price| price.output_pico_usd),
            request: rate(|price| price.request_pico_usd),
        }
    }
}

impl Seat {
    /// The seat of a deployment.
    #[must_use]
    pub fn new<T>(deployment: &Deployment<T>) -> Self {
        let allowance = deployment.facts.allowance;
        Self {
            stats: Arc::clone(&deployment.stats),
            weight: deployment.weight,
            price: deployment.facts.price,
            allowance,
            key: crate::affinity::hash(deployment.id.as_bytes()),
            bounded: !allowance.is_unbounded(),
            rates: Rates::of(deployment.facts.price),
        }
    }
}

/// Who may be picked: some of the seats of a group.
#[derive(Debug, Clone, Copy)]
pub struct Pool<'a> {
    seats: &'a [Seat],
    open: &'a Mask,
    count: usize,
}

impl<'a> Pool<'a> {
    /// The seats at these positions.
    #[must_use]
    pub fn new(seats: &'a [Seat], open: &'a Mask) -> Self {
        Self { seats, open, count: open.count() }
    }

    /// How many may be picked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nobody may be picked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many seats the group has, those that may not be picked included.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    /// The seat at this position of the group.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a Seat> {
        self.seats.get(index)
    }

    /// Who may be picked, with their positions in the group, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'a Seat)> {
        let Self { seats, open, .. } = *self;
        open.iter().filter_map(move |index| Some((index, seats.get(index)?)))
    }

    /// The one with so many of the pool before it.
    #[must_use]
    pub fn nth(&self, nth: usize) -> Option<(usize, &'a Seat)> {
        let index = if self.count == self.seats.len() { nth } else { self.open.nth(nth)? };
        Some((index, self.seats.get(index)?))
    }

    /// Who may be picked, beginning with the one that has so many of the pool before it.
    pub fn from(&self, nth: usize) -> impl Iterator<Item = (usize, &'a Seat)> {
        let Self { seats, open, .. } = *self;
        let start = open.nth(nth).unwrap_or_default();
        open.from(start).filter_map(move |index| Some((index, seats.get(index)?)))
    }

    /// Who may be picked at these positions of the group, ascending.
    pub(crate) fn at(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &'a Seat)> {
        let Self { seats, open, .. } = *self;
        range.filter(|index| open.has(*index)).filter_map(move |index| Some((index, seats.get(index)?)))
    }

    /// Two different ones by chance, if there are two; the same one twice if there is one.
    #[must_use]
    pub fn two(&self, random: u64) -> Option<[(usize, &'a Seat); 2]> {
        let first = below(random, self.count)?;
        let second = match below(random.rotate_right(32), self.count - 1) {
            None => first,
            Some(second) => second + usize::from(second >= first),
        };
        Some([self.nth(first)?, self.nth(second)?])
    }

    /// Looks at each that may be picked, with its position in the group, ascending: faster than [`Pool::iter`].
    #[inline]
    pub fn for_each(&self, mut look: impl FnMut(usize, &'a Seat)) {
        self.for_each_part(&mut (), |(), index, seat| look(index, seat), |(), _| ());
    }

    /// The same with what is kept meanwhile, and with a word after each [`PART`] positions: which they were.
    #[inline]
    pub(crate) fn for_each_part<S>(
        &self,
        state: &mut S,
        mut look: impl FnMut(&mut S, usize, &'a Seat),
        mut end: impl FnMut(&mut S, usize),
    ) {
        for (at, (word, seats)) in self.open.words().iter().zip(self.seats.chunks(PART)).enumerate() {
            let base = at * PART;
            if *word == u64::MAX {
                seats.iter().enumerate().for_each(|(bit, seat)| look(state, base + bit, seat));
                end(state, at);
                continue;
            }
            let mut word = *word;
            while word != 0 {
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                if let Some(seat) = seats.get(bit) {
                    look(state, base + bit, seat);
                }
            }
            end(state, at);
        }
    }

    /// The best of the pool by a score of which less is better; of equals the first. Of a pool of more than
    /// `most`, only so many in a row are looked at, from a place drawn by chance.
    #[must_use]
    pub fn least(&self, most: usize, random: u64, score: impl Fn(usize, &Seat) -> f64) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        let mut look = |(index, seat): (usize, &Seat)| {
            let score = score(index, seat);
            if best.is_none_or(|(_, least)| score < least) {
                best = Some((index, score));
            }
        };
        if self.count <= most {
            self.for_each(|index, seat| look((index, seat)));
        } else {
            let some = self.some(most, random);
            some.filter_map(|index| Some((index, self.seats.get(index)?))).for_each(&mut look);
        }
        best.map(|(index, _)| index)
    }

    /// As [`Pool::least`], and of equals the next in turn, by weight: see [`Turn`].
    pub(crate) fn least_in_turn(
        &self,
        most: usize,
        (random, turn): (u64, u64),
        score: impl Fn(usize, &Seat) -> f64,
    ) -> Option<usize> {
        let (mut best, mut equals) = (None, Equals::default());
        let mut least = f64::INFINITY;
        let mut look = |index: usize, seat: &Seat| {
            let score = score(index, seat);
            if best.is_none() || score < least {
                (best, least, equals) = (Some(index), score, Equals::default());
            }
            if score <= least {
                equals.add(seat);
            }
        };
        let all = self.count <= most;
        if all {
            self.for_each(&mut look);
        } else {
            let some = self.some(most, random);
            some.filter_map(|index| Some((index, self.seats.get(index)?)))
                .for_each(|(index, seat)| look(index, seat));
        }
        if equals.count < 2 {
            return best;
        }
        let mut nth = equals.nth(turn);
        let mut is_next = |index: &usize| {
            self.seats.get(*index).is_some_and(|seat| score(*index, seat) <= least && nth.passes(seat))
        };
        let next = if all {
            self.open.iter().find(&mut is_next)
        } else {
            self.some(most, random).find(&mut is_next)
        };
        next.or(best)
    }

    /// Whom [`Pool::least`] looks at; `None`: at everybody.
    #[must_use]
    pub fn drawn(&self, most: usize, random: u64) -> Option<Mask> {
        let mut drawn = (self.count > most).then(|| Mask::none(self.seats.len()))?;
        self.some(most, random).for_each(|index| drawn.set(index));
        Some(drawn)
    }

    fn some(&self, most: usize, random: u64) -> impl Iterator<Item = usize> + 'a {
        let from = below(mix(random), self.seats.len()).unwrap_or_default();
        self.open.from(from).take(most)
    }
}

/// Whose turn it is among equals: numbers that fall evenly on any part of their range, so that weights are kept over any
/// few of them (multiples of the golden ratio).
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU64);

impl Turn {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }

    /// What the next one will be.
    pub(crate) fn peek(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Candidates of which none is better.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Equals {
    pub(crate) count: usize,
    weight: u64,
}

impl Equals {
    pub(crate) fn add(&mut self, seat: &Seat) {
        self.count += 1;
        self.weight += u64::from(seat.weight.max(1));
    }

    /// Of all of them so far.
    pub(crate) fn weight(self) -> u64 {
        self.weight
    }

    /// Where this turn falls.
    pub(crate) fn nth(self, turn: u64) -> Nth {
        let place = (u128::from(turn) * u128::from(self.weight)) >> 64;
        Nth(u64::try_from(place).unwrap_or_default())
    }
}

/// A place among equals, by weight.
#[derive(Debug)]
pub(crate) struct Nth(u64);

impl Nth {
    /// How much weight comes before it.
    pub(crate) fn before(&self) -> u64 {
        self.0
    }

    /// The same place among those that this weight comes before.
    pub(crate) fn after(self, weight: u64) -> Self {
        Self(self.0.saturating_sub(weight))
    }

    /// Whether it falls on this one, those before it having been shown.
    pub(crate) fn passes(&mut self, seat: &Seat) -> bool {
        let weight = u64::from(seat.weight.max(1));
        let is_here = self.0 < weight;
        self.0 = self.0.saturating_sub(weight);
        is_here
    }
}

/// The upper half of a random number as one below `count`; `None` when there is none.
#[must_use]
pub(crate) fn below(random: u64, count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    usize::try_from(((random >> 32) * count) >> 32).ok()
}

/// Spreads every bit over all of them (the finaliser of SplitMix64, by Steele, Lea and Flood).
#[must_use]
pub(crate) fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seats(count: usize) -> Vec<Seat> {
        (0..count).map(|nth| Seat::new(&Deployment::new(format!("d{nth}"), 0, ()))).collect()
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_in_the_pool(open in prop::collection::btree_set(0_usize..90, 0..20), random in any::<u64>()) {
            let seats = seats(90);
            let mut mask = Mask::none(90);
            open.iter().for_each(|index| mask.set(*index));
            let pool = Pool::new(&seats, &mask);
            match pool.two(random) {
                None => prop_assert!(open.is_empty()),
                Some([(one, _), (two, _)]) => {
                    prop_assert!(open.contains(&one) && open.contains(&two));
                    prop_assert_eq!(one == two, open.len() == 1);
                }
            }
            let all = pool.least(100, random, |index, _| -(index as f64));
            prop_assert_eq!(all, open.iter().last().copied());
            let some = pool.least(3, random, |_, _| 0.0);
            prop_assert!(some.map_or(open.is_empty(), |index| open.contains(&index)));
        }
    }

    #[test]
    fn chance_is_fair() {
        let seats = seats(5);
        let mask = Mask::all(5);
        let pool = Pool::new(&seats, &mask);
        let mut turns = [[0_u32; 5]; 2];
        for seed in 0..10_000 {
            let [(one, _), (two, _)] = pool.two(mix(seed)).unwrap();
            turns[0][one] += 1;
            turns[1][two] += 1;
        }
        assert!(turns.iter().flatten().all(|count| (1_850..2_150).contains(count)), "{turns:?}");
    }
}
