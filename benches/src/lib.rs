//! What Pleach is measured against, and the benches that do it.
//!
//! | module | what |
//! | --- | --- |
//! | [`plain`] | a plain revm loop over a cache database: the honest baseline for Ethereum blocks |
//! | [`block_stm`] | Block-STM, as its paper has it: the baseline for optimistic execution |
//! | [`bohm`] | BOHM, as its paper has it: the baseline for known access sets |
//! | [`payments`] | payments, and a plain loop over a hash map that makes them |
//! | [`chain`] | a chain of blocks of payments, in a pipeline and block by block |
//! | [`engines`] | all engines in turns, on any workload |
//! | [`gigagas`] | Ethereum blocks of a billion gas: transfers, tokens, swaps |
//! | [`race`] | turns, and the figures that are made of them |
//! | [`report`] | a page of charts of what was measured |
//! | [`workloads`] | blocks of many kinds, and what their transactions mean |
//! | [`row`] | what is measured: a line of `pleach bench --json` |
//!
//! `cargo bench -p pleach-bench` runs the criterion benches.

pub mod allocations;
pub mod block_stm;
pub mod blocks;
pub mod bohm;
mod bound;
pub mod chain;
pub mod engines;
pub mod gigagas;
mod latency;
pub mod machine;
pub mod payments;
pub mod plain;
pub mod pool;
pub mod race;
pub mod report;
pub mod row;
pub mod stopwatch;
pub mod workloads;
