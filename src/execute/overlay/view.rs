//! What one transaction sees of an overlay.

use std::{
    fmt::Debug,
    hash::Hash,
    ops::{Bound, ControlFlow},
};

use pleach_dtt::AccessSet;

use super::{super::lookup::Lookup, Overlay, Trouble, allows};
use crate::{
    error::{AccessKind, Undeclared},
    state::State,
    value::Value,
    vm::Interrupt,
};

/// See the module.
pub(crate) struct View<'o, 'a, K, V, S> {
    pub(super) overlay: &'o mut Overlay<'a, K, V, S>,
    /// The sorted access set, if it is exact.
    pub(super) declared: Option<&'o AccessSet<K>>,
}

impl<K, V, S> View<'_, '_, K, V, S>
where
    K: Ord + Hash + Clone + Debug,
    V: Value,
    S: State<K, V>,
{
    /// Whether the transaction has put or deleted the key of a slot.
    pub(crate) fn has_put(&self, index: usize) -> bool {
        self.overlay.slots.at(index).has_put()
    }

    /// Whether the transaction has made anything of the key of a slot.
    pub(crate) fn has_changed(&self, index: usize) -> bool {
        self.overlay.slots.at(index).pending > 0
    }

    /// Whether the block, or the transaction, has changed the key of a slot.
    pub(crate) fn is_written(&self, index: usize) -> bool {
        self.overlay.slots.at(index).is_written()
    }

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
        self.overlay.put(key, value);
        Ok(())
    }

    #[inline]
    fn set_sum(&mut self, place: usize, sum: Option<V>) {
        self.overlay.set_sum(place, sum);
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
