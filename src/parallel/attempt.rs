//! Attempts at transactions: what they need, and what they come to.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use pleach_dtt::{AccessSet, Trust};

use crate::{
    block::Hints,
    cancel::CancelToken,
    execute::{Attempt, Pen, Trouble},
    outcome::Reason,
    rule::OnUndeclared,
    value::{Delta, Value},
    view::StateView,
    vm::{Stop, Vm},
};

/// What is executed.
pub(super) struct Input<'a, V: Vm, S> {
    pub(super) vm: &'a V,
    pub(super) state: &'a S,
    pub(super) transactions: &'a [V::Transaction],
    pub(super) on_undeclared: OnUndeclared,
    pub(super) cancel: Option<&'a CancelToken>,
    pub(super) hints: Hints<'a, V::Key>,
    /// Whether what transactions touch is to be written down.
    pub(super) is_recording: bool,
    /// Whether the caller wants to know what took how long.
    pub(super) is_timed: bool,
}

/// What transactions touch, if it is written down.
pub(super) type Touched<V> = Option<Box<AccessSet<<V as Vm>::Key>>>;

/// What a worker keeps from one transaction to the next.
pub(super) struct Tools<V: Vm> {
    scratch: V::Scratch,
    pen: Option<Pen<V::Key>>,
}

impl<V: Vm> Tools<V> {
    pub(super) fn new<S>(input: &Input<'_, V, S>) -> Self {
        Self {
            scratch: V::Scratch::default(),
            pen: input.is_recording.then(Pen::new),
        }
    }

    /// Executes a transaction, and catches its panic.
    pub(super) fn execute(
        &mut self,
        vm: &V,
        transaction: &V::Transaction,
        view: &mut impl StateView<V::Key, V::Value>,
    ) -> (Returned<V>, Touched<V>) {
        let Self { scratch, pen } = self;
        let mut touched = pen.is_some().then(Box::default);
        let returned = catch_unwind(AssertUnwindSafe(|| match (pen, &mut touched) {
            (Some(pen), Some(touched)) => pen.execute(touched, vm, transaction, view, scratch),
            _ => vm.execute(transaction, view, scratch),
        }));
        if returned.is_err() {
            // A panic may have left anything there.
            self.scratch = V::Scratch::default();
        }
        (returned, touched)
    }
}

/// Asks what a transaction may touch: whether that is exact. `None` if the VM panics, which it does in the serial executor too, which knows
/// what to say.
pub(super) fn declare<V: Vm, S>(
    input: &Input<'_, V, S>,
    transaction: &V::Transaction,
    declared: &mut AccessSet<V::Key>,
) -> Option<bool> {
    let exact = catch_unwind(AssertUnwindSafe(|| {
        declared.clear();
        let exact = input.vm.accesses(transaction, declared) == Trust::Exact;
        if exact {
            declared.sort();
        }
        exact
    }));
    exact.ok()
}

/// Asks a VM what a transaction will add to numbers. The serial executor does not: a panic is no more than a forecast that is not
/// there.
pub(super) fn forecast<V: Vm>(
    vm: &V,
    transaction: &V::Transaction,
    mut add: impl FnMut(V::Key, Delta<<V::Value as Value>::Amount>),
) {
    let _ = catch_unwind(AssertUnwindSafe(|| vm.forecast(transaction, &mut add)));
}

/// What a VM returned, or the panic instead.
pub(super) type Returned<V> = thread::Result<Result<<V as Vm>::Output, Stop<<V as Vm>::Error>>>;

impl<V: Vm, S> Input<'_, V, S> {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(CancelToken::is_cancelled)
    }
}

/// What an attempt came to.
pub(super) enum Attempted<V: Vm> {
    /// It is as good as a serial one.
    Done(Attempt<V>),
    /// It wanted something that its predicted set does not have, so nobody knows what it would come to.
    Left,
    /// Something that ends a block: the serial executor finds out what.
    Trouble,
}

impl<V: Vm> Attempted<V> {
    /// What it comes to, by what the view objected to and what the VM returned.
    pub(super) fn new(
        trouble: Option<Trouble>,
        returned: Returned<V>,
        on_undeclared: OnUndeclared,
    ) -> Self {
        match (trouble, returned) {
            (Some(Trouble::Undeclared(undeclared)), Ok(_))
                if on_undeclared == OnUndeclared::FailTransaction =>
            {
                Attempted::Done(Err(Reason::Undeclared(undeclared)))
            }
            (None, Ok(Ok(output))) => Attempted::Done(Ok(output)),
            (None, Ok(Err(Stop::Failed(error)))) => Attempted::Done(Err(Reason::Failed(error))),
            _ => Attempted::Trouble,
        }
    }

    /// Whether its changes are to be seen by others.
    pub(super) fn leaves_changes(&self) -> bool {
        matches!(self, Attempted::Done(Ok(_)))
    }
}
