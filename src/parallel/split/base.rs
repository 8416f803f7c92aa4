//! The state that a stretch begins with: what all before this round have left, and what those before it in this round will probably add
//! to that.

use std::ops::Range;

use hashbrown::{HashTable, hash_table::Entry};

use super::Amount;
use crate::{
    execute::{Overlay, number, spread},
    parallel::attempt::{Input, forecast},
    protocol::versions::together,
    state::State,
    value::{Delta, Value},
    vm::Vm,
};

/// See the module.
pub(in crate::parallel) struct Base<'m, 's, V: Vm, S> {
    main: &'m Overlay<'s, V::Key, V::Value, S>,
    /// What those before it will add.
    foreseen: HashTable<Foreseen<V>>,
}

struct Foreseen<V: Vm> {
    hash: u32,
    key: V::Key,
    delta: Delta<Amount<V>>,
}

impl<V: Vm> Clone for Foreseen<V> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            ..*self
        }
    }
}

impl<'m, 's, V: Vm, S: State<V::Key, V::Value>> Base<'m, 's, V, S> {
    /// What `main` has.
    pub(in crate::parallel) fn new(main: &'m Overlay<'s, V::Key, V::Value, S>) -> Self {
        Self {
            main,
            foreseen: HashTable::new(),
        }
    }

    /// The same, and what the transactions `before`, which begin with this one, say that they will add.
    pub(in crate::parallel) fn after(&self, input: &Input<'_, V, S>, before: Range<usize>) -> Self {
        let main = self.main;
        let mut foreseen = self.foreseen.clone();
        for transaction in &input.transactions[before] {
            forecast(input.vm, transaction, |key, delta| {
                let hash = main.hash(&key);
                let is_it = |it: &Foreseen<V>| it.hash == hash && it.key == key;
                match foreseen.entry(spread(hash), is_it, |it| spread(it.hash)) {
                    Entry::Occupied(mut entry) => {
                        let sum = &mut entry.get_mut().delta;
                        *sum = together(Some(*sum), delta);
                    }
                    Entry::Vacant(entry) => {
                        entry.insert(Foreseen { hash, key, delta });
                    }
                }
            });
        }
        Self { main, foreseen }
    }

    /// A table for a stretch of so many transactions.
    pub(in crate::parallel) fn table(
        &self,
        transactions: usize,
    ) -> Overlay<'_, V::Key, V::Value, Self> {
        self.main.beside(self, transactions)
    }

    /// What somebody before this stretch will probably add to a key that has this hash.
    #[inline]
    pub(in crate::parallel) fn foreseen<'k>(
        &self,
        hash: u32,
        key: impl Fn() -> &'k V::Key,
    ) -> Option<Delta<Amount<V>>>
    where
        V::Key: 'k,
    {
        let is_it = |it: &Foreseen<V>| it.hash == hash && it.key == *key();
        Some(self.foreseen.find(spread(hash), is_it)?.delta)
    }

    /// What this round began with. It is rarely asked for, and too much code to have it everywhere.
    #[inline(never)]
    pub(in crate::parallel) fn before(
        &self,
        hash: u32,
        key: &V::Key,
    ) -> Result<Option<V::Value>, S::Error> {
        if let Some(slot) = self.main.find_hashed(hash, || key) {
            let (_, kept, _) = self.main.kept(slot);
            if kept.is_known() {
                return Ok(kept.as_option().cloned());
            }
        }
        self.main.state().get(key)
    }
}

impl<V: Vm, S: State<V::Key, V::Value>> State<V::Key, V::Value> for Base<'_, '_, V, S> {
    type Error = S::Error;

    fn get(&self, key: &V::Key) -> Result<Option<V::Value>, S::Error> {
        let hash = self.main.hash(key);
        let value = self.before(hash, key)?;
        let Some(delta) = self.foreseen(hash, || key) else {
            return Ok(value);
        };
        match number(value.as_ref()).and_then(|number| delta.apply(number)) {
            Some(sum) => Ok(V::Value::from_amount(sum)),
            None => Ok(value),
        }
    }
}
