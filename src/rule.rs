//! Rules of a whole block: which transactions it takes, and where it ends.
//!
//! Such rules look at transactions one after another in block order, over the prefix that is already settled. They never
//! see an attempt that is thrown away, so they cannot depend on timing.

use crate::{error::BoxError, vm::Vm};

/// A block-wide rule, as a fold over the transactions in block order.
///
/// For each transaction all rules of the block are asked first ([`admit`](Self::admit) before it counts as executed,
/// [`settle`](Self::settle) with its output), in the order in which they were given, until one does not say
/// [`Verdict::Include`]. Only if the transaction is included do they all [`record`](Self::record) it.
///
/// A parallel executor may have run a transaction before it asks `admit`, and throws the result away if the rule
/// refuses.
pub trait Rule<V: Vm>: Send {
    /// Whether `transaction` may be executed, by what is known without executing it.
    fn admit(&self, index: usize, transaction: &V::Transaction) -> Verdict {
        let _ = (index, transaction);
        Verdict::Include
    }

    /// Whether `transaction` may be kept, now that its output is known.
    fn settle(&self, index: usize, transaction: &V::Transaction, output: &V::Output) -> Verdict {
        let _ = (index, transaction, output);
        Verdict::Include
    }

    /// Takes note of a transaction that is part of the block.
    fn record(&mut self, index: usize, transaction: &V::Transaction, output: &V::Output) {
        let _ = (index, transaction, output);
    }
}

/// What a [`Rule`] says of a transaction.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It belongs to the block.
    Include,
    /// It belongs to the block and is the last one: those after it are skipped.
    IncludeLast,
    /// It is left out, the block goes on.
    Skip(BoxError),
    /// It is left out, and so are all after it.
    SkipRest(BoxError),
    /// It makes the block invalid.
    Fatal(BoxError),
}

/// What becomes of a block in which a transaction fails by its own fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum OnFailure {
    /// The transaction is skipped, the block goes on. The default, and what a block builder wants.
    #[default]
    Skip,
    /// The transaction and all after it are skipped.
    SkipRest,
    /// The block is invalid. What a validator wants, where only whole blocks are right or wrong.
    Fatal,
}

/// What becomes of a transaction that touches a key outside its [exact](crate::Trust::Exact) access set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum OnUndeclared {
    /// It counts as failed by its own fault, see [`OnFailure`]. The default.
    #[default]
    FailTransaction,
    /// The block ends with [`ExecuteErrorKind::Undeclared`](crate::ExecuteErrorKind::Undeclared): for VMs that compute
    /// their access sets themselves, where one that is too small is a bug.
    Abort,
}

/// A limit on the sum of a weight (gas, size, time) over the transactions of a block.
///
/// A transaction enters if its reserved weight still fits; then its used weight is added. With [`Over::Fatal`] this is
/// Ethereum's rule for gas, with [`Over::Skip`] that of a builder who tries smaller transactions.
///
/// # Examples
///
/// ```
/// use pleach::testkit::{Program, ProgramVm, Step};
/// use pleach::{Block, Executor, MemoryState, Over, SerialExecutor, WeightLimit};
///
/// let state = MemoryState::new();
/// let transactions = [Program::new([Step::Put(1, 1)]), Program::new([Step::Get(1), Step::Get(2)])];
/// let limit = WeightLimit::new(2, |program: &Program| program.steps.len() as u64);
/// let block = Block::new(&ProgramVm, &state, &transactions).rule(limit.over(Over::SkipRest));
/// let outcome = SerialExecutor::new().execute(block)?;
/// assert_eq!(
///     outcome.transactions[1].reason().unwrap().to_string(),
///     "its weight of 2 is more than the 1 that the block has left"
/// );
/// # Ok::<(), pleach::ExecuteError>(())
/// ```
pub struct WeightLimit<T, O> {
    remaining: u64,
    reserved: fn(&T) -> u64,
    used: Option<fn(&T, &O) -> u64>,
    over: Over,
}

/// What becomes of a transaction that exceeds a [`WeightLimit`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Over {
    /// It is left out, the block goes on with those that fit. The default.
    #[default]
    Skip,
    /// It and all after it are left out.
    SkipRest,
    /// It makes the block invalid.
    Fatal,
}

/// A transaction would take a block past its [`WeightLimit`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("its weight of {wanted} is more than the {remaining} that the block has left")]
pub struct LimitExceeded {
    /// The weight of the transaction.
    pub wanted: u64,
    /// What the transactions before it left of the limit.
    pub remaining: u64,
}

impl<T, O> WeightLimit<T, O> {
    /// A limit on the sum of `reserved`, in whatever unit that is.
    #[must_use]
    pub fn new(limit: u64, reserved: fn(&T) -> u64) -> Self {
        Self {
            remaining: limit,
            reserved,
            used: None,
            over: Over::default(),
        }
    }

    /// Counts `used`, which knows the output, once a transaction is included. Default: what was reserved. If it is
    /// more than what was reserved, and more than what is left, the transaction exceeds the limit after all.
    #[must_use]
    pub fn used(mut self, used: fn(&T, &O) -> u64) -> Self {
        self.used = Some(used);
        self
    }

    /// What becomes of a transaction that exceeds the limit. Default: [`Over::Skip`].
    #[must_use]
    pub fn over(mut self, over: Over) -> Self {
        self.over = over;
        self
    }

    fn check(&self, wanted: u64) -> Verdict {
        let remaining = self.remaining;
        if wanted <= remaining {
            return Verdict::Include;
        }
        let error = Box::new(LimitExceeded { wanted, remaining });
        match self.over {
            Over::Skip => Verdict::Skip(error),
            Over::SkipRest => Verdict::SkipRest(error),
            Over::Fatal => Verdict::Fatal(error),
        }
    }

    fn weight(&self, transaction: &T, output: &O) -> u64 {
        match self.used {
            Some(used) => used(transaction, output),
            None => (self.reserved)(transaction),
        }
    }
}

impl<V: Vm> Rule<V> for WeightLimit<V::Transaction, V::Output> {
    fn admit(&self, _: usize, transaction: &V::Transaction) -> Verdict {
        self.check((self.reserved)(transaction))
    }

    fn settle(&self, _: usize, transaction: &V::Transaction, output: &V::Output) -> Verdict {
        self.check(self.weight(transaction, output))
    }

    fn record(&mut self, _: usize, transaction: &V::Transaction, output: &V::Output) {
        self.remaining = self
            .remaining
            .saturating_sub(self.weight(transaction, output));
    }
}
