//! Executing a block on several threads.
//!
//! | file | what |
//! | --- | --- |
//! | `runtime.rs` | threads that are kept from block to block |
//! | `executor.rs` | the executor: chooses a way, and settles what comes of it in block order |
//! | `trial.rs` | whether a block is worth more than one thread |
//! | `crew.rs` | the workers of one block |
//! | `attempt.rs` | attempts at transactions: what they need, and what they come to |
//! | `plan.rs` | exact access sets: which value each access sees, what runs in one go, what waits for what |
//! | `exact.rs` | runs a plan |
//! | `view.rs` | what a transaction of a plan sees |
//! | `optimistic/` | runs transactions before it is certain what those before them leave |

mod attempt;
mod crew;
mod exact;
mod executor;
mod optimistic;
mod plan;
mod runtime;
mod trial;
mod view;

pub use executor::{ParallelExecutor, Strategy};
pub use runtime::{Runtime, RuntimeBuilder};
