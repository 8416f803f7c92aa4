//! Everything that two threads touch at once. `README.md` beside this file has the proofs; `loom-tests` has a model for each,
//! with `stage_` before its name.
//!
//! | file | what |
//! | --- | --- |
//! | `board.rs` | who may run what: room, limits, priorities, sleeping, closing |
//! | `queue.rs` | the events before a stage, in their order where that is asked for |
//! | `outlet.rs` | the results behind the last stage |
//! | `phase.rs` | who decides what becomes of an event |
//! | `answer.rs` | a result that somebody may wait for |

pub mod answer;
pub mod board;
pub mod outlet;
pub mod phase;
pub mod queue;
