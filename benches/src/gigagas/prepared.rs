//! A block that is ready, executed once, and the comparison of what comes of it.

use std::time::Instant;

use alloy_consensus::TxReceipt;
use pleach::{AccessSet, CancelToken, Executor, Outcome, SerialExecutor, State, dtt::Dtt};
use pleach_dtt::{OpenTree, Trust};
use pleach_evm::{
    BlockResult, BlockVm, EvmState, Key, PreparedBlock, Receipt, StateUnder, Transaction, Value,
};
use revm::{DatabaseRef, database::CacheDB};

use super::{
    Hints, Terms,
    slow::{Slow, SlowDatabase},
};
use crate::{
    blocks::Case,
    engines::{Name, OnBlocks},
    latency::Latency,
    plain::{Plain, difference},
    race::{Counts, Failure, Memory},
    stopwatch::Run,
};

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

/// One execution.
pub(super) struct Once<'a> {
    /// The engine with its workers.
    pub(super) text: &'a str,
    pub(super) engine: &'a OnBlocks,
    pub(super) terms: &'a Terms,
    /// Whether it is for counting, not for timing.
    pub(super) is_counted: bool,
    pub(super) cancel: &'a CancelToken,
}

impl Once<'_> {
    fn watch<T>(&self, run: impl FnOnce() -> T) -> (T, Run, Memory) {
        if self.is_counted {
            return Memory::watch(run);
        }
        let (result, run) = Run::time(run);
        (result, run, Memory::default())
    }

    fn failed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        Failure::Execute {
            entrant: self.text.to_owned(),
            source: source.into(),
        }
    }

    fn differs(&self, what: &str) -> Failure {
        Failure::Differs {
            entrant: self.text.to_owned(),
            what: format!("there are other {what}"),
        }
    }
}

impl<'a> Prepared<'a> {
    /// Executes the block serially, and records what its transactions touch.
    ///
    /// # Errors
    ///
    /// If that fails, or if the plain loop gives other receipts.
    pub fn new(case: &'a Case, cancel: &CancelToken) -> Result<Self, Failure> {
        let failed = |error| Failure::Prepare(Box::new(error));
        let state = &case.file.state;
        let spec = &case.file.spec;
        let block = case.file.block.prepare_with_senders(spec, &case.senders);
        let block = block.map_err(failed)?;
        let (expected, accesses) = block.record(state, cancel).map_err(failed)?;
        let mut after = state.clone();
        block.apply(&expected, &mut after);
        let mut tree = OpenTree::with_capacity(accesses.len(), 4 * accesses.len());
        for set in &accesses {
            let pushed = tree.push(set, Trust::Predicted);
            pushed.map_err(|error| Failure::Prepare(Box::new(error)))?;
        }
        let prepared = Self {
            plain: Plain::new(case),
            tree: tree.into_tree(),
            block,
            state,
            accesses,
            expected,
            after,
        };
        prepared.check_plain()?;
        Ok(prepared)
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

    /// Its tree.
    #[must_use]
    pub fn tree(&self) -> &Dtt {
        &self.tree
    }

    /// How it is executed: the VM, its transactions, and the state.
    #[must_use]
    pub fn inside(&self) -> (&BlockVm, &[Transaction], StateUnder<'_>) {
        let Self { block, state, .. } = self;
        (block.vm(), block.steps(), block.view(state))
    }

    /// Executes the block once, and sees that the right thing comes of it, unless it was cancelled.
    pub(super) fn run(&self, once: &Once<'_>) -> Result<(Run, Counts), Failure> {
        let latency = Latency(once.terms.latency);
        let is_slow = !once.terms.latency.is_zero();
        let view = self.block.view(self.state);
        match (once.engine, is_slow) {
            (OnBlocks::Plain, false) => self.run_plain(once, self.plain.database()),
            (OnBlocks::Plain, true) => {
                let database = &self.plain.database();
                self.run_plain(once, CacheDB::new(SlowDatabase { database, latency }))
            }
            (_, false) => self.run_pleach(once, &view),
            (_, true) => self.run_pleach(once, &Slow::new(view, self.state, latency)),
        }
    }

    fn run_plain<D: DatabaseRef>(
        &self,
        once: &Once<'_>,
        mut database: CacheDB<D>,
    ) -> Result<(Run, Counts), Failure> {
        let mut committed = Vec::with_capacity(self.transactions());
        let (gas, run, memory) = once.watch(|| {
            if !once.is_counted {
                return self.plain.run(&mut database);
            }
            let begun = Instant::now();
            let note = |_: &_| committed.push(begun.elapsed());
            self.plain.run_with(&mut database, note)
        });
        if gas != self.expected.gas_used {
            return Err(once.differs("costs in gas"));
        }
        if difference(&database, &self.after, &self.expected.changes).is_some() {
            return Err(once.differs("changes"));
        }
        let counts = Counts {
            attempts: Some(self.transactions()),
            memory,
            committed,
        };
        Ok((run, counts))
    }

    fn run_pleach<S: State<Key, Value>>(
        &self,
        once: &Once<'_>,
        state: &S,
    ) -> Result<(Run, Counts), Failure> {
        let mut block = self.block.to_pleach(state).cancel(once.cancel);
        match once.terms.hints {
            Hints::None => {}
            Hints::Tree => block = block.tree(&self.tree),
            Hints::Accesses => block = block.predicted(&self.accesses),
        }
        if once.is_counted {
            block = block.timed();
        }
        let (outcome, run, memory) = once.watch(|| match once.engine {
            OnBlocks::Parallel(executor) => executor.execute(block),
            _ => SerialExecutor::new().execute(block),
        });
        if once.cancel.is_cancelled() {
            return Ok((run, Counts::default()));
        }
        let mut outcome: Outcome<BlockVm> = outcome.map_err(|error| once.failed(error))?;
        let times = outcome.times.take();
        let attempts = outcome.statistics.attempts;
        let result = self.block.finish(outcome);
        let result = result.map_err(|error| once.failed(error))?;
        if result.receipts != self.expected.receipts {
            return Err(once.differs("receipts"));
        }
        if result.changes != self.expected.changes {
            return Err(once.differs("changes"));
        }
        let counts = Counts {
            attempts: Some(attempts),
            memory,
            committed: times.map_or_else(|| vec![run.wall], |times| times.committed),
        };
        Ok((run, counts))
    }

    /// Sees that a plain loop leaves the same receipts, which is not looked at when it is measured.
    fn check_plain(&self) -> Result<(), Failure> {
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
        Err(Failure::Differs {
            entrant: Name::Serial.to_string(),
            what: "there are other receipts".to_owned(),
        })
    }
}
