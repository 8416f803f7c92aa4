//! Everything that two threads touch at once. `README.md` beside this file has the proofs; `loom-tests` has a model of the
//! same name for each.
//!
//! | file | what |
//! | --- | --- |
//! | `countdown.rs` | a transaction becomes ready when the last of its dependencies is done |
//! | `handoff.rs` | a value that one thread leaves for others |
//! | `ready.rs` | what is ready to run, who is idle, and when all is done |
//! | `pool.rs` | threads that are kept from block to block |

pub mod countdown;
pub mod handoff;
pub mod pool;
pub mod ready;
