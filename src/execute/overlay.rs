//! The state that the serial executor works on: the parent state, the changes of the transactions that were kept, and
//! those of the transaction at hand.
//!
//! Every key that is touched gets one slot, found by one hash. The slot holds the value as the kept transactions left
//! it, loaded from the parent state when it is first asked for, and what the transaction at hand made of it. So a
//! commit moves values between two fields, and nothing is looked up twice.

use std::{
    borrow::Borrow,
    collections::BTreeSet,
    fmt::Debug,
    hash::{BuildHasher, Hash},
    ops::{Bound, ControlFlow},
};

use foldhash::fast::RandomState;
use indexmap::{
    IndexMap,
    map::raw_entry_v1::{RawEntryApiV1, RawEntryMut},
};

use pleach_dtt::AccessSet;

use super::lookup::{Asked, Lookup};
use crate::{
    error::{AccessKind, BoxError, Undeclared},
    state::{Changes, RangeSupport, State, is_empty_range},
    value::{Amount, Value},
    vm::Interrupt,
};

/// A value that may not be known, and may be absent if it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Known<V> {
    /// Nobody has asked or said.
    No,
    /// The key has no value.
    Absent,
    /// The key has this value.
    Value(V),
}

impl<V> Known<V> {
    pub(crate) fn of(value: Option<V>) -> Self {
        value.map_or(Known::Absent, Known::Value)
    }

    pub(crate) fn is_known(&self) -> bool {
        !matches!(self, Known::No)
    }

    pub(crate) fn as_option(&self) -> Option<&V> {
        match self {
            Known::Value(value) => Some(value),
            Known::No | Known::Absent => None,
        }
    }

    pub(crate) fn into_option(self) -> Option<V> {
        match self {
            Known::Value(value) => Some(value),
            Known::No | Known::Absent => None,
        }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Known::No)
    }
}

/// What is known of one key.
struct Slot<V> {
    /// The value before the transaction at hand, once somebody asked.
    kept: Known<V>,
    /// Whether a kept transaction changed it.
    changed: bool,
    /// What the transaction at hand made of it.
    pending: Known<V>,
    /// Whether it has put or deleted it, and so knows it: not only added to it.
    put: bool,
}

impl<V> Slot<V> {
    /// The value that the transaction at hand sees.
    fn current(&self) -> &Known<V> {
        if self.pending.is_known() {
            &self.pending
        } else {
            &self.kept
        }
    }

    /// Whether the block, or the transaction at hand, has written it.
    fn is_written(&self) -> bool {
        self.changed || self.pending.is_known()
    }
}

/// Why a view interrupted a transaction.
pub(crate) enum Trouble {
    State(BoxError),
    Undeclared(Undeclared),
    RangeUnsupported,
}

/// The state of a block under way.
pub(crate) struct Overlay<'a, K, V, S> {
    state: &'a S,
    // The hash is seeded anew in every process, so that nobody can prepare keys that collide. Results never depend on
    // it: an `IndexMap` keeps the order of insertion.
    slots: IndexMap<K, Slot<V>, RandomState>,
    /// The slots with a pending value.
    touched: Vec<usize>,
    /// The keys that were ever written, in order; kept from the first range scan on.
    ordered: Option<BTreeSet<K>>,
    trouble: Option<Trouble>,
    state_reads: usize,
}

impl<'a, K, V, S> Overlay<'a, K, V, S>
where
    K: Ord + Hash + Clone + Debug,
    V: Value,
    S: State<K, V>,
{
    /// An overlay for a block of so many transactions.
    pub(crate) fn new(state: &'a S, transactions: usize) -> Self {
        // Most transactions bring a few keys of their own. A hint that is too high costs memory that is never touched.
        let keys = transactions.saturating_mul(8).min(1 << 16);
        Self {
            state,
            slots: IndexMap::with_capacity_and_hasher(keys, RandomState::default()),
            touched: Vec::new(),
            ordered: None,
            trouble: None,
            state_reads: 0,
        }
    }

    /// A view for the next transaction. `declared` is its access set if that is exact.
    pub(super) fn view<'o>(
        &'o mut self,
        declared: Option<&'o mut AccessSet<K>>,
    ) -> Asked<View<'o, 'a, K, V, S>> {
        let declared = declared.map(|set| {
            set.sort();
            &*set
        });
        Asked(View {
            overlay: self,
            declared,
        })
    }

    /// Takes over what a transaction that was kept has made of a key elsewhere.
    pub(crate) fn adopt(&mut self, key: &K, value: Known<V>) {
        let index = self.slot(key);
        let slot = &mut self.slots[index];
        slot.kept = value;
        slot.changed = true;
    }

    /// How many keys were touched.
    pub(crate) fn keys(&self) -> usize {
        self.slots.len()
    }

    /// What is known of each key that was touched, and whether a kept transaction changed it.
    pub(crate) fn into_kept(self) -> impl Iterator<Item = (K, Known<V>, bool)> {
        let slots = self.slots.into_iter();
        slots.map(|(key, slot)| (key, slot.kept, slot.changed))
    }

    /// Why the view interrupted the transaction, if it did.
    pub(super) fn take_trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Keeps the changes of the transaction at hand.
    pub(super) fn commit(&mut self) {
        for index in self.touched.drain(..) {
            let slot = &mut self.slots[index];
            slot.kept = slot.pending.take();
            slot.changed = true;
        }
    }

    /// Forgets the changes of the transaction at hand.
    pub(super) fn discard(&mut self) {
        for index in self.touched.drain(..) {
            self.slots[index].pending = Known::No;
        }
    }

    /// How often the parent state was asked since this was last asked.
    pub(super) fn take_state_reads(&mut self) -> usize {
        std::mem::take(&mut self.state_reads)
    }

    /// The changes of the kept transactions.
    pub(super) fn into_changes(self) -> Changes<K, V> {
        let mut changes = Vec::with_capacity(self.slots.len());
        for (key, slot) in self.slots {
            if slot.changed {
                changes.push((key, slot.kept.into_option()));
            }
        }
        Changes::from_unsorted(changes)
    }

    fn interrupt(&mut self, trouble: Trouble) -> Interrupt {
        // The first reason counts if a VM goes on after an interrupt.
        self.trouble.get_or_insert(trouble);
        Interrupt::new()
    }

    /// The index of the slot of `key`, whose value may not be loaded.
    fn slot(&mut self, key: &K) -> usize {
        // One hash, whether the key is known or not.
        let hash = self.slots.hasher().hash_one(key);
        let entry = self
            .slots
            .raw_entry_mut_v1()
            .from_key_hashed_nocheck(hash, key);
        match entry {
            RawEntryMut::Occupied(entry) => entry.index(),
            RawEntryMut::Vacant(entry) => {
                let index = entry.index();
                let slot = Slot {
                    kept: Known::No,
                    changed: false,
                    pending: Known::No,
                    put: false,
                };
                entry.insert_hashed_nocheck(hash, key.clone(), slot);
                index
            }
        }
    }

    /// Whether the transaction at hand has put or deleted `key`.
    fn has_put(&self, key: &K) -> bool {
        let slot = self.slots.get(key);
        slot.is_some_and(|slot| slot.pending.is_known() && slot.put)
    }

    /// The index of the slot of `key`, with its value loaded.
    fn load(&mut self, key: &K) -> Result<usize, Interrupt> {
        let index = self.slot(key);
        if !self.slots[index].current().is_known() {
            let value = self.state.get(key);
            self.state_reads += 1;
            match value {
                Ok(value) => self.slots[index].kept = Known::of(value),
                Err(error) => return Err(self.interrupt(Trouble::State(Box::new(error)))),
            }
        }
        Ok(index)
    }

    /// The value of a loaded slot.
    fn value(&self, index: usize) -> Option<&V> {
        self.slots[index].current().as_option()
    }

    /// Sets the value that the transaction at hand sees from now on, by a put or by an add.
    fn write(&mut self, index: usize, value: Option<V>, put: bool) {
        let slot = &mut self.slots[index];
        if slot.pending.is_known() {
            slot.put |= put;
        } else {
            slot.put = put;
            self.touched.push(index);
        }
        slot.pending = Known::of(value);
        if let Some(ordered) = &mut self.ordered {
            let (key, _) = self.slots.get_index(index).expect("the slot exists");
            ordered.insert(key.clone());
        }
    }

    /// Collects the keys that were written so far, in order.
    fn order(&mut self) {
        if self.ordered.is_none() {
            let written = self.slots.iter().filter(|(_, slot)| slot.is_written());
            self.ordered = Some(written.map(|(key, _)| key.clone()).collect());
        }
    }

    /// Merges the parent state's keys with those that were written since.
    fn scan(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        if is_empty_range(from, to) {
            return Ok(());
        }
        self.order();
        let ordered = self.ordered.as_ref().expect("it was just made");
        // What the block made of a key: nothing is known if only discarded transactions wrote it.
        let written = ordered.range((from, to)).map(|key| {
            let slot = &self.slots[key];
            let ours = if slot.is_written() {
                slot.current()
            } else {
                &Known::No
            };
            (key, ours)
        });
        merge(self.state, (from, to), written, visit).map_err(|trouble| self.interrupt(trouble))
    }
}

/// Visits the keys of a range: those of the parent state, and those that were `written` since, of which each says what it
/// is now, unless it is `Known::No`: then it is what it was. The range is not empty.
pub(crate) fn merge<K, V, S, R, W>(
    state: &S,
    range: (Bound<&K>, Bound<&K>),
    written: impl Iterator<Item = (R, W)>,
    visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
) -> Result<(), Trouble>
where
    K: Ord,
    V: Value,
    S: State<K, V>,
    R: Borrow<K>,
    W: Borrow<Known<V>>,
{
    let mut written = written.peekable();
    let mut flow = ControlFlow::Continue(());
    let support = state.range(range.0, range.1, &mut |key, value| {
        while let Some((earlier, ours)) = written.next_if(|(written, _)| written.borrow() < key) {
            if let Known::Value(value) = ours.borrow() {
                flow = visit(earlier.borrow(), value);
                flow?;
            }
        }
        let ours = written.next_if(|(written, _)| written.borrow() == key);
        let value = match &ours {
            Some((_, ours)) if ours.borrow().is_known() => ours.borrow().as_option(),
            _ => Some(value),
        };
        if let Some(value) = value {
            flow = visit(key, value);
        }
        flow
    });
    match support {
        Ok(RangeSupport::Visited) => {}
        Ok(RangeSupport::Unsupported) => return Err(Trouble::RangeUnsupported),
        Err(error) => return Err(Trouble::State(Box::new(error))),
    }
    if flow.is_continue() {
        for (key, ours) in written {
            if let Known::Value(value) = ours.borrow()
                && visit(key.borrow(), value).is_break()
            {
                break;
            }
        }
    }
    Ok(())
}

/// What one transaction sees of an [`Overlay`].
pub(super) struct View<'o, 'a, K, V, S> {
    overlay: &'o mut Overlay<'a, K, V, S>,
    /// The sorted access set, if it is exact.
    declared: Option<&'o AccessSet<K>>,
}

impl<K, V, S> View<'_, '_, K, V, S>
where
    K: Ord + Hash + Clone + Debug,
    V: Value,
    S: State<K, V>,
{
    #[inline]
    fn check(&mut self, access: AccessKind, key: &K) -> Result<(), Interrupt> {
        let Some(declared) = self.declared else {
            return Ok(());
        };
        if allows(declared, access, key)
            || (access != AccessKind::Write && self.overlay.has_put(key))
        {
            return Ok(());
        }
        let key = format!("{key:?}");
        let undeclared = Undeclared { access, key };
        Err(self.overlay.interrupt(Trouble::Undeclared(undeclared)))
    }
}

/// Whether a sorted, exact access set lets `key` be touched so.
pub(crate) fn allows<K: Ord + Clone>(declared: &AccessSet<K>, access: AccessKind, key: &K) -> bool {
    match access {
        AccessKind::Read => declared.allows_read(key),
        AccessKind::Check => declared.allows_check(key),
        AccessKind::Write => declared.allows_write(key),
        AccessKind::Add => declared.allows_add(key),
        // It is not one key.
        AccessKind::Range => false,
    }
}

/// The number that a value is; zero if it is absent, `None` if it is not a number.
pub(crate) fn number<V: Value>(value: Option<&V>) -> Option<V::Amount> {
    match value {
        None => Some(V::Amount::ZERO),
        Some(value) => value.amount(),
    }
}

impl<K, V, S> Lookup<K, V> for View<'_, '_, K, V, S>
where
    K: Ord + Hash + Clone + Debug,
    V: Value,
    S: State<K, V>,
{
    /// The index of the slot.
    type Place = usize;

    #[inline]
    fn find(&mut self, access: AccessKind, key: &K) -> Result<usize, Interrupt> {
        self.check(access, key)?;
        self.overlay.load(key)
    }

    #[inline]
    fn value(&self, place: usize) -> Option<&V> {
        self.overlay.value(place)
    }

    #[inline]
    fn set(&mut self, key: &K, value: Option<V>) -> Result<(), Interrupt> {
        self.check(AccessKind::Write, key)?;
        let index = self.overlay.slot(key);
        self.overlay.write(index, value, true);
        Ok(())
    }

    #[inline]
    fn set_sum(&mut self, place: usize, sum: Option<V>) {
        self.overlay.write(place, sum, false);
    }

    fn scan(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        if let Some(declared) = self.declared
            && !declared.allows_range((from, to))
        {
            let undeclared = Undeclared::range(from, to);
            return Err(self.overlay.interrupt(Trouble::Undeclared(undeclared)));
        }
        self.overlay.scan(from, to, visit)
    }
}
