//! What a user writes: a virtual machine that executes one transaction on a view of the state.

use std::{
    error::Error,
    fmt::{self, Debug},
    hash::Hash,
};

use pleach_dtt::{AccessSet, Trust};

use crate::{
    value::{Delta, Value},
    view::StateView,
};

/// A virtual machine: how one transaction is executed.
///
/// Pleach knows nothing of what transactions mean. It gives each of them a view of the state as the transactions before
/// it left it, and collects what it read and changed. The VM itself holds what is the same for all transactions of a
/// block: its context, its rules, its caches. It is shared between workers, hence `Sync`.
///
/// # Examples
///
/// A counter that every transaction moves:
///
/// ```
/// use pleach::{Block, Executor, MemoryState, SerialExecutor, StateView, Stop, Vm};
/// use std::convert::Infallible;
///
/// struct Counter;
///
/// impl Vm for Counter {
///     type Transaction = u64;
///     type Key = &'static str;
///     type Value = u64;
///     type Output = u64;
///     type Error = Infallible;
///     type Scratch = ();
///
///     fn execute<S: StateView<&'static str, u64>>(
///         &self,
///         step: &u64,
///         state: &mut S,
///         _: &mut (),
///     ) -> Result<u64, Stop<Infallible>> {
///         let next = state.get(&"counter")?.unwrap_or(0) + step;
///         state.put(&"counter", next)?;
///         Ok(next)
///     }
/// }
///
/// let state = MemoryState::new();
/// let outcome = SerialExecutor::new().execute(Block::new(&Counter, &state, &[1, 2, 3]))?;
/// assert_eq!(outcome.outputs().collect::<Vec<_>>(), [Some(&1), Some(&3), Some(&6)]);
/// # Ok::<(), pleach::ExecuteError>(())
/// ```
pub trait Vm: Sync {
    /// One transaction of a block.
    type Transaction: Sync;
    /// One location of the state. Its order is the order of [`Outcome::changes`](crate::Outcome::changes) and of range
    /// scans.
    type Key: Ord + Hash + Clone + Debug + Send + Sync;
    /// What a location holds.
    type Value: Value;
    /// What a transaction gives back when it was executed: a receipt, a return value.
    type Output: Send;
    /// Why a transaction could not be executed. It is part of the block's outcome, not an error of the runtime.
    type Error: Error + Send + Sync + 'static;
    /// Buffers that a worker keeps from one transaction to the next, such as an interpreter's stack and memory. Every
    /// worker makes its own, on its own thread, and drops it there; so it need not be `Send`. What it holds must never
    /// change a result.
    type Scratch: Default;

    /// Says which keys `transaction` will touch, as far as that is known without executing it, and how far to trust
    /// that. `set` is empty when this is called. Nothing is known by default.
    ///
    /// A key that the transaction puts or deletes before it looks at it, or adds to it, is just written: it sees its own
    /// value.
    fn accesses(&self, transaction: &Self::Transaction, set: &mut AccessSet<Self::Key>) -> Trust {
        let _ = (transaction, set);
        Trust::Unknown
    }

    /// Says by how much `transaction` will most probably change numbers, as far as that is known without executing it. Nothing
    /// is known by default.
    ///
    /// It is a hint to a parallel executor: until the transaction has run, those after it that only ask something of such a number
    /// ([`StateView::at_least`]), or add to it, are answered as if it had. A wrong hint costs time, never the result.
    fn forecast(
        &self,
        transaction: &Self::Transaction,
        add: &mut dyn FnMut(Self::Key, Delta<<Self::Value as Value>::Amount>),
    ) {
        let _ = (transaction, add);
    }

    /// Names keys by which this transaction probably meets others: two that name the same probably depend on each other. What was named is never
    /// believed; it says whom one worker had better execute one after another, see
    /// [`Strategy::Lanes`](crate::Strategy::Lanes). A few are enough: an account that nearly all of its transactions look at and change, say,
    /// or the contract that is called. The first one is the surest: if a
    /// [tree](crate::Block::tree) came with the block, only that counts. Of a transaction that announces an [access set](Self::accesses) what it names
    /// does not count.
    ///
    /// The default names nothing. This must be fast, it is called for each transaction of a block by one thread.
    fn affinity(&self, transaction: &Self::Transaction, name: &mut dyn FnMut(Self::Key)) {
        let _ = (transaction, name);
    }

    /// Says roughly how much work `transaction` is, compared with others of the block, in any unit: one by default, so that all are
    /// alike. What counts is powers of two.
    ///
    /// It is a hint to a parallel executor, which takes what transactions of similar weight took for what those will take that
    /// come later, in the same block and in the next ones, and decides by that whether several threads pay. Zero says that it is so little
    /// that to execute it beside others would cost more than it gains, whatever the unit: optimism executes it in turn, when all before it
    /// are committed. A wrong hint costs time, never the result. A panic says that nothing is known.
    fn weight(&self, transaction: &Self::Transaction) -> u32 {
        let _ = transaction;
        1
    }

    /// Executes `transaction` on `state`.
    ///
    /// The result must be a function of the transaction and of what `state` answers, and of nothing else: no clock, no
    /// randomness, no iteration over a map with random order. It may be called again for the same transaction, on any
    /// worker, and an optimistic executor may show it a state that no serial run would; then the result is thrown
    /// away, but the call must still come to an end.
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`] says that the transaction could not be executed: none of its changes is kept, and the block
    /// decides what follows ([`OnFailure`](crate::OnFailure)). An [`Interrupt`] from `state` is passed on with `?`.
    ///
    /// # Panics
    ///
    /// A panic is caught and becomes an [`ExecuteError`](crate::ExecuteError) that names the transaction.
    fn execute<S: StateView<Self::Key, Self::Value>>(
        &self,
        transaction: &Self::Transaction,
        state: &mut S,
        scratch: &mut Self::Scratch,
    ) -> Result<Self::Output, Stop<Self::Error>>;
}

/// Why [`Vm::execute`] stopped without an output.
#[derive(Debug)]
pub enum Stop<E> {
    /// The transaction failed by its own fault. Nothing of it is kept.
    Failed(E),
    /// The view could not answer. The runtime knows why.
    Interrupted(Interrupt),
}

impl<E> From<Interrupt> for Stop<E> {
    fn from(interrupt: Interrupt) -> Self {
        Stop::Interrupted(interrupt)
    }
}

/// A view's refusal to answer: the parent state failed, the access was not declared, or this attempt is to be given up.
///
/// Only the runtime makes one. A VM passes it on, and cannot turn it into a result of its own: if it returns anything
/// else after an interrupt, the attempt counts as interrupted all the same.
pub struct Interrupt(());

impl Interrupt {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupt")
    }
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime interrupted the transaction")
    }
}

impl Error for Interrupt {}
