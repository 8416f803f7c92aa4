//! What Pleach is measured against, and the benches that do it.
//!
//! | engine | what |
//! | --- | --- |
//! | [`plain`] | a plain revm loop over a cache database: the honest baseline for Ethereum blocks |
//! | [`payments`] | payments, and a plain loop over a hash map that makes them |
//!
//! `cargo bench -p pleach-bench` runs the criterion benches.

pub mod blocks;
pub mod payments;
pub mod plain;
