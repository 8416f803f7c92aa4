//! What the transactions of a block touch, and how long they take: what its tree is made of.

use std::time::Duration;

use pleach::{
    Access, AccessSet, CancelToken, ExecuteError, Outcome, SerialExecutor, Trust,
    dtt::{Dtt, OpenTree, TooLarge},
};

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

    /// The tree of a [recording](Self::record), as a hint for whoever executes the block next: see
    /// [`execute_hinted`](Self::execute_hinted). It has the protocol's own steps, too, of which nothing is known.
    ///
    /// # Errors
    ///
    /// If there is more than a tree can hold.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::{CancelToken, ParallelExecutor, Runtime, Strategy, dtt::{Dtt, Limits}};
    /// # let chain = pleach_evm::sample::chain();
    /// # let (block, spec, state) = (&chain.blocks[0], &chain.spec, &chain.genesis);
    /// let prepared = block.prepare(spec)?;
    /// let (expected, accesses) = prepared.record(state, &CancelToken::new())?;
    /// let carried = prepared.tree(&accesses)?.encode();
    ///
    /// let tree = Dtt::decode(&carried, Limits::default())?;
    /// let executor = ParallelExecutor::new(&Runtime::builder().build()?).strategy(Strategy::Optimistic);
    /// let found = prepared.execute_hinted(&executor, state, &tree, &CancelToken::new())?;
    /// assert_eq!(found.receipts, expected.receipts);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tree(&self, accesses: &[AccessSet<Key>]) -> Result<Dtt, TooLarge> {
        let mut open = OpenTree::with_capacity(self.steps().len(), 4 * accesses.len());
        let nothing = AccessSet::new();
        let mut push = |set| open.push(set, Trust::Predicted);
        for _ in 0..self.first_signed() {
            push(&nothing)?;
        }
        for set in accesses.iter().take(self.recovered.len()) {
            push(set)?;
        }
        while open.tree().len() < self.steps().len() {
            open.push(&nothing, Trust::Unknown)?;
        }
        Ok(open.into_tree())
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
