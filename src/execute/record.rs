//! What transactions touch, written down while they run.

use std::{
    hash::Hash,
    ops::{Bound, ControlFlow},
};

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use pleach_dtt::{Access, AccessSet};

use super::serial::Observer;
use crate::{
    value::{Bounds, Delta, Value},
    view::{StateView, sealed::Sealed},
    vm::{Interrupt, Stop, Vm},
};

/// What the transactions of a block touch.
pub(crate) struct Recorder<K> {
    accesses: Vec<AccessSet<K>>,
    pen: Pen<K>,
}

impl<K: Hash + Ord + Clone> Recorder<K> {
    /// Nothing yet, of so many transactions.
    pub(crate) fn new(transactions: usize) -> Self {
        Self {
            accesses: (0..transactions).map(|_| AccessSet::new()).collect(),
            pen: Pen::new(),
        }
    }

    /// What a transaction has touched, by whoever has run it.
    pub(crate) fn put(&mut self, index: usize, set: AccessSet<K>) {
        self.accesses[index] = set;
    }

    pub(crate) fn into_accesses(self) -> Vec<AccessSet<K>> {
        self.accesses
    }
}

/// If there is none, nobody looks.
impl<V: Vm> Observer<V> for Option<&mut Recorder<V::Key>> {
    fn execute<S: StateView<V::Key, V::Value>>(
        &mut self,
        index: usize,
        vm: &V,
        transaction: &V::Transaction,
        view: &mut S,
        scratch: &mut V::Scratch,
    ) -> Result<V::Output, Stop<V::Error>> {
        let Some(Recorder { accesses, pen }) = self else {
            return vm.execute(transaction, view, scratch);
        };
        pen.execute(&mut accesses[index], vm, transaction, view, scratch)
    }
}

/// Writes down what one transaction at a time touches.
pub(crate) struct Pen<K> {
    /// What the transaction at hand has touched so far.
    touched: IndexMap<K, Access, RandomState>,
}

impl<K: Hash + Ord + Clone> Pen<K> {
    pub(crate) fn new() -> Self {
        Self {
            touched: IndexMap::default(),
        }
    }

    /// Executes a transaction, and adds to the empty `set` what it touches.
    pub(crate) fn execute<V: Vm<Key = K>>(
        &mut self,
        set: &mut AccessSet<K>,
        vm: &V,
        transaction: &V::Transaction,
        view: &mut dyn StateView<K, V::Value>,
        scratch: &mut V::Scratch,
    ) -> Result<V::Output, Stop<V::Error>> {
        // A panic of an earlier transaction may have left something.
        self.touched.clear();
        let mut recorded = Recorded {
            view,
            touched: &mut self.touched,
            set,
        };
        let result = vm.execute(transaction, &mut recorded, scratch);
        for (key, access) in self.touched.drain(..) {
            set.access(key, access);
        }
        set.sort();
        result
    }
}

/// A view that writes down what it is asked.
struct Recorded<'a, K, V> {
    /// Not known by its type: so a VM is compiled once for all views that are recorded.
    view: &'a mut dyn StateView<K, V>,
    touched: &'a mut IndexMap<K, Access, RandomState>,
    set: &'a mut AccessSet<K>,
}

impl<K: Hash + Eq + Clone, V: Value> Recorded<'_, K, V> {
    fn note(&mut self, key: &K, access: Access) {
        let Some(known) = self.touched.get_mut(key) else {
            self.touched.insert(key.clone(), access);
            return;
        };
        // What it wrote itself it neither reads nor checks, and adding to that is writing.
        if !known.has(Access::WRITE) {
            *known = known.and(access);
        }
    }
}

impl<K, V> Sealed for Recorded<'_, K, V> {}

impl<K: Hash + Ord + Clone, V: Value> StateView<K, V> for Recorded<'_, K, V> {
    fn get(&mut self, key: &K) -> Result<Option<V>, Interrupt> {
        self.note(key, Access::READ);
        self.view.get(key)
    }

    fn contains(&mut self, key: &K) -> Result<bool, Interrupt> {
        self.note(key, Access::CHECK);
        self.view.contains(key)
    }

    fn at_least(&mut self, key: &K, amount: V::Amount) -> Result<bool, Interrupt> {
        self.note(key, Access::CHECK);
        self.view.at_least(key, amount)
    }

    fn put(&mut self, key: &K, value: V) -> Result<(), Interrupt> {
        self.note(key, Access::WRITE);
        self.view.put(key, value)
    }

    fn delete(&mut self, key: &K) -> Result<(), Interrupt> {
        self.note(key, Access::WRITE);
        self.view.delete(key)
    }

    fn add_within(
        &mut self,
        key: &K,
        delta: Delta<V::Amount>,
        bounds: Bounds<V::Amount>,
    ) -> Result<bool, Interrupt> {
        self.note(key, Access::ADD);
        self.view.add_within(key, delta, bounds)
    }

    fn range(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        let mut last = None;
        let result = self.view.range(from, to, &mut |key, value| {
            let flow = visit(key, value);
            if flow.is_break() {
                last = Some(key.clone());
            }
            flow
        });
        let to = last.map_or_else(|| to.cloned(), Bound::Included);
        self.set.range(from.cloned(), to);
        result
    }
}
