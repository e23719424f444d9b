//! A large table that is read without a lock and changed in one place without being copied whole.
//!
//! The values are in shards; a change copies one shard and the list of shards. With a million values a shard has four
//! thousand pointers, which takes some ten microseconds to copy.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// How many shards a table has.
const SHARDS: usize = 256;

/// Values by a key that is part of them.
#[derive(Debug)]
pub(super) struct Table<V, S = ahash::RandomState> {
    shards: Arc<[Shard<V, S>]>,
    hasher: S,
    len: usize,
}

type Shard<V, S> = Arc<HashSet<V, S>>;

impl<V, S: Clone> Clone for Table<V, S> {
    fn clone(&self) -> Self {
        Self { shards: Arc::clone(&self.shards), hasher: self.hasher.clone(), len: self.len }
    }
}

impl<V: Clone + Eq + Hash, S: BuildHasher + Clone + Default> Default for Table<V, S> {
    fn default() -> Self {
        let hasher = S::default();
        let empty = Arc::new(HashSet::with_hasher(hasher.clone()));
        Self { shards: (0..SHARDS).map(|_| Arc::clone(&empty)).collect(), hasher, len: 0 }
    }
}

impl<V: Clone + Eq + Hash, S: BuildHasher + Clone + Default> Table<V, S> {
    /// The value with this key.
    pub(super) fn get<K: Eq + Hash + ?Sized>(&self, key: &K) -> Option<&V>
    where
        V: Borrow<K>,
    {
        self.shards.get(self.place(key))?.get(key)
    }

    /// Puts a value in, in the place of one with the same key.
    pub(super) fn put(&mut self, value: V) {
        let place = self.place(&value);
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(place)
            && Arc::make_mut(shard).replace(value).is_none()
        {
            self.len += 1;
        }
    }

    /// Takes a value out.
    pub(super) fn remove<K: Eq + Hash + ?Sized>(&mut self, key: &K)
    where
        V: Borrow<K>,
    {
        let place = self.place(key);
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(place)
            && shard.contains(key)
        {
            Arc::make_mut(shard).remove(key);
            self.len -= 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Bits from the middle choose the shard: the set inside it goes by the lowest and the highest.
    fn place<K: Hash + ?Sized>(&self, key: &K) -> usize {
        usize::from(self.hasher.hash_one(key).to_be_bytes()[3])
    }
}

/// Takes eight bytes of something that is random already for its hash.
#[derive(Debug, Clone, Default)]
pub(super) struct AsItIs(u64);

/// Builds [`AsItIs`].
pub(super) type RandomAlready = BuildHasherDefault<AsItIs>;

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not the way that hashes and ids of keys go.
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_changed_without_its_copies_seeing_it() {
        let mut table: Table<u32> = Table::default();
        (0..10_000).for_each(|value| table.put(value));
        let before = table.clone();
        table.remove(&5);
        table.remove(&5);
        table.put(7);
        table.put(10_000);
        assert_eq!((before.len(), table.len()), (10_000, 10_000));
        assert_eq!((before.get(&5), table.get(&5)), (Some(&5), None));
        assert_eq!((before.get(&10_000), table.get(&10_000)), (None, Some(&10_000)));
        assert_eq!(table.iter().count(), table.len());
    }
}
