//! The state that the serial executor works on: the parent state, the changes of the transactions that were kept, and
//! those of the transaction at hand.
//!
//! Every key that is touched gets one slot, found by one hash. The slot holds the value as the kept transactions left
//! it, loaded from the parent state when it is first asked for, and says where what the transaction at hand made of it stands. So a
//! commit moves values from one place to another, and nothing is looked up twice.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    hash::Hash,
    ops::{Bound, ControlFlow},
};

use pleach_dtt::AccessSet;

use super::{scan::merge, slots::Slots};
use crate::{
    error::{AccessKind, BoxError, Undeclared},
    state::{Changes, State, is_empty_range},
    value::{Amount, Value},
    vm::Interrupt,
};

mod view;

pub(crate) use view::View;

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
}

/// What is known of one key.
struct Slot<V> {
    /// The value before the transaction at hand, once somebody asked.
    kept: Known<V>,
    /// Whether a kept transaction changed it.
    changed: bool,
    /// Whether the transaction at hand has put or deleted it, and so knows it: not only added to it. Only if it made anything of it.
    put: bool,
    /// Where what the transaction at hand made of it stands, and one more; zero if it made nothing of it.
    pending: u32,
}

impl<V> Slot<V> {
    /// Nothing is known yet.
    fn new() -> Self {
        Self {
            kept: Known::No,
            changed: false,
            put: false,
            pending: 0,
        }
    }

    /// Whether the block, or the transaction at hand, has written it.
    fn is_written(&self) -> bool {
        self.changed || self.pending > 0
    }

    /// Sets the value that the transaction at hand sees from now on, by a put or by an add. This is the slot with that number.
    #[expect(
        clippy::inline_always,
        reason = "values are large, and are made where they come to stand"
    )]
    #[inline(always)]
    fn write(&mut self, all: &mut Vec<Pending<V>>, slot: usize, value: Option<V>, put: bool) {
        let value = Known::of(value);
        if self.pending > 0 {
            all[self.pending as usize - 1].value = value;
            self.put |= put;
        } else {
            all.push(Pending { value, slot });
            self.put = put;
            self.pending = all.len() as u32;
        }
    }

    /// Whether the transaction at hand has put or deleted it.
    fn has_put(&self) -> bool {
        self.pending > 0 && self.put
    }
}

/// What the transaction at hand made of a key.
struct Pending<V> {
    value: Known<V>,
    /// The number of the slot.
    slot: usize,
}

/// What a slot was before a transaction changed it.
pub(crate) struct Before<V> {
    pub(crate) value: Known<V>,
    pub(crate) changed: bool,
    /// Whether the transaction has put or deleted it.
    pub(crate) put: bool,
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
    slots: Slots<K, Slot<V>>,
    /// What the transaction at hand made of keys.
    pending: Vec<Pending<V>>,
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
        Self {
            state,
            slots: Slots::with_capacity(Self::expected(transactions)),
            pending: Vec::new(),
            ordered: None,
            trouble: None,
            state_reads: 0,
        }
    }

    /// How many keys so many transactions have: most bring a few of their own. A hint that is too high costs memory that is never
    /// touched.
    fn expected(transactions: usize) -> usize {
        transactions.saturating_mul(8).min(1 << 16)
    }

    /// An overlay of another state, in which keys have the same hashes as in this one.
    pub(crate) fn beside<'s, T>(&self, state: &'s T, transactions: usize) -> Overlay<'s, K, V, T> {
        Overlay {
            state,
            slots: self.slots.beside(Self::expected(transactions)),
            pending: Vec::new(),
            ordered: None,
            trouble: None,
            state_reads: 0,
        }
    }

    /// A view for the next transaction. `declared` is its access set if that is exact.
    pub(crate) fn view<'o>(
        &'o mut self,
        declared: Option<&'o mut AccessSet<K>>,
    ) -> View<'o, 'a, K, V, S> {
        let declared = declared.map(|set| {
            set.sort();
            &*set
        });
        View {
            overlay: self,
            declared,
        }
    }

    /// Takes over what a transaction that was kept has made of a key elsewhere.
    pub(crate) fn adopt(&mut self, key: &K, value: Known<V>) {
        let (index, slot) = self.slots.enter(key, Slot::new);
        slot.kept = value;
        slot.changed = true;
        self.note_written(index);
    }

    /// Notes that somebody has touched a key elsewhere.
    pub(crate) fn meet(&mut self, key: &K) {
        self.slots.enter(key, Slot::new);
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

    /// The state that it lies on.
    pub(crate) fn state(&self) -> &'a S {
        self.state
    }

    /// What `key` is found by, here and in overlays beside this one.
    pub(crate) fn hash(&self, key: &K) -> u32 {
        self.slots.hash(key)
    }

    /// The hash of each key, by the number of its slot.
    pub(crate) fn hashes(&self) -> Vec<u32> {
        self.slots.hashes()
    }

    /// The number of the slot of a key that has this hash.
    #[inline]
    pub(crate) fn find_hashed<'k>(&self, hash: u32, key: impl Fn() -> &'k K) -> Option<usize>
    where
        K: 'k,
    {
        self.slots.find_hashed(hash, key)
    }

    /// The key of a slot, what is known of it, and whether a kept transaction changed it.
    pub(crate) fn kept(&self, index: usize) -> (&K, &Known<V>, bool) {
        let (key, slot) = self.slots.pair(index);
        (key, &slot.kept, slot.changed)
    }

    /// Says what kept transactions have made of the key of a slot: `Known::No` if somebody else has to say that.
    pub(crate) fn replace(&mut self, index: usize, value: Known<V>) {
        let slot = self.slots.at_mut(index);
        slot.changed = value.is_known();
        slot.kept = value;
    }

    /// Why the view interrupted the transaction, if it did.
    pub(crate) fn take_trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Keeps the changes of the transaction at hand.
    pub(crate) fn commit(&mut self) {
        for Pending { slot, value } in self.pending.drain(..) {
            let slot = self.slots.at_mut(slot);
            slot.kept = value;
            slot.changed = true;
            slot.pending = 0;
        }
    }

    /// The same, and `tell`s of each slot what it was before, and whether it was put or deleted.
    #[inline]
    pub(crate) fn commit_with(&mut self, mut tell: impl FnMut(usize, Before<V>)) {
        for Pending { slot: index, value } in self.pending.drain(..) {
            let slot = self.slots.at_mut(index);
            tell(
                index,
                Before {
                    value: std::mem::replace(&mut slot.kept, value),
                    changed: slot.changed,
                    put: slot.put,
                },
            );
            slot.changed = true;
            slot.pending = 0;
        }
    }

    /// Exchanges what kept transactions have made of a slot.
    pub(crate) fn exchange(&mut self, index: usize, value: &mut Known<V>, changed: &mut bool) {
        let slot = self.slots.at_mut(index);
        std::mem::swap(&mut slot.kept, value);
        std::mem::swap(&mut slot.changed, changed);
    }

    /// Forgets the changes of the transaction at hand.
    pub(crate) fn discard(&mut self) {
        for Pending { slot, .. } in self.pending.drain(..) {
            self.slots.at_mut(slot).pending = 0;
        }
    }

    /// How often the parent state was asked since this was last asked.
    pub(crate) fn take_state_reads(&mut self) -> usize {
        std::mem::take(&mut self.state_reads)
    }

    /// The changes of the kept transactions.
    pub(super) fn into_changes(self) -> Changes<K, V> {
        let mut changes = Vec::with_capacity(self.slots.len());
        self.slots.into_iter().for_each(|(key, slot)| {
            if slot.changed {
                changes.push((key, slot.kept.into_option()));
            }
        });
        Changes::from_unsorted(changes)
    }

    fn interrupt(&mut self, trouble: Trouble) -> Interrupt {
        // The first reason counts if a VM goes on after an interrupt.
        self.trouble.get_or_insert(trouble);
        Interrupt::new()
    }

    /// The value that the transaction at hand sees.
    #[inline]
    fn current<'v>(&'v self, slot: &'v Slot<V>) -> &'v Known<V> {
        match slot.pending {
            0 => &slot.kept,
            place => &self.pending[place as usize - 1].value,
        }
    }

    /// Whether the transaction at hand has put or deleted `key`.
    fn has_put(&self, key: &K) -> bool {
        let slot = self.slots.find(key).map(|index| self.slots.at(index));
        slot.is_some_and(Slot::has_put)
    }

    /// The index of the slot of `key`, with its value loaded.
    fn load(&mut self, key: &K) -> Result<usize, Interrupt> {
        let (index, slot) = self.slots.enter(key, Slot::new);
        if slot.pending == 0 && !slot.kept.is_known() {
            // Apart from what else is done here, so that a small lookup is compiled into it.
            match fetch(self.state, key) {
                Ok(value) => slot.kept = value,
                Err(error) => return Err(self.interrupt(Trouble::State(Box::new(error)))),
            }
            self.state_reads += 1;
        }
        Ok(index)
    }

    /// The value of a loaded slot.
    fn value(&self, index: usize) -> Option<&V> {
        let slot = self.slots.at(index);
        self.current(slot).as_option()
    }

    /// Sets the value that the transaction at hand sees from now on, whatever is there.
    #[inline]
    fn put(&mut self, key: &K, value: Option<V>) {
        let (index, slot) = self.slots.enter(key, Slot::new);
        slot.write(&mut self.pending, index, value, true);
        self.note_written(index);
    }

    /// The same by an add to a loaded slot.
    #[inline]
    fn set_sum(&mut self, index: usize, sum: Option<V>) {
        let slot = self.slots.at_mut(index);
        slot.write(&mut self.pending, index, sum, false);
        self.note_written(index);
    }

    #[inline]
    fn note_written(&mut self, index: usize) {
        if let Some(ordered) = &mut self.ordered {
            ordered.insert(self.slots.key(index).clone());
        }
    }

    /// Collects the keys that were written so far, in order.
    fn order(&mut self) {
        if self.ordered.is_none() {
            let slots = self.slots.iter();
            let written = slots.filter(|(_, slot)| slot.is_written());
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
            let slot = self.slots.find(key).map(|index| self.slots.at(index));
            let slot = slot.expect("what is ordered has a slot");
            let ours = if slot.is_written() {
                self.current(slot)
            } else {
                &Known::No
            };
            (key, ours)
        });
        merge(self.state, (from, to), written, visit).map_err(|trouble| self.interrupt(trouble))
    }
}

/// What a state says of a key.
#[inline(never)]
fn fetch<K, V, S: State<K, V>>(state: &S, key: &K) -> Result<Known<V>, S::Error> {
    Ok(Known::of(state.get(key)?))
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
