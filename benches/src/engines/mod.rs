//! Every engine on any workload, in turns: how long a block takes on each, beside the plain loop over a hash map.
//!
//! | file | what |
//! | --- | --- |
//! | `plain.rs` | the plain loop, which all others are compared with |
//! | `executors.rs` | the executors of Pleach |
//! | `block_stm.rs`, `bohm.rs` | [`block_stm`](crate::block_stm) and [`bohm`](crate::bohm) on any workload |
//! | `base.rs` | the state that blocks begin on |
//! | `lineup.rs` | the table of engines, and engines with their threads |
//! | `expected.rs` | what must come of a block, and the comparison with what did |
//! | `measure.rs` | a block on all of them: see [`race`](crate::race) |
//!
//! Another engine is another file with an [`Engine`] and what the table says of it (`lineup::Entry`), and a line in that table.

mod base;
mod block_stm;
mod bohm;
mod executors;
mod expected;
mod lineup;
mod measure;
mod plain;
#[cfg(test)]
mod tests;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use pleach::{CancelToken, ExecuteError};

use crate::workloads::{Access, Key, Output, Workload};
pub use base::Base;
pub use executors::Native;
pub(crate) use lineup::OnBlocks;
pub use lineup::{Entrant, Name, lineup};
pub use measure::{Prepared, measure};

/// A way of executing blocks, with the threads and the memory that it keeps from one to the next.
pub trait Engine<W: Workload> {
    /// Executes a block: what [`Job`] says, with the outcome of one transaction after another.
    ///
    /// If the job is cancelled then it ends soon, and what it leaves behind means nothing.
    ///
    /// # Errors
    ///
    /// If the block cannot be executed.
    fn run<'a>(&'a mut self, job: &'a Job<'_, W>) -> Result<Box<dyn Left<W::Value> + 'a>, Fault>;

    /// Makes ready for the same block again: those keys are what it has changed. Not measured.
    fn again(&mut self, _job: &Job<'_, W>, _changed: &[Key]) {}
}

/// Why an engine has not executed a block.
pub type Fault = ExecuteError;

/// What an engine leaves behind. To drop it is a part of executing a block; to look at it is none.
pub trait Left<V> {
    /// What each transaction gave, in their order.
    fn outputs(&self) -> Vec<Output>;

    /// What the block has changed: each key that was written, once, and what it holds now, if anything. An engine that keeps no
    /// list of these says it of the keys that are `asked` for.
    fn changes(&self, asked: &[Key]) -> Vec<(Key, Option<V>)>;

    /// If the job is [counted](Job::is_counted): how long after the beginning of the block each transaction was final.
    /// Nothing means that all are when the block ends.
    fn committed(&self) -> Option<&[Duration]> {
        None
    }
}

/// A block, and all that is needed to execute it.
pub struct Job<'a, W: Workload> {
    /// What transactions mean.
    pub workload: &'a W,
    /// The state that they begin on.
    pub base: &'a Base<W::Table>,
    /// The transactions.
    pub block: &'a [W::Transaction],
    /// To be looked at before each transaction, or a little less often.
    pub cancel: &'a CancelToken,
    /// How often transactions were executed.
    attempts: Option<&'a AtomicUsize>,
}

impl<W: Workload> Job<'_, W> {
    /// Executes a transaction: engines call this, not the workload, so that attempts are counted where they are to be.
    ///
    /// # Errors
    ///
    /// What the state says.
    #[inline]
    pub fn execute<A: Access<W::Value>>(
        &self,
        transaction: &W::Transaction,
        state: &mut A,
    ) -> Result<Output, A::Stop> {
        if let Some(attempts) = self.attempts {
            // ORDERING: it only counts, and is read when all threads are done.
            attempts.fetch_add(1, Ordering::Relaxed);
        }
        self.workload.execute(transaction, state)
    }

    /// The same for engines that cannot be cancelled by themselves: nothing is done for a block that is.
    ///
    /// # Errors
    ///
    /// What the state says.
    #[inline]
    pub fn execute_unless_cancelled<A: Access<W::Value>>(
        &self,
        transaction: &W::Transaction,
        state: &mut A,
    ) -> Result<Output, A::Stop> {
        if self.cancel.is_cancelled() {
            return Ok(None);
        }
        self.execute(transaction, state)
    }

    /// Whether this run is for counting, not for timing: then engines say when transactions are final.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.attempts.is_some()
    }
}
