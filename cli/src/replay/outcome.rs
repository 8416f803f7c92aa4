//! What came of a block, and of all of them.

use std::time::Duration;

use pleach::Statistics;
use pleach_evm::{BlockResult, Check, CheckResult, Key, PreparedBlock};
use serde::Serialize;

use super::staged::Measured;
use crate::{input::Source, text::excerpts};

/// What came of one block.
#[derive(Debug)]
pub(super) struct BlockOutcome {
    pub(super) source: Source,
    pub(super) number: u64,
    pub(super) fork: &'static str,
    pub(super) transactions: usize,
    pub(super) fate: Fate,
}

/// How far a block came.
#[derive(Debug)]
pub(super) enum Fate {
    /// It was executed, and compared with its header.
    Executed(Executed),
    /// It is not valid, or lacks something that its execution needs.
    Failed(String),
    /// A block before it in its chain failed, so there is no state to execute it on.
    NotRun,
}

/// An executed block.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) gas_used: u64,
    pub(super) checks: Vec<Check>,
    pub(super) times: Times,
    /// How often transactions were executed: as many as the block has, and those that had to be executed again.
    pub(super) attempts: usize,
    /// The last time, by the chosen strategy; the protocol's own steps count as transactions.
    pub(super) statistics: Statistics,
    /// The keys on which most attempts were wasted then, and how many.
    pub(super) conflicts: Vec<(Key, usize)>,
}

impl Executed {
    pub(super) fn new(
        prepared: &PreparedBlock<'_>,
        result: BlockResult,
        checks: Vec<Check>,
        times: Times,
    ) -> Self {
        // The protocol's own steps are no transactions to who counts those.
        let own_steps = prepared.steps().len() - prepared.block().transactions.len();
        Self {
            gas_used: result.gas_used,
            checks,
            times,
            attempts: result.statistics.attempts.saturating_sub(own_steps),
            statistics: result.statistics,
            conflicts: result.conflicts,
        }
    }

    /// How it was executed: all of it serially, or otherwise most of what was not.
    pub(super) fn ran(&self) -> &'static str {
        let Statistics {
            executed,
            skipped,
            attempts,
            serial,
            split,
            lanes,
            ..
        } = self.statistics;
        let others = (executed + skipped).saturating_sub(serial + split + lanes);
        if serial == attempts {
            "serial"
        } else if split > 0 && split >= others.max(lanes) {
            "split"
        } else if lanes > 0 && lanes >= others {
            "lanes"
        } else {
            "optimistic"
        }
    }
}

/// How long execution took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// In order, on one thread, if that was measured.
    pub(super) serial: Option<Duration>,
    /// With the chosen strategy.
    pub(super) run: Duration,
}

impl Times {
    /// How many times faster the chosen strategy is. `None` where the clock was too coarse to tell.
    pub(super) fn speedup(self) -> Option<f64> {
        let speedup = self.serial?.as_secs_f64() / self.run.as_secs_f64();
        speedup.is_normal().then_some(speedup)
    }
}

/// Millions of gas in a second. `None` without gas or time.
pub(super) fn mgas_per_second(gas: u64, time: Duration) -> Option<f64> {
    let speed = gas as f64 / 1e6 / time.as_secs_f64();
    speed.is_normal().then_some(speed)
}

/// A check that failed.
#[derive(Serialize)]
pub(super) struct Mismatch<'a> {
    pub(super) check: &'static str,
    /// What the header says.
    pub(super) expected: &'a str,
    pub(super) found: &'a str,
}

impl Mismatch<'_> {
    /// What was expected and found, in one line.
    pub(super) fn line(&self) -> String {
        let (expected, found) = excerpts(self.expected, self.found);
        format!("{}: expected {expected}, found {found}", self.check)
    }
}

impl Executed {
    pub(super) fn mismatches(&self) -> impl Iterator<Item = Mismatch<'_>> {
        self.checks.iter().filter_map(|check| match &check.result {
            CheckResult::Failed { expected, found } => Some(Mismatch {
                check: check.name,
                expected,
                found,
            }),
            _ => None,
        })
    }

    /// How many checks passed.
    pub(super) fn passed(&self) -> usize {
        let checks = self.checks.iter();
        checks
            .filter(|check| check.result == CheckResult::Passed)
            .count()
    }

    /// Whether the state after it is known to be right.
    pub(super) fn has_state_root(&self) -> bool {
        let mut checks = self.checks.iter();
        checks.any(|check| check.name == "state_root" && check.result == CheckResult::Passed)
    }
}

impl BlockOutcome {
    pub(super) fn executed(&self) -> Option<&Executed> {
        match &self.fate {
            Fate::Executed(executed) => Some(executed),
            _ => None,
        }
    }

    /// Whether the block is as its header says; `None` if it was not run.
    pub(super) fn passed(&self) -> Option<bool> {
        match &self.fate {
            Fate::Executed(executed) => Some(executed.mismatches().next().is_none()),
            Fate::Failed(_) => Some(false),
            Fate::NotRun => None,
        }
    }
}

/// What came of all blocks so far.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) blocks: usize,
    pub(super) failed: usize,
    pub(super) not_run: usize,
    /// Files and folders that could not be read.
    pub(super) unreadable: usize,
    /// How long blocks were in the stages of a pipeline, if they went through one.
    pub(super) staged: Option<Measured>,
    /// Whether Ctrl-C ended it before all was done.
    pub(super) cancelled: bool,
    /// Of the executed blocks, as what follows.
    pub(super) transactions: usize,
    pub(super) gas: u64,
    /// Of those of which that was measured.
    pub(super) serial: Option<Duration>,
    pub(super) run: Duration,
    pub(super) attempts: usize,
    speedups: Speedups,
    /// Of the blocks that use more than [`MUCH_GAS`].
    large_speedups: Speedups,
}

/// Blocks of less gas are so soon over that they say little about speed.
pub(super) const MUCH_GAS: u64 = 4_000_000;

#[derive(Debug, Default)]
struct Speedups {
    count: usize,
    sum_of_logarithms: f64,
    least: Option<f64>,
}

impl Speedups {
    fn add(&mut self, speedup: f64) {
        self.count += 1;
        self.sum_of_logarithms += speedup.ln();
        self.least = Some(self.least.map_or(speedup, |least| least.min(speedup)));
    }

    /// The geometric mean.
    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.sum_of_logarithms / self.count as f64).exp())
    }
}

impl Totals {
    pub(super) fn add(&mut self, block: &BlockOutcome) {
        self.blocks += 1;
        match block.passed() {
            Some(true) => {}
            Some(false) => self.failed += 1,
            None => self.not_run += 1,
        }
        let Some(executed) = block.executed() else {
            return;
        };
        self.transactions += block.transactions;
        self.gas = self.gas.saturating_add(executed.gas_used);
        if let Some(serial) = executed.times.serial {
            *self.serial.get_or_insert_default() += serial;
        }
        self.run += executed.times.run;
        self.attempts += executed.attempts;
        if let Some(speedup) = executed.times.speedup() {
            self.speedups.add(speedup);
            if executed.gas_used > MUCH_GAS {
                self.large_speedups.add(speedup);
            }
        }
    }

    /// How many blocks a pipeline was through with in a second.
    pub(super) fn blocks_per_second(&self) -> Option<f64> {
        let took = self.staged.as_ref()?.took;
        let speed = self.blocks as f64 / took.as_secs_f64();
        speed.is_normal().then_some(speed)
    }

    /// The geometric mean of the blocks' speed-ups.
    pub(super) fn geomean_speedup(&self) -> Option<f64> {
        self.speedups.mean()
    }

    /// The same for blocks that use more than [`MUCH_GAS`], and how many those are.
    pub(super) fn large_speedup(&self) -> Option<(f64, usize)> {
        Some((self.large_speedups.mean()?, self.large_speedups.count))
    }

    /// The least of the blocks' speed-ups.
    pub(super) fn min_speedup(&self) -> Option<f64> {
        self.speedups.least
    }
}
