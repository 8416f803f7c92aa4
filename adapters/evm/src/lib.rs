//! Ethereum blocks for the [Pleach](pleach) runtime, on [revm](https://github.com/bluealloy/revm).
//!
//! A block is decoded, made ready ([`EvmBlock::prepare`] recovers the senders), executed by any
//! [`Executor`](pleach::Executor), and compared with its own header:
//!
//! ```
//! use pleach::{CancelToken, SerialExecutor};
//! use pleach_evm::{check, sample};
//!
//! let chain = sample::chain();
//! let mut state = chain.genesis;
//! let block = &chain.blocks[0];
//! let prepared = block.prepare(&chain.spec)?;
//! let result = prepared.execute(&SerialExecutor::new(), &state, &CancelToken::new())?;
//! prepared.apply(&result, &mut state);
//! for check in check(&prepared, &result, Some(&state)) {
//!     assert_ne!(check.result.passed(), Some(false), "{check:?}");
//! }
//! # Ok::<(), pleach_evm::BlockError>(())
//! ```
//!
//! # How fine the keys are
//!
//! What transactions conflict on decides how far parallel execution can go. Balance, nonce, code, storage slots, and
//! the wiping of a storage are separate [keys](Key). Payments and fees are adds, which never wait for each other, and the
//! question whether a sender can pay is a predicate. Only a program that looks at a balance (BALANCE, SELFBALANCE,
//! SELFDESTRUCT) reads it. See `journal.rs` for how revm is brought to that without changing it.
//!
//! From Amsterdam on balances and nonces are read whole when an account is loaded: its rules look at them in more places.

mod access_list;
mod block;
mod bloom;
mod check;
mod constantinople;
mod database;
mod engine;
mod expected;
mod file;
mod handler;
mod journal;
mod key;
#[cfg(feature = "pipeline")]
mod node;
mod receipt;
mod record;
mod rlp;
mod root;
mod rule;
#[cfg(feature = "sample")]
pub mod sample;
mod settle;
mod spec;
mod state;
#[cfg(feature = "pipeline")]
mod store;
mod system;
#[cfg(feature = "testkit")]
pub mod testkit;
#[cfg(all(test, feature = "sample"))]
mod tests;
mod transaction;
mod transfer;
mod value;
mod vm;

pub use access_list::{
    AccessListError, AccessListMismatch, BlockAccessList, Changed, Difference, Left,
};
pub use block::{BlockError, DecodeError, EvmBlock, PreparedBlock};
pub use check::{Check, CheckResult, check};
pub use engine::Scratch;
pub use file::{BlockFile, Chain, Content, FileError, FileErrorKind};
pub use key::{Key, Part};
#[cfg(feature = "pipeline")]
pub use node::{EvmNode, ExecutedBlock};
pub use receipt::{BlockResult, ExecutionSummary, Receipt};
pub use rlp::RlpError;
pub use rule::{GasExceeded, GasRule};
pub use spec::ChainSpec;
pub use state::{Account, EvmState, StateError, StateUnder};
#[cfg(feature = "pipeline")]
pub use store::EvmStore;
pub use transaction::{Execution, Output, Transaction, TransactionError, recover_senders};
pub use value::{Code, Value, Wei};
pub use vm::BlockVm;
