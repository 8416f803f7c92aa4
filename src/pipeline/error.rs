//! Why a block has no place in the chain.

use std::{error::Error, fmt::Debug};

use seda_stages::{EventError, EventErrorKind};

use crate::{error::BoxError, versioned::HeightError};

/// What a stage says of a block that failed. A ticket's [`EventError`] has it inside: see [`of`](Self::of).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failed<Id: Debug, E: Error + 'static> {
    /// It cannot be decoded, is not valid, or cannot be executed.
    #[error(transparent)]
    Node(E),
    /// The chain does not end with its parent: that has failed, or never came, or another block has come after it.
    #[error("its parent is {parent:?}, but the chain ends with {latest:?}")]
    NotNext {
        /// The block that it is to come after.
        parent: Id,
        /// The block that the chain ends with.
        latest: Id,
    },
    /// The chain cannot go back to this block, which is not part of it, or too far back.
    #[error("{id:?} is not among the blocks that the chain can go back to")]
    Unknown {
        /// The block.
        id: Id,
    },
    /// The chain cannot go back so far.
    #[error(transparent)]
    Height(HeightError),
    /// It was not executed to its end, because the pipeline is [aborted](super::Pipeline::abort).
    #[error("the pipeline was aborted while the block was executed")]
    Aborted,
    /// It was not executed, because the store has failed for long, and still does: what it has not taken fills memory up to
    /// [what may be kept](super::Builder::kept). It is asked again for the next block.
    #[error("the store has not taken {heights} heights, and still cannot")]
    StoreBehind {
        /// How many heights it should have taken.
        heights: u64,
        /// Why it cannot.
        #[source]
        cause: BoxError,
    },
    /// The block is part of the chain, in memory, but the store cannot take it. It will be asked again for the next block; if that
    /// becomes final, this one has become so too, and [`Node::committed`](super::Node::committed) is called for it then.
    #[error("the block is executed, but the store cannot take it")]
    NotStored(#[source] std::sync::Arc<dyn Error + Send + Sync>),
}

impl<Id, E> Failed<Id, E>
where
    Id: Debug + Send + Sync + 'static,
    E: Error + Send + Sync + 'static,
{
    /// Why the event failed, if a stage said so: not if it was cancelled, say, or a handler panicked.
    #[must_use]
    pub fn of(error: &EventError) -> Option<&Self> {
        match error.kind() {
            EventErrorKind::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}
