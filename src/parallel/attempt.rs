//! What an attempt at a transaction comes to.

use std::thread;

use crate::{
    cancel::CancelToken,
    execute::{Attempt, Trouble},
    outcome::Reason,
    rule::OnUndeclared,
    vm::{Stop, Vm},
};

/// What is executed.
pub(super) struct Input<'a, V: Vm, S> {
    pub(super) vm: &'a V,
    pub(super) state: &'a S,
    pub(super) transactions: &'a [V::Transaction],
    pub(super) on_undeclared: OnUndeclared,
    pub(super) cancel: Option<&'a CancelToken>,
}

impl<V: Vm, S> Input<'_, V, S> {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(CancelToken::is_cancelled)
    }
}

/// What an attempt came to.
pub(super) enum Attempted<V: Vm> {
    /// It is as good as a serial one.
    Done(Attempt<V>),
    /// Something that ends a block: the serial executor finds out what.
    Trouble,
}

impl<V: Vm> Attempted<V> {
    /// What it comes to, by what the view objected to and what the VM returned.
    pub(super) fn new(
        trouble: Option<Trouble>,
        returned: thread::Result<Result<V::Output, Stop<V::Error>>>,
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
