//! `pleach bench`: how fast the engines are on this machine.
//!
//! | file | what |
//! | --- | --- |
//! | `workloads.rs` | `pleach bench WORKLOAD...`: every engine on any native workload |
//! | `grid.rs` | which parameters a workload is measured with |
//! | `table.rs` | the result of that for people |
//! | `page.rs` | the same in charts |
//! | `pipeline.rs` | `pleach bench pipeline` |
//! | `gigagas.rs` | `pleach bench evm-transfers`, and the other Ethereum blocks |

mod gigagas;
mod grid;
mod page;
mod pipeline;
mod table;
mod workloads;

use std::process::ExitCode;

use clap::Subcommand;
use pleach_bench::gigagas::Workload;

/// Measures the engines beside each other, on blocks of many kinds.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = workloads::AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,

    #[command(flatten)]
    workloads: workloads::Workloads,
}

#[derive(Debug, Subcommand)]
enum Other {
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
    match &arguments.other {
        None => workloads::run(&arguments.workloads),
        Some(Other::Pipeline(arguments)) => pipeline::run(arguments),
        Some(Other::EvmTransfers(arguments)) => gigagas::run(Workload::Transfers, arguments),
        Some(Other::EvmErc20(arguments)) => gigagas::run(Workload::Erc20, arguments),
        Some(Other::EvmSwaps(arguments)) => gigagas::run(Workload::Swaps, arguments),
        Some(Other::EvmHybrid(arguments)) => gigagas::run(Workload::Hybrid, arguments),
    }
}
