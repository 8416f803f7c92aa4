//! `pleach bench`: how fast the engines are on this machine.
//!
//! | file | what |
//! | --- | --- |
//! | `payments.rs` | `pleach bench payments`: which cases there are, and in which order |
//! | `table.rs` | the result of that for people |
//! | `pipeline.rs` | `pleach bench pipeline` |
//! | `gigagas.rs` | `pleach bench evm-transfers`, and the other Ethereum blocks |

mod gigagas;
mod payments;
mod pipeline;
mod table;

use std::process::ExitCode;

use clap::Subcommand;
use pleach_bench::gigagas::Workload;

/// Measures the engines beside each other.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    Payments(payments::Arguments),
    Pipeline(pipeline::Arguments),
    /// Ethereum blocks of a billion gas: payments of ether.
    EvmTransfers(gigagas::Arguments),
    /// The same: payments with a token of `OpenZeppelin`.
    #[command(name = "evm-erc20")]
    EvmErc20(gigagas::Arguments),
    /// The same: swaps on Uniswap V2.
    EvmSwaps(gigagas::Arguments),
    /// The same: six of ten pay ether, two pay with tokens, and two swap.
    EvmHybrid(gigagas::Arguments),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.benchmark {
        Benchmark::Payments(arguments) => payments::run(arguments),
        Benchmark::Pipeline(arguments) => pipeline::run(arguments),
        Benchmark::EvmTransfers(arguments) => gigagas::run(Workload::Transfers, arguments),
        Benchmark::EvmErc20(arguments) => gigagas::run(Workload::Erc20, arguments),
        Benchmark::EvmSwaps(arguments) => gigagas::run(Workload::Swaps, arguments),
        Benchmark::EvmHybrid(arguments) => gigagas::run(Workload::Hybrid, arguments),
    }
}
