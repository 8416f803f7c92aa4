//! Keys as dense numbers: one hash for each access, and nothing but arrays after that.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

use crate::{access::Access, error::TooLarge};

/// The most keys: an access and the number of its key share a word.
pub(crate) const MOST_KEYS: u32 = (1 << (u32::BITS - Access::BITS)) - 1;

/// What a hash comes to in the table. The low bits choose the place.
pub(crate) type Tag = u32;

/// An open hash table with linear probing, of words that hold a tag and the number of a key.
///
/// A look-up that misses touches one cache line; one that hits touches the key as well. The tag alone tells where a word
/// goes in a larger table, so growing looks at no key.
#[derive(Clone, Debug)]
pub(crate) struct Interner<K> {
    /// As many as a power of two. Zero is an empty place; the number of a key is one too high.
    places: Vec<u64>,
    keys: Vec<K>,
    tagger: Tagger,
}

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self {
            places: vec![0; 16],
            keys: Vec::new(),
            tagger: Tagger::default(),
        }
    }
}

impl<K> Interner<K> {
    /// A table that need not grow before it holds so many keys.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        let places = keys.saturating_mul(2).next_power_of_two().max(16);
        Self {
            places: vec![0; places],
            keys: Vec::with_capacity(keys),
            tagger: Tagger::default(),
        }
    }

    pub(crate) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Forgets all keys and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.places.fill(0);
        self.keys.clear();
    }

    fn grow(&mut self) {
        let mut places = vec![0; self.places.len() * 2];
        let mask = places.len() - 1;
        for &word in self.places.iter().filter(|word| **word != 0) {
            let mut at = (word >> 32) as usize & mask;
            while places[at] != 0 {
                at = (at + 1) & mask;
            }
            places[at] = word;
        }
        self.places = places;
    }
}

/// What makes tags of keys.
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

impl<K: Hash + Eq> Interner<K> {
    #[inline]
    pub(crate) fn tag(&self, key: &K) -> Tag {
        self.tagger.tag(key)
    }

    /// The same tags, elsewhere.
    #[cfg(feature = "rayon")]
    pub(crate) fn tagger(&self) -> Tagger {
        self.tagger.clone()
    }

    /// The number of `key`, if it has one.
    pub(crate) fn get(&self, key: &K) -> Option<u32> {
        let tag = self.tag(key);
        self.find(tag, key).ok()
    }

    /// The number of a key, or the place where it would go.
    #[inline]
    fn find(&self, tag: Tag, key: &K) -> Result<u32, usize> {
        let mask = self.places.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let word = self.places[at];
            if word == 0 {
                return Err(at);
            }
            if (word >> 32) as u32 == tag {
                let number = word as u32 - 1;
                if self.keys[number as usize] == *key {
                    return Ok(number);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// The number of the key with this tag, which it gets now if it has none.
    #[inline]
    pub(crate) fn intern(&mut self, tag: Tag, key: &K) -> Result<u32, TooLarge>
    where
        K: Clone,
    {
        let at = match self.find(tag, key) {
            Ok(number) => return Ok(number),
            Err(at) => at,
        };
        let number = self.keys.len() as u32;
        if number >= MOST_KEYS {
            return Err(TooLarge::Keys);
        }
        self.keys.push(key.clone());
        self.places[at] = u64::from(tag) << 32 | u64::from(number + 1);
        if self.keys.len() * 2 > self.places.len() {
            self.grow();
        }
        Ok(number)
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
                assert_eq!(interner.intern(tag, &key), Ok(key as u32), "{round}");
            }
        }
        assert_eq!(interner.keys().len(), 10_000);
        assert_eq!(interner.get(&77), Some(77));
        assert_eq!(interner.get(&10_000), None);
    }

    #[test]
    fn equal_tags_are_told_apart() {
        let mut interner = Interner::default();
        for key in 0_u8..100 {
            assert_eq!(interner.intern(5, &key), Ok(u32::from(key)));
        }
        for key in 0_u8..100 {
            assert_eq!(interner.intern(5, &key), Ok(u32::from(key)));
        }
    }
}
