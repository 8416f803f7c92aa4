//! Block by block: each step on all cores, one after the other.

use std::time::Instant;

use pleach::{CancelToken, ParallelExecutor, VersionedState, pipeline::Node};
use rayon::prelude::*;

use super::{
    Failure,
    node::{PaymentsNode, check},
    store::Slow,
};
use crate::payments::Key;

pub(super) struct OneByOne {
    pub(super) node: PaymentsNode,
    pub(super) state: VersionedState<Key, u64, Slow>,
    pub(super) executor: ParallelExecutor,
    /// How many heights stay in memory.
    pub(super) kept: u64,
}

impl OneByOne {
    /// Executes a block, and says how many payments were made, and when it was final.
    pub(super) fn block(&self, bytes: Vec<u8>) -> Result<(usize, Instant), Failure> {
        let failed = |error| Failure::Block(Box::new(error));
        let mut block = self.node.decode(bytes).map_err(failed)?;
        let payments = block.payments.par_iter().with_min_len(64);
        payments.for_each(|payment| check(payment, self.node.rounds));
        let (made, changes) = {
            let snapshot = self.state.latest();
            let executed =
                self.node
                    .execute(&mut block, &snapshot, &self.executor, &CancelToken::new());
            executed.map_err(failed)?
        };
        let height = self.state.commit(changes);
        let Ok(_) = self.state.persist();
        let end = Instant::now();
        let height = height.saturating_sub(self.kept);
        if height > self.state.first_height() {
            let pruned = self.state.prune(height);
            pruned.map_err(|error| Failure::Block(Box::new(error)))?;
        }
        Ok((made, end))
    }
}
