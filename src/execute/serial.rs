//! The plain in-order loop. It is the specification: every other executor must equal it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use pleach_dtt::{AccessSet, Trust};

use super::{
    Executor,
    fold::{Attempt, Fold, Settled},
    lookup::Asked,
    overlay::{Overlay, Trouble},
    record::Recorder,
};
use crate::{
    block::Block,
    cancel::CancelToken,
    error::{ExecuteError, ExecuteErrorKind},
    outcome::{Outcome, Reason},
    rule::OnUndeclared,
    state::State,
    times::{Clock, Spent},
    trace::span,
    view::StateView,
    vm::{Stop, Vm},
};

/// Executes transactions one after another, each on what those before it left.
///
/// It is what all other executors are compared with, and it is fast: on Ethereum blocks it costs no more than a plain
/// loop over the interpreter. It uses the caller's thread only.
#[derive(Clone, Copy, Debug, Default)]
pub struct SerialExecutor(());

impl SerialExecutor {
    /// An executor. It holds nothing: making one is free.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Executor for SerialExecutor {
    fn execute<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Outcome<V>, ExecuteError> {
        self.run(block, &mut None::<&mut Recorder<V::Key>>)
    }
}

/// Stands between the loop and the VM, and may look at what goes by.
pub(crate) trait Observer<V: Vm> {
    fn execute<S: StateView<V::Key, V::Value>>(
        &mut self,
        index: usize,
        vm: &V,
        transaction: &V::Transaction,
        view: &mut S,
        scratch: &mut V::Scratch,
    ) -> Result<V::Output, Stop<V::Error>>;
}

impl SerialExecutor {
    /// Executes `block` before the eyes of `observer`.
    #[expect(clippy::unused_self, reason = "the executor holds nothing yet")]
    pub(crate) fn run<V: Vm, S: State<V::Key, V::Value>>(
        self,
        block: Block<'_, V, S>,
        observer: &mut impl Observer<V>,
    ) -> Result<Outcome<V>, ExecuteError> {
        let clock = block.is_timed.then(Clock::new).map(Box::new);
        let (fold, rest, state) = Rest::of(block, clock);
        let overlay = Overlay::new(state, fold.transactions.len());
        rest.run(fold, overlay, observer)
    }
}

/// What remains of a block once some of its transactions are settled: all of it, or what another executor left.
pub(crate) struct Rest<'a, V> {
    pub(crate) number: u64,
    pub(crate) vm: &'a V,
    pub(crate) on_undeclared: OnUndeclared,
    pub(crate) cancel: Option<CancelToken>,
}

impl<'a, V: Vm> Rest<'a, V> {
    /// All of a block, of which nothing is settled.
    pub(crate) fn of<S>(
        block: Block<'a, V, S>,
        clock: Option<Box<Clock>>,
    ) -> (Fold<'a, V>, Self, &'a S) {
        let Block {
            number,
            vm,
            state,
            transactions,
            rules,
            on_failure,
            on_undeclared,
            on_commit,
            cancel,
            hints: _,
            analysis: _,
            is_timed: _,
        } = block;
        let fold = Fold::new(transactions, rules, on_failure, on_commit, clock);
        let rest = Self {
            number,
            vm,
            on_undeclared,
            cancel,
        };
        (fold, rest, state)
    }

    /// Executes what `fold` has not settled, on what `overlay` has kept.
    pub(crate) fn run<S: State<V::Key, V::Value>>(
        self,
        mut fold: Fold<'_, V>,
        mut overlay: Overlay<'_, V::Key, V::Value, S>,
        observer: &mut impl Observer<V>,
    ) -> Result<Outcome<V>, ExecuteError> {
        self.some(&mut fold, &mut overlay, observer, |_, _| false)?;
        fold.statistics.keys = overlay.keys();
        Ok(fold.finish(overlay.into_changes()))
    }

    /// Executes again those transactions that are settled from `first` on and were kept, for what they have changed.
    pub(crate) fn replay<S: State<V::Key, V::Value>>(
        &self,
        fold: &Fold<'_, V>,
        overlay: &mut Overlay<'_, V::Key, V::Value, S>,
        first: usize,
    ) -> Result<(), ExecuteError> {
        let mut scratch = V::Scratch::default();
        for index in (first..fold.settled()).filter(|index| fold.is_kept(*index)) {
            let transaction = &fold.transactions[index];
            if let Some((next, _)) = fold.next()
                && self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
            {
                let kind = ExecuteErrorKind::Cancelled;
                return Err(ExecuteError::new(self.number, Some(next), kind));
            }
            // It has touched nothing that it may not, or would not have been kept.
            let mut view = Asked(overlay.view(None));
            let again = catch_unwind(AssertUnwindSafe(|| {
                self.vm.execute(transaction, &mut view, &mut scratch)
            }));
            if let Some(Trouble::State(error)) = overlay.take_trouble() {
                let kind = ExecuteErrorKind::State(error);
                return Err(ExecuteError::new(self.number, Some(index), kind));
            }
            match again {
                Ok(Ok(_)) => overlay.commit(),
                _ => overlay.discard(),
            }
        }
        Ok(())
    }

    /// The loop: executes the next transactions, until there is no more, or that `is_enough`, which is asked after each,
    /// and told which it was and how many keys were touched.
    pub(crate) fn some<S: State<V::Key, V::Value>>(
        &self,
        fold: &mut Fold<'_, V>,
        overlay: &mut Overlay<'_, V::Key, V::Value, S>,
        observer: &mut impl Observer<V>,
        mut is_enough: impl FnMut(usize, usize) -> bool,
    ) -> Result<(), ExecuteError> {
        let Self {
            number,
            vm,
            on_undeclared,
            cancel,
        } = self;
        span!("serial", block = *number);
        let mut scratch = V::Scratch::default();
        let mut declared = AccessSet::new();
        let begun = fold.clock.is_some().then(Instant::now);
        let mut executing = Duration::ZERO;

        while let Some((index, transaction)) = fold.next() {
            let fail = |kind| ExecuteError::new(*number, Some(index), kind);
            if cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
                return Err(fail(ExecuteErrorKind::Cancelled));
            }
            if !fold.admit(index, transaction) {
                continue;
            }

            let before = begun.map(|_| Instant::now());
            let attempt = catch_unwind(AssertUnwindSafe(|| {
                declared.clear();
                let exact = vm.accesses(transaction, &mut declared) == Trust::Exact;
                let mut view = Asked(overlay.view(exact.then_some(&mut declared)));
                observer.execute(index, vm, transaction, &mut view, &mut scratch)
            }));
            executing += before.map_or(Duration::ZERO, |before| before.elapsed());
            fold.statistics.attempts += 1;
            fold.statistics.serial += 1;

            // What the view objected to counts, whatever the VM made of it: even a panic.
            let attempt: Attempt<V> = match (overlay.take_trouble(), attempt) {
                (Some(Trouble::Undeclared(undeclared)), _) => match on_undeclared {
                    OnUndeclared::FailTransaction => Err(Reason::Undeclared(undeclared)),
                    OnUndeclared::Abort => {
                        return Err(fail(ExecuteErrorKind::Undeclared(undeclared)));
                    }
                },
                (Some(Trouble::State(error)), _) => {
                    return Err(fail(ExecuteErrorKind::State(error)));
                }
                (Some(Trouble::RangeUnsupported), _) => {
                    return Err(fail(ExecuteErrorKind::RangeUnsupported));
                }
                (None, Err(panic)) => {
                    return Err(fail(ExecuteErrorKind::Panicked(panic_message(&*panic))));
                }
                (None, Ok(Ok(output))) => Ok(output),
                (None, Ok(Err(Stop::Failed(error)))) => Err(Reason::Failed(error)),
                (None, Ok(Err(Stop::Interrupted(_)))) => {
                    return Err(fail(ExecuteErrorKind::StrayInterrupt));
                }
            };
            match fold.settle(index, transaction, attempt) {
                Settled::Keep => overlay.commit(),
                Settled::Discard => overlay.discard(),
            }
            if is_enough(index, overlay.keys()) {
                break;
            }
        }
        let all = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        fold.spent(Spent {
            state_reads: overlay.take_state_reads(),
            all,
            executing,
            // One thread waits for nobody: it is all that is left.
            committing: all.saturating_sub(executing),
            ..Spent::default()
        });
        Ok(())
    }
}

/// The message of a panic, as far as it has one.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(message) = panic.downcast_ref::<&'static str>() {
        (*message).to_owned()
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message.clone()
    } else {
        "no message".to_owned()
    }
}
