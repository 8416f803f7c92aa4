//! What a block comes to.

use std::fmt::{self, Debug};

use crate::{
    error::{BoxError, Undeclared},
    state::Changes,
    times::Times,
    vm::Vm,
};

/// The result of a block: what became of each transaction, the final changes, and statistics.
///
/// It is the same, byte for byte, for every executor, worker count and schedule; only the statistics tell how it was
/// reached.
pub struct Outcome<V: Vm> {
    /// What became of the transactions, in block order. Shorter than the block only if the last entry is
    /// [`TxOutcome::Fatal`]: what follows a fatal transaction was not run.
    pub transactions: Vec<TxOutcome<V::Output, V::Error>>,
    /// The final changes of the executed transactions, in key order. They include those before a fatal transaction.
    pub changes: Changes<V::Key, V::Value>,
    /// How the outcome was reached.
    pub statistics: Statistics,
    /// The keys on which most attempts were wasted, and how many each has cost: the worst first, at most sixteen. Like the
    /// statistics, it differs from run to run.
    pub conflicts: Vec<(V::Key, usize)>,
    /// What took how long, if [`Block::timed`](crate::Block::timed) asked for that.
    pub times: Option<Times>,
}

impl<V: Vm> Outcome<V> {
    /// The outputs in block order, `None` for a transaction that was not executed.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = Option<&V::Output>> {
        self.transactions.iter().map(TxOutcome::output)
    }

    /// The index and the reason of the transaction that makes the block invalid, if there is one.
    #[must_use]
    pub fn fatal(&self) -> Option<(usize, &Reason<V::Error>)> {
        match self.transactions.last() {
            Some(TxOutcome::Fatal(reason)) => Some((self.transactions.len() - 1, reason)),
            _ => None,
        }
    }
}

impl<V: Vm<Output: Debug>> Debug for Outcome<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("transactions", &self.transactions)
            .field("changes", &self.changes)
            .field("statistics", &self.statistics)
            .field("conflicts", &self.conflicts)
            .field("times", &self.times)
            .finish()
    }
}

/// What became of one transaction.
#[derive(Debug)]
#[non_exhaustive]
pub enum TxOutcome<O, E> {
    /// It was executed, and its changes are part of the block's.
    Executed(O),
    /// It left nothing behind, and the block went on without it. Its index stays.
    Skipped(Reason<E>),
    /// It makes the block invalid. The transactions before it stand, those after it were not run.
    Fatal(Reason<E>),
}

impl<O, E> TxOutcome<O, E> {
    /// The output of an executed transaction.
    #[must_use]
    pub fn output(&self) -> Option<&O> {
        match self {
            TxOutcome::Executed(output) => Some(output),
            _ => None,
        }
    }

    /// Why the transaction was not executed.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason<E>> {
        match self {
            TxOutcome::Executed(_) => None,
            TxOutcome::Skipped(reason) | TxOutcome::Fatal(reason) => Some(reason),
        }
    }
}

/// Why a transaction was not executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason<E> {
    /// It failed by its own fault.
    #[error("{0}")]
    Failed(#[source] E),
    /// A [`Rule`](crate::Rule) of the block refused it.
    #[error("{0}")]
    Refused(#[source] BoxError),
    /// It touched a key outside its exact access set.
    #[error("{0}")]
    Undeclared(Undeclared),
    /// An earlier transaction ended the block.
    #[error("the block had ended before it")]
    BlockEnded,
}

/// How an outcome was reached. Unlike the rest of it, this may differ from run to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Transactions that were executed and kept.
    pub executed: usize,
    /// Transactions that were skipped.
    pub skipped: usize,
    /// How often the VM was called. Serially this is at most once a transaction.
    pub attempts: usize,
    /// Attempts that were made again because something that they had seen turned out different.
    pub deceived: usize,
    /// Attempts that were made again because they had been told something of a number (that it is enough, that something can
    /// be added) that was not so when their turn came.
    pub refused: usize,
    /// How often a transaction waited for one before it.
    pub waited: usize,
    /// Transactions that were executed one after another: all of them if the serial executor did it, and those that a
    /// parallel one has left to it.
    pub serial: usize,
    /// Transactions that were executed in [stretches](crate::Strategy::Split), or again when these were put together.
    pub split: usize,
    /// Transactions that were executed in [lanes](crate::Strategy::Lanes), or again when these were put together.
    pub lanes: usize,
    /// Distinct keys that were touched. In lanes those that only attempts in vain have touched count as well, and those that only attempts made
    /// again have touched do not.
    pub keys: usize,
    /// How often the parent state was asked for a value. By a plan this is not counted.
    pub state_reads: usize,
}
