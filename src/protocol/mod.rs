//! Everything that two threads touch at once. `README.md` beside this file has the proofs; `loom-tests` has a model of the
//! same name for each.
//!
//! | file | what |
//! | --- | --- |
//! | `handoff.rs` | a value that one thread leaves for others |
//! | `ready.rs` | what is ready to run, who is idle, and when all is done |
//! | `pool.rs` | threads that are kept from block to block |
//! | `keys.rs` | numbers for keys that nobody knew beforehand |
//! | `latch.rs` | a lock for some nanoseconds |
//! | `versions.rs` | what one key holds for each transaction, while they run in any order |
//! | `scans.rs` | range scans beside writes |
//! | `lifecycle.rs` | where each transaction stands, and who may do what with it |
//! | `reports.rs` | what came of each piece of work, for the one who goes through all of them and those who wait for it |
//! | `slot.rs` | a value that one thread leaves, and a flag that says so |
//! | `turn.rs` | one thread at a time does what several have reason to do |

pub mod handoff;
pub mod keys;
pub mod latch;
pub mod lifecycle;
pub mod pool;
pub mod ready;
pub mod reports;
pub mod scans;
pub mod slot;
pub mod turn;
pub mod versions;
