//! What the tree of a block allows.

use std::num::NonZeroUsize;

use pleach::AccessSet;
use pleach_dtt::{OpenTree, Trust};

use super::Job;
use crate::workloads::Workload;

/// What a key costs, in rounds of work: some 40 ns.
const KEY: u64 = 25;

/// How many rounds of work a microsecond is.
const MICROSECOND: u64 = 625;

/// The cost of all transactions of a block, and of its longest chain.
pub(super) struct Bound {
    total: u64,
    critical_path: u64,
}

impl Bound {
    /// A transaction costs its work, and something for each key that it touches; with what a slow state takes for it.
    /// Nothing if the block is too large for a tree.
    pub(super) fn new<W: Workload>(job: &Job<'_, W>) -> Option<Self> {
        let latency = job.base.latency().as_micros() as u64 * MICROSECOND;
        let mut tree = OpenTree::new();
        let mut costs = Vec::with_capacity(job.block.len());
        let mut set = AccessSet::new();
        for transaction in job.block {
            set.clear();
            job.workload.accesses(transaction, &mut set);
            set.sort();
            let keys = set.entries().len() as u64;
            costs.push(u64::from(job.workload.rounds()) + keys * (KEY + latency));
            tree.push(&set, Trust::Exact).ok()?;
        }
        Some(Self {
            total: costs.iter().sum(),
            critical_path: tree.tree().critical_path(&costs).cost,
        })
    }

    /// No schedule on so many workers is so many times as fast as a loop.
    pub(super) fn speedup(&self, workers: NonZeroUsize) -> f64 {
        let workers = workers.get() as f64;
        match self.critical_path {
            0 => workers,
            critical => workers.min(self.total as f64 / critical as f64),
        }
    }
}
