//! How transactions read and write.

use std::{collections::HashMap, convert::Infallible};

use foldhash::fast::RandomState;
use pleach::{Amount, Delta, Value};

use super::Key;

/// A state that is changed in place.
pub type Map<V> = HashMap<Key, V, RandomState>;

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
}

/// A map that is changed in place.
pub(crate) struct InPlace<'a, V>(pub(crate) &'a mut Map<V>);

impl<V: Value> Access<V> for InPlace<'_, V> {
    type Stop = Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<V>, Infallible> {
        Ok(self.0.get(key).cloned())
    }

    fn put(&mut self, key: &Key, value: V) -> Result<(), Infallible> {
        self.0.insert(*key, value);
        Ok(())
    }
}
