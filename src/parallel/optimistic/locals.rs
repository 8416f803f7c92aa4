//! What the transaction at hand has touched so far.

use std::{collections::BTreeSet, ops::Bound};

use super::Cell;
use crate::{
    execute::Known,
    protocol::{
        keys::Entry,
        versions::{Change, Check, Question},
    },
    value::{Amount, Delta, Value},
};

/// Up to so many are looked through one by one.
const FEW: usize = 8;

/// What a transaction did with a key so far.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Local<'a, K, V: Value> {
    hash: u64,
    pub(super) key: &'a K,
    /// The number of the key.
    pub(super) number: u32,
    pub(super) cell: &'a Cell<V>,
    /// Whether nobody has touched the key before.
    pub(super) is_new: bool,
    /// Whether scans know that the key has versions, as far as this transaction knows.
    pub(super) is_known: bool,
    /// What it found, once it has looked or asked.
    pub(super) found: Known<V>,
    /// How many things the transaction had been told when it was last told something of this key; zero if never.
    pub(super) told: u32,
    /// Whether it wanted to see the value, and so has to be told if that changes.
    pub(super) looks: bool,
    /// What it has added to what it found.
    pub(super) own: Option<Delta<V::Amount>>,
    /// What it made of it.
    pub(super) pending: Known<V>,
    /// Whether it has put or deleted it, and so knows it whatever was there.
    pub(super) put: bool,
}

impl<K, V: Value> Local<'_, K, V> {
    /// The value that the transaction sees.
    pub(super) fn value(&self) -> Option<&V> {
        if self.pending.is_known() {
            self.pending.as_option()
        } else {
            self.found.as_option()
        }
    }

    /// Whether it makes anything of the key.
    pub(super) fn is_written(&self) -> bool {
        self.put || self.own.is_some()
    }

    /// What it makes of the key, if it does anything.
    pub(super) fn change(&mut self) -> Option<Change<V>> {
        if self.put {
            let pending = std::mem::replace(&mut self.pending, Known::No);
            return Some(Change::Put(pending.into_option()));
        }
        self.own.map(Change::Add)
    }

    /// The answer to a question, and what is to be asked again because it may change.
    pub(super) fn answer(&self, question: Question<V::Amount>) -> (bool, Option<Check<V::Amount>>) {
        let answer = question.ask(self.value());
        let check = Check {
            own: self.own,
            question,
            answer,
        };
        (answer, (!self.put && !self.looks).then_some(check))
    }

    /// Adds to the value, to which that can be added.
    pub(super) fn add(&mut self, delta: Delta<V::Amount>) {
        let sum = Change::Add(delta).apply(self.value());
        self.pending = Known::of(sum.into_option());
        if !self.put {
            self.own = Some(match self.own {
                None => delta,
                Some(own) => together(own, delta),
            });
        }
    }
}

/// One change that comes to the same as two, the sum of which is known to be a number.
fn together<A: Amount>(first: Delta<A>, second: Delta<A>) -> Delta<A> {
    let signed = |positive: A, negative: A| match positive.checked_sub(negative) {
        Some(rest) => Delta::Plus(rest),
        None => Delta::Minus(negative.checked_sub(positive).unwrap_or(A::ZERO)),
    };
    match (first, second) {
        (Delta::Plus(a), Delta::Plus(b)) => Delta::Plus(a.checked_add(b).unwrap_or(A::MAX)),
        (Delta::Minus(a), Delta::Minus(b)) => Delta::Minus(a.checked_add(b).unwrap_or(A::MAX)),
        (Delta::Plus(a), Delta::Minus(b)) | (Delta::Minus(b), Delta::Plus(a)) => signed(a, b),
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
        (number, entry, is_new): (u32, &'a Entry<K, Cell<V>>, bool),
    ) -> usize {
        self.touched.push(Local {
            hash,
            key: entry.key(),
            number,
            cell: entry.cell(),
            is_new,
            is_known: false,
            found: Known::No,
            told: 0,
            looks: false,
            own: None,
            pending: Known::No,
            put: false,
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
            let written = self.touched.iter().filter(|local| local.is_written());
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
