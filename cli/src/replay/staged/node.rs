//! What the stages do with a block of a file or of a chain.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pleach::{
    CancelToken, Changes, ParallelExecutor, State,
    pipeline::{Executed, Node},
};
use pleach_evm::{
    BlockError, BlockFile, ChainSpec, EvmBlock, EvmNode, EvmState, ExecutedBlock, Key,
    PreparedBlock, Value,
};

use crate::{stopped::is_cancelled, text::with_causes};

/// Blocks of one chain, or blocks that each bring their own state.
pub(super) struct ReplayNode(pub(super) EvmNode);

/// A block, with its place among those that were submitted.
pub(super) struct Work {
    pub(super) place: u64,
    pub(super) block: Incoming,
}

pub(super) enum Incoming {
    /// It is executed on what the one before left.
    OfChain(Box<EvmBlock>),
    /// It brings the state that it is executed on.
    Alone(Box<BlockFile>),
}

/// A block that can be executed, or is known not to be valid.
pub(super) struct Ready {
    place: u64,
    block: Prepared,
}

enum Prepared {
    OfChain(Arc<PreparedBlock<'static>>),
    Alone(Box<EvmState>, Result<Arc<PreparedBlock<'static>>, String>),
}

/// An executed block, and how long that took.
pub(super) struct Done {
    pub(super) executed: ExecutedBlock,
    pub(super) took: Duration,
}

impl Node for ReplayNode {
    type Key = Key;
    type Value = Value;
    type Input = Work;
    type Block = Ready;
    /// Places: what hashes the blocks say that they have is looked at later.
    type Id = u64;
    /// Why not, if it brought its own state: then those after it do not need it.
    type Output = Result<Done, String>;
    type Error = BlockError;

    fn decode(&self, Work { place, block }: Work) -> Result<Ready, BlockError> {
        let block = match block {
            Incoming::OfChain(block) => Prepared::OfChain(self.0.decode(*block)?),
            Incoming::Alone(file) => {
                let BlockFile { spec, block, state } = *file;
                let prepared = prepare(block, &spec);
                Prepared::Alone(Box::new(state), prepared)
            }
        };
        Ok(Ready { place, block })
    }

    fn parent(&self, block: &Ready) -> u64 {
        block.place
    }

    fn id(&self, block: &Ready) -> u64 {
        block.place + 1
    }

    fn keys(&self, block: &Ready) -> Vec<Key> {
        match &block.block {
            Prepared::OfChain(block) => self.0.keys(block),
            Prepared::Alone(..) => Vec::new(),
        }
    }

    fn execute<S: State<Key, Value>>(
        &self,
        block: &mut Ready,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, BlockError> {
        let begun = Instant::now();
        match &mut block.block {
            Prepared::OfChain(block) => {
                let (executed, changes) = self.0.execute(block, state, executor, cancel)?;
                let took = begun.elapsed();
                Ok((Ok(Done { executed, took }), changes))
            }
            Prepared::Alone(_, Err(error)) => Ok((Err(error.clone()), Changes::default())),
            Prepared::Alone(state, Ok(block)) => {
                let state = block.view(state);
                let done = match block.execute_on(executor, &state, None, cancel) {
                    Err(error) if is_cancelled(&error) => return Err(error),
                    Err(error) => Err(with_causes(&error)),
                    Ok(result) => {
                        let block = Arc::clone(block);
                        let executed = ExecutedBlock { block, result };
                        let took = begun.elapsed();
                        Ok(Done { executed, took })
                    }
                };
                Ok((done, Changes::default()))
            }
        }
    }
}

fn prepare(block: EvmBlock, spec: &ChainSpec) -> Result<Arc<PreparedBlock<'static>>, String> {
    let prepared = block.into_prepared(spec);
    prepared.map(Arc::new).map_err(|error| with_causes(&error))
}
