//! What is known of keys, found by one hash, in the order in which they came.
//!
//! Blocks touch hundreds of thousands of keys. So those that are there do not move when more come: slots stand in chunks, of which only the first grows, and the table that finds
//! them holds numbers alone, which is made anew without looking at keys.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table::Entry};

/// So many slots are made at a time; the first chunk grows up to that.
const CHUNK: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// Keys, and a `T` for each.
pub(super) struct Slots<K, T> {
    /// Seeded anew, so that nobody can prepare keys that collide. Results never depend on it.
    hasher: RandomState,
    table: HashTable<Number>,
    chunks: Vec<Vec<(K, T)>>,
    /// How many there are.
    count: usize,
}

/// Where a key is, and half of its hash: most keys that are not it are never looked at.
struct Number {
    hash: u32,
    index: u32,
}

/// The half of a hash that is kept, as the hash that a table works with.
pub(crate) fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl<K: Hash + Eq + Clone, T> Slots<K, T> {
    /// None yet; made for about so many. A guess that is too high costs memory that is never touched.
    pub(super) fn with_capacity(keys: usize) -> Self {
        Self::with_hasher(keys, RandomState::default())
    }

    /// The same, with the same hashes as here.
    pub(super) fn beside(&self, keys: usize) -> Self {
        Self::with_hasher(keys, self.hasher.clone())
    }

    fn with_hasher(keys: usize, hasher: RandomState) -> Self {
        Self {
            hasher,
            table: HashTable::with_capacity(keys),
            chunks: vec![Vec::with_capacity(keys.min(CHUNK))],
            count: 0,
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What its table, and those beside it, find `key` by.
    #[inline]
    pub(super) fn hash(&self, key: &K) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    /// The number of `key`, which has one from then on, and what belongs to it.
    #[inline]
    pub(super) fn enter(&mut self, key: &K, new: impl FnOnce() -> T) -> (usize, &mut T) {
        let hash = self.hash(key);
        let Self { table, chunks, .. } = self;
        let is_it = |number: &Number| {
            let index = number.index as usize;
            number.hash == hash && chunks[index / CHUNK][index % CHUNK].0 == *key
        };
        let index = match table.entry(spread(hash), is_it, |number| spread(number.hash)) {
            Entry::Occupied(entry) => entry.get().index as usize,
            Entry::Vacant(entry) => {
                let index = self.count;
                entry.insert(Number {
                    hash,
                    index: u32::try_from(index).expect("so many keys fit into no memory"),
                });
                if index / CHUNK == chunks.len() {
                    chunks.push(Vec::with_capacity(CHUNK));
                }
                chunks[index / CHUNK].push((key.clone(), new()));
                self.count += 1;
                index
            }
        };
        (index, self.at_mut(index))
    }

    /// The number of `key`, if it has one.
    pub(super) fn find(&self, key: &K) -> Option<usize> {
        self.find_hashed(self.hash(key), || key)
    }

    /// The same for a key of which this is the hash. Most that are not here need not be looked at for that.
    #[inline]
    pub(super) fn find_hashed<'k>(&self, hash: u32, key: impl Fn() -> &'k K) -> Option<usize>
    where
        K: 'k,
    {
        let is_it =
            |number: &Number| number.hash == hash && self.pair(number.index as usize).0 == *key();
        let number = self.table.find(spread(hash), is_it)?;
        Some(number.index as usize)
    }
}

impl<K, T> Slots<K, T> {
    /// The key with this number, and what belongs to it.
    #[inline]
    pub(super) fn pair(&self, index: usize) -> &(K, T) {
        &self.chunks[index / CHUNK][index % CHUNK]
    }

    /// The key with this number.
    pub(super) fn key(&self, index: usize) -> &K {
        &self.pair(index).0
    }

    /// What belongs to it.
    #[inline]
    pub(super) fn at(&self, index: usize) -> &T {
        &self.pair(index).1
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn at_mut(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index / CHUNK][index % CHUNK].1
    }

    /// The hash of each key, by its number.
    pub(super) fn hashes(&self) -> Vec<u32> {
        let mut hashes = vec![0; self.count];
        for number in &self.table {
            hashes[number.index as usize] = number.hash;
        }
        hashes
    }

    /// All keys, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, T)> {
        self.chunks.iter().flatten()
    }

    /// The same, taken apart.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (K, T)> {
        self.chunks.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_numbers_and_their_order() {
        let mut slots = Slots::with_capacity(1);
        for round in 0..3 {
            for key in (0..100_u64).rev() {
                let (index, _) = slots.enter(&key, || 0);
                assert_eq!(index as u64, 99 - key);
                assert_eq!((slots.key(index), *slots.at(index)), (&key, round));
                *slots.at_mut(index) += 1;
            }
        }
        assert_eq!((slots.len(), slots.find(&42)), (100, Some(57)));
        assert_eq!(slots.find(&100), None);
        let beside = slots.beside(0);
        for (index, hash) in slots.hashes().into_iter().enumerate() {
            assert_eq!(beside.hash(slots.key(index)), hash);
            assert_eq!(slots.find_hashed(hash, || slots.key(index)), Some(index));
        }
        let all: Vec<_> = slots.iter().copied().collect();
        assert!(all.iter().copied().eq((0..100).rev().map(|key| (key, 3))));
        assert!(slots.into_iter().eq(all));
    }
}
