//! Executing a block on several threads.
//!
//! | file | what |
//! | --- | --- |
//! | `runtime.rs` | threads that are kept from block to block |
//! | `executor.rs` | the executor: chooses a way, and settles what comes of it in block order |
//! | `strategy.rs` | the ways of executing a block |
//! | `analysis.rs` | what is found out before a block's turn comes |
//! | `trial.rs` | whether a block is worth more than one thread |
//! | `costs.rs` | what transactions take, by what was seen of others |
//! | `outlook.rs` | what is left of a block, and how much faster several workers would be at that |
//! | `crew.rs` | the workers of one block |
//! | `attempt.rs` | attempts at transactions: what they need, and what they come to |
//! | `again.rs` | executes one again that was told what is not so |
//! | `plan.rs` | access sets that are known: which value each access sees, what runs in one go, what waits for what |
//! | `planned.rs` | runs a plan |
//! | `settling.rs` | settles its transactions in block order |
//! | `view.rs` | what a transaction of a plan sees |
//! | `made.rs` | what the transaction at hand makes of one key |
//! | `watch.rs` | measures what they take |
//! | `split/` | has each worker execute a stretch of the block one after another, and puts that together |
//! | `lanes/` | has each worker execute transactions that depend on each other, wherever in the block, and puts that together |
//! | `optimistic/` | runs transactions before it is certain what those before them leave |

mod again;
mod analysis;
mod attempt;
mod costs;
mod crew;
mod executor;
mod lanes;
mod made;
mod optimistic;
mod outlook;
mod plan;
mod planned;
mod runtime;
mod settling;
mod split;
mod strategy;
mod trial;
mod view;
mod watch;

pub use analysis::Analysis;
pub use executor::ParallelExecutor;
pub use runtime::{Runtime, RuntimeBuilder};
pub use strategy::Strategy;
