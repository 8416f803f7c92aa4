//! Executing a block on several threads.
//!
//! | file | what |
//! | --- | --- |
//! | `runtime.rs` | threads that are kept from block to block |
//! | `executor.rs` | the executor: chooses a way, and settles what comes of it in block order |
//! | `analysis.rs` | what is found out before a block's turn comes |
//! | `trial.rs` | whether a block is worth more than one thread |
//! | `costs.rs` | what transactions take, by what was seen of others |
//! | `outlook.rs` | what is left of a block, and how much faster several workers would be at that |
//! | `crew.rs` | the workers of one block |
//! | `attempt.rs` | attempts at transactions: what they need, and what they come to |
//! | `plan.rs` | access sets that are known: which value each access sees, what runs in one go, what waits for what |
//! | `planned.rs` | runs a plan |
//! | `settling.rs` | settles its transactions in block order |
//! | `view.rs` | what a transaction of a plan sees |
//! | `made.rs` | what the transaction at hand makes of one key |
//! | `split/` | has each worker execute a stretch of the block one after another, and puts that together |
//! | `optimistic/` | runs transactions before it is certain what those before them leave |

mod analysis;
mod attempt;
mod costs;
mod crew;
mod executor;
mod made;
mod optimistic;
mod outlook;
mod plan;
mod planned;
mod runtime;
mod settling;
mod split;
mod trial;
mod view;

pub use analysis::Analysis;
pub use executor::{ParallelExecutor, Strategy};
pub use runtime::{Runtime, RuntimeBuilder};
