//! What Pleach is measured against, and the benches that do it.
//!
//! | module | what |
//! | --- | --- |
//! | [`plain`] | a plain revm loop over a cache database: the honest baseline for Ethereum blocks |
//! | [`block_stm`] | Block-STM, as its paper has it: the baseline for optimistic execution |
//! | [`payments`] | payments, and a plain loop over a hash map that makes them |
//! | [`chain`] | a chain of blocks of payments, in a pipeline and block by block |
//! | [`gigagas`] | Ethereum blocks of a billion gas: transfers, tokens, swaps |
//! | [`engines`] | all engines in turns, on payments |
//! | [`report`] | a page of charts of what was measured |
//! | [`row`] | what is measured: a line of `pleach bench --json` |
//!
//! `cargo bench -p pleach-bench` runs the criterion benches.

pub mod block_stm;
pub mod blocks;
pub mod chain;
pub mod engines;
pub mod gigagas;
pub mod payments;
pub mod plain;
pub mod report;
pub mod row;
pub mod stopwatch;
