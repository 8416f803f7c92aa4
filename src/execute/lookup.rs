//! What the serial view and that of a plan have in common: both know every value that a transaction asks for, so all that
//! a VM can ask comes to finding one.

use std::ops::{Bound, ControlFlow};

use super::overlay::number;
use crate::{
    error::AccessKind,
    value::{Bounds, Delta, Value},
    view::{StateView, sealed::Sealed},
    vm::Interrupt,
};

/// A view that finds the value of a key, and lets it be changed.
pub(crate) trait Lookup<K, V: Value> {
    /// Where a key is.
    type Place: Copy;

    /// Where `key` is, with its value loaded, if it may be touched so.
    fn find(&mut self, access: AccessKind, key: &K) -> Result<Self::Place, Interrupt>;

    /// What the transaction sees there.
    fn value(&self, place: Self::Place) -> Option<&V>;

    /// Puts a value, or none, whatever is there.
    fn set(&mut self, key: &K, value: Option<V>) -> Result<(), Interrupt>;

    /// Puts what an add has come to.
    fn set_sum(&mut self, place: Self::Place, sum: Option<V>);

    /// Visits a range.
    fn scan(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt>;
}

/// What a VM gets of such a view.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T> Sealed for Asked<T> {}

impl<K, V: Value, T: Lookup<K, V>> StateView<K, V> for Asked<T> {
    fn get(&mut self, key: &K) -> Result<Option<V>, Interrupt> {
        let place = self.0.find(AccessKind::Read, key)?;
        Ok(self.0.value(place).cloned())
    }

    fn contains(&mut self, key: &K) -> Result<bool, Interrupt> {
        let place = self.0.find(AccessKind::Check, key)?;
        Ok(self.0.value(place).is_some())
    }

    fn at_least(&mut self, key: &K, amount: V::Amount) -> Result<bool, Interrupt> {
        let place = self.0.find(AccessKind::Check, key)?;
        let number = number(self.0.value(place));
        Ok(number.is_some_and(|number| number >= amount))
    }

    fn put(&mut self, key: &K, value: V) -> Result<(), Interrupt> {
        self.0.set(key, Some(value))
    }

    fn delete(&mut self, key: &K) -> Result<(), Interrupt> {
        self.0.set(key, None)
    }

    fn add_within(
        &mut self,
        key: &K,
        delta: Delta<V::Amount>,
        bounds: Bounds<V::Amount>,
    ) -> Result<bool, Interrupt> {
        let place = self.0.find(AccessKind::Add, key)?;
        let sum = number(self.0.value(place)).and_then(|number| delta.apply(number));
        let Some(sum) = sum.filter(|sum| bounds.contains(*sum)) else {
            return Ok(false);
        };
        self.0.set_sum(place, V::from_amount(sum));
        Ok(true)
    }

    fn range(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        self.0.scan(from, to, visit)
    }
}
