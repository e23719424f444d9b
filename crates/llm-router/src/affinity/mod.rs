//! Where a request would rather go.
//!
//! A provider that has the beginning of a prompt in its cache answers sooner and for less, and only that one
//! deployment has it. So requests of one session stay together, and a long beginning goes back to where it was
//! last answered. Both are wishes: an unhealthy deployment is left at once, and a beginning that everybody
//! shares neither piles all traffic onto one deployment nor goes to one that the strategy finds several times worse.

mod prefix;

pub use prefix::{PrefixMap, Prefixes};

use crate::picker::PickCx;
use crate::pool::{Pool, Seat, mix};

/// Requests under way that a wish may bring to a deployment beyond twice what another one carries.
const SLACK: u32 = 8;

/// A hash of any bytes; the same in every process, so that gateways agree. Not for secrets.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    prefix::extend(0, bytes)
}

/// The member of the pool that a session belongs to: each weighs in with its own hash of the session
/// (rendezvous hashing), so that losing one moves only its own sessions and nothing is remembered.
///
/// Each has an exponential draw, `-ln(unit) / weight`: of several with different rates, each is the least in proportion to
/// its rate.
pub(crate) fn of_session(session: u64, pool: &Pool<'_>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    pool.for_each(|index, seat| {
        let (unit, rate) = (unit(session, seat), f64::from(seat.weight.max(1)));
        let least = best.map_or(f64::INFINITY, |(_, least)| least);
        // No logarithm for most of many: a draw is `(1 - unit) / rate` at least.
        if (1.0 - unit) / rate >= least {
            return;
        }
        let drawn = -unit.ln() / rate;
        if drawn < least {
            best = Some((index, drawn));
        }
    });
    best.map(|(index, _)| index)
}

/// The hash of a session at a member, in (0, 1].
fn unit(session: u64, seat: &Seat) -> f64 {
    let bits = mix(session ^ seat.key) >> 40;
    (f64::from(u32::try_from(bits).unwrap_or_default()) + 1.0) / f64::from(1_u32 << 24)
}

/// The member of the pool where the longest known beginning was answered last, unless it is overrun.
pub(crate) fn of_prefix(prefixes: &Prefixes, map: &PrefixMap, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
    let (index, seat) = prefixes.longest_first().find_map(|prefix| {
        let key = map.get(prefix, cx.now)?;
        pool.iter().find(|(_, seat)| prefix::short(seat.key) == key)
    })?;
    let [(_, one), (_, two)] = pool.two(cx.random)?;
    let other = one.stats.in_flight().min(two.stats.in_flight());
    let overrun = seat.stats.in_flight() > other.saturating_mul(2).saturating_add(SLACK);
    (!overrun).then_some(index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::deployment::Deployment;
    use crate::mask::Mask;

    fn seats(weights: &[u32]) -> Vec<Seat> {
        let numbered = weights.iter().enumerate();
        numbered
            .map(|(nth, weight)| Seat::new(&Deployment::new(format!("d{nth}"), 0, ()).weighing(*weight)))
            .collect()
    }

    #[test]
    fn sessions_spread_by_weight() {
        let seats = seats(&[3, 1]);
        let open = Mask::all(2);
        let pool = Pool::new(&seats, &open);
        let first = (0..8000_u64).filter(|session| of_session(mix(*session), &pool) == Some(0)).count();
        assert!((5_800..6_200).contains(&first), "{first}");
    }

    #[test]
    fn a_shared_beginning_does_not_pile_up() {
        let seats = seats(&[1, 1]);
        let open = Mask::all(2);
        let pool = Pool::new(&seats, &open);
        let (map, cx) = (PrefixMap::default(), PickCx::new(std::time::Instant::now()));
        let prefixes = Prefixes::of(&[b'x'; 10_000]);
        assert_eq!(of_prefix(&prefixes, &map, &pool, &cx), None);
        map.note(&prefixes, seats[1].key, cx.now);
        assert_eq!(of_prefix(&prefixes, &map, &pool, &cx), Some(1));
        let guards: Vec<_> = (0..SLACK).map(|_| seats[1].stats.begin()).collect();
        assert_eq!(of_prefix(&prefixes, &map, &pool, &cx), Some(1));
        let _one_more = seats[1].stats.begin();
        assert_eq!(of_prefix(&prefixes, &map, &pool, &cx), None);
        drop(guards);
        assert_eq!(of_prefix(&prefixes, &map, &pool, &cx), Some(1));
        let mut alone = Mask::none(2);
        alone.set(0);
        assert_eq!(of_prefix(&prefixes, &map, &Pool::new(&seats, &alone), &cx), None, "it is out");
    }

    proptest! {
        #[test]
        fn a_session_belongs_to_the_least_draw(session in any::<u64>(), weights in prop::collection::vec(0_u32..9, 1..40)) {
            let seats = seats(&weights);
            let open = Mask::all(seats.len());
            let draw = |seat: &Seat| -unit(session, seat).ln() / f64::from(seat.weight.max(1));
            let least = seats.iter().map(draw).fold(f64::INFINITY, f64::min);
            let expect = seats.iter().position(|seat| draw(seat) <= least);
            prop_assert_eq!(of_session(session, &Pool::new(&seats, &open)), expect);
        }

        #[test]
        fn losing_one_moves_only_its_own_sessions(session in any::<u64>(), lost in 0_usize..8) {
            let seats = seats(&[1; 8]);
            let mut open = Mask::all(8);
            let before = of_session(session, &Pool::new(&seats, &open)).unwrap();
            open.clear(lost);
            let after = of_session(session, &Pool::new(&seats, &open)).unwrap();
            prop_assert!(after != lost);
            prop_assert!(before == lost || before == after);
        }
    }
}
