//! What a transaction sees that is executed in turn: all before it are committed, so nothing that it is told can change, and nobody has
//! to hear of it (its scans are put down as all scans are, in vain). What it makes of keys is left for others once it is certain that the
//! block keeps it.

use std::ops::{Bound, ControlFlow};

use super::{mark, view::OptimisticView};
use crate::{
    error::AccessKind,
    execute::{Known, Lookup, add_known},
    state::State,
    value::{Bounds, Delta, Value},
    view::StateView,
    vm::{Interrupt, Vm},
};

/// The view of such a transaction.
pub(super) struct InTurnView<'w, 'a, V: Vm, S>(pub(super) OptimisticView<'w, 'a, V, S>);

impl<V: Vm, S: State<V::Key, V::Value>> InTurnView<'_, '_, V, S> {
    /// Finds the value of a key that was touched.
    fn load(&mut self, place: usize, key: &V::Key) -> Result<(), Interrupt> {
        let view = &mut self.0;
        let local = view.locals.get_mut(place);
        if local.made.put || local.looks {
            return Ok(());
        }
        let entry = local.entry;
        local.looks = true;
        let mut found = Known::No;
        if !local.is_new {
            let mut versions = entry.cell().lock();
            local.is_known = versions.is_known_to_scans();
            found = versions.certain(view.reader.transaction);
        }
        if !found.is_known() {
            let is_new = local.is_new;
            let value = view.parent(key)?;
            // What is touched for the first time is not kept for others yet: most of it is touched by nobody else.
            if !is_new {
                entry.cell().lock().load(value.as_ref());
                mark::loaded(entry, value.is_some());
            }
            found = Known::of(value);
        }
        view.locals.get_mut(place).made.found = found;
        Ok(())
    }
}

impl<V: Vm, S: State<V::Key, V::Value>> Lookup<V::Key, V::Value> for InTurnView<'_, '_, V, S> {
    type Place = usize;

    fn find(&mut self, access: AccessKind, key: &V::Key) -> Result<usize, Interrupt> {
        let place = self.0.place(access, key)?;
        self.load(place, key)?;
        Ok(place)
    }

    fn value(&self, place: usize) -> Option<&V::Value> {
        self.0.locals.get(place).made.value()
    }

    fn set(&mut self, key: &V::Key, value: Option<V::Value>) -> Result<(), Interrupt> {
        self.0.write(key, value)
    }

    fn set_sum(&mut self, place: usize, sum: Option<V::Value>) {
        self.0.locals.get_mut(place).made.pending = Known::of(sum);
    }

    fn add(
        &mut self,
        place: usize,
        delta: Delta<<V::Value as Value>::Amount>,
        bounds: Bounds<<V::Value as Value>::Amount>,
    ) -> bool {
        let is_added = add_known(self, place, delta, bounds);
        let made = &mut self.0.locals.get_mut(place).made;
        if is_added && !made.put {
            // How much it is in all is of no use: its value is known.
            made.own = Some(delta);
            self.0.locals.note_written(place);
        }
        is_added
    }

    fn scan(
        &mut self,
        from: Bound<&V::Key>,
        to: Bound<&V::Key>,
        visit: &mut dyn FnMut(&V::Key, &V::Value) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        self.0.range(from, to, visit)
    }
}
