//! Which deployment answered a prompt's beginning last.
//!
//! A beginning is known by hashes at 4 KiB, 8 KiB, 16 KiB and so on: providers cache from about a thousand
//! tokens, and doubling keeps a prompt of megabytes to a dozen numbers. The table has a fixed size and no lock;
//! an entry that is pushed out, or two that look alike, cost one cache miss at a provider.
//!
//! An entry ends when it was not used for as long as providers keep a cache. Nor does it hold for ever: what many requests
//! share (a system prompt) would keep them all at one deployment, whatever the strategy says, and is soon cached wherever
//! it is asked. So after some answers the strategy decides anew where it is.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::pool::mix;

const SHORTEST: usize = 4096;
const MOST: usize = 12;
const SETS: usize = 4096;
const WAYS: usize = 4;
/// The lower bits of an entry, which say which deployment.
const KEY: u64 = (1 << 18) - 1;
/// Above them how many answers in a row were that one's.
const COUNT: u32 = 18;
/// Above those when the last one was, in units of [`UNIT`].
const TIME: u32 = 26;
/// The rest tells beginnings apart.
const TAG: u64 = !((1 << 42) - 1);
const UNIT: Duration = Duration::from_secs(4);
/// So long after its last use a provider may have forgotten it.
const LIFE: Duration = Duration::from_secs(300);
/// After so many answers in a row the strategy decides again.
const TURNS: u64 = 32;

/// The beginnings of one prompt, shortest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefixes(Box<[u64]>);

impl Prefixes {
    /// The beginnings of these bytes; none below 4 KiB.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hashes = SmallVec::<[u64; MOST]>::new();
        let (mut state, mut from, mut to) = (0, 0, SHORTEST);
        while let Some(part) = bytes.get(from..to).filter(|_| hashes.len() < MOST) {
            state = extend(state, part);
            hashes.push(state);
            (from, to) = (to, to * 2);
        }
        // Most prompts have none, which takes no memory.
        Self(hashes.into_boxed_slice())
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
pub struct PrefixMap(OnceLock<Table>);

struct Table {
    start: Instant,
    entries: Box<[AtomicU64]>,
}

impl Table {
    fn new(start: Instant) -> Self {
        Self { start, entries: (0..SETS * WAYS).map(|_| AtomicU64::new(0)).collect() }
    }

    fn units(&self, now: Instant) -> u16 {
        let units = now.saturating_duration_since(self.start).as_secs() / UNIT.as_secs();
        u16::try_from(units & u64::from(u16::MAX)).unwrap_or_default()
    }

    /// Whether an entry was used as lately as it has to be. Three days on an old one may seem new again, for a while.
    fn is_alive(&self, entry: u64, now: Instant) -> bool {
        let then = u16::try_from((entry >> TIME) & u64::from(u16::MAX)).unwrap_or_default();
        let passed = self.units(now).wrapping_sub(then);
        // A clock that is behind has seen nothing end.
        entry != 0 && (u64::from(passed) * UNIT.as_secs() <= LIFE.as_secs() || passed > u16::MAX / 2)
    }
}

impl PrefixMap {
    /// The deployment's short key, unless the strategy is to decide.
    pub(super) fn get(&self, prefix: u64, now: Instant) -> Option<u64> {
        let table = self.0.get()?;
        let entries = set(&table.entries, prefix)?.iter().map(|entry| entry.load(Ordering::Relaxed));
        let entry =
            entries.into_iter().find(|entry| entry & TAG == prefix & TAG && table.is_alive(*entry, now))?;
        (count(entry) < TURNS).then_some(entry & KEY)
    }

    /// Takes note that this deployment has these beginnings now.
    pub(crate) fn note(&self, prefixes: &Prefixes, key: u64, now: Instant) {
        if prefixes.is_empty() {
            return;
        }
        let table = self.0.get_or_init(|| Table::new(now));
        let (key, time) = (short(key), u64::from(table.units(now)) << TIME);
        for prefix in &prefixes.0 {
            let Some(set) = set(&table.entries, *prefix) else {
                continue;
            };
            let load = |slot: &AtomicU64| slot.load(Ordering::Relaxed);
            let alike = |slot: &&AtomicU64| load(slot) != 0 && load(slot) & TAG == prefix & TAG;
            let ended = |slot: &&AtomicU64| !table.is_alive(load(slot), now);
            let slot = set.iter().find(alike).or_else(|| set.iter().find(ended));
            // Somebody has to go; which one does not matter as long as it is not always the same.
            let Some(slot) = slot.or_else(|| set.get(index(mix(*prefix), WAYS))) else {
                continue;
            };
            let old = load(slot);
            let goes_on = alike(&slot) && old & KEY == key && !ended(&slot);
            let turns = if goes_on { (count(old) + 1) % (TURNS + 1) } else { 1 };
            slot.store((prefix & TAG) | time | (turns << COUNT) | key, Ordering::Relaxed);
        }
    }
}

/// How many answers in a row were one deployment's.
fn count(entry: u64) -> u64 {
    (entry >> COUNT) & 0xFF
}

fn set(table: &[AtomicU64], prefix: u64) -> Option<&[AtomicU64]> {
    // The tag is the upper bits; the place comes from the lower ones.
    table.chunks_exact(WAYS).nth(index(prefix & !TAG, SETS))
}

fn index(number: u64, count: usize) -> usize {
    usize::try_from(number % count as u64).unwrap_or_default()
}

impl fmt::Debug for PrefixMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrefixMap").field(&self.0.get().map(|table| table.entries.len())).finish()
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
        let (map, now) = (PrefixMap::default(), Instant::now());
        for nth in 0..50_000_u64 {
            let prefixes = Prefixes(Box::new([mix(nth)]));
            map.note(&prefixes, nth + 1, now);
            assert_eq!(map.get(mix(nth), now), Some(short(nth + 1)));
        }
        let kept = (0..50_000_u64).filter(|nth| map.get(mix(*nth), now) == Some(short(nth + 1))).count();
        assert!((14_000..=SETS * WAYS).contains(&kept), "{kept}");
    }

    #[test]
    fn an_entry_ends_when_it_is_not_used() {
        let (map, start) = (PrefixMap::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let prefixes = Prefixes::of(&[b'x'; 5_000]);
        let get = |seconds| map.get(prefixes.0[0], at(seconds));
        map.note(&prefixes, 7, start);
        assert_eq!((get(0), get(290), get(310)), (Some(7), Some(7), None));
        map.note(&prefixes, 7, at(290));
        assert_eq!((get(580), get(610)), (Some(7), None));
        map.note(&prefixes, 9, at(4_000));
        assert_eq!((get(4_000), get(4_310)), (Some(9), None));
    }

    #[test]
    fn it_is_decided_again_after_some_answers() {
        let (map, now) = (PrefixMap::default(), Instant::now());
        let prefixes = Prefixes::of(&[b'x'; 5_000]);
        let noted = |key| map.note(&prefixes, key, now);
        let get = || map.get(prefixes.0[0], now);
        (1..TURNS).for_each(|_| noted(7));
        assert_eq!(get(), Some(7));
        noted(7);
        assert_eq!(get(), None, "the strategy decides");
        noted(9);
        assert_eq!(get(), Some(9), "and it goes with it");
        (1..TURNS).for_each(|_| noted(9));
        assert_eq!(get(), None);
        noted(9);
        assert_eq!(get(), Some(9), "also where it stays");
    }
}
