//! Block-STM as its paper has it, to measure against: Gelashvili, Spiegelman, Xiang, Danezis, Li, Malkhi, Xia, Zhou,
//! "Block-STM: Scaling Blockchain Execution by Turning Ordering Curse to a Performance Blessing", `PPoPP` 2023
//! (arXiv:2203.06871).
//!
//! | file | what it holds | in the paper |
//! | --- | --- | --- |
//! | `executor` | the loop of a worker, the view of a transaction, the outcome | Algorithm 1 |
//! | `memory` | all versions of each location, what each transaction read and wrote | Algorithms 2 and 3 |
//! | `scheduler` | which transaction is executed or validated next | Algorithms 4 and 5 |
//!
//! A transaction executes against the highest lower transaction's writes that are there, and its reads are compared
//! with them again afterwards (validated), in the order of the block as far as that is possible. If one of them has
//! changed then it is aborted: its writes become estimates, and it is executed again, as its next *incarnation*. Who reads an
//! estimate waits for that transaction.
//!
//! The names of procedures are the paper's. The algorithm is the paper's too, step by step: nothing is predicted, and
//! nobody is told about a changed value but by a validation. What is chosen here is what the paper leaves open:
//!
//! * the map of versions is split into many small hash tables with a lock each, keys are hashed once, and the versions of a
//!   location are a sorted array, which nearly always grows at its end;
//! * the status and the incarnation of a transaction are one atomic word instead of a pair under a mutex;
//! * what a transaction read and wrote last is behind a reader-writer lock instead of read-copy-update;
//! * a worker that finds no task a few times lets other threads have its core;
//! * each task is counted off `num_active_tasks` just once, also one that cannot begin;
//! * a panic in a transaction ends the block on all workers.

mod executor;
mod memory;
mod scheduler;

use std::hash::Hash;

pub use executor::{BlockStm, Outcome};

/// What transactions mean.
///
/// A transaction may see values that fit no order of transactions, and must then still come to an end. What it does
/// follows from the transaction and from what it reads, and from nothing else.
pub trait Program: Sync {
    /// A transaction of a block.
    type Transaction: Sync;
    /// The name of a location.
    type Key: Clone + Eq + Hash + Send + Sync;
    /// What a location holds.
    type Value: Clone + Send + Sync;
    /// What a transaction gives beside its writes.
    type Output: Send + Sync;

    /// Executes a transaction.
    ///
    /// # Errors
    ///
    /// The error of a read, which is to be passed on at once.
    fn execute<A: Access<Self::Key, Self::Value>>(
        &self,
        transaction: &Self::Transaction,
        state: &mut A,
    ) -> Result<Self::Output, Blocked>;
}

/// How a transaction reads and writes.
pub trait Access<K, V> {
    /// The value of a location: what this transaction wrote, or else what the transactions before it left.
    ///
    /// # Errors
    ///
    /// If the value is known to be about to change.
    fn read(&mut self, key: &K) -> Result<Option<V>, Blocked>;

    /// Writes a location. Others see it once the transaction is done.
    fn write(&mut self, key: K, value: V);
}

/// A read must wait for this transaction of the block, which will probably write the location again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked(u32);

/// One execution of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    transaction: u32,
    incarnation: u32,
}
