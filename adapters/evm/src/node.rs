//! Ethereum blocks in a [`Pipeline`](pleach::Pipeline).

use std::sync::Arc;

use alloy_hardforks::EthereumHardforks;
use alloy_primitives::B256;
use pleach::{
    CancelToken, Changes, ParallelExecutor, State,
    pipeline::{Executed, Node},
};

use crate::{
    block::{BlockError, EvmBlock, PreparedBlock},
    key::Key,
    receipt::BlockResult,
    spec::ChainSpec,
    store::is_clearing_after,
    value::Value,
};

/// What becomes of a block: ready for execution, and executed.
#[derive(Clone, Debug)]
pub struct ExecutedBlock {
    /// The block.
    pub block: Arc<PreparedBlock<'static>>,
    /// What came of it.
    pub result: BlockResult,
}

/// The blocks of an Ethereum chain for a [`Pipeline`](pleach::Pipeline): senders are recovered while blocks before execute, and if
/// there are readers, what their [keys](PreparedBlock::expected_keys) hold is read.
///
/// It does not compare a block with its header, which takes longer than many a block: who has the output calls
/// [`check`](crate::check) while the next block executes, and reverts what does not hold.
///
/// # Examples
///
/// ```
/// use pleach::{ParallelExecutor, Pipeline, Runtime, VersionedState};
/// use pleach_evm::{EvmNode, EvmStore, check, sample};
///
/// let chain = sample::chain();
/// let parent = chain.blocks[0].header.parent_hash;
/// let node = EvmNode::new(chain.spec.clone(), 0);
/// let state = VersionedState::open(EvmStore::new(chain.genesis, 0, &chain.spec))?;
/// let executor = ParallelExecutor::new(&Runtime::builder().build()?);
/// let pipeline = Pipeline::builder(node, state, parent, executor).build()?;
///
/// let tickets: Vec<_> = chain
///     .blocks
///     .into_iter()
///     .take(3)
///     .map(|block| pipeline.submit(block))
///     .collect::<Result<_, _>>()?;
/// for ticket in tickets {
///     let executed = ticket.wait()?.into_output().expect("this is a block");
///     for check in check(&executed.block, &executed.result, None) {
///         assert_ne!(check.result.passed(), Some(false), "{check:?}");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EvmNode {
    spec: Arc<ChainSpec>,
    /// Whether empty accounts do not exist.
    clearing: bool,
}

impl EvmNode {
    /// For the blocks after the one with this number, as far as an [`EvmStore`](crate::EvmStore) goes with them.
    pub fn new(spec: impl Into<Arc<ChainSpec>>, number: u64) -> Self {
        let spec = spec.into();
        Self {
            clearing: is_clearing_after(number, &spec),
            spec,
        }
    }

    /// Whether a block with this number is on the same side of EIP-161.
    #[must_use]
    pub fn takes(&self, number: u64) -> bool {
        self.spec.is_spurious_dragon_active_at_block(number) == self.clearing
    }
}

impl Node for EvmNode {
    type Key = Key;
    type Value = Value;
    type Input = EvmBlock;
    type Block = Arc<PreparedBlock<'static>>;
    type Id = B256;
    type Output = ExecutedBlock;
    type Error = BlockError;

    fn decode(&self, block: EvmBlock) -> Result<Self::Block, BlockError> {
        let number = block.header.number;
        if !self.takes(number) {
            return Err(BlockError::OtherSide { number });
        }
        Ok(Arc::new(block.into_prepared(&self.spec)?))
    }

    fn parent(&self, block: &Self::Block) -> B256 {
        block.block().header.parent_hash
    }

    fn id(&self, block: &Self::Block) -> B256 {
        block.block().hash
    }

    fn keys(&self, block: &Self::Block) -> Vec<Key> {
        block.expected_keys()
    }

    fn execute<S: State<Key, Value>>(
        &self,
        block: &mut Self::Block,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, BlockError> {
        let result = block.execute_on(executor, state, None, cancel)?;
        let number = block.block().header.number;
        let hash = (
            Key::BlockHash(number),
            Some(Value::Hash(block.block().hash.into())),
        );
        let changes: Changes<_, _> = result.changes.iter().cloned().chain([hash]).collect();
        let block = Arc::clone(block);
        Ok((ExecutedBlock { block, result }, changes))
    }
}
