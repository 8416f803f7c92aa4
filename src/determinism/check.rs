//! The check itself: which ways a block is executed in, and whose fault it is if they differ.

use std::{
    fmt::Debug,
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    attempts::{Attempts, panicked},
    cause::Impurity,
    compare::{Difference, Ran, Recorded},
    hints::{Hints, Told},
    schedule::{Kind, Schedule, mix},
    trouble::{Trouble, Troubled},
};
use crate::{
    block::Block,
    error::ExecuteError,
    execute::{Executor, Recording, SerialExecutor},
    parallel::{ParallelExecutor, Runtime, Strategy},
    state::State,
    vm::Vm,
};

/// So many transactions a block within a block has at most.
const WITHIN: usize = 8;

type Configure<'a, V, S> =
    dyn for<'b> Fn(Block<'b, V, Troubled<'b, S>>) -> Block<'b, V, Troubled<'b, S>> + 'a;

/// Executes blocks in many ways and compares what they come to.
///
/// Outputs and errors are compared by what [`Debug`] says of them, keys and values by `Eq`. A block is executed
/// `2 + workers * strategies * schedules` times, and each transaction a dozen times more.
pub struct Check<'a, V: Vm, S> {
    vm: &'a V,
    state: &'a S,
    workers: Vec<usize>,
    strategies: Vec<Strategy>,
    kinds: Vec<Kind>,
    troubles: bool,
    schedules: u64,
    seed: u64,
    asks_again: bool,
    wait: Duration,
    configure: Box<Configure<'a, V, S>>,
}

/// What was found to be the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How many transactions the block has.
    pub transactions: usize,
    /// How many schedules it was executed under.
    pub schedules: u64,
    /// Follows from outcome, changes and accesses: the same block gives the same number in another process or on another
    /// machine, if the VM depends on neither.
    pub fingerprint: u64,
}

/// Why a check did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The block does not always come to the same.
    #[error(transparent)]
    Diverged(#[from] Box<Divergence>),
    /// The system gives no more threads.
    #[error("no threads for it")]
    Threads(#[source] io::Error),
}

/// The first two ways that did not come to the same.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{difference} ({}); {blame}", .schedule.map_or_else(|| "serially".to_owned(), |schedule| schedule.to_string()))]
#[non_exhaustive]
pub struct Divergence {
    /// Where.
    pub difference: Difference,
    /// The way that came to something else than the serial executor; `None` if that did not always come to the same
    /// itself.
    pub schedule: Option<Schedule>,
    /// Whose fault it is.
    pub blame: Blame,
}

/// Whose fault a divergence is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Blame {
    /// The VM does not do the same twice on the same answers.
    #[error("the VM depends on {0}")]
    Vm(Impurity),
    /// The VM, or the state, gave serial executions that differ, but each transaction, asked again, did the same.
    #[error("the VM or the state is not deterministic")]
    VmOrState,
    /// The VM is deterministic, as far as could be seen: the executor is not right.
    #[error("the VM did the same whenever it was asked again, so the executor is wrong")]
    Executor,
}

impl<'a, V: Vm<Output: Debug>, S: State<V::Key, V::Value>> Check<'a, V, S> {
    /// A check of this VM on this state: 1, 2, 3 and 8 workers, all strategies, 4 schedules of each.
    #[must_use]
    pub fn new(vm: &'a V, state: &'a S) -> Self {
        Self {
            vm,
            state,
            workers: vec![1, 2, 3, 8],
            strategies: vec![
                Strategy::Auto,
                Strategy::Exact,
                Strategy::Optimistic,
                Strategy::Split,
                Strategy::Lanes,
            ],
            kinds: Kind::all().to_vec(),
            troubles: false,
            schedules: 4,
            seed: 0,
            asks_again: true,
            wait: Duration::from_millis(2),
            configure: Box::new(|block| block),
        }
    }

    /// With how many threads. Zeros are left out.
    #[must_use]
    pub fn workers(mut self, workers: impl IntoIterator<Item = usize>) -> Self {
        self.workers = workers.into_iter().collect();
        self
    }

    /// In which ways.
    #[must_use]
    pub fn strategies(mut self, strategies: impl IntoIterator<Item = Strategy>) -> Self {
        self.strategies = strategies.into_iter().collect();
        self
    }

    /// Who decides which thread goes on; each kind in turn. Default: all there are.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Whether something goes [wrong](Trouble) under every second schedule: reads that take long or fail, panics, blocks that are
    /// cancelled, blocks within blocks. Default: no.
    #[must_use]
    pub fn troubles(mut self, troubles: bool) -> Self {
        self.troubles = troubles;
        self
    }

    /// How many schedules of each strategy and number of workers.
    #[must_use]
    pub fn schedules(mut self, count: u64) -> Self {
        self.schedules = count;
        self
    }

    /// From which number all schedules follow.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether transactions are asked again even if nothing has diverged yet. Default: yes. It takes most of the time, and shows
    /// nothing of a VM that is known to be deterministic.
    #[must_use]
    pub fn ask_again(mut self, asks_again: bool) -> Self {
        self.asks_again = asks_again;
        self
    }

    /// How long to wait before transactions are asked again for the last time. Default: 2 milliseconds, which shows the use of
    /// most clocks; one that counts seconds takes more than one.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets options of the block: rules, what a failure means.
    #[must_use]
    pub fn block(
        mut self,
        configure: impl for<'b> Fn(Block<'b, V, Troubled<'b, S>>) -> Block<'b, V, Troubled<'b, S>> + 'a,
    ) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// All ways that the check will try, in order.
    pub fn plan(&self) -> impl Iterator<Item = Schedule> {
        let each = self.workers.iter().filter(|workers| **workers > 0);
        let pairs = each.flat_map(|workers| self.strategies.iter().map(|way| (*workers, *way)));
        let all = pairs.flat_map(|pair| (0..self.schedules).map(move |_| pair));
        all.enumerate().filter_map(|(place, (workers, strategy))| {
            let seed = mix(self.seed ^ mix(place as u64));
            let random = mix(!seed);
            let turn = mix(self.seed).wrapping_add(place as u64);
            let has_trouble = self.troubles && random & 1 != 0;
            Some(Schedule {
                workers,
                strategy,
                hints: Hints::ALL[(random >> 8) as usize % Hints::ALL.len()],
                kind: *self.kinds.get(turn as usize % self.kinds.len().max(1))?,
                seed,
                is_recorded: random & 2 != 0,
                trouble: has_trouble.then(|| Trouble::from_seed(seed)),
            })
        })
    }

    /// Executes a block of these transactions in all ways.
    ///
    /// # Errors
    ///
    /// [`Failure::Diverged`] at the first that comes to something else.
    pub fn run(&self, transactions: &[V::Transaction]) -> Result<Report, Failure> {
        self.run_under(transactions, self.plan())
    }

    /// Executes a block of these transactions under schedules of the caller's choice: all or some of [`plan`](Self::plan)'s, say,
    /// and told of each as it comes.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_under(
        &self,
        transactions: &[V::Transaction],
        schedules: impl IntoIterator<Item = Schedule>,
    ) -> Result<Report, Failure> {
        let expected = self.serially(transactions)?;
        let mut count = 0;
        for schedule in schedules {
            self.against(&expected, transactions, schedule)?;
            count += 1;
        }
        Ok(Report {
            transactions: transactions.len(),
            schedules: count,
            fingerprint: expected.fingerprint(),
        })
    }

    /// Executes a block under one schedule only.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn replay(
        &self,
        transactions: &[V::Transaction],
        schedule: Schedule,
    ) -> Result<(), Failure> {
        self.run_under(transactions, [schedule]).map(|_| ())
    }

    /// What the block comes to, if it always comes to the same on one thread.
    fn serially(&self, transactions: &[V::Transaction]) -> Result<Ran<V>, Failure> {
        let [first, second] = [0, 1].map(|_| self.serially_in(None, transactions));
        let difference = first.difference(&second);
        let is_asked = self.asks_again || difference.is_some();
        let blamed = is_asked.then(|| self.blame(transactions)).flatten();
        match (blamed, difference) {
            (Some((blame, asked)), difference) => {
                Err(diverged(difference.unwrap_or(asked), None, blame))
            }
            (None, Some(difference)) => Err(diverged(difference, None, Blame::VmOrState)),
            (None, None) => Ok(first),
        }
    }

    /// What the block comes to on one thread, with that trouble.
    pub(super) fn serially_in(
        &self,
        trouble: Option<Trouble>,
        transactions: &[V::Transaction],
    ) -> Ran<V> {
        let executor = SerialExecutor::new();
        self.ran(transactions, None, trouble, |block| {
            executor.record(block).map(recorded::<V>)
        })
    }

    fn against(
        &self,
        expected: &Ran<V>,
        transactions: &[V::Transaction],
        schedule: Schedule,
    ) -> Result<(), Failure> {
        let found = self.under(schedule, expected, transactions)?;
        self.judge(expected, &found, transactions, schedule)
    }

    /// Whose fault it is if that is what the block came to under a schedule.
    pub(super) fn judge(
        &self,
        expected: &Ran<V>,
        found: &Ran<V>,
        transactions: &[V::Transaction],
        schedule: Schedule,
    ) -> Result<(), Failure> {
        let difference = match schedule.trouble {
            Some(trouble) if trouble.is_certain() => {
                let expected = self.serially_in(Some(trouble), transactions);
                expected.difference(found)
            }
            _ => expected.difference(found),
        };
        let Some(difference) = difference else {
            return Ok(());
        };
        let blame = match self.blame(transactions) {
            Some((blame, _)) => blame,
            // A state may have begun to answer otherwise.
            None if expected
                .difference(&self.serially_in(None, transactions))
                .is_some() =>
            {
                Blame::VmOrState
            }
            None => Blame::Executor,
        };
        Err(diverged(difference, Some(schedule), blame))
    }

    /// Executes the block under a schedule.
    fn under(
        &self,
        schedule: Schedule,
        expected: &Ran<V>,
        transactions: &[V::Transaction],
    ) -> Result<Ran<V>, Failure> {
        let accesses = expected.result.as_ref().ok();
        let accesses = accesses.and_then(|(_, sets)| sets.as_deref());
        let told = Told::new(schedule.hints, schedule.seed, accesses.unwrap_or_default());
        let workers = NonZeroUsize::new(schedule.workers).unwrap_or(NonZeroUsize::MIN);
        let delays = (schedule.kind == Kind::Threads).then_some(schedule.seed);
        let run = || {
            let runtime = Runtime::builder().workers(workers).build();
            let runtime = runtime.map_err(Failure::Threads)?;
            let executor = ParallelExecutor::new(&runtime).strategy(schedule.strategy);
            Ok(self.ran(transactions, delays, schedule.trouble, |block| {
                let mut block = told.tell(block);
                // As a pipeline does with every block.
                if mix(schedule.seed).is_multiple_of(4) {
                    let analysis = executor.analyse(block.vm, block.transactions, told.accesses());
                    block = block.analysed(analysis);
                }
                if schedule.is_recorded {
                    executor.record(block).map(recorded::<V>)
                } else {
                    executor.execute(block).map(|outcome| (outcome, None))
                }
            }))
        };
        schedule.kind.run(schedule.seed, run)
    }

    pub(super) fn ran<E>(
        &self,
        transactions: &[V::Transaction],
        delays: Option<u64>,
        trouble: Option<Trouble>,
        execute: E,
    ) -> Ran<V>
    where
        E: for<'b> Fn(Block<'b, V, Troubled<'b, S>>) -> Result<Recorded<V>, ExecuteError> + Sync,
    {
        let odd = Mutex::new(None);
        let (vm, state) = (self.vm, self.state);
        let recurse = || {
            let few = &transactions[..transactions.len().min(WITHIN)];
            let state = Troubled::new(state, None);
            let expected = SerialExecutor::new().record(Block::new(vm, &state, few));
            let expected = expected.map(recorded::<V>);
            let found = execute(Block::new(vm, &state, few));
            let [expected, found] =
                [expected, found].map(|result| Ran::new::<S::Error>(result, None));
            if let Some(difference) = expected.difference(&found) {
                let text = format!("a block within the block: {difference}");
                odd.lock().get_or_insert(text);
            }
        };
        let state = Troubled::new(self.state, delays);
        let state = match trouble {
            Some(trouble) => state.with(trouble, &recurse),
            None => state,
        };
        let mut commits = Vec::new();
        let mut block = (self.configure)(Block::new(self.vm, &state, transactions));
        if let Some(token) = state.cancel() {
            block = block.cancel(token);
        }
        let block = block.on_commit(|index, outcome| {
            commits.push((index, format!("{outcome:?}")));
            state.commits(index);
        });
        // A VM's panics are caught before.
        let mut ran = match catch_unwind(AssertUnwindSafe(|| execute(block))) {
            Ok(result) => Ran::new::<S::Error>(result, trouble),
            Err(panic) => Ran::failed(panicked(&*panic)),
        };
        if let Some(odd) = odd.into_inner() {
            ran = Ran::failed(odd);
        }
        Ran { commits, ..ran }
    }

    /// Whether the VM can be seen to do something else when it is asked again.
    fn blame(&self, transactions: &[V::Transaction]) -> Option<(Blame, Difference)> {
        let mut attempts = Attempts::new();
        let state = Troubled::new(self.state, None);
        let block = (self.configure)(Block::new(self.vm, &state, transactions));
        // What it comes to was compared before.
        let _ = SerialExecutor::new().run(block, &mut attempts);
        attempts.later(self.vm, transactions, self.wait);
        let found = attempts.found?;
        let difference = Difference::Attempt {
            transaction: found.transaction,
            expected: found.expected,
            found: found.instead,
        };
        Some((Blame::Vm(found.impurity), difference))
    }
}

fn recorded<V: Vm>((outcome, accesses): Recording<V>) -> Recorded<V> {
    (outcome, Some(accesses))
}

fn diverged(difference: Difference, schedule: Option<Schedule>, blame: Blame) -> Failure {
    Failure::Diverged(Box::new(Divergence {
        difference,
        schedule,
        blame,
    }))
}

impl<V: Vm, S> Debug for Check<'_, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check")
            .field("workers", &self.workers)
            .field("strategies", &self.strategies)
            .field("kinds", &self.kinds)
            .field("schedules", &self.schedules)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
