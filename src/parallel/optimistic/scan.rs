//! Range scans: what others wrote, what the transaction itself wrote, and the parent state, merged in the order of keys.

use std::{
    cell::{Cell, RefCell},
    ops::{Bound, ControlFlow},
};

use super::{
    Shared,
    view::{Halt, OptimisticView},
};
use crate::{
    execute::{Known, merge},
    state::{State, is_empty_range},
    sync::Ordering,
    vm::{Interrupt, Vm},
};

/// What a VM does with each key.
type Visit<'v, V> = dyn FnMut(&<V as Vm>::Key, &<V as Vm>::Value) -> ControlFlow<()> + 'v;

impl<V: Vm, S: State<V::Key, V::Value>> OptimisticView<'_, '_, V, S> {
    /// What the transaction sees of a key that was written in this block.
    fn ours(&mut self, key: &V::Key) -> Result<Known<V::Value>, Interrupt> {
        let place = self.touch(key);
        self.load(place, key, true)?;
        Ok(Known::of(self.locals.get(place).value().cloned()))
    }

    /// Merges what others wrote, what the transaction itself wrote, and the parent state.
    pub(super) fn scan(
        &mut self,
        (from, to): (Bound<&V::Key>, Bound<&V::Key>),
        visit: &mut Visit<'_, V>,
    ) -> Result<(), Interrupt> {
        let shared = self.shared;
        // ORDERING: Acquire, as all looks at it that forget something.
        let settled = shared.settled.load(Ordering::Acquire);
        let key_of = |number| shared.keys.key(number);
        shared.scans.begin(self.reader, (from, to), settled, key_of);
        // What it has added to has to be seen now.
        for place in 0..self.locals.len() {
            let local = self.locals.get(place);
            if local.own.is_some() && (from, to).contains_key(local.key) {
                let key = local.key;
                self.load(place, key, true)?;
            }
        }
        let mut own: Vec<(&V::Key, Option<V::Value>)> = self
            .locals
            .iter()
            .filter(|local| local.is_written() && (from, to).contains_key(local.key))
            .map(|local| (local.key, local.value().cloned()))
            .collect();
        own.sort_unstable_by_key(|(key, _)| *key);

        let mut last = None;
        let has_failed = Cell::new(false);
        let mut wrapped = |key: &V::Key, value: &V::Value| {
            if has_failed.get() {
                return ControlFlow::Break(());
            }
            let flow = visit(key, value);
            if flow.is_break() {
                last = Some(key.clone());
            }
            flow
        };
        let state = shared.input.state;
        let this = RefCell::new((&mut *self, None));
        let mut own = own.into_iter().peekable();
        let mut next = shared.scans.next((from, to));
        let written = std::iter::from_fn(|| {
            let mut guard = this.borrow_mut();
            let (view, failed) = &mut *guard;
            if failed.is_some() {
                return None;
            }
            let is_own = match (own.peek(), &next) {
                (None, None) => return None,
                (Some((own, _)), Some((other, _))) => *own <= other,
                (own, _) => own.is_some(),
            };
            if is_own {
                let (key, value) = own.next()?;
                if next.as_ref().is_some_and(|(other, _)| other == key) {
                    next = following(shared, key, to);
                }
                return Some((key.clone(), Known::of(value)));
            }
            let (key, _) = next.take()?;
            next = following(shared, &key, to);
            match view.ours(&key) {
                Ok(ours) => Some((key, ours)),
                Err(interrupt) => {
                    *failed = Some(interrupt);
                    has_failed.set(true);
                    None
                }
            }
        });
        let merged = merge(state, (from, to), written, &mut wrapped);
        let (view, failed) = this.into_inner();
        if let Some(last) = last {
            shared.scans.end(view.reader, &last);
        }
        match (failed, merged) {
            (Some(interrupt), _) => Err(interrupt),
            (None, Ok(())) => Ok(()),
            (None, Err(trouble)) => Err(view.interrupt(Halt::Trouble(trouble))),
        }
    }
}

/// The next key after `key` that was ever written.
fn following<V: Vm, S>(
    shared: &Shared<'_, V, S>,
    key: &V::Key,
    to: Bound<&V::Key>,
) -> Option<(V::Key, u32)> {
    let from = Bound::Excluded(key);
    if is_empty_range(from, to) {
        return None;
    }
    shared.scans.next((from, to))
}

/// `RangeBounds::contains` for a pair of bounds by reference.
trait ContainsKey<K> {
    fn contains_key(&self, key: &K) -> bool;
}

impl<K: Ord> ContainsKey<K> for (Bound<&K>, Bound<&K>) {
    fn contains_key(&self, key: &K) -> bool {
        std::ops::RangeBounds::<K>::contains(self, key)
    }
}
