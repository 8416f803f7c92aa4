//! Blocks in flight: while one executes, those after it are decoded, checked and their keys read, and the one before is brought
//! to disk.
//!
//! | file | what |
//! | --- | --- |
//! | `node.rs` | [`Node`]: what the user of this brings |
//! | `builder.rs` | settings, and the stages |
//! | `stages.rs` | what each stage does with a block |
//! | `storing.rs` | what reaches the store, and who hears of it |
//! | `error.rs` | [`Failed`]: why a block has no place in the chain |
//!
//! The stages are those of [`seda_stages`], which is a crate of its own: see there for queues, tickets, controllers and what
//! is measured. `decode`, `check`, `analyse` and `prefetch` handle several blocks side by side, in any order. `execute` takes them in the
//! order of submission, one at a time, each on what the one before has left in memory. `persist` writes all blocks together
//! that have come meanwhile.

mod builder;
mod error;
mod node;
mod stages;
mod storing;

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use seda_stages::{Refused, Summary, Ticket};

use crate::{cancel::CancelToken, versioned::VersionedState};

pub use builder::Builder;
pub use error::Failed;
pub use node::{Executed, Node};
pub use seda_stages;
use storing::Storing;

/// What goes in.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<Input, Id> {
    /// A block.
    Block(Input),
    /// The chain goes back to this block: those after it are no longer part of it.
    Revert(Id),
}

/// What comes out: it is in the store's record, unless the chain has been told to go back meanwhile and is recorded as it is after
/// that.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Final<Output> {
    /// A block.
    Block {
        /// Its height.
        height: u64,
        /// What [`Node::execute`] has made of it.
        output: Output,
    },
    /// The chain went back to this height.
    Reverted {
        /// The height.
        height: u64,
    },
}

impl<Output> Final<Output> {
    /// The height of the chain then.
    pub fn height(&self) -> u64 {
        match self {
            Self::Block { height, .. } | Self::Reverted { height } => *height,
        }
    }

    /// What was made of a block.
    pub fn into_output(self) -> Option<Output> {
        match self {
            Self::Block { output, .. } => Some(output),
            Self::Reverted { .. } => None,
        }
    }
}

/// What a ticket is for.
pub type BlockTicket<N> = Ticket<Final<<N as Node>::Output>>;
type EventOf<N> = Event<<N as Node>::Input, <N as Node>::Id>;
type Stages<N> = seda_stages::Pipeline<EventOf<N>, Final<<N as Node>::Output>>;

/// Blocks go in, and come out final and in order.
///
/// A block that has been executed is part of the chain, so from then on its ticket cannot cancel it, nor does it expire.
///
/// A block's parent is the block before it. One that fails takes its successors with it, which then have no
/// [parent](Failed::NotNext), and the pipeline goes on with the next block that has one. Other blocks on the same parent wait
/// until somebody [reverts](Self::revert), or are executed beside the chain, as [`Fork`](crate::Fork)s.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use pleach::pipeline::{Node, Pipeline};
/// use pleach::testkit::{Program, ProgramVm, Step};
/// use pleach::{
///     Block, CancelToken, Changes, ExecuteError, Executor, MemoryState, MemoryStore, ParallelExecutor, Runtime, State,
///     VersionedState,
/// };
///
/// /// Programs that come as a parent, a name and the number that they put.
/// struct Puts;
///
/// impl Node for Puts {
///     type Key = u8;
///     type Value = u64;
///     type Input = (u32, u32, u64);
///     type Block = (u32, u32, [Program; 1]);
///     type Id = u32;
///     type Output = usize;
///     type Error = ExecuteError;
///
///     fn decode(&self, (parent, id, number): Self::Input) -> Result<Self::Block, ExecuteError> {
///         Ok((parent, id, [Program::new([Step::Put(1, number)])]))
///     }
///     fn parent(&self, block: &Self::Block) -> u32 {
///         block.0
///     }
///     fn id(&self, block: &Self::Block) -> u32 {
///         block.1
///     }
///     fn execute<S: State<u8, u64>>(
///         &self,
///         block: &mut Self::Block,
///         state: &S,
///         executor: &ParallelExecutor,
///         cancel: &CancelToken,
///     ) -> Result<(usize, Changes<u8, u64>), ExecuteError> {
///         let outcome = executor.execute(Block::new(&ProgramVm, state, &block.2).cancel(cancel))?;
///         Ok((outcome.transactions.len(), outcome.changes))
///     }
/// }
///
/// let executor = ParallelExecutor::new(&Runtime::builder().build()?);
/// let state = VersionedState::open(MemoryStore::new(MemoryState::new()))?;
/// let pipeline = Pipeline::builder(Puts, state.clone(), 100, executor).build()?;
///
/// let one = pipeline.submit((100, 101, 7))?;
/// let two = pipeline.submit((101, 102, 8))?;
/// let late = pipeline.submit((101, 999, 9))?;
/// assert_eq!((one.wait()?.height(), two.wait()?.height()), (1, 2));
/// assert!(late.wait().is_err());
/// assert_eq!(state.at(1)?.get(&1)?, Some(7));
/// assert_eq!(state.latest().get(&1)?, Some(8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pipeline<N: Node, S> {
    stages: Stages<N>,
    storing: Arc<Storing<N, S>>,
    cancel: CancelToken,
}

impl<N: Node, S> Pipeline<N, S> {
    /// Hands a block in, and waits until there is room for it.
    ///
    /// # Errors
    ///
    /// If the pipeline is closed. The block is given back.
    pub fn submit(&self, block: N::Input) -> Result<BlockTicket<N>, Refused<EventOf<N>>> {
        self.stages.submit(Event::Block(block))
    }

    /// Hands a block in if there is room for it.
    ///
    /// # Errors
    ///
    /// If there is none, or the pipeline is closed. The block is given back.
    pub fn try_submit(&self, block: N::Input) -> Result<BlockTicket<N>, Refused<EventOf<N>>> {
        self.stages.try_submit(Event::Block(block))
    }

    /// Lets the chain go back to a block, when all that was submitted before has been executed.
    ///
    /// Its ticket fails with [`Failed::Unknown`] if that block is not part of the chain then, or too far back.
    ///
    /// # Errors
    ///
    /// If the pipeline is closed.
    pub fn revert(&self, to: N::Id) -> Result<BlockTicket<N>, Refused<EventOf<N>>> {
        self.stages.submit(Event::Revert(to))
    }

    /// The stages: to submit with a deadline or asynchronously, for what is measured, for a timeline.
    #[must_use]
    pub fn stages(&self) -> &Stages<N> {
        &self.stages
    }

    /// The chain. Who changes it beside the pipeline breaks it.
    #[must_use]
    pub fn state(&self) -> &VersionedState<N::Key, N::Value, S> {
        &self.storing.state
    }

    /// Takes no more blocks, waits until those inside are final, and tells what became of all.
    #[expect(
        clippy::must_use_candidate,
        reason = "tickets tell what became of blocks"
    )]
    pub fn drain(&self) -> Summary {
        self.stages.drain()
    }

    /// Takes no more blocks, ends the one that executes, which then fails as [`Failed::Aborted`] if that comes in time, and tells what
    /// became of all. Blocks that have been executed stay part
    /// of the chain, and are in the store's record: their tickets succeed.
    ///
    /// # Errors
    ///
    /// If the store cannot take them.
    pub fn abort(&self) -> Result<Summary, S::Error>
    where
        S: crate::Store<N::Key, N::Value>,
    {
        self.cancel.cancel();
        let summary = self.stages.abort();
        self.storing.store()?;
        self.storing.tell_all();
        Ok(summary)
    }
}

impl<N: Node, S> Drop for Pipeline<N, S> {
    fn drop(&mut self) {
        // The stages wait for what executes.
        self.cancel.cancel();
    }
}

impl<N: Node, S> Debug for Pipeline<N, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("state", &self.storing.state)
            .finish_non_exhaustive()
    }
}
