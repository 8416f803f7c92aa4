//! What the user of a pipeline brings.

use std::{error::Error, fmt::Debug, hash::Hash};

use crate::{
    cancel::CancelToken,
    parallel::ParallelExecutor,
    state::{Changes, State},
    value::Value,
};

/// What a block comes to: what its submitter gets, and what it changed.
pub type Executed<N> = (
    <N as Node>::Output,
    Changes<<N as Node>::Key, <N as Node>::Value>,
);

/// How the blocks of a node are decoded, checked and executed. The methods are called by several threads, each for another
/// block. [`Pipeline`](super::Pipeline) has an example.
pub trait Node: Send + Sync + 'static {
    /// The keys of the state.
    type Key: Ord + Hash + Clone + Debug + Send + Sync + 'static;
    /// Their values.
    type Value: Value + 'static;
    /// A block as it comes: bytes, for example.
    type Input: Send + 'static;
    /// A block that is decoded.
    type Block: Send + Sync + 'static;
    /// What names a block: its hash, for example.
    type Id: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// What whoever submitted the block gets.
    type Output: Send + 'static;
    /// Why a block is not valid, or cannot be executed.
    type Error: Error + Send + Sync + 'static;

    /// Makes a block of what has come.
    ///
    /// # Errors
    ///
    /// If it is none.
    fn decode(&self, input: Self::Input) -> Result<Self::Block, Self::Error>;

    /// Does what can be done without the state: signatures, for example. Default: nothing.
    ///
    /// # Errors
    ///
    /// If the block is not valid.
    fn check(&self, block: &mut Self::Block) -> Result<(), Self::Error> {
        let _ = block;
        Ok(())
    }

    /// The name of the block that it comes after.
    fn parent(&self, block: &Self::Block) -> Self::Id;

    /// The name of the block.
    fn id(&self, block: &Self::Block) -> Self::Id;

    /// Finds out what can be known before the blocks before have been executed, and keeps it in the block, for [`keys`](Self::keys) and
    /// [`execute`](Self::execute). [`ParallelExecutor::analyse`] makes access sets and a plan where the VM announces what it touches.
    /// Default: nothing.
    fn analyse(&self, block: &mut Self::Block, executor: &ParallelExecutor) {
        let _ = (block, executor);
    }

    /// The keys that it will probably read: they are read from the store while blocks before it execute, if there are
    /// [readers](super::Builder::readers). [`Analysis::keys`](crate::Analysis::keys) has those that a VM announces. Keys that
    /// cannot be read then are read when they are needed. Default: none.
    fn keys(&self, block: &Self::Block) -> Vec<Self::Key> {
        let _ = block;
        Vec::new()
    }

    /// Executes a block on the state that its parent has left. It may take out of it what was made for execution before.
    ///
    /// # Errors
    ///
    /// If it is not valid, or cannot be executed. The chain stays as it is then.
    fn execute<S: State<Self::Key, Self::Value>>(
        &self,
        block: &mut Self::Block,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, Self::Error>;

    /// The block of this height is in the store's record: also one whose ticket had to say that the store cannot take it, once it has.
    /// Called once for each, in the order of the chain. Not called for a block that was reverted before anybody was told of it.
    /// Default: nothing.
    fn committed(&self, height: u64, output: &Self::Output) {
        let _ = (height, output);
    }

    /// The chain in the store's record has gone back to this height: blocks above it, for which [`committed`](Self::committed) was
    /// called, are no longer part of it. Called in turn with that, and only if there are such blocks. Default: nothing.
    fn reverted(&self, height: u64) {
        let _ = height;
    }
}
