//! What a transaction sees of the state while it executes.

use std::ops::{Bound, ControlFlow};

use crate::{
    value::{Bounds, Delta, Value},
    vm::Interrupt,
};

/// Keeps [`StateView`] closed, so that it can gain methods without breaking anybody.
pub(crate) mod sealed {
    /// Implemented by the runtime's own views only.
    pub trait Sealed {}
}

/// The state as one transaction sees it: what the transactions before it left, and its own changes on top.
///
/// Changes become visible to others only when the transaction is committed, and all at once; if it fails they vanish.
/// Every method may return an [`Interrupt`], which the VM passes on with `?`.
///
/// Ask for as little as the program needs. A predicate ([`at_least`](Self::at_least), [`contains`](Self::contains)) holds
/// for many values and survives changes that a [`get`](Self::get) would not; an [`add`](Self::add) orders nothing at all.
/// That is what lets transactions on one hot key run side by side.
///
/// The trait is implemented by the runtime only. It can be used as a trait object.
pub trait StateView<K, V: Value>: sealed::Sealed {
    /// The value of `key`, or `None` if it is absent.
    fn get(&mut self, key: &K) -> Result<Option<V>, Interrupt>;

    /// Whether `key` has a value.
    fn contains(&mut self, key: &K) -> Result<bool, Interrupt>;

    /// Whether the number at `key` is at least `amount`. An absent key counts as zero; a value that is not a number is
    /// at least nothing.
    fn at_least(&mut self, key: &K, amount: V::Amount) -> Result<bool, Interrupt>;

    /// Sets the value of `key`.
    fn put(&mut self, key: &K, value: V) -> Result<(), Interrupt>;

    /// Removes the value of `key`. It counts as a change even if there was none.
    fn delete(&mut self, key: &K) -> Result<(), Interrupt>;

    /// Changes the number at `key` by `delta` and says whether that was possible: `false`, and no change, if the result
    /// would lie outside `bounds` or the value is not a number. An absent key counts as zero.
    ///
    /// Adds to one key commute: they do not depend on each other, unless a bound is near.
    fn add_within(
        &mut self,
        key: &K,
        delta: Delta<V::Amount>,
        bounds: Bounds<V::Amount>,
    ) -> Result<bool, Interrupt>;

    /// [`add_within`](Self::add_within) all numbers of the type: from zero to its maximum.
    fn add(&mut self, key: &K, delta: Delta<V::Amount>) -> Result<bool, Interrupt> {
        self.add_within(key, delta, Bounds::ALL)
    }

    /// Visits the present keys between `from` and `to` with their values, in ascending order, until `visit` breaks.
    ///
    /// What was not visited was not read: a scan that breaks early depends on the keys up to that point only. A
    /// range that ends before it starts is empty.
    fn range(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt>;
}
