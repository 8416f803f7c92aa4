//! How transactions read and write.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    ops::{Bound, ControlFlow},
};

use foldhash::fast::RandomState;
use pleach::{Amount, Delta, Value};

use super::Key;

/// A state that is changed in place.
pub type Map<V> = HashMap<Key, V, RandomState>;

/// The same in the order of keys, for those who scan.
pub type Ordered<V> = BTreeMap<Key, V>;

/// What the plain loop keeps its state in.
pub trait Table<V>: Default + Clone + Send + Sync {
    /// The value of a key.
    fn value(&self, key: &Key) -> Option<&V>;

    /// Sets it.
    fn set(&mut self, key: Key, value: V);

    /// There is none any more.
    fn forget(&mut self, key: &Key);

    /// All keys and their values.
    fn pairs<'a>(&'a self) -> impl Iterator<Item = (&'a Key, &'a V)>
    where
        V: 'a;

    /// Visits what there is between two keys in their order, until `visit` breaks; or says that there is no order.
    fn range(
        &self,
        from: Bound<&Key>,
        to: Bound<&Key>,
        visit: &mut dyn FnMut(&Key, &V) -> ControlFlow<()>,
    ) -> bool;
}

impl<V: Clone + Send + Sync> Table<V> for Map<V> {
    #[inline]
    fn value(&self, key: &Key) -> Option<&V> {
        self.get(key)
    }

    #[inline]
    fn set(&mut self, key: Key, value: V) {
        self.insert(key, value);
    }

    fn forget(&mut self, key: &Key) {
        self.remove(key);
    }

    fn pairs<'a>(&'a self) -> impl Iterator<Item = (&'a Key, &'a V)>
    where
        V: 'a,
    {
        self.iter()
    }

    fn range(
        &self,
        _: Bound<&Key>,
        _: Bound<&Key>,
        _: &mut dyn FnMut(&Key, &V) -> ControlFlow<()>,
    ) -> bool {
        false
    }
}

impl<V: Clone + Send + Sync> Table<V> for Ordered<V> {
    #[inline]
    fn value(&self, key: &Key) -> Option<&V> {
        self.get(key)
    }

    #[inline]
    fn set(&mut self, key: Key, value: V) {
        self.insert(key, value);
    }

    fn forget(&mut self, key: &Key) {
        self.remove(key);
    }

    fn pairs<'a>(&'a self) -> impl Iterator<Item = (&'a Key, &'a V)>
    where
        V: 'a,
    {
        self.iter()
    }

    fn range(
        &self,
        from: Bound<&Key>,
        to: Bound<&Key>,
        visit: &mut dyn FnMut(&Key, &V) -> ControlFlow<()>,
    ) -> bool {
        for (key, value) in self.range::<Key, _>((from, to)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        true
    }
}

/// The state as a transaction sees it: what those before it left, and its own changes on top.
pub trait Access<V: Value> {
    /// Why the transaction cannot go on.
    type Stop;

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// If the transaction cannot go on.
    fn get(&mut self, key: &Key) -> Result<Option<V>, Self::Stop>;

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// If the transaction cannot go on.
    fn put(&mut self, key: &Key, value: V) -> Result<(), Self::Stop>;

    /// Changes a number, and says whether that was possible. Engines that know nothing of adds look at the number.
    ///
    /// # Errors
    ///
    /// If the transaction cannot go on.
    fn add(&mut self, key: &Key, delta: Delta<V::Amount>) -> Result<bool, Self::Stop> {
        let number = match self.get(key)? {
            Some(value) => value.amount(),
            None => Some(V::Amount::ZERO),
        };
        let value = number.and_then(|number| V::from_amount(delta.apply(number)?));
        let is_possible = value.is_some();
        if let Some(value) = value {
            self.put(key, value)?;
        }
        Ok(is_possible)
    }

    /// Visits those of these keys that are there, which are all that there can be from the first to the last, in order. Engines that
    /// know nothing of ranges ask for one after another.
    ///
    /// # Errors
    ///
    /// If the transaction cannot go on.
    fn scan(&mut self, keys: &[Key], visit: &mut dyn FnMut(&V)) -> Result<(), Self::Stop> {
        for key in keys {
            if let Some(value) = self.get(key)? {
                visit(&value);
            }
        }
        Ok(())
    }
}

/// The range from the first of some keys to the last.
pub(crate) fn ends(keys: &[Key]) -> Option<(Bound<&Key>, Bound<&Key>)> {
    let (first, last) = (keys.first()?, keys.last()?);
    Some((Bound::Included(first), Bound::Included(last)))
}

/// A table that is changed in place.
pub(crate) struct InPlace<'a, T>(pub(crate) &'a mut T);

impl<V: Value, T: Table<V>> Access<V> for InPlace<'_, T> {
    type Stop = Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<V>, Infallible> {
        Ok(self.0.value(key).cloned())
    }

    fn put(&mut self, key: &Key, value: V) -> Result<(), Infallible> {
        self.0.set(*key, value);
        Ok(())
    }

    fn scan(&mut self, keys: &[Key], visit: &mut dyn FnMut(&V)) -> Result<(), Infallible> {
        if let Some((from, to)) = ends(keys) {
            let is_ordered = self.0.range(from, to, &mut |_, value| {
                visit(value);
                ControlFlow::Continue(())
            });
            debug_assert!(is_ordered, "who scans has keys in order");
        }
        Ok(())
    }
}
