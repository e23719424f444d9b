//! Smooth weighted round robin.
//!
//! Exact where a random choice is only right on average: out of any run of picks as long as the sum of
//! the weights, each deployment gets exactly its weight, and a heavy one's turns are spread out instead
//! of bunched. Each pick raises every candidate's credit by its weight, takes the highest and makes it pay
//! the sum.

use parking_lot::Mutex;

use super::{Estimate, PickCx, Picker};
use crate::candidates::Candidates;
use crate::pool::{Pool, Seat};

/// Smooth weighted round robin over one group.
///
/// Deployments of weight 0 are picked only when no other candidate is left, then in turn.
#[derive(Debug)]
pub struct Weighted {
    /// By position in the group.
    credits: Mutex<Vec<i64>>,
}

impl Weighted {
    /// A round that nobody has had a turn in, for a group of so many.
    #[must_use]
    pub fn new(deployments: usize) -> Self {
        Self { credits: Mutex::new(vec![0; deployments]) }
    }
}

impl Picker for Weighted {
    fn pick(&self, pool: &Pool<'_>, _: &PickCx) -> Option<usize> {
        if pool.len() <= 1 {
            return pool.nth(0).map(|(index, _)| index);
        }
        let mut credits = self.credits.lock();
        if credits.len() < pool.seats() {
            credits.resize(pool.seats(), 0);
        }
        turn(pool, &mut credits, |seat| i64::from(seat.weight)).or_else(|| turn(pool, &mut credits, |_| 1))
    }

    /// How many turns each is ahead of its share, this pick's part of it included: less is better.
    fn weigh(&self, pool: &Pool<'_>, _: &PickCx, candidates: &mut Candidates) {
        let credits = self.credits.lock();
        let is_idle = pool.iter().all(|(_, seat)| seat.weight == 0);
        let weight = |seat: &Seat| if is_idle { 1 } else { i64::from(seat.weight) };
        let sum: i64 = pool.iter().map(|(_, seat)| weight(seat)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
        let ahead = |credit: i64| -(credit as f64) / sum as f64;
        candidates.expect(pool.len());
        pool.for_each(|index, seat| {
            let credit = credits.get(index).copied().unwrap_or_default() + weight(seat);
            if weight(seat) > 0 {
                candidates.think(index, Estimate::of(ahead(credit)));
            }
        });
    }
}

/// Raises every credit by its weight and lets the highest pay the sum; `None` if nobody has any weight.
fn turn(pool: &Pool<'_>, credits: &mut [i64], weight: impl Fn(&Seat) -> i64) -> Option<usize> {
    let mut sum = 0;
    let (mut best, mut highest) = (None, i64::MIN);
    pool.for_each(|index, seat| {
        let weight = weight(seat);
        let Some(credit) = credits.get_mut(index).filter(|_| weight > 0) else {
            return;
        };
        *credit += weight;
        sum += weight;
        if *credit > highest {
            (best, highest) = (Some(index), *credit);
        }
    });
    let index = best?;
    if let Some(credit) = credits.get_mut(index) {
        *credit -= sum;
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::deployment::Deployment;
    use crate::mask::Mask;

    fn seats(weights: &[u32]) -> Vec<Seat> {
        let deployments = weights.iter().map(|weight| Deployment::new("d", 0, ()).weighing(*weight));
        deployments.map(|deployment| Seat::new(&deployment)).collect()
    }

    fn picks(weights: &[u32], times: usize) -> Vec<usize> {
        let (seats, open) = (seats(weights), Mask::all(weights.len()));
        let pool = Pool::new(&seats, &open);
        let picker = Weighted::new(weights.len());
        (0..times).map(|_| picker.pick(&pool, &PickCx::new(Instant::now())).unwrap()).collect()
    }

    #[test]
    fn turns_are_spread_out() {
        let check = |weights: &[u32], expect: &[usize]| {
            assert_eq!(picks(weights, expect.len()), expect, "{weights:?}");
        };
        check(&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
        check(&[1, 1, 1], &[0, 1, 2, 0, 1, 2]);
        check(&[1], &[0, 0]);
        check(&[0, 2, 1], &[1, 2, 1, 1, 2, 1]);
        check(&[0, 0], &[0, 1, 0, 1]);
        check(&[u32::MAX, u32::MAX], &[0, 1, 0, 1]);
    }

    #[test]
    fn nobody_to_pick() {
        let open = Mask::none(2);
        let pool = Pool::new(&[], &open);
        assert_eq!(Weighted::new(2).pick(&pool, &PickCx::new(Instant::now())), None);
    }

    #[test]
    fn candidates_keep_their_credit_while_others_are_out() {
        let picker = Weighted::new(0);
        let (seats, mut open) = (seats(&[1; 4]), Mask::all(4));
        open.clear(0);
        open.clear(2);
        let pool = Pool::new(&seats, &open);
        let cx = PickCx::new(Instant::now());
        let indices: Vec<_> = (0..4).map(|_| picker.pick(&pool, &cx).unwrap()).collect();
        assert_eq!(indices, [1, 3, 1, 3]);
    }

    #[test]
    fn turns_are_exact_across_threads() {
        let now = Instant::now();
        let (seats, open) = (seats(&[5, 3, 2]), Mask::all(3));
        let pool = Pool::new(&seats, &open);
        let picker = Weighted::new(3);
        let turns: [AtomicUsize; 3] = Default::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..250 {
                        let pick = picker.pick(&pool, &PickCx::new(now)).unwrap();
                        turns[pick].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(turns.map(AtomicUsize::into_inner), [500, 300, 200]);
    }

    proptest! {
        #[test]
        fn every_window_of_the_sum_is_exact(weights in prop::collection::vec(0_u32..20, 2..8), start in 0_usize..200) {
            let sum = weights.iter().sum::<u32>() as usize;
            prop_assume!(sum > 0);
            let picks = picks(&weights, start + sum);
            for (index, weight) in weights.iter().enumerate() {
                let turns = picks[start..].iter().filter(|pick| **pick == index).count();
                prop_assert_eq!(turns, *weight as usize, "{:?} from {}", &weights, start);
            }
        }
    }
}
