//! Errors that end a block without an outcome.
//!
//! They are the caller's, the state's or the VM's, never a transaction's own failure: that is part of the
//! [`Outcome`](crate::Outcome).

use std::{error::Error, fmt, ops::Bound};

/// An error of a type that the runtime does not know.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// A block could not be executed. Nothing of it counts; the executor can be used again.
#[derive(Debug)]
pub struct ExecuteError {
    block: u64,
    transaction: Option<usize>,
    kind: ExecuteErrorKind,
}

impl ExecuteError {
    pub(crate) fn new(block: u64, transaction: Option<usize>, kind: ExecuteErrorKind) -> Self {
        Self {
            block,
            transaction,
            kind,
        }
    }

    /// The number that the caller gave to the block, 0 if none.
    #[must_use]
    pub fn block(&self) -> u64 {
        self.block
    }

    /// The index of the transaction that was executed when it happened.
    #[must_use]
    pub fn transaction(&self) -> Option<usize> {
        self.transaction
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ExecuteErrorKind {
        &self.kind
    }
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}", self.block)?;
        if let Some(transaction) = self.transaction {
            write!(f, ", transaction {transaction}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl Error for ExecuteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// What ended a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteErrorKind {
    /// The parent state could not answer.
    #[error("the state could not be read")]
    State(#[source] BoxError),
    /// The VM panicked, with this message.
    #[error("the VM panicked: {0}")]
    Panicked(String),
    /// The caller cancelled the block.
    #[error("cancelled")]
    Cancelled,
    /// A transaction whose access set was said to be exact touched something outside it, and
    /// [`OnUndeclared::Abort`](crate::OnUndeclared::Abort) was asked for.
    #[error(transparent)]
    Undeclared(Undeclared),
    /// The VM scanned a range, and the state has no order of keys.
    #[error("the VM scans ranges of keys, and the state does not support that")]
    RangeUnsupported,
    /// The VM returned an [`Interrupt`](crate::Interrupt) that the view of this transaction did not make, such as one
    /// that it had kept from another transaction.
    #[error("the VM returned an interrupt that was not this transaction's")]
    StrayInterrupt,
}

/// An access outside an exact access set.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("undeclared {access} of {key}")]
pub struct Undeclared {
    /// How the key was touched.
    pub access: AccessKind,
    /// The key or the range, in its `Debug` form.
    pub key: String,
}

impl Undeclared {
    pub(crate) fn range<K: fmt::Debug>(from: Bound<&K>, to: Bound<&K>) -> Self {
        Self {
            access: AccessKind::Range,
            key: format!("{from:?}..{to:?}"),
        }
    }
}

/// How a key is touched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AccessKind {
    /// Its value is looked at.
    Read,
    /// A predicate is asked of its value.
    Check,
    /// It is put or deleted.
    Write,
    /// It is added to.
    Add,
    /// A range is scanned.
    Range,
}

impl fmt::Display for AccessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AccessKind::Read => "read",
            AccessKind::Check => "check",
            AccessKind::Write => "write",
            AccessKind::Add => "add",
            AccessKind::Range => "range scan",
        })
    }
}
