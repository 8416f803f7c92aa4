//! Executing a block on several threads.
//!
//! | file | what |
//! | --- | --- |
//! | `runtime.rs` | threads that are kept from block to block |
//! | `executor.rs` | the executor: chooses a way, and settles what comes of it in block order |
//! | `plan.rs` | exact access sets: which value each access sees, what runs in one go, what waits for what |
//! | `exact.rs` | runs a plan |
//! | `view.rs` | what a transaction of a plan sees |

mod exact;
mod executor;
mod plan;
mod runtime;
mod view;

pub use executor::{ParallelExecutor, Strategy};
pub use runtime::{Runtime, RuntimeBuilder};
