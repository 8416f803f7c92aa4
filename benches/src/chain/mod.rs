//! A chain of blocks of payments, from bytes to what is final: in a pipeline, and block by block.
//!
//! | file | what |
//! | --- | --- |
//! | `node.rs` | what a node does with a block, and how blocks are written |
//! | `store.rs` | a store that takes its time |
//! | `one_by_one.rs` | block by block: each step on all cores, one after the other |
//! | `runs.rs` | as fast as it goes, and at a given load |
//! | `overload.rs` | at too much load |

mod node;
mod one_by_one;
mod overload;
mod runs;
mod store;

use std::{
    fmt::{self, Display},
    num::NonZeroUsize,
    time::Duration,
};

use pleach::pipeline::seda_stages::{BuildError, ResponseTargetError};

use crate::{latency::Latency, stopwatch::Run};
pub use node::NodeError;
pub use overload::overload;
pub use runs::measure;

/// A chain, and who executes it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// How many blocks there are.
    pub blocks: usize,
    /// How many payments each has.
    pub transactions: usize,
    /// Between how many accounts: at least two.
    pub accounts: u32,
    /// Of [`work`](crate::payments::work), for each payment when it is executed, and once more when it is checked.
    pub rounds: u32,
    /// How long the store takes for a read.
    pub latency: Duration,
    /// How many threads of the pipeline read ahead, if the store takes its time.
    pub readers: usize,
    /// How many threads execute a block.
    pub workers: NonZeroUsize,
}

impl Case {
    /// How long a read really takes where there is nothing else to do, if it takes any time.
    #[must_use]
    pub fn read(&self) -> Option<Duration> {
        Latency(self.latency).measure()
    }
}

/// Who is told how far it is, and says whether it is to go on.
pub trait Watch {
    /// A run begins.
    fn begins(&self, run: &str);

    /// It has come to another block. If not, it ends, without a result.
    fn goes_on(&self) -> bool;
}

/// How blocks are executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Decoded, checked, executed and kept, before the next one is begun.
    OneByOne,
    /// Several at a time.
    Pipeline,
}

impl Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneByOne => "block by block",
            Self::Pipeline => "pipeline",
        })
    }
}

/// What a chain took.
#[derive(Clone, Debug)]
pub struct Chain {
    /// From the first block to the last.
    pub run: Run,
    /// From when each block came to when it was final, in ascending order.
    pub latencies: Vec<Duration>,
}

impl Chain {
    /// Blocks in a second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.latencies.len() as f64 / self.run.wall.as_secs_f64()
    }

    /// The time that this share of all blocks did not exceed; none if there was no block.
    #[must_use]
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let last = self.latencies.len().checked_sub(1)?;
        let index = (0..=last).find(|index| *index as f64 >= share * last as f64);
        Some(self.latencies[index.unwrap_or(last)])
    }
}

/// What a case takes, by one way of executing it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// By which one.
    pub how: How,
    /// As fast as it goes: the median of all runs.
    pub fast: Chain,
    /// At the load that was asked for, so many blocks a second.
    pub load: f64,
    /// Then.
    pub loaded: Chain,
}

/// What comes of more blocks than a pipeline can take.
#[derive(Clone, Debug)]
pub struct Overload {
    /// Blocks in a second that were offered.
    pub offered: f64,
    /// Blocks in a second that it takes if it is offered no more.
    pub best: f64,
    /// How much of that it takes if it is offered more: the median of all turns.
    pub share: f64,
    /// What was accepted in all turns.
    pub accepted: Chain,
    /// How many were refused.
    pub refused: usize,
    /// What the admission controller was to keep to.
    pub target: Duration,
}

/// Why a case has no result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There are not enough threads.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// There are not enough threads to execute blocks.
    #[error("there are not enough threads")]
    Runtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A block was not executed.
    #[error("a block is not executed")]
    Block(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The target makes no sense.
    #[error(transparent)]
    Target(#[from] ResponseTargetError),
    /// Both ways do not come to the same.
    #[error("the pipeline's {0} are not those of block by block execution")]
    Differ(&'static str),
}
