//! The executor: chooses a way, and settles what comes of it in block order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    exact::{Attempted, Input, Ran, run},
    plan::Plan,
    runtime::Runtime,
};
use crate::{
    block::Block,
    error::ExecuteError,
    execute::{Executor, Fold, Known, Nobody, Overlay, Rest, SerialExecutor, Settled},
    outcome::Outcome,
    protocol::handoff::Handoff,
    state::{Changes, State},
    vm::Vm,
};

/// How a block is executed. All ways give the same outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// The one that is expected to be the fastest for the block: serially if it is small, if it is one chain, or if its
    /// access sets are not exact.
    #[default]
    Auto,
    /// One transaction after another.
    Serial,
    /// By exact access sets. Blocks in which one is not exact, or scans a range, are executed serially.
    Exact,
}

/// Executes the transactions of a block on several threads.
///
/// The outcome is the serial executor's, byte for byte. What it takes from a [`Runtime`] is threads; making one is free.
///
/// Where all access sets are [exact](pleach_dtt::Trust::Exact), branches of the block that share nothing run side by side,
/// and the transactions of large branches as soon as those before them are done that they depend on. Nothing is validated,
/// and nothing runs twice. This version executes all other blocks serially.
///
/// If something happens that only the order of the block can settle (a rule that refuses a transaction, a fatal one, a
/// panic, an error of the state), what comes before it stands, and the rest is executed serially.
///
/// # Examples
///
/// ```
/// use pleach::{Block, Executor, MemoryState, ParallelExecutor, Runtime};
/// use pleach::testkit::{Declared, Program, ProgramVm, Step};
///
/// let runtime = Runtime::builder().build()?;
/// let state = MemoryState::new();
/// let programs: Vec<Program> = (0..100)
///     .map(|number| Program::new([Step::Put(number, 7)]).declaring(Declared::Exactly))
///     .collect();
/// let block = Block::new(&ProgramVm, &state, &programs);
/// let outcome = ParallelExecutor::new(&runtime).execute(block)?;
/// assert_eq!(outcome.changes.len(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParallelExecutor {
    runtime: Runtime,
    strategy: Strategy,
}

impl ParallelExecutor {
    /// An executor on the threads of `runtime`.
    #[must_use]
    pub fn new(runtime: &Runtime) -> Self {
        Self {
            runtime: runtime.clone(),
            strategy: Strategy::Auto,
        }
    }

    /// How blocks are executed. Default: [`Strategy::Auto`].
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The plan for a block, if there is one that is worth it.
    fn plan<V: Vm, S>(&self, block: &Block<'_, V, S>) -> Option<Plan<V::Key>> {
        /// Less is done before a thread is awake.
        const FEW: usize = 32;
        let count = block.transactions.len();
        let workers = self.runtime.workers().get();
        match self.strategy {
            Strategy::Serial => return None,
            Strategy::Auto if workers == 1 || count < FEW => return None,
            Strategy::Auto | Strategy::Exact => {}
        }
        // If the VM panics here, it does so in the serial executor too, which knows what to say.
        let plan = catch_unwind(AssertUnwindSafe(|| {
            Plan::new(block.vm, block.transactions, workers)
        }))
        .ok()??;
        // A chain, or nearly one.
        let is_chain = plan.depth as usize * 4 > count * 3;
        (self.strategy == Strategy::Exact || !is_chain).then_some(plan)
    }
}

impl Executor for ParallelExecutor {
    fn execute<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Outcome<V>, ExecuteError> {
        let Some(plan) = self.plan(&block) else {
            return SerialExecutor::new().execute(block);
        };
        let Block {
            number,
            vm,
            state,
            transactions,
            rules,
            on_failure,
            on_undeclared,
            on_commit,
            cancel,
        } = block;
        let input = Input {
            vm,
            state,
            transactions,
            on_undeclared,
            cancel: cancel.as_ref(),
        };
        let Ran { attempts, values } = run(&self.runtime, &plan, &input);

        let mut fold = Fold::new(transactions, rules, on_failure, on_commit);
        let mut attempts = attempts.into_iter();
        // How many transactions have left exactly what the block keeps of them.
        let mut clean = 0;
        while let Some((index, transaction)) = fold.next() {
            let attempted = attempts.next().and_then(Handoff::into_inner);
            let Some(Attempted::Done(attempt)) = attempted else {
                break;
            };
            if !fold.admit(index, transaction) {
                break;
            }
            fold.statistics.attempts += 1;
            let succeeded = attempt.is_ok();
            if fold.settle(index, transaction, attempt) == Settled::Discard && succeeded {
                break;
            }
            clean = index + 1;
        }
        if clean == transactions.len() {
            fold.statistics.keys = plan.keys.keys().len();
            return Ok(fold.finish(changes(&plan, values)));
        }

        let mut overlay = Overlay::new(state, transactions.len());
        let end = clean
            .checked_sub(1)
            .map_or(0, |last| plan.range(last as u32).end);
        for (planned, value) in plan.accesses[..end].iter().zip(values) {
            if let Some(value) = value.into_inner().filter(Known::is_known) {
                overlay.adopt(&plan.keys.keys()[planned.key as usize], value);
            }
        }
        let rest = Rest {
            number,
            vm,
            on_undeclared,
            cancel,
        };
        rest.run(fold, overlay, &mut Nobody)
    }
}

/// What all transactions together have changed.
fn changes<K: Ord + std::hash::Hash + Clone, V>(
    plan: &Plan<K>,
    mut values: Vec<Handoff<Known<V>>>,
) -> Changes<K, V> {
    let keys = plan.keys.keys().iter();
    let changed = keys.zip(&plan.last_writes).filter_map(|(key, write)| {
        let value = values.get_mut(*write as usize)?;
        let value = std::mem::take(value).into_inner()?;
        value.is_known().then(|| (key.clone(), value.into_option()))
    });
    Changes::from_unsorted(changed.collect())
}
