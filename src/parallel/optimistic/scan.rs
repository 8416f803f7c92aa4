//! Range scans: what others wrote, what the transaction itself wrote, and the parent state, merged in the order of keys.

use std::{
    cell::{Cell, RefCell},
    ops::{Bound, ControlFlow},
};

use super::view::{Halt, OptimisticView};
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
        Ok(Known::of(self.locals.get(place).made.value().cloned()))
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
        let mut own = self.locals.next_written((from, to));
        let mut others = shared.scans.next((from, to));
        let this = RefCell::new((&mut *self, None));
        let written = std::iter::from_fn(|| {
            let mut guard = this.borrow_mut();
            let (view, failed) = &mut *guard;
            if failed.is_some() {
                return None;
            }
            let other = others.as_ref().map(|(key, _)| key);
            let key = own.into_iter().chain(other).min()?.clone();
            let rest = (Bound::Excluded(&key), to);
            let is_last = is_empty_range(rest.0, rest.1);
            if own == Some(&key) {
                own = if is_last {
                    None
                } else {
                    view.locals.next_written(rest)
                };
            }
            if others.as_ref().is_some_and(|(other, _)| *other == key) {
                others = if is_last {
                    None
                } else {
                    shared.scans.next(rest)
                };
            }
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
