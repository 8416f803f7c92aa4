//! Keys as dense numbers: one hash for each access, and nothing but arrays after that.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

use crate::{access::Access, error::TooLarge, open::KeyId};

/// The most keys: an access and the number of its key share a word.
pub(crate) const MOST_KEYS: u32 = (1 << (u32::BITS - Access::BITS)) - 1;

/// What a hash comes to in the table. The low bits choose the place.
pub(crate) type Tag = u32;

/// An open hash table with linear probing, of words that hold as much of a tag as fits beside the number of a key.
///
/// A look-up that misses touches one cache line; one that hits touches the key as well. Tags are kept, so growing looks at
/// no key.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// As many as a power of two, at most half of them in use. Zero is an empty place; the number of a key is one too
    /// high.
    places: Vec<u32>,
    /// How many low bits of a word are the number: as many as choose a place. The other bits of a tag are above.
    bits: u32,
    tags: Vec<Tag>,
}

impl Table {
    /// A table that need not grow before it holds so many keys.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        let places = keys.saturating_mul(2).next_power_of_two().max(16);
        Self {
            places: vec![0; places],
            bits: places.trailing_zeros(),
            tags: Vec::with_capacity(keys),
        }
    }

    /// In bytes.
    fn memory(&self) -> usize {
        (self.places.capacity() + self.tags.capacity()) * size_of::<u32>()
    }

    fn clear(&mut self) {
        self.places.fill(0);
        self.tags.clear();
    }

    /// The number of the key with this tag of which `is_it` says that it is the one, or the place where it would go.
    #[inline]
    pub(crate) fn find(&self, tag: Tag, is_it: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let mask = self.places.len() - 1;
        let number = mask as u32;
        let mut at = tag as usize & mask;
        loop {
            let word = self.places[at];
            if word == 0 {
                return Err(at);
            }
            if (word ^ tag) >> self.bits == 0 {
                let number = (word & number) - 1;
                if is_it(number) {
                    return Ok(number);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts the next key, which has this tag, into its place, and gives its number.
    #[inline]
    pub(crate) fn insert(&mut self, at: usize, tag: Tag) -> u32 {
        let number = self.tags.len() as u32;
        self.places[at] = self.word(tag, number);
        self.tags.push(tag);
        if self.tags.len() * 2 >= self.places.len() {
            self.grow();
        }
        number
    }

    fn word(&self, tag: Tag, number: u32) -> u32 {
        (tag >> self.bits) << self.bits | (number + 1)
    }

    #[cold]
    fn grow(&mut self) {
        let places = self.places.len() * 2;
        self.places = vec![0; places];
        self.bits = places.trailing_zeros();
        let mask = places - 1;
        for (number, &tag) in self.tags.iter().enumerate() {
            let mut at = tag as usize & mask;
            while self.places[at] != 0 {
                at = (at + 1) & mask;
            }
            self.places[at] = self.word(tag, number as u32);
        }
    }

    /// Brings the places of these tags into the cache, all at once: one after another, each would be waited for. Does
    /// nothing where the table is in the cache anyway.
    #[inline]
    pub(crate) fn preload(&self, tags: &[Tag]) {
        /// As many words as a second-level cache holds.
        const LARGE: usize = 1 << 18;
        if self.places.len() < LARGE {
            return;
        }
        let mask = self.places.len() - 1;
        let loaded = tags
            .iter()
            .fold(0, |all, tag| all ^ self.places[*tag as usize & mask]);
        std::hint::black_box(loaded);
    }
}

/// Makes tags of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tagger(
    // Seeded anew in every process: nobody can prepare keys that collide. No result depends on it.
    RandomState,
);

impl Tagger {
    #[inline]
    pub(crate) fn tag(&self, key: &impl Hash) -> Tag {
        let hash = self.0.hash_one(key);
        (hash ^ (hash >> 32)) as u32
    }
}

/// Keys, and their numbers: dense, in the order in which the keys first came.
///
/// Results never depend on how it hashes, which is different in every process: nobody can prepare keys that collide.
///
/// # Examples
///
/// ```
/// use pleach_dtt::Interner;
///
/// let mut interner = Interner::new();
/// let first = interner.intern(&"alice")?;
/// assert_eq!(interner.intern(&"bob")?.index(), 1);
/// assert_eq!(interner.intern(&"alice")?, first);
/// assert_eq!(interner.keys(), ["alice", "bob"]);
/// # Ok::<(), pleach_dtt::TooLarge>(())
/// ```
#[derive(Clone, Debug)]
pub struct Interner<K> {
    table: Table,
    keys: Vec<K>,
    tagger: Tagger,
}

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl<K> Interner<K> {
    /// No keys.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// No keys, and room for so many.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        Self {
            table: Table::with_capacity(keys),
            keys: Vec::with_capacity(keys),
            tagger: Tagger::default(),
        }
    }

    /// The keys, each at the place that its number is.
    #[must_use]
    pub fn keys(&self) -> &[K] {
        &self.keys
    }

    /// How much memory it holds, in bytes; not what keys point to.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.table.memory() + self.keys.capacity() * size_of::<K>()
    }

    /// Forgets all keys and keeps the memory.
    pub fn clear(&mut self) {
        self.table.clear();
        self.keys.clear();
    }

    /// See [`Table::preload`].
    #[inline]
    pub(crate) fn preload(&self, tags: &[Tag]) {
        self.table.preload(tags);
    }

    /// The same tags, elsewhere.
    #[cfg(feature = "rayon")]
    pub(crate) fn tagger(&self) -> Tagger {
        self.tagger.clone()
    }
}

impl<K: Hash + Eq> Interner<K> {
    #[inline]
    pub(crate) fn tag(&self, key: &K) -> Tag {
        self.tagger.tag(key)
    }

    /// The number of `key`, if it has one.
    pub fn get(&self, key: &K) -> Option<KeyId> {
        self.find(self.tag(key), key).ok().map(KeyId)
    }

    /// The number of `key`, which it gets now if it has none. One hash, and most often one cache line.
    ///
    /// # Errors
    ///
    /// If there are too many keys: 2^28.
    #[inline]
    pub fn intern(&mut self, key: &K) -> Result<KeyId, TooLarge>
    where
        K: Clone,
    {
        self.intern_tagged(self.tag(key), key).map(KeyId)
    }

    #[inline]
    fn find(&self, tag: Tag, key: &K) -> Result<u32, usize> {
        let is_it = |number: u32| self.keys[number as usize] == *key;
        self.table.find(tag, is_it)
    }

    /// The number of the key with this tag, which it gets now if it has none.
    #[inline]
    pub(crate) fn intern_tagged(&mut self, tag: Tag, key: &K) -> Result<u32, TooLarge>
    where
        K: Clone,
    {
        let at = match self.find(tag, key) {
            Ok(number) => return Ok(number),
            Err(at) => at,
        };
        if self.keys.len() >= MOST_KEYS as usize {
            return Err(TooLarge::Keys);
        }
        self.keys.push(key.clone());
        Ok(self.table.insert(at, tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_stay() {
        let mut interner = Interner::default();
        for round in 0..2 {
            for key in 0_u64..10_000 {
                let tag = interner.tag(&key);
                assert_eq!(interner.intern_tagged(tag, &key), Ok(key as u32), "{round}");
            }
        }
        assert_eq!(interner.keys().len(), 10_000);
        assert_eq!(interner.get(&77), Some(KeyId(77)));
        assert_eq!(interner.get(&10_000), None);
    }

    #[test]
    fn equal_tags_are_told_apart() {
        let mut interner = Interner::default();
        for key in 0_u8..100 {
            assert_eq!(interner.intern_tagged(5, &key), Ok(u32::from(key)));
        }
        for key in 0_u8..100 {
            assert_eq!(interner.intern_tagged(5, &key), Ok(u32::from(key)));
        }
    }
}
