//! What the transaction at hand has touched so far.

use std::{collections::BTreeSet, ops::Bound};

use super::{Entry, mark};
use crate::{
    parallel::made::Made,
    value::{Delta, Value},
};

/// Up to so many are looked through one by one.
const FEW: usize = 8;

/// What a transaction did with a key so far.
pub(super) struct Local<'a, K, V: Value> {
    hash: u64,
    /// The number of the key.
    pub(super) number: u32,
    pub(super) entry: &'a Entry<K, V>,
    pub(super) key: &'a K,
    /// Whether nobody has touched the key before.
    pub(super) is_new: bool,
    /// Whether scans know that the key has versions, as far as this transaction knows.
    pub(super) is_known: bool,
    /// Whether it wanted to see the value, and so has to be told if that changes.
    pub(super) looks: bool,
    /// What it did with it.
    pub(super) made: Made<V>,
}

impl<K: Sync, V: Value> Local<'_, K, V> {
    /// What it adds, if nobody is to see that before it is committed.
    pub(super) fn held(&self) -> Option<Delta<V::Amount>> {
        self.made.bold().filter(|_| mark::is_collecting(self.entry))
    }
}

/// The keys that the transaction at hand has touched.
pub(super) struct Locals<'a, K, V: Value> {
    touched: Vec<Local<'a, K, V>>,
    /// Where each is, plus one, by hash: of use once there are more than a few.
    places: Vec<u32>,
    /// The keys that it has written, kept from its first range scan on.
    written: Option<BTreeSet<&'a K>>,
}

impl<'a, K: Ord + Sync, V: Value> Locals<'a, K, V> {
    pub(super) fn new() -> Self {
        Self {
            touched: Vec::new(),
            places: Vec::new(),
            written: None,
        }
    }

    /// Forgets what the last transaction touched.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.touched.clear();
        self.written = None;
    }

    /// Where a key is, if it was touched. Its hash is asked for only if there are many.
    #[expect(
        clippy::inline_always,
        reason = "every access goes through it, and most need nothing but the loop over a few keys"
    )]
    #[inline(always)]
    pub(super) fn find(&self, key: &K, hash: impl FnOnce() -> u64) -> Option<usize> {
        if self.touched.len() <= FEW {
            return self.touched.iter().position(|local| local.key == key);
        }
        let hash = hash();
        let mut slot = self.slot(hash);
        loop {
            let place = (self.places[slot] as usize).checked_sub(1)?;
            let local = &self.touched[place];
            if local.hash == hash && local.key == key {
                return Some(place);
            }
            slot = (slot + 1) & (self.places.len() - 1);
        }
    }

    /// Adds a key that was not touched yet.
    pub(super) fn push(
        &mut self,
        hash: u64,
        (number, entry, is_new): (u32, &'a Entry<K, V>, bool),
    ) -> usize {
        self.touched.push(Local {
            hash,
            key: entry.key(),
            number,
            entry,
            is_new,
            is_known: false,
            looks: false,
            made: Made::new(),
        });
        let count = self.touched.len();
        if count > FEW {
            if self.places.len() < 2 * count {
                self.places.clear();
                self.places.resize((4 * count).next_power_of_two(), 0);
                for place in 0..count {
                    self.enter(place);
                }
            } else {
                self.enter(count - 1);
            }
        }
        count - 1
    }

    fn slot(&self, hash: u64) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    fn enter(&mut self, place: usize) {
        let mut slot = self.slot(self.touched[place].hash);
        while self.places[slot] != 0 {
            slot = (slot + 1) & (self.places.len() - 1);
        }
        self.places[slot] = place as u32 + 1;
    }

    /// Says that the transaction has written a key.
    pub(super) fn note_written(&mut self, place: usize) {
        if let Some(written) = &mut self.written {
            written.insert(self.touched[place].key);
        }
    }

    /// The first key of a range, which is not empty, that the transaction has written.
    pub(super) fn next_written(&mut self, range: (Bound<&K>, Bound<&K>)) -> Option<&'a K> {
        let written = self.written.get_or_insert_with(|| {
            let written = self.touched.iter().filter(|local| local.made.is_written());
            written.map(|local| local.key).collect()
        });
        written.range::<K, _>(range).next().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.touched.len()
    }

    pub(super) fn get(&self, place: usize) -> &Local<'a, K, V> {
        &self.touched[place]
    }

    pub(super) fn get_mut(&mut self, place: usize) -> &mut Local<'a, K, V> {
        &mut self.touched[place]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Local<'a, K, V>> {
        self.touched.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Local<'a, K, V>> {
        self.touched.iter_mut()
    }
}
