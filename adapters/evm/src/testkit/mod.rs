//! Ethereum blocks to test executors with: feature `testkit`.
//!
//! | module | what |
//! | --- | --- |
//! | [`Scenario`] | a state, and blocks on it, as data |
//! | [`request`] | transactions, relative to what their sender has when it is their turn |
//! | [`code`] | small contracts as lists of steps, and their bytecode |
//! | [`scenario`](fn@scenario), [`from_seed`] | random ones: a handful of accounts that keep getting in each other's way |
//! | [`Prepared`] | a block of a scenario, for an executor |
//! | [`shrink`] | makes a scenario that shows something as small as it can be |
//!
//! ```
//! use pleach::{Executor, SerialExecutor};
//! use pleach_evm::testkit::{Prepared, from_seed};
//!
//! for block in Prepared::all(&from_seed(7))? {
//!     let view = block.state();
//!     let outcome = SerialExecutor::new().execute(block.to_pleach(&view))?;
//!     assert!(outcome.transactions.len() <= block.transactions().len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod code;
mod generate;
mod parts;
mod prepared;
pub mod request;
mod scenario;
mod shrink;

pub use generate::{Theme, from_seed, scenario};
pub use prepared::Prepared;
pub use scenario::{
    Before, CHAIN_ID, ETHER, FIRST, FORKS, HASHES_BACK, IntoWei, Scenario, block_hashes, key,
    signer, spec_id,
};
pub use shrink::shrink;
