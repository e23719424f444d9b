//! A set of positions in a group.
//!
//! Which deployments are left, tried or fit is asked several times per pick, so it is bits, not lists: inline
//! up to 1,024 deployments, and two sets meet in a few instructions.

use smallvec::SmallVec;

const INLINE: usize = 16;
const BITS: usize = u64::BITS as usize;

/// A set of positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(SmallVec<[u64; INLINE]>);

impl Mask {
    /// No position, of so many.
    #[must_use]
    pub fn none(len: usize) -> Self {
        Self(SmallVec::from_elem(0, len.div_ceil(BITS)))
    }

    /// Every position of so many.
    #[must_use]
    pub fn all(len: usize) -> Self {
        let mut words = SmallVec::from_elem(u64::MAX, len.div_ceil(BITS));
        if let (Some(last), spare @ 1..) = (words.last_mut(), len % BITS) {
            *last = (1 << spare) - 1;
        }
        Self(words)
    }

    /// Adds a position.
    pub fn set(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / BITS) {
            *word |= 1 << (index % BITS);
        }
    }

    /// Takes a position out.
    pub fn clear(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / BITS) {
            *word &= !(1 << (index % BITS));
        }
    }

    /// Whether the position is in it.
    #[must_use]
    pub fn has(&self, index: usize) -> bool {
        self.0.get(index / BITS).is_some_and(|word| word & (1 << (index % BITS)) != 0)
    }

    /// How many positions are in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no position is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Keeps what is in the other set too.
    pub fn retain(&mut self, other: &Self) {
        for (at, word) in self.0.iter_mut().enumerate() {
            *word &= other.0.get(at).copied().unwrap_or_default();
        }
    }

    /// Takes out what is in the other set.
    pub fn remove(&mut self, other: &Self) {
        for (word, gone) in self.0.iter_mut().zip(&other.0) {
            *word &= !gone;
        }
    }

    /// Keeps the positions that hold.
    #[inline]
    pub fn keep(&mut self, mut holds: impl FnMut(usize) -> bool) {
        for (at, word) in self.0.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left & left.wrapping_neg();
                left ^= bit;
                if !holds(at * BITS + bit.trailing_zeros() as usize) {
                    *word ^= bit;
                }
            }
        }
    }

    /// The bits, 64 to a word.
    pub(crate) fn words(&self) -> &[u64] {
        &self.0
    }

    /// The positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| Bits { word: *word, base: at * BITS })
    }

    /// The positions from this one on, ascending, then those before it.
    pub fn from(&self, start: usize) -> impl Iterator<Item = usize> {
        let (at, bit) = (start / BITS, start % BITS);
        let low = (1 << bit) - 1;
        let part = move |at: usize, keep: u64| Bits {
            word: self.0.get(at).copied().unwrap_or_default() & keep,
            base: at * BITS,
        };
        let words = (at + 1..self.0.len()).chain(0..at);
        part(at, !low).chain(words.flat_map(move |at| part(at, u64::MAX))).chain(part(at, low))
    }

    /// The position with so many of the set before it.
    #[must_use]
    pub fn nth(&self, nth: usize) -> Option<usize> {
        let mut left = nth;
        for (at, word) in self.0.iter().enumerate() {
            let count = word.count_ones() as usize;
            if left < count {
                return Bits { word: *word, base: at * BITS }.nth(left);
            }
            left -= count;
        }
        None
    }
}

struct Bits {
    word: u64,
    base: usize,
}

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.word == 0 {
            return None;
        }
        let bit = self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(self.base + bit)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn mask(len: usize, set: &BTreeSet<usize>) -> Mask {
        let mut mask = Mask::none(len);
        set.iter().for_each(|index| mask.set(*index));
        mask
    }

    #[test]
    fn all_is_as_long_as_the_group() {
        for len in [0, 1, 63, 64, 65, 128, 1000] {
            assert_eq!(Mask::all(len).count(), len);
            assert_eq!(Mask::all(len).iter().last(), len.checked_sub(1));
        }
    }

    proptest! {
        #[test]
        fn a_mask_is_a_set(
            one in prop::collection::btree_set(0_usize..200, 0..40),
            two in prop::collection::btree_set(0_usize..200, 0..40),
        ) {
            let (mut both, mut rest) = (mask(200, &one), mask(200, &one));
            prop_assert_eq!(both.iter().collect::<BTreeSet<_>>(), one.clone());
            prop_assert_eq!(both.count(), one.len());
            for (nth, index) in one.iter().enumerate() {
                prop_assert_eq!(both.nth(nth), Some(*index));
            }
            prop_assert_eq!(both.nth(one.len()), None);
            for start in [0, 1, 64, 100, 199] {
                let around: Vec<_> = one.range(start..).chain(one.range(..start)).copied().collect();
                prop_assert_eq!(both.from(start).collect::<Vec<_>>(), around);
            }
            both.retain(&mask(200, &two));
            rest.remove(&mask(200, &two));
            prop_assert!(both.iter().eq(one.intersection(&two).copied()));
            prop_assert!(rest.iter().eq(one.difference(&two).copied()));
            prop_assert!((0..200).all(|index| rest.has(index) == (one.contains(&index) && !two.contains(&index))));
        }
    }
}
