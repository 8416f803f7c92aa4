//! What the tree of a block allows.

use std::num::NonZeroUsize;

use pleach_dtt::Dtt;

/// The cost of all transactions of a block, and of its longest chain.
pub(crate) struct Bound {
    total: u64,
    critical_path: u64,
}

impl Bound {
    /// Of the tree, and what each of its transactions takes.
    pub(crate) fn new(tree: &Dtt, costs: &[u64]) -> Self {
        Self {
            total: costs.iter().sum(),
            critical_path: tree.critical_path(costs).cost,
        }
    }

    /// No schedule on so many workers is so many times as fast as a loop, if transactions take what they took there.
    pub(crate) fn speedup(&self, workers: NonZeroUsize) -> f64 {
        let workers = workers.get() as f64;
        match self.critical_path {
            0 => workers,
            critical => workers.min(self.total as f64 / critical as f64),
        }
    }
}
