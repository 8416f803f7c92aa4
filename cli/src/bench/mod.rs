//! `pleach bench`: how fast the engines are on this machine.
//!
//! | file | what |
//! | --- | --- |
//! | `workloads.rs` | `pleach bench WORKLOAD...`: every engine on any workload |
//! | `subject.rs` | workloads by name, native ones and Ethereum blocks, and how each is measured |
//! | `grid.rs` | which parameters a workload is measured with |
//! | `usual.rs` | those that nobody has to ask for |
//! | `before.rs` | what was measured before |
//! | `table.rs` | the result for people |
//! | `means.rs` | how many times as fast one engine is as another, over many blocks |
//! | `markdown.rs` | the tables of documents |
//! | `page.rs` | the same in charts |
//! | `pipeline.rs` | `pleach bench pipeline` |

mod before;
mod grid;
mod markdown;
mod means;
mod page;
mod pipeline;
mod subject;
mod table;
mod usual;
mod workloads;

use std::process::ExitCode;

use clap::Subcommand;

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
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.other {
        None => workloads::run(&arguments.workloads),
        Some(Other::Pipeline(arguments)) => pipeline::run(arguments),
    }
}
