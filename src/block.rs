//! One block to execute: its transactions, and how its caller wants them treated.

use std::fmt::{self, Debug};

use pleach_dtt::{AccessSet, Dtt};

use crate::{
    cancel::CancelToken,
    outcome::TxOutcome,
    parallel::Analysis,
    rule::{OnFailure, OnUndeclared, Rule},
    vm::Vm,
};

/// Called for each transaction when its outcome is final.
pub(crate) type OnCommit<'a, V> =
    Box<dyn FnMut(usize, &TxOutcome<<V as Vm>::Output, <V as Vm>::Error>) + Send + 'a>;

/// An ordered list of transactions, the VM that executes them and the state that they start from, with the options of
/// this block. Give it to an [`Executor`](crate::Executor).
///
/// # Examples
///
/// ```
/// use pleach::testkit::{Program, ProgramVm, Step};
/// use pleach::{Block, CancelToken, Executor, MemoryState, OnFailure, SerialExecutor};
///
/// let state = MemoryState::new();
/// let transactions = [Program::new([Step::Put(1, 7)]), Program::new([Step::Get(1)])];
/// let cancel = CancelToken::new();
/// let mut done = 0;
/// let outcome = SerialExecutor::new().execute(
///     Block::new(&ProgramVm, &state, &transactions)
///         .number(17)
///         .on_failure(OnFailure::Fatal)
///         .cancel(&cancel)
///         .on_commit(|_, _| done += 1),
/// )?;
/// assert_eq!(outcome.changes.get(&1), Some(Some(&7)));
/// drop(outcome);
/// assert_eq!(done, 2);
/// # Ok::<(), pleach::ExecuteError>(())
/// ```
#[must_use = "a block does nothing until an executor gets it"]
pub struct Block<'a, V: Vm, S> {
    pub(crate) number: u64,
    pub(crate) vm: &'a V,
    pub(crate) state: &'a S,
    pub(crate) transactions: &'a [V::Transaction],
    pub(crate) rules: Vec<Box<dyn Rule<V> + 'a>>,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_undeclared: OnUndeclared,
    pub(crate) on_commit: Option<OnCommit<'a, V>>,
    pub(crate) cancel: Option<CancelToken>,
    pub(crate) hints: Hints<'a, V::Key>,
    pub(crate) analysis: Option<Analysis<V>>,
    pub(crate) is_timed: bool,
}

/// What somebody has found out about a block before. Never believed.
pub(crate) struct Hints<'a, K> {
    pub(crate) predicted: &'a [AccessSet<K>],
    pub(crate) tree: Option<&'a Dtt>,
}

impl<'a, V: Vm, S> Block<'a, V, S> {
    /// A block of `transactions` to be executed by `vm` on `state`.
    pub fn new(vm: &'a V, state: &'a S, transactions: &'a [V::Transaction]) -> Self {
        Self {
            number: 0,
            vm,
            state,
            transactions,
            rules: Vec::new(),
            on_failure: OnFailure::default(),
            on_undeclared: OnUndeclared::default(),
            on_commit: None,
            cancel: None,
            hints: Hints {
                predicted: &[],
                tree: None,
            },
            analysis: None,
            is_timed: false,
        }
    }

    /// The number that errors name the block by. Default: 0.
    pub fn number(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    /// Adds a block-wide rule. Rules are asked in the order in which they were added. Default: none.
    pub fn rule(mut self, rule: impl Rule<V> + 'a) -> Self {
        self.rules.push(Box::new(rule));
        self
    }

    /// What becomes of the block when a transaction fails by its own fault. Default: [`OnFailure::Skip`].
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// What becomes of a transaction that touches a key outside its exact access set. Default:
    /// [`OnUndeclared::FailTransaction`].
    pub fn on_undeclared(mut self, on_undeclared: OnUndeclared) -> Self {
        self.on_undeclared = on_undeclared;
        self
    }

    /// Calls `on_commit` with the index and the outcome of each transaction, in block order, as soon as it is final:
    /// before the block ends. If the block then ends with an error, what was streamed does not count either.
    pub fn on_commit(
        mut self,
        on_commit: impl FnMut(usize, &TxOutcome<V::Output, V::Error>) + Send + 'a,
    ) -> Self {
        self.on_commit = Some(Box::new(on_commit));
        self
    }

    /// Ends the block when `token` is cancelled.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// Says what the transactions will probably touch, in block order: as a recording of the block, or its proposer, has it.
    /// It takes the place of what the VM predicts, but not of what it knows exactly. Default: nothing.
    ///
    /// Where the VM announces sets itself and that makes them all known, a [`ParallelExecutor`](crate::ParallelExecutor) plans the
    /// block by them; otherwise they steer optimistic execution. Left to [choose](crate::Strategy::Auto), it does without them if to
    /// look at them would take more than a twentieth of the work. They are never believed: if one is wrong, or there are too few or
    /// too many, that costs time, not the result.
    pub fn predicted(mut self, accesses: &'a [AccessSet<V::Key>]) -> Self {
        self.hints.predicted = accesses;
        self
    }

    /// Says which transactions probably depend on which others: as the tree says that came with the block. An optimistic
    /// executor then lets each transaction wait for its parent. Default: nothing.
    ///
    /// It is a hint as well, see [`predicted`](Self::predicted). A tree of another number of transactions is not looked at.
    pub fn tree(mut self, tree: &'a Dtt) -> Self {
        self.hints.tree = Some(tree);
        self
    }

    /// Brings what was [found out](crate::ParallelExecutor::analyse) about the same transactions beforehand, with the same VM, so that
    /// it need not be found out again. Default: nothing. It is of use to a [`ParallelExecutor`](crate::ParallelExecutor), and to others
    /// nothing.
    ///
    /// The analysis takes the place of what the VM would say now, so unlike hints it is believed: if it was made of other transactions,
    /// those that touch what it does not name fail as [undeclared](OnUndeclared). One of another number of transactions is not
    /// looked at.
    pub fn analysed(mut self, analysis: Analysis<V>) -> Self {
        self.analysis = Some(analysis);
        self
    }

    /// Measures what the time goes into, and when transactions are committed: see [`Times`](crate::Times). That itself
    /// takes some time for each transaction. Default: it is not measured.
    pub fn timed(mut self) -> Self {
        self.is_timed = true;
        self
    }
}

impl<V: Vm, S> Debug for Block<'_, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("number", &self.number)
            .field("transactions", &self.transactions.len())
            .field("rules", &self.rules.len())
            .field("on_failure", &self.on_failure)
            .field("on_undeclared", &self.on_undeclared)
            .field("predicted", &self.hints.predicted.len())
            .field("has_tree", &self.hints.tree.is_some())
            .field("is_analysed", &self.analysis.is_some())
            .field("is_timed", &self.is_timed)
            .finish_non_exhaustive()
    }
}
