//! `pleach replay`: executes blocks and compares them with their own headers.
//!
//! | file | what |
//! | --- | --- |
//! | `run.rs` | executes and checks a file's blocks, and measures that |
//! | `staged/` | executes blocks in a pipeline, several at a time |
//! | `hints.rs` | trees and access lists of blocks in a folder, as hints for the next time |
//! | `same.rs` | compares what a block comes to with what it comes to serially |
//! | `outcome.rs` | what came of a block, and of all of them |
//! | `report.rs` | what both forms of the result have in common |
//! | `people.rs`, `table.rs` | the result for people: a table, and words around it |
//! | `json.rs` | the result for programs: one object a line |

mod hints;
mod json;
mod outcome;
mod people;
mod report;
mod run;
mod same;
mod staged;
mod table;

use std::{
    io::{self, ErrorKind, IsTerminal},
    num::{NonZeroU16, NonZeroUsize},
    path::PathBuf,
    process::ExitCode,
    thread,
};

use anyhow::Context;
use clap::ValueEnum;
use pleach::{CancelToken, ParallelExecutor, Runtime};

use crate::{
    input::{Inputs, Source},
    interrupt::{self, CANCELLED},
    progress::Progress,
};

use self::{
    hints::{Folders, Form},
    json::JsonLines,
    outcome::Totals,
    people::ForPeople,
    report::Report,
    run::Runner,
};

const AFTER_HELP: &str = "\
Exit code: 0 if all checks hold; 1 if a block failed a check or could not be executed; 2 if the usage is wrong or an \
input could not be read; 130 if it was cancelled with Ctrl-C.

A block file is executed alone, on the state that it brings. The blocks of a chain are executed one after another, \
each on the state that the one before it left.";

/// Executes blocks and checks them against their own headers.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// A block file, a chain file, or a folder of them (*.json, *.json.gz). None: the embedded sample chain.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Threads that execute a block, at least 1. Default: as many as there are cores. Serial execution uses one, whatever is
    /// said here.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    /// How blocks are executed.
    #[arg(long, value_enum, default_value_t)]
    strategy: Strategy,

    /// Executes each block K times serially and K times with the chosen strategy, in turns, and gives the medians. What both
    /// come to must be the same, to the last byte. A first serial execution, which fills caches, is not measured; with 1
    /// and the serial strategy it is all there is. What is measured is execution alone: not reading files, not recovering
    /// senders, not checks.
    #[arg(
        long, value_name = "K", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=10_000),
    )]
    repeat: u16,

    /// Whether several blocks are in flight at a time: while one executes, those after it are read and their senders recovered,
    /// and those before it checked. Shows the stages while they work, and measures them. Not with --repeat, --record and
    /// --hints, for which blocks are executed one after another.
    #[arg(
        long,
        value_enum,
        value_name = "ON|OFF",
        default_value_t,
        hide_possible_values = true
    )]
    pipeline: Switch,

    /// Keeps the tree of each block in this folder: which transactions depend on which others; or its access list. For that, each block is executed
    /// once more.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,

    /// What --record keeps of a block.
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        requires = "record"
    )]
    record_form: Form,

    /// Takes the trees of blocks from this folder, as --record has kept them, or else their access lists, and lets transactions
    /// wait for those that they depend on. A wrong one costs time, never the result; a block without one is executed without.
    #[arg(long, value_name = "FOLDER")]
    hints: Option<PathBuf>,

    /// Prints one JSON object a line: one for each block, and a summary at the end.
    #[arg(long)]
    json: bool,

    /// No progress bar and no table, only failures and the closing line. With `--json`, no progress bar.
    #[arg(long)]
    quiet: bool,
}

impl Default for Arguments {
    /// What clap makes of no arguments.
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            workers: None,
            strategy: Strategy::default(),
            repeat: 1,
            pipeline: Switch::default(),
            record: None,
            record_form: Form::default(),
            hints: None,
            json: false,
            quiet: false,
        }
    }
}

/// How blocks are executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum Strategy {
    /// Serially for a moment, and then on all threads if that seems to pay.
    #[default]
    Auto,
    /// One transaction after another, on one thread.
    Serial,
    /// On all threads from the start: transactions run before it is certain what those before them leave.
    Optimistic,
    /// In stretches: each thread executes transactions that follow each other, and what they leave is put together.
    Split,
    /// In lanes: each thread executes transactions that probably depend on each other, and what they leave is put together.
    Lanes,
}

impl Strategy {
    fn name(self) -> &'static str {
        match self {
            Strategy::Auto => "auto",
            Strategy::Serial => "serial",
            Strategy::Optimistic => "optimistic",
            Strategy::Split => "split",
            Strategy::Lanes => "lanes",
        }
    }

    fn to_pleach(self) -> pleach::Strategy {
        match self {
            Strategy::Auto => pleach::Strategy::Auto,
            Strategy::Serial => pleach::Strategy::Serial,
            Strategy::Optimistic => pleach::Strategy::Optimistic,
            Strategy::Split => pleach::Strategy::Split,
            Strategy::Lanes => pleach::Strategy::Lanes,
        }
    }
}

/// Whether something is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum Switch {
    /// It is.
    On,
    /// It is not.
    #[default]
    Off,
}

/// What the arguments come to.
#[derive(Clone, Copy, Debug)]
struct Plan {
    strategy: Strategy,
    workers: NonZeroU16,
    repeat: u16,
    pipeline: Switch,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let cores = || {
            let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            cores.try_into().unwrap_or(NonZeroU16::MAX)
        };
        let workers = match (self.strategy, self.workers) {
            (Strategy::Serial, _) => NonZeroU16::MIN,
            (_, Some(workers)) => NonZeroU16::new(workers).unwrap_or(NonZeroU16::MIN),
            (_, None) => cores(),
        };
        Plan {
            strategy: self.strategy,
            workers,
            repeat: self.repeat,
            pipeline: self.pipeline,
        }
    }

    /// Sees whether they go together, as far as clap cannot.
    fn check(&self) -> anyhow::Result<()> {
        let one_by_one = [
            (self.repeat > 1, "--repeat"),
            (self.record.is_some(), "--record"),
            (self.hints.is_some(), "--hints"),
        ];
        for (is_there, name) in one_by_one {
            anyhow::ensure!(
                self.pipeline == Switch::Off || !is_there,
                "{name} executes blocks one after another, which --pipeline on does not"
            );
        }
        Ok(())
    }
}

impl Plan {
    /// Whether serial execution and the chosen strategy are measured each on its own. If not, one execution is both.
    fn compares(self) -> bool {
        self.pipeline == Switch::Off && (self.repeat > 1 || self.strategy != Strategy::Serial)
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    arguments.check()?;
    let cancel = interrupt::token()?;
    let plan = arguments.plan();
    let runtime = Runtime::builder().workers(plan.workers.into()).build();
    let runtime = runtime.context("there are not enough threads for the workers")?;
    let executor = ParallelExecutor::new(&runtime).strategy(plan.strategy.to_pleach());
    let folders = Folders {
        record: arguments.record.clone(),
        form: arguments.record_form,
        hints: arguments.hints.clone(),
    };
    folders.prepare()?;
    let mut totals = Totals::default();
    let written = if arguments.json {
        let report = JsonLines::new(arguments);
        replay(arguments, &executor, &folders, &cancel, &mut totals, report)
    } else {
        let report = ForPeople::new(arguments);
        replay(arguments, &executor, &folders, &cancel, &mut totals, report)
    };
    if let Err(error) = written {
        match error.downcast_ref::<io::Error>() {
            // Who reads, for example `head`, has seen enough.
            Some(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Some(_) => return Err(error.context("the result cannot be written")),
            None => return Err(error),
        }
    }
    Ok(ExitCode::from(if cancel.is_cancelled() {
        CANCELLED
    } else if totals.unreadable > 0 {
        2
    } else {
        u8::from(totals.failed > 0)
    }))
}

/// Runs all inputs. An error is one of writing the result, or that there are not enough threads: everything else is part of the
/// result.
fn replay(
    arguments: &Arguments,
    executor: &ParallelExecutor,
    folders: &Folders,
    cancel: &CancelToken,
    totals: &mut Totals,
    mut report: impl Report,
) -> anyhow::Result<()> {
    let inputs = Inputs::new(&arguments.paths);
    // Lines for a program that come to a terminal after all must not mix with the bar.
    let hidden = arguments.quiet || (arguments.json && io::stdout().is_terminal());
    if arguments.pipeline == Switch::On {
        report.begin()?;
        let staged = staged::run(
            inputs,
            executor,
            cancel,
            hidden,
            &mut |result| match result {
                Ok(block) => {
                    totals.add(&block);
                    report.block(block)
                }
                Err(unreadable) => {
                    totals.unreadable += 1;
                    report.unreadable(unreadable)
                }
            },
        )?;
        totals.staged = Some(staged);
        totals.cancelled = cancel.is_cancelled();
        return Ok(report.end(totals)?);
    }
    let progress = Progress::new(hidden, inputs.len());
    let runner = Runner {
        plan: arguments.plan(),
        executor,
        folders,
        cancel,
        progress: &progress,
    };
    report.begin()?;
    for input in inputs {
        if cancel.is_cancelled() {
            break;
        }
        match input.and_then(Source::load) {
            Ok(loaded) => runner.run(loaded, &mut |block| {
                totals.add(&block);
                report.block(block)
            })?,
            Err(unreadable) => {
                progress.step();
                totals.unreadable += 1;
                report.unreadable(unreadable)?;
            }
        }
    }
    progress.finish();
    totals.cancelled = cancel.is_cancelled();
    Ok(report.end(totals)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn the_default_is_what_clap_makes_of_no_arguments() {
        let parsed = Parsed::parse_from(["pleach"]).arguments;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Arguments::default()));
    }
}
