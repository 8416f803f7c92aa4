#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! | you want to | look at |
//! | --- | --- |
//! | write a VM | [`Vm`], [`StateView`], [`Stop`], [`Value`] |
//! | bring a state | [`State`], [`MemoryState`] |
//! | execute a block | [`Block`], [`Executor`], [`SerialExecutor`], [`Outcome`] |
//! | execute it on several threads | [`Runtime`], [`ParallelExecutor`], [`Strategy`] |
//! | keep states by height, and forks | `VersionedState` (feature `versioned`) |
//! | have blocks in flight, from bytes to what is on disk | `Pipeline` (feature `pipeline`) |
//! | limit a block | [`Rule`], [`WeightLimit`], [`OnFailure`] |
//! | say what a transaction will touch | [`AccessSet`], [`Trust`], [`dtt`] |
//! | find out what it touched | [`SerialExecutor::record`], [`ParallelExecutor::record`] |
//! | know what took how long | [`Block::timed`], [`Statistics`], [`SerialExecutor::time`] |
//! | tell what was found out before | [`Block::predicted`], [`Block::tree`] |
//! | know why a block failed | [`ExecuteError`] |
//! | find out whether a VM is deterministic | `determinism`, `schedules` (features of these names) |
//! | test an executor or a state | `testkit` (feature of that name) |

mod block;
mod cancel;
#[cfg(feature = "determinism")]
pub mod determinism;
mod error;
mod execute;
mod mutant;
mod outcome;
mod parallel;
#[cfg(feature = "pipeline")]
pub mod pipeline;
#[cfg(not(pleach_loom))]
#[expect(unreachable_pub, reason = "it is public where models look at it")]
mod protocol;
#[cfg(pleach_loom)]
#[doc(hidden)]
pub mod protocol;
mod rule;
#[cfg(all(feature = "schedules", not(any(pleach_loom, pleach_shuttle))))]
pub mod schedules;
mod state;
mod sync;
#[cfg(feature = "testkit")]
pub mod testkit;
mod times;
mod trace;
mod value;
#[cfg(feature = "versioned")]
mod versioned;
mod view;
mod vm;

pub use block::Block;
pub use cancel::CancelToken;
pub use error::{AccessKind, BoxError, ExecuteError, ExecuteErrorKind, Undeclared};
pub use execute::{Executor, Recording, SerialExecutor};
pub use outcome::{Outcome, Reason, Statistics, TxOutcome};
pub use parallel::{Analysis, ParallelExecutor, Runtime, RuntimeBuilder, Strategy};
#[cfg(feature = "pipeline")]
pub use pipeline::Pipeline;
pub use rule::{LimitExceeded, OnFailure, OnUndeclared, Over, Rule, Verdict, WeightLimit};
pub use state::{Changes, MemoryState, RangeSupport, State};
pub use times::Times;
pub use value::{Amount, Bounds, Delta, NoAmount, Value};
#[cfg(feature = "versioned")]
pub use versioned::{
    Fork, HeightError, MemoryStore, Orphaned, Prefetched, PruneError, Snapshot, Store,
    VersionedState, Warm, Writes,
};
pub use view::StateView;
pub use vm::{Interrupt, Stop, Vm};

pub use pleach_dtt as dtt;
pub use pleach_dtt::{Access, AccessSet, KeyRange, Trust};
