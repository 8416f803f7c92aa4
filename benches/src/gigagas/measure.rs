//! A block on every engine in turns, and the comparison of what comes of it.

use std::time::Duration;

use alloy_consensus::TxReceipt;
use pleach::{AccessSet, CancelToken, Executor, Outcome, SerialExecutor, State, dtt::Dtt};
use pleach_evm::{
    BlockError, BlockResult, BlockVm, EvmState, Key, PreparedBlock, Receipt, StateUnder, Value,
};
use revm::{DatabaseRef, database::CacheDB};

use super::{
    entrant::{Engine, Entrant, Hints},
    slow::{Latency, Slow, SlowDatabase},
};
use crate::{
    blocks::Case,
    plain::{Plain, difference},
    stopwatch::{Run, median},
};

/// Why a block has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It cannot be executed serially.
    #[error("the block is not executed serially")]
    Serial(#[source] BlockError),
    /// A tree cannot hold it.
    #[error("the block has no tree")]
    Tree(#[source] pleach::dtt::TooLarge),
    /// An engine did not execute it.
    #[error("{entrant}: the block is not executed")]
    Engine {
        /// The engine.
        entrant: String,
        /// Why.
        source: BlockError,
    },
    /// Something else comes of it than serially.
    #[error("{entrant}: other {what} than serially")]
    Differs {
        /// The engine.
        entrant: String,
        /// What is different.
        what: &'static str,
    },
}

/// What a block takes on an engine.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which engine it is.
    pub engine: Engine,
    /// How many threads it has.
    pub workers: usize,
    /// What it is told.
    pub hints: Hints,
    /// How long it took, run by run.
    pub times: Vec<Duration>,
    /// The median of those.
    pub time: Duration,
    /// The time of the plain loop by this.
    pub speedup: f64,
    /// Processor time of the whole process by time, the median of all runs, where the system tells it.
    pub cores_busy: Option<f64>,
    /// How often a transaction was executed, on average over the last run, if the engine says so.
    pub attempts: Option<f64>,
}

/// A block that is ready, with all that engines are told and what must come of it.
pub struct Prepared<'a> {
    plain: Plain,
    block: PreparedBlock<'a>,
    state: &'a EvmState,
    accesses: Vec<AccessSet<Key>>,
    tree: Dtt,
    expected: BlockResult,
    after: EvmState,
}

impl<'a> Prepared<'a> {
    /// Executes the block serially, and records what its transactions touch.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn new(case: &'a Case, cancel: &CancelToken) -> Result<Self, Failure> {
        let state = &case.file.state;
        let spec = &case.file.spec;
        let block = case.file.block.prepare_with_senders(spec, &case.senders);
        let block = block.map_err(Failure::Serial)?;
        let recorded = block.record(state, cancel);
        let (expected, accesses) = recorded.map_err(Failure::Serial)?;
        let mut after = state.clone();
        block.apply(&expected, &mut after);
        Ok(Self {
            plain: Plain::new(case),
            tree: block.tree(&accesses).map_err(Failure::Tree)?,
            block,
            state,
            accesses,
            expected,
            after,
        })
    }

    /// Expects what comes of another block.
    #[cfg(test)]
    pub(super) fn expect_of(&mut self, other: Self) {
        self.expected = other.expected;
        self.after = other.after;
    }

    /// How many transactions the block has.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.expected.receipts.len()
    }

    /// How much gas it uses.
    #[must_use]
    pub fn gas(&self) -> u64 {
        self.expected.gas_used
    }

    /// How many of its transactions do not succeed.
    #[must_use]
    pub fn failed(&self) -> usize {
        let receipts = self.expected.receipts.iter();
        receipts.filter(|receipt| !receipt.status()).count()
    }

    /// Executes the block once, sees that the right thing comes of it, and says how long execution took and how many
    /// attempts there were.
    fn run(
        &self,
        entrant: &Entrant,
        latency: Latency,
        cancel: &CancelToken,
    ) -> Result<(Run, Option<usize>), Failure> {
        let view = self.block.view(self.state);
        match (&entrant.executor, latency.0.is_zero()) {
            (None, true) if entrant.engine == Engine::Plain => {
                let database = self.plain.database();
                Ok((self.run_plain(entrant, database)?, None))
            }
            (None, false) if entrant.engine == Engine::Plain => {
                let database = &self.plain.database();
                let slow = SlowDatabase { database, latency };
                Ok((self.run_plain(entrant, CacheDB::new(slow))?, None))
            }
            (Some(executor), true) => self.run_pleach(entrant, executor, &view, cancel),
            (None, true) => self.run_pleach(entrant, &SerialExecutor::new(), &view, cancel),
            (executor, false) => {
                let slow: Slow<StateUnder<'_>> = Slow::new(view, self.state, latency);
                match executor {
                    Some(executor) => self.run_pleach(entrant, executor, &slow, cancel),
                    None => self.run_pleach(entrant, &SerialExecutor::new(), &slow, cancel),
                }
            }
        }
    }

    fn run_plain<D: DatabaseRef>(
        &self,
        entrant: &Entrant,
        mut database: CacheDB<D>,
    ) -> Result<Run, Failure> {
        let (gas, run) = Run::time(|| self.plain.run(&mut database));
        let what = if gas != self.expected.gas_used {
            "gas"
        } else if difference(&database, &self.after, &self.expected.changes).is_some() {
            "changes"
        } else {
            return Ok(run);
        };
        Err(differs(entrant, what))
    }

    fn run_pleach<S: State<Key, Value>>(
        &self,
        entrant: &Entrant,
        executor: &impl Executor,
        state: &S,
        cancel: &CancelToken,
    ) -> Result<(Run, Option<usize>), Failure> {
        let mut block = self.block.to_pleach(state).cancel(cancel);
        match entrant.hints {
            Hints::None => {}
            Hints::Tree => block = block.tree(&self.tree),
            Hints::Accesses => block = block.predicted(&self.accesses),
        }
        let (outcome, run) = Run::time(|| executor.execute(block));
        let failed = |source| Failure::Engine {
            entrant: entrant.to_string(),
            source,
        };
        let outcome: Outcome<BlockVm> = outcome.map_err(|error| {
            failed(BlockError::Execute {
                transaction: error.transaction(),
                error,
            })
        })?;
        let result = self.block.finish(outcome).map_err(failed)?;
        if result.receipts != self.expected.receipts {
            return Err(differs(entrant, "receipts"));
        }
        if result.changes != self.expected.changes {
            return Err(differs(entrant, "changes"));
        }
        Ok((run, Some(result.statistics.attempts)))
    }

    /// Sees that a plain loop leaves the same receipts, which is not looked at when it is measured.
    fn check_plain(&self, entrant: &Entrant) -> Result<(), Failure> {
        let mut database = self.plain.database();
        let mut receipts = self.expected.receipts.iter();
        let mut are_same = true;
        self.plain.run_with(&mut database, |result| {
            let same = receipts.next().is_some_and(|receipt: &Receipt| {
                receipt.status() == result.is_success() && receipt.logs() == result.logs()
            });
            are_same &= same;
        });
        if are_same && receipts.next().is_none() {
            return Ok(());
        }
        Err(differs(entrant, "receipts"))
    }
}

fn differs(entrant: &Entrant, what: &'static str) -> Failure {
    Failure::Differs {
        entrant: entrant.to_string(),
        what,
    }
}

/// Has all engines execute a block in turns, so many times, on a store that takes so long for each read. What comes of each
/// run is compared with what the serial executor leaves. After each run, `done` is called.
///
/// Measured is execution alone. Not measured are the recovery of senders, which there is none of, and receipts' bloom filters;
/// and the plain loop has its accounts in its cache beforehand, unless the store takes time.
///
/// A block that is cancelled has the results of the turns that were done; none if there was no whole turn.
///
/// # Errors
///
/// If an engine fails, or something else comes of it than serially.
pub fn measure(
    prepared: &Prepared<'_>,
    latency: Duration,
    entrants: &[Entrant],
    repeat: usize,
    cancel: &CancelToken,
    mut done: impl FnMut(),
) -> Result<Vec<Measured>, Failure> {
    let latency = Latency(latency);
    let mut runs = vec![Vec::with_capacity(repeat); entrants.len()];
    let mut attempts = vec![None; entrants.len()];
    let plain = entrants
        .iter()
        .find(|entrant| entrant.engine == Engine::Plain);
    if let Some(plain) = plain {
        prepared.check_plain(plain)?;
    }
    'turns: for _ in 0..repeat {
        let mut turn = Vec::with_capacity(entrants.len());
        for entrant in entrants {
            if cancel.is_cancelled() {
                break 'turns;
            }
            let result = prepared.run(entrant, latency, cancel);
            if cancel.is_cancelled() {
                break 'turns;
            }
            turn.push(result?);
            done();
        }
        for (index, (run, count)) in turn.into_iter().enumerate() {
            runs[index].push(run);
            attempts[index] = count;
        }
    }
    Ok(summarise(
        prepared.transactions(),
        entrants,
        &runs,
        &attempts,
    ))
}

fn summarise(
    transactions: usize,
    entrants: &[Entrant],
    runs: &[Vec<Run>],
    attempts: &[Option<usize>],
) -> Vec<Measured> {
    let seconds = |runs: &[Run]| median(runs.iter().map(|run| run.wall.as_secs_f64()));
    let plain = entrants
        .iter()
        .position(|entrant| entrant.engine == Engine::Plain)
        .and_then(|index| seconds(&runs[index]));
    let lines = entrants.iter().zip(runs).zip(attempts);
    let lines = lines.filter_map(|((entrant, runs), attempts)| {
        let time = seconds(runs)?;
        Some(Measured {
            engine: entrant.engine,
            workers: entrant.workers.get(),
            hints: entrant.hints,
            times: runs.iter().map(|run| run.wall).collect(),
            time: Duration::from_secs_f64(time),
            speedup: plain? / time,
            cores_busy: median(runs.iter().filter_map(Run::cores_busy)),
            attempts: attempts.map(|attempts| attempts as f64 / transactions as f64),
        })
    });
    lines.collect()
}

/// How long a read takes that is asked to take `latency`: the system wakes threads a little later.
#[must_use]
pub fn real_latency(latency: Duration) -> Duration {
    Latency(latency).measure()
}
