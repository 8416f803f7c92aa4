//! A block by all executors: they must come to the same.

use std::num::NonZeroUsize;

use pleach::{
    AccessSet, Executor, Outcome, ParallelExecutor, Runtime, SerialExecutor, Strategy, TxOutcome,
};
use pleach_evm::{BlockResult, BlockVm, EvmState, Key, PreparedBlock};

use super::{chain::Rejection, meeting::Meeting};

/// What an executor is told beforehand of what the transactions touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hints {
    /// Nothing.
    None,
    /// All of it.
    Right,
    /// What those of another block have touched.
    Wrong,
}

/// A way to execute a block.
#[derive(Clone, Copy, Debug)]
struct Way {
    strategy: Strategy,
    workers: usize,
    hints: Hints,
}

const WAYS: [Way; 8] = [
    way(Strategy::Serial, 2, Hints::None),
    way(Strategy::Auto, 2, Hints::None),
    way(Strategy::Optimistic, 2, Hints::None),
    way(Strategy::Optimistic, 3, Hints::None),
    way(Strategy::Optimistic, 2, Hints::Right),
    way(Strategy::Optimistic, 3, Hints::Wrong),
    way(Strategy::Split, 3, Hints::None),
    way(Strategy::Lanes, 2, Hints::None),
];

const fn way(strategy: Strategy, workers: usize, hints: Hints) -> Way {
    Way {
        strategy,
        workers,
        hints,
    }
}

/// The executors, on threads that nobody else uses.
pub(super) struct Engines {
    parallel: Vec<(Way, ParallelExecutor)>,
    /// What the transactions of the last block have touched.
    touched: Vec<AccessSet<Key>>,
    pub(super) counts: Counts,
}

/// What they did.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    /// Blocks that were executed, to their end or as far as they are valid.
    pub(super) blocks: usize,
    /// How often one of them was executed optimistically.
    pub(super) optimistic: usize,
    /// How often several threads worked on it then.
    pub(super) shared: usize,
    /// Attempts that were made again then.
    pub(super) repeated: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.optimistic += other.optimistic;
        self.shared += other.shared;
        self.repeated += other.repeated;
    }
}

impl Engines {
    pub(super) fn new() -> Self {
        let parallel = WAYS.map(|way| {
            let workers = NonZeroUsize::new(way.workers).expect("there are some");
            let runtime = Runtime::builder().workers(workers).build();
            let runtime = runtime.expect("there are threads");
            let executor = ParallelExecutor::new(&runtime).strategy(way.strategy);
            (way, executor)
        });
        Self {
            parallel: parallel.into(),
            touched: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Executes a block.
    ///
    /// # Errors
    ///
    /// Why it is not valid; or that an executor failed, differs from the serial one, or did not go the way that it should.
    pub(super) fn execute(
        &mut self,
        prepared: &PreparedBlock<'_>,
        state: &EvmState,
    ) -> Result<BlockResult, Rejection> {
        let view = prepared.view(state);
        let steps = prepared.steps().len();
        let (serial, touched) = SerialExecutor::new()
            .record(prepared.to_pleach(&view))
            .map_err(|error| Rejection::Fault(error.to_string()))?;
        self.counts.blocks += 1;
        for (way, executor) in &self.parallel {
            let fault = |fault: String| Rejection::Fault(format!("{way:?}: {fault}"));
            let is_optimistic = way.strategy == Strategy::Optimistic;
            let meeting = Meeting::new(view, is_optimistic && steps > 1);
            let block = prepared.to_pleach(&meeting);
            let block = match way.hints {
                Hints::None => block,
                Hints::Right => block.predicted(&touched),
                Hints::Wrong => block.predicted(&self.touched),
            };
            let outcome = executor
                .execute(block)
                .map_err(|error| fault(error.to_string()))?;
            if !is_same(&serial, &outcome) {
                return Err(fault(format!("expected {serial:#?}, found {outcome:#?}")));
            }
            let statistics = outcome.statistics;
            if is_optimistic {
                if statistics.serial > 0 {
                    return Err(fault(format!("is serial: {statistics:?}")));
                }
                self.counts.optimistic += 1;
                self.counts.shared += usize::from(meeting.took_place());
                self.counts.repeated += statistics.deceived + statistics.refused;
            } else if way.strategy == Strategy::Serial && statistics.attempts != statistics.serial {
                return Err(fault(format!("is not serial: {statistics:?}")));
            }
        }
        self.touched = touched;
        let finished = prepared.finish(serial);
        finished.map_err(|error| Rejection::Invalid(format!("execution: {error}")))
    }
}

/// Whether all is the same that must be.
fn is_same(serial: &Outcome<BlockVm>, found: &Outcome<BlockVm>) -> bool {
    let same = |(serial, found): (&TxOutcome<_, _>, &TxOutcome<_, _>)| match (serial, found) {
        (TxOutcome::Executed(serial), TxOutcome::Executed(found)) => serial == found,
        (serial, found) => format!("{serial:?}") == format!("{found:?}"),
    };
    serial.transactions.len() == found.transactions.len()
        && serial
            .transactions
            .iter()
            .zip(&found.transactions)
            .all(same)
        && serial.changes == found.changes
}
