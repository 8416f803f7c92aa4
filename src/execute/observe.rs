//! Serial runs that are watched: what each transaction touches, and how long it takes.
//!
//! A block's tree is made of what its transactions touch. Where nobody knows that beforehand, a recording tells, and its
//! sets are the ones to ship with the block, or to ask the simulator about.

use std::{
    hash::Hash,
    ops::{Bound, ControlFlow},
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use pleach_dtt::{Access, AccessSet};

use super::serial::{Observer, SerialExecutor};
use crate::{
    block::Block,
    error::ExecuteError,
    outcome::Outcome,
    state::State,
    value::{Bounds, Delta, Value},
    view::{StateView, sealed::Sealed},
    vm::{Interrupt, Stop, Vm},
};

/// What a block came to, and what each of its transactions touched.
pub type Recording<V> = (Outcome<V>, Vec<AccessSet<<V as Vm>::Key>>);

impl SerialExecutor {
    /// Executes `block` and records what each of its transactions touches: also those that fail, and nothing of those that
    /// are not executed.
    ///
    /// A key that a transaction has written before it reads it is not read: it sees its own value. Predicates are
    /// recorded as checks, adds as adds, and scans as far as they went.
    ///
    /// # Errors
    ///
    /// As [`execute`](crate::Executor::execute).
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::{
    ///     MemoryState, SerialExecutor,
    ///     testkit::{Program, ProgramVm, Step},
    ///     Block,
    /// };
    ///
    /// let programs = [Program::new([Step::Get(1), Step::Put(2, 7), Step::Get(2)])];
    /// let state = MemoryState::default();
    /// let block = Block::new(&ProgramVm, &state, &programs);
    /// let (outcome, accesses) = SerialExecutor::new().record(block)?;
    /// assert_eq!(outcome.changes.get(&2), Some(Some(&7)));
    /// assert!(accesses[0].reads().eq(&[1]));
    /// assert!(accesses[0].writes().eq(&[2]));
    /// # Ok::<(), pleach::ExecuteError>(())
    /// ```
    pub fn record<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Recording<V>, ExecuteError> {
        let mut recorder = Recorder {
            accesses: (0..block.transactions.len())
                .map(|_| AccessSet::new())
                .collect(),
            touched: IndexMap::default(),
        };
        let outcome = self.run(block, &mut recorder)?;
        Ok((outcome, recorder.accesses))
    }

    /// Executes `block` and measures how long each of its transactions takes; zero for those that are not executed.
    ///
    /// # Errors
    ///
    /// As [`execute`](crate::Executor::execute).
    pub fn time<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<(Outcome<V>, Vec<Duration>), ExecuteError> {
        let mut clock = Clock {
            times: vec![Duration::ZERO; block.transactions.len()],
        };
        let outcome = self.run(block, &mut clock)?;
        Ok((outcome, clock.times))
    }
}

struct Clock {
    times: Vec<Duration>,
}

impl<V: Vm> Observer<V> for Clock {
    fn execute<S: StateView<V::Key, V::Value>>(
        &mut self,
        index: usize,
        vm: &V,
        transaction: &V::Transaction,
        view: &mut S,
        scratch: &mut V::Scratch,
    ) -> Result<V::Output, Stop<V::Error>> {
        let start = Instant::now();
        let result = vm.execute(transaction, view, scratch);
        self.times[index] = start.elapsed();
        result
    }
}

struct Recorder<K> {
    accesses: Vec<AccessSet<K>>,
    /// What the transaction at hand has touched so far.
    touched: IndexMap<K, Access, RandomState>,
}

impl<V: Vm> Observer<V> for Recorder<V::Key> {
    fn execute<S: StateView<V::Key, V::Value>>(
        &mut self,
        index: usize,
        vm: &V,
        transaction: &V::Transaction,
        view: &mut S,
        scratch: &mut V::Scratch,
    ) -> Result<V::Output, Stop<V::Error>> {
        // A panic of an earlier transaction may have left something.
        self.touched.clear();
        let mut recorded = Recorded {
            view,
            touched: &mut self.touched,
            set: &mut self.accesses[index],
        };
        let result = vm.execute(transaction, &mut recorded, scratch);
        for (key, access) in self.touched.drain(..) {
            self.accesses[index].access(key, access);
        }
        self.accesses[index].sort();
        result
    }
}

/// A view that writes down what it is asked.
struct Recorded<'a, S, K> {
    view: &'a mut S,
    touched: &'a mut IndexMap<K, Access, RandomState>,
    set: &'a mut AccessSet<K>,
}

impl<S, K: Hash + Eq + Clone> Recorded<'_, S, K> {
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

impl<S, K> Sealed for Recorded<'_, S, K> {}

impl<S, K, V> StateView<K, V> for Recorded<'_, S, K>
where
    S: StateView<K, V>,
    K: Hash + Ord + Clone,
    V: Value,
{
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
