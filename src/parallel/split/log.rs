//! What the transactions of a stretch have touched and changed, in their order, so that changes can be taken back and made again.

use std::{fmt::Debug, hash::Hash};

use super::note::Note;
use crate::{
    execute::{Known, Overlay},
    state::State,
    value::Value,
};

/// What keys are.
pub(super) trait Key: Ord + Hash + Clone + Debug {}

impl<K: Ord + Hash + Clone + Debug> Key for K {}

/// See the module.
pub(super) struct Log<V> {
    touched: Vec<u32>,
    changes: Vec<Change<V>>,
    /// How far what each transaction has touched and changed goes.
    ends: Vec<(usize, usize)>,
    /// Which transaction has touched each slot last, and one more: it is noted once.
    last: Vec<u32>,
}

/// What a transaction has changed: how the slot is on the other side of it, after it if it is taken back, and else before it.
pub(super) struct Change<V> {
    pub(super) slot: usize,
    pub(super) value: Known<V>,
    changed: bool,
    pub(super) put: bool,
}

impl<V: Value> Log<V> {
    pub(super) fn new() -> Self {
        Self {
            touched: Vec::new(),
            changes: Vec::new(),
            ends: Vec::new(),
            last: Vec::new(),
        }
    }

    /// The transaction at hand has touched this.
    #[inline]
    pub(super) fn touch(&mut self, slot: usize) {
        let this = self.ends.len() as u32 + 1;
        if self.last.len() <= slot {
            self.last.resize(slot + 1, 0);
        }
        if std::mem::replace(&mut self.last[slot], this) != this {
            self.touched.push(slot as u32);
        }
    }

    /// The transaction at hand has changed this, which was so before.
    pub(super) fn change(&mut self, slot: usize, value: Known<V>, changed: bool, put: bool) {
        self.touch(slot);
        self.changes.push(Change {
            slot,
            value,
            changed,
            put,
        });
    }

    /// The transaction at hand is over.
    pub(super) fn end(&mut self) {
        self.ends.push((self.touched.len(), self.changes.len()));
    }

    /// Which slots a transaction has touched, each once.
    pub(super) fn touched(&self, number: usize) -> impl Iterator<Item = usize> {
        let begin = self.begin(number).0;
        let slots = &self.touched[begin..self.ends[number].0];
        slots.iter().map(|slot| *slot as usize)
    }

    /// What a transaction has changed, each slot once.
    pub(super) fn changes(&self, number: usize) -> &[Change<V>] {
        &self.changes[self.begin(number).1..self.ends[number].1]
    }

    fn begin(&self, number: usize) -> (usize, usize) {
        let before = number.checked_sub(1).map(|before| self.ends[before]);
        before.unwrap_or_default()
    }

    /// Takes back what all transactions from this one on have changed.
    pub(super) fn back<K: Key, S: State<K, V>>(
        &mut self,
        number: usize,
        table: &mut Overlay<'_, K, V, S>,
        notes: &mut [Note<V::Amount>],
    ) {
        let begin = self.begin(number).1;
        for change in self.changes[begin..].iter_mut().rev() {
            change.swap(table, notes);
        }
    }

    /// Makes again what this transaction has changed.
    pub(super) fn forth<K: Key, S: State<K, V>>(
        &mut self,
        number: usize,
        table: &mut Overlay<'_, K, V, S>,
        notes: &mut [Note<V::Amount>],
    ) {
        let begin = self.begin(number).1;
        for change in &mut self.changes[begin..self.ends[number].1] {
            change.swap(table, notes);
        }
    }
}

impl<V: Value> Change<V> {
    fn swap<K: Key, S: State<K, V>>(
        &mut self,
        table: &mut Overlay<'_, K, V, S>,
        notes: &mut [Note<V::Amount>],
    ) {
        table.exchange(self.slot, &mut self.value, &mut self.changed);
        // Of what has no note nothing was put.
        if let Some(note) = notes.get_mut(self.slot) {
            std::mem::swap(&mut note.put, &mut self.put);
        }
    }
}
