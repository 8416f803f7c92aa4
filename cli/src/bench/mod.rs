//! `pleach bench`: how fast the engines are on this machine.
//!
//! | file | what |
//! | --- | --- |
//! | `payments.rs` | `pleach bench payments`: which cases there are, and in which order |
//! | `table.rs` | the result of that for people |
//! | `pipeline.rs` | `pleach bench pipeline` |

mod payments;
mod pipeline;
mod table;

use std::process::ExitCode;

use clap::Subcommand;

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
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.benchmark {
        Benchmark::Payments(arguments) => payments::run(arguments),
        Benchmark::Pipeline(arguments) => pipeline::run(arguments),
    }
}
