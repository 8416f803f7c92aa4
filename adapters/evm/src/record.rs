//! What the transactions of a block touch, and how long they take: what its tree is made of.

use std::time::Duration;

use pleach::{Access, AccessSet, CancelToken, ExecuteError, Outcome, SerialExecutor};

use crate::{
    block::{BlockError, PreparedBlock},
    key::Key,
    receipt::BlockResult,
    state::EvmState,
    vm::BlockVm,
};

impl PreparedBlock<'_> {
    /// Executes the block on `state`, and records what each of its transactions touches. The protocol's own steps are
    /// left out.
    ///
    /// The sets are predictions, [`Trust::Predicted`](pleach::Trust::Predicted): on another state, the same transactions
    /// may touch something else. What a sender's own transactions find its nonce to be is not in them, as each of them
    /// says it itself.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn record(
        &self,
        state: &EvmState,
        cancel: &CancelToken,
    ) -> Result<(BlockResult, Vec<AccessSet<Key>>), BlockError> {
        let state = self.view(state);
        let block = self.to_pleach(&state).cancel(cancel);
        let (result, sets) = self.watched(SerialExecutor::new().record(block))?;
        let senders = self.recovered.iter();
        let sets = sets
            .into_iter()
            .zip(senders)
            .map(|(mut set, sender)| {
                let nonce = Key::nonce(*sender);
                set.retain(|key, access| {
                    if *key == nonce {
                        *access = access.without(Access::READ).without(Access::CHECK);
                    }
                    !access.is_none()
                });
                set
            })
            .collect();
        Ok((result, sets))
    }

    /// Executes the block on `state`, and measures how long each of its transactions takes. The protocol's own steps are
    /// left out.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn time(
        &self,
        state: &EvmState,
        cancel: &CancelToken,
    ) -> Result<(BlockResult, Vec<Duration>), BlockError> {
        let state = self.view(state);
        let block = self.to_pleach(&state).cancel(cancel);
        self.watched(SerialExecutor::new().time(block))
    }

    /// The result of a watched run, and what was seen of the signed transactions.
    fn watched<T>(
        &self,
        run: Result<(Outcome<BlockVm>, Vec<T>), ExecuteError>,
    ) -> Result<(BlockResult, Vec<T>), BlockError> {
        let (outcome, mut seen) = run.map_err(|error| self.locate(error))?;
        let result = self.finish(outcome)?;
        seen.truncate(self.first_signed() + self.recovered.len());
        Ok((result, seen.split_off(self.first_signed())))
    }
}
