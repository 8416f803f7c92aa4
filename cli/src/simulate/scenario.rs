//! What is simulated of a block, and what that comes to over all of them.

use std::{collections::BTreeMap, num::NonZeroUsize};

use pleach_dtt::Simulation;

use crate::analysis::Analysed;

/// How blocks are simulated.
pub(super) struct Scenario {
    pub(super) workers: Vec<NonZeroUsize>,
    /// In nanoseconds.
    pub(super) overhead: u64,
    /// In nanoseconds.
    pub(super) stealing: u64,
}

/// What came of a block. Times are in nanoseconds.
pub(super) struct BlockResult {
    pub(super) number: u64,
    pub(super) fork: &'static str,
    pub(super) gas_used: u64,
    pub(super) transactions: usize,
    pub(super) branches: usize,
    pub(super) critical_path: u64,
    pub(super) total: u64,
    /// For each number of workers.
    pub(super) speedups: BTreeMap<usize, f64>,
    /// What no schedule could beat.
    pub(super) bounds: BTreeMap<usize, f64>,
}

impl Scenario {
    pub(super) fn run(&self, block: &Analysed) -> BlockResult {
        let tree = block.open.tree();
        let mut result = BlockResult {
            number: block.number,
            fork: block.fork,
            gas_used: block.gas_used,
            transactions: tree.len(),
            branches: tree.branches().len(),
            critical_path: 0,
            total: 0,
            speedups: BTreeMap::new(),
            bounds: BTreeMap::new(),
        };
        for workers in &self.workers {
            let simulation = Simulation::new(*workers)
                .overhead(self.overhead)
                .stealing(self.stealing);
            let schedule = simulation.run(tree, &block.costs);
            let workers = workers.get();
            result.critical_path = schedule.critical_path();
            result.total = schedule.total();
            result.speedups.insert(workers, schedule.speedup());
            let bound = schedule.total() as f64 / schedule.bound().max(1) as f64;
            result.bounds.insert(workers, bound.max(1.0));
        }
        result
    }
}

/// Geometric means over all blocks that are large enough to matter: of more than 4 Mgas and 4 transactions.
#[derive(Default)]
pub(super) struct Totals {
    large: usize,
    /// For each number of workers, the sums of the logarithms.
    speedups: BTreeMap<usize, f64>,
    bounds: BTreeMap<usize, f64>,
}

impl Totals {
    pub(super) fn add(&mut self, block: &BlockResult, scenario: &Scenario) {
        const GAS: u64 = 4_000_000;
        const TRANSACTIONS: usize = 4;
        if block.gas_used <= GAS || block.transactions <= TRANSACTIONS {
            return;
        }
        self.large += 1;
        for workers in &scenario.workers {
            let workers = workers.get();
            *self.speedups.entry(workers).or_default() += block.speedups[&workers].ln();
            *self.bounds.entry(workers).or_default() += block.bounds[&workers].ln();
        }
    }

    /// How many blocks are large enough.
    pub(super) fn large(&self) -> usize {
        self.large
    }

    pub(super) fn speedups(&self) -> BTreeMap<usize, f64> {
        self.means(&self.speedups)
    }

    /// What no schedule could beat.
    pub(super) fn bounds(&self) -> BTreeMap<usize, f64> {
        self.means(&self.bounds)
    }

    fn means(&self, logarithms: &BTreeMap<usize, f64>) -> BTreeMap<usize, f64> {
        let means = logarithms.iter();
        means
            .map(|(workers, sum)| (*workers, (sum / self.large as f64).exp()))
            .collect()
    }
}
