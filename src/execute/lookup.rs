//! What the serial view and that of a plan have in common: all that a VM can ask comes to finding a value.

use std::ops::{Bound, ControlFlow};

use super::overlay::number;
use crate::{
    error::AccessKind,
    protocol::versions::Question,
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

    /// Answers a question about what is there.
    #[inline]
    fn ask(&mut self, place: Self::Place, question: Question<V::Amount>) -> bool {
        question.ask(self.value(place))
    }

    /// Adds to what is there, if the sum is within the bounds.
    #[inline]
    fn add(
        &mut self,
        place: Self::Place,
        delta: Delta<V::Amount>,
        bounds: Bounds<V::Amount>,
    ) -> bool {
        add_known(self, place, delta, bounds)
    }

    /// Visits a range.
    fn scan(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt>;
}

/// Adds to a value that is known, if the sum is within the bounds.
#[inline]
pub(crate) fn add_known<K, V: Value, T: Lookup<K, V> + ?Sized>(
    view: &mut T,
    place: T::Place,
    delta: Delta<V::Amount>,
    bounds: Bounds<V::Amount>,
) -> bool {
    let sum = number(view.value(place)).and_then(|number| delta.apply(number));
    let Some(sum) = sum.filter(|sum| bounds.contains(*sum)) else {
        return false;
    };
    view.set_sum(place, V::from_amount(sum));
    true
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
        Ok(self.0.ask(place, Question::Contains))
    }

    fn at_least(&mut self, key: &K, amount: V::Amount) -> Result<bool, Interrupt> {
        let place = self.0.find(AccessKind::Check, key)?;
        Ok(self.0.ask(place, Question::AtLeast(amount)))
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
        Ok(self.0.add(place, delta, bounds))
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
