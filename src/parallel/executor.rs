//! The executor: chooses a way, and settles what comes of it in block order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    attempt::{Attempted, Input},
    exact::{self, Ran},
    optimistic,
    plan::Plan,
    runtime::Runtime,
    trial::Trial,
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
    /// The one that is expected to be the fastest for the block. By exact access sets, unless they come to a chain. Where
    /// they are not exact, serially at first, for some microseconds that are measured, and optimistically from there on if
    /// that seems to pay.
    #[default]
    Auto,
    /// One transaction after another.
    Serial,
    /// By exact access sets. Blocks in which one is not exact, or scans a range, are executed serially.
    Exact,
    /// By optimism: transactions run before it is certain what those before them leave, and again if that turns out to
    /// matter. Access sets, exact or predicted, say who had better wait for whom.
    Optimistic,
}

/// Executes the transactions of a block on several threads.
///
/// The outcome is the serial executor's, byte for byte. What it takes from a [`Runtime`] is threads; making one is free.
///
/// Where all access sets are [exact](pleach_dtt::Trust::Exact), branches of the block that share nothing run side by side,
/// and the transactions of large branches as soon as those before them are done that they depend on. Nothing is validated,
/// and nothing runs twice.
///
/// All other blocks run [optimistically](Strategy::Optimistic). Each transaction sees what those before it have left so far,
/// and runs again if something that it has looked at turns out different. They are committed in the order of the block, and
/// streamed to the caller as they are. If most attempts are in vain, the rest of the block is executed serially.
///
/// If something happens that only the order of the block can settle (a fatal transaction, a panic, an error of the state; with
/// exact sets also a rule that refuses a transaction), what comes before it stands, and the rest is executed serially.
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

    /// How a block is executed.
    fn way<V: Vm, S>(&self, block: &Block<'_, V, S>) -> Way<V::Key> {
        /// A plan is for more than that.
        const FEW: usize = 32;
        let workers = self.runtime.workers().get();
        match self.strategy {
            Strategy::Serial => return Way::Serial,
            Strategy::Optimistic => return Way::Optimistic,
            Strategy::Auto if workers == 1 => return Way::Serial,
            Strategy::Auto if block.transactions.len() < FEW => return Way::Trial,
            Strategy::Auto | Strategy::Exact => {}
        }
        // If the VM panics here, it does so in the serial executor too, which knows what to say.
        let plan = catch_unwind(AssertUnwindSafe(|| {
            Plan::new(block.vm, block.transactions, workers)
        }));
        match (plan, self.strategy) {
            (Ok(Some(plan)), Strategy::Exact) => Way::Exact(Box::new(plan)),
            (Ok(Some(plan)), _) if plan.is_nearly_a_chain() => Way::Serial,
            (Ok(Some(plan)), _) => Way::Exact(Box::new(plan)),
            (Ok(None), Strategy::Auto) => Way::Trial,
            _ => Way::Serial,
        }
    }
}

/// How a block is executed.
enum Way<K> {
    Serial,
    Exact(Box<Plan<K>>),
    Optimistic,
    /// Serially at first, and optimistically if that seems to pay.
    Trial,
}

impl Executor for ParallelExecutor {
    fn execute<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Outcome<V>, ExecuteError> {
        let way = self.way(&block);
        if matches!(way, Way::Serial) {
            return SerialExecutor::new().execute(block);
        }
        let (mut fold, rest, state) = Rest::of(block);
        let cancel = rest.cancel.clone();
        let input = Input {
            vm: rest.vm,
            state,
            transactions: fold.transactions,
            on_undeclared: rest.on_undeclared,
            cancel: cancel.as_ref(),
        };
        // Most of what it holds it gets when all is nearly over, if at all; but for a trial, which may go on to the end.
        let expected = match way {
            Way::Trial => fold.transactions.len(),
            _ => 0,
        };
        let mut overlay = Overlay::new(state, expected);
        let must_pay = matches!(way, Way::Trial);
        match way {
            Way::Exact(plan) => {
                let ran = exact::run(&self.runtime, &plan, &input);
                return settle(fold, rest, overlay, &plan, ran);
            }
            Way::Trial => {
                let mut trial = Trial::new(fold.transactions.len(), self.runtime.workers());
                rest.some(&mut fold, &mut overlay, &mut Nobody, || trial.is_over())?;
                if !trial.is_for_many(overlay.keys()) {
                    return rest.run(fold, overlay, &mut Nobody);
                }
            }
            Way::Serial | Way::Optimistic => {}
        }
        let ran = optimistic::run(&self.runtime, &input, fold, overlay, must_pay);
        let optimistic::Ran {
            fold,
            changed,
            conflicts,
        } = ran;
        if fold.next().is_none() {
            let changes = changed
                .into_iter()
                .map(|(key, value)| (key, value.into_option()));
            let changes = Changes::from_unsorted(changes.collect());
            return Ok(Outcome {
                conflicts,
                ..fold.finish(changes)
            });
        }
        let mut overlay = Overlay::new(state, fold.transactions.len());
        for (key, value) in changed {
            overlay.adopt(&key, value);
        }
        let outcome = rest.run(fold, overlay, &mut Nobody)?;
        Ok(Outcome {
            conflicts,
            ..outcome
        })
    }
}

/// Settles what the transactions of a plan have come to, and executes serially what is left of the block.
fn settle<V: Vm, S: State<V::Key, V::Value>>(
    mut fold: Fold<'_, V>,
    rest: Rest<'_, V>,
    mut overlay: Overlay<'_, V::Key, V::Value, S>,
    plan: &Plan<V::Key>,
    ran: Ran<V>,
) -> Result<Outcome<V>, ExecuteError> {
    let Ran { attempts, values } = ran;
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
    if clean == fold.transactions.len() {
        fold.statistics.keys = plan.keys.keys().len();
        return Ok(fold.finish(changes(plan, values)));
    }

    let end = clean
        .checked_sub(1)
        .map_or(0, |last| plan.range(last as u32).end);
    for (planned, value) in plan.accesses[..end].iter().zip(values) {
        if let Some(value) = value.into_inner().filter(Known::is_known) {
            overlay.adopt(&plan.keys.keys()[planned.key as usize], value);
        }
    }
    rest.run(fold, overlay, &mut Nobody)
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
