//! Which deployment answered a prompt's beginning last.
//!
//! A beginning is known by hashes at 4 KiB, 8 KiB, 16 KiB and so on: providers cache from about a thousand
//! tokens, and doubling keeps a prompt of megabytes to a dozen numbers. The table has a fixed size and no lock;
//! an entry that is pushed out, or two that look alike, cost one cache miss at a provider.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::pool::mix;

const SHORTEST: usize = 4096;
const MOST: usize = 12;
const SETS: usize = 4096;
const WAYS: usize = 4;
/// The lower bits of an entry, which say which deployment.
const KEY: u64 = (1 << 24) - 1;

/// The beginnings of one prompt, shortest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefixes(SmallVec<[u64; MOST]>);

impl Prefixes {
    /// The beginnings of these bytes; none below 4 KiB.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hashes = SmallVec::new();
        let (mut state, mut from, mut to) = (0, 0, SHORTEST);
        while let Some(part) = bytes.get(from..to).filter(|_| hashes.len() < MOST) {
            state = extend(state, part);
            hashes.push(state);
            (from, to) = (to, to * 2);
        }
        Self(hashes)
    }

    /// Whether the prompt is too short to be cached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn longest_first(&self) -> impl Iterator<Item = u64> {
        self.0.iter().rev().copied()
    }
}

/// Goes on with a hash: four words of eight bytes side by side, fast rather than strong.
pub(super) fn extend(state: u64, bytes: &[u8]) -> u64 {
    const SEEDS: [u64; 4] =
        [0x51_7C_C1_B7_27_22_0A_95, 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB, 0x8EBC_6AF0_9C88_C6E3];
    let step = |lane: u64, word: &[u8; 8]| {
        (lane.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    };
    let mut lanes = SEEDS.map(|seed| state ^ seed);
    let (words, rest) = bytes.as_chunks::<8>();
    let (rows, left) = words.as_chunks::<4>();
    for row in rows {
        lanes.iter_mut().zip(row).for_each(|(lane, word)| *lane = step(*lane, word));
    }
    lanes.iter_mut().zip(left).for_each(|(lane, word)| *lane = step(*lane, word));
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let all = lanes.iter().fold(0, |all, lane| step(all, &lane.to_le_bytes()));
    mix(step(all, &last) ^ bytes.len() as u64)
}

/// The part of a deployment's key that an entry has room for; never 0.
pub(super) fn short(key: u64) -> u64 {
    (key & KEY).max(1)
}

/// Beginnings and deployments: 16,384 entries, 128 KiB, made when the first one comes.
#[derive(Default)]
pub struct PrefixMap(OnceLock<Box<[AtomicU64]>>);

impl PrefixMap {
    /// The deployment's short key.
    pub(super) fn get(&self, prefix: u64) -> Option<u64> {
        let set = set(self.0.get()?, prefix)?;
        let entries = set.iter().map(|entry| entry.load(Ordering::Relaxed));
        entries
            .into_iter()
            .find(|entry| *entry != 0 && entry & !KEY == prefix & !KEY)
            .map(|entry| entry & KEY)
    }

    /// Takes note that this deployment has these beginnings now.
    pub(crate) fn note(&self, prefixes: &Prefixes, key: u64) {
        if prefixes.is_empty() {
            return;
        }
        let table = self.0.get_or_init(|| (0..SETS * WAYS).map(|_| AtomicU64::new(0)).collect());
        for prefix in &prefixes.0 {
            let Some(set) = set(table, *prefix) else {
                continue;
            };
            let new = (prefix & !KEY) | short(key);
            let alike = |entry: &&AtomicU64| entry.load(Ordering::Relaxed) & !KEY == prefix & !KEY;
            let free = |entry: &&AtomicU64| entry.load(Ordering::Relaxed) == 0;
            let slot = set.iter().find(alike).or_else(|| set.iter().find(free));
            // Somebody has to go; which one does not matter as long as it is not always the same.
            let slot = slot.or_else(|| set.get(index(mix(*prefix), WAYS)));
            if let Some(slot) = slot.filter(|slot| slot.load(Ordering::Relaxed) != new) {
                slot.store(new, Ordering::Relaxed);
            }
        }
    }
}

fn set(table: &[AtomicU64], prefix: u64) -> Option<&[AtomicU64]> {
    // The tag is the upper bits; the place comes from the lower ones.
    table.chunks_exact(WAYS).nth(index(prefix & KEY, SETS))
}

fn index(number: u64, count: usize) -> usize {
    usize::try_from(number % count as u64).unwrap_or_default()
}

impl fmt::Debug for PrefixMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrefixMap").field(&self.0.get().map(|table| table.len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_taken_at_doubling_lengths() {
        let check = |len: usize, count| assert_eq!(Prefixes::of(&vec![b'x'; len]).0.len(), count, "{len}");
        check(4095, 0);
        check(4096, 1);
        check(8191, 1);
        check(8192, 2);
        check(100_000, 5);
        check(20 << 20, 12);
    }

    #[test]
    fn shared_beginnings_share_hashes() {
        let mut text = vec![b'a'; 40_000];
        let one = Prefixes::of(&text);
        text[20_000] = b'b';
        let two = Prefixes::of(&text);
        assert_eq!(one.0[..3], two.0[..3], "up to 16 KiB");
        assert_ne!(one.0[3], two.0[3]);
        let all: std::collections::HashSet<_> = one.0.iter().collect();
        assert_eq!(all.len(), one.0.len());
    }

    #[test]
    fn hashes_tell_bytes_apart() {
        let inputs: [&[u8]; 7] = [b"", b"a", b"b", b"a\0", b"abcdefgh", b"abcdefgi", b"abcdefgh\0"];
        let hashes: std::collections::HashSet<_> = inputs.iter().map(|input| extend(0, input)).collect();
        assert_eq!(hashes.len(), inputs.len());
    }

    #[test]
    fn the_table_stays_bounded_and_remembers_the_newest() {
        let map = PrefixMap::default();
        for nth in 0..50_000_u64 {
            let prefixes = Prefixes(SmallVec::from_slice(&[mix(nth)]));
            map.note(&prefixes, nth + 1);
            assert_eq!(map.get(mix(nth)), Some(short(nth + 1)));
        }
        let kept = (0..50_000_u64).filter(|nth| map.get(mix(*nth)) == Some(short(nth + 1))).count();
        assert!((14_000..=SETS * WAYS).contains(&kept), "{kept}");
    }
}
