//! What can be found out about a block before its parent has been executed.

use std::{
    collections::HashSet,
    fmt::{self, Debug},
    panic::{AssertUnwindSafe, catch_unwind},
};

use foldhash::fast::RandomState;
use pleach_dtt::AccessSet;

use super::{
    executor::{FEW, ParallelExecutor},
    plan::{Plan, announces_nothing, looks_like_chain},
    strategy::Strategy,
};
use crate::vm::Vm;

/// What the transactions of a block touch as far as that is known beforehand, and the plan that comes of it: made by
/// [`ParallelExecutor::analyse`], and used by [`Block::analysed`](crate::Block::analysed).
///
/// It depends on the transactions alone, and not on the state. So it is made while blocks before execute.
pub struct Analysis<V: Vm> {
    plan: Option<Box<Plan<V>>>,
    /// If there is no plan.
    keys: Vec<V::Key>,
}

impl<V: Vm> Analysis<V> {
    /// The keys that the transactions will touch, as far as their sets name them, each once. O(keys).
    #[must_use]
    pub fn keys(&self) -> Vec<V::Key> {
        match &self.plan {
            Some(plan) => plan.all_keys().cloned().collect(),
            None => self.keys.clone(),
        }
    }

    /// Whether there is a plan: all sets are known and scan nothing, and the executor would make one.
    #[must_use]
    pub fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    pub(super) fn into_plan(self) -> Option<Box<Plan<V>>> {
        self.plan
    }
}

impl<V: Vm> Debug for Analysis<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analysis")
            .field("has_plan", &self.has_plan())
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

impl ParallelExecutor {
    /// Asks the VM what these transactions touch, and makes the plan that [execution](crate::Executor::execute) would make of it
    /// first, on the thread of the caller: while the others execute a block before this one, say. `predicted` is what
    /// [`Block::predicted`](crate::Block::predicted) would be given. O(accesses), in time and in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::testkit::{Declared, Program, ProgramVm, Step};
    /// use pleach::{Block, Executor, MemoryState, ParallelExecutor, Runtime, Strategy};
    ///
    /// let runtime = Runtime::builder().workers(2.try_into()?).build()?;
    /// let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Exact);
    /// let programs: Vec<Program> = (0..100)
    ///     .map(|number| Program::new([Step::Put(number, 7)]).declaring(Declared::Exactly))
    ///     .collect();
    /// let analysis = executor.analyse(&ProgramVm, &programs, &[]);
    /// assert_eq!((analysis.has_plan(), analysis.keys().len()), (true, 100));
    ///
    /// let state = MemoryState::new();
    /// let block = Block::new(&ProgramVm, &state, &programs).analysed(analysis);
    /// assert_eq!(executor.execute(block)?.changes.len(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn analyse<V: Vm>(
        &self,
        vm: &V,
        transactions: &[V::Transaction],
        predicted: &[AccessSet<V::Key>],
    ) -> Analysis<V> {
        let plan = || {
            let runtime = self.runtime();
            match self.chosen() {
                Strategy::Serial | Strategy::Optimistic | Strategy::Split | Strategy::Lanes => None,
                Strategy::Auto if runtime.workers().get() == 1 || transactions.len() < FEW => None,
                _ if looks_like_chain(vm, transactions) => None,
                Strategy::Auto if announces_nothing(vm, transactions) => None,
                Strategy::Auto => Plan::ahead(runtime, vm, transactions, Some(predicted)),
                Strategy::Exact => Plan::ahead(runtime, vm, transactions, None),
            }
        };
        // If the VM panics here, it does so when the block is executed, and who executes it knows what to say.
        let plan = catch_unwind(AssertUnwindSafe(plan)).ok().flatten();
        let keys = || {
            let named = named_keys(vm, transactions);
            let hinted = predicted.iter().flat_map(AccessSet::entries);
            let all = named.into_iter().chain(hinted.map(|(key, _)| key.clone()));
            all.collect::<HashSet<V::Key, RandomState>>()
        };
        let keys = match &plan {
            Some(_) => Vec::new(),
            None => catch_unwind(AssertUnwindSafe(keys))
                .map_or_else(|_| Vec::new(), |keys| keys.into_iter().collect()),
        };
        Analysis {
            plan: plan.map(Box::new),
            keys,
        }
    }
}

/// The keys that a VM says that transactions touch, each once.
fn named_keys<V: Vm>(vm: &V, transactions: &[V::Transaction]) -> Vec<V::Key> {
    let mut keys: HashSet<V::Key, RandomState> = HashSet::default();
    let mut accesses = AccessSet::new();
    for transaction in transactions {
        accesses.clear();
        vm.accesses(transaction, &mut accesses);
        keys.extend(accesses.entries().iter().map(|(key, _)| key.clone()));
    }
    keys.into_iter().collect()
}
