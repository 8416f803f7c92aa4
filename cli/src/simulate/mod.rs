//! `pleach simulate`: what blocks would gain on more cores than there are.
//!
//! | file | what |
//! | --- | --- |
//! | `scenario.rs` | what is simulated of a block, and what of all of them |
//! | `table.rs` | the result for people |
//! | `curve.rs` | the result as a picture |

mod curve;
mod scenario;
mod table;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind, Write},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, bail};
use serde::Serialize;

use self::scenario::{BlockResult, Scenario, Totals};
use crate::{
    analysis::analyse_all,
    input::{Inputs, Source},
    interrupt::{self, CANCELLED},
    progress::Progress,
    stopped::Stopped,
    text::print_line,
};

const AFTER_HELP: &str = "\
Each block is executed serially, once to see what its transactions touch, and five times to see how long they take. \
From that comes its tree, which is then scheduled on so many workers by the engine's own rule. Balances that nobody looks \
at are added to, and nonces are known from the transactions.

Exit code: 0 if all blocks were simulated; 1 if a block could not be executed; 2 if the usage is wrong or an input could \
not be read; 130 if it was cancelled with Ctrl-C.";

/// Simulates blocks on any number of workers, from measured costs.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// A block file, a chain file, or a folder of them (*.json, *.json.gz). None: the embedded sample chain.
    #[arg(value_name = "BLOCK")]
    paths: Vec<PathBuf>,

    /// How many workers there are, in turn.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',', value_parser = parse_workers,
        default_value = "1,2,4,8,16,32,64",
    )]
    workers: Vec<NonZeroUsize>,

    /// What the engine spends on each transaction, in nanoseconds.
    #[arg(long, value_name = "NS", default_value_t = 0)]
    overhead: u64,

    /// What a worker spends on taking a transaction that another has made ready, in nanoseconds.
    #[arg(long, value_name = "NS", default_value_t = 0)]
    stealing: u64,

    /// Draws the means over all large blocks as curves, into this SVG file.
    #[arg(long, value_name = "FILE")]
    curve: Option<PathBuf>,

    /// Prints one JSON object a line: one for each block, and a summary at the end.
    #[arg(long)]
    json: bool,

    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// More workers than any machine has would only take memory.
fn parse_workers(text: &str) -> Result<NonZeroUsize, String> {
    const MOST: usize = 65_536;
    let count: Option<NonZeroUsize> = text.trim().parse().ok();
    count
        .filter(|count| count.get() <= MOST)
        .ok_or_else(|| format!("{text} is no number from 1 to {MOST}"))
}

/// The line of a block.
#[derive(Serialize)]
struct BlockLine<'a> {
    block: u64,
    transactions: usize,
    branches: usize,
    critical_path_ms: f64,
    total_ms: f64,
    speedup: &'a BTreeMap<usize, f64>,
}

/// The line of a block that could not be executed, or of an input that could not be read.
#[derive(Serialize)]
struct FailureLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u64>,
    source: &'a str,
    error: &'a str,
}

/// The last line.
#[derive(Serialize)]
struct SummaryLine {
    summary: bool,
    blocks: usize,
    failed: usize,
    /// Over so many blocks of more than 4 Mgas and 4 transactions.
    large_blocks: usize,
    geomean_speedup: BTreeMap<usize, f64>,
    geomean_bound: BTreeMap<usize, f64>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let mut workers = arguments.workers.clone();
    workers.sort_unstable();
    workers.dedup();
    let scenario = Scenario {
        workers,
        overhead: arguments.overhead,
        stealing: arguments.stealing,
    };
    let inputs = Inputs::new(&arguments.paths);
    let progress = Progress::new(arguments.quiet, inputs.len());
    let mut run = Run {
        arguments,
        scenario: &scenario,
        totals: Totals::default(),
        rows: Vec::new(),
        failed: 0,
        unreadable: 0,
        written: Ok(()),
    };
    for input in inputs {
        match input.and_then(Source::load) {
            Ok(loaded) => {
                let source = loaded.source.clone();
                progress.say(source.to_string());
                analyse_all(
                    loaded.content.into(),
                    &cancel,
                    |_| true,
                    |number, analysed| {
                        progress.tick();
                        let analysed = match analysed {
                            Ok(analysed) => Ok(scenario.run(&analysed)),
                            Err(Stopped::Cancelled) => return false,
                            Err(Stopped::Failed(error)) => Err(error),
                        };
                        run.block(&source, number, analysed);
                        run.written.is_ok()
                    },
                );
            }
            Err(unreadable) => run.unreadable(&unreadable.source, &unreadable.error),
        }
        progress.step();
        if cancel.is_cancelled() || run.written.is_err() {
            break;
        }
    }
    progress.finish();
    let Run {
        totals,
        rows,
        failed,
        unreadable,
        written,
        ..
    } = run;
    let written = written.and_then(|()| {
        if arguments.json {
            print_line(&SummaryLine {
                summary: true,
                blocks: rows.len(),
                failed,
                large_blocks: totals.large(),
                geomean_speedup: totals.speedups(),
                geomean_bound: totals.bounds(),
            })
        } else {
            table::print(&rows, &totals, &scenario)
        }
    });
    match written {
        // Who reads, for example `head`, has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.context("the result cannot be written")?,
    }
    if let Some(path) = &arguments.curve {
        if totals.large() == 0 {
            bail!("there is no block of more than 4 Mgas to draw a curve of");
        }
        fs::write(path, curve::svg(&totals))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(ExitCode::from(if cancel.is_cancelled() {
        CANCELLED
    } else if unreadable > 0 {
        2
    } else {
        u8::from(failed > 0)
    }))
}

/// What was done so far.
struct Run<'a> {
    arguments: &'a Arguments,
    scenario: &'a Scenario,
    totals: Totals,
    rows: Vec<BlockResult>,
    failed: usize,
    unreadable: usize,
    written: io::Result<()>,
}

impl Run<'_> {
    fn block(&mut self, source: &Source, number: u64, result: Result<BlockResult, String>) {
        match result {
            Ok(result) => {
                self.totals.add(&result, self.scenario);
                if self.arguments.json {
                    self.written = print_line(&BlockLine {
                        block: result.number,
                        transactions: result.transactions,
                        branches: result.branches,
                        critical_path_ms: result.critical_path as f64 / 1e6,
                        total_ms: result.total as f64 / 1e6,
                        speedup: &result.speedups,
                    });
                }
                self.rows.push(result);
            }
            Err(error) => {
                self.failed += 1;
                self.failure(Some(number), &source.to_string(), &error);
            }
        }
    }

    fn unreadable(&mut self, source: &str, error: &str) {
        self.unreadable += 1;
        self.failure(None, source, error);
    }

    fn failure(&mut self, block: Option<u64>, source: &str, error: &str) {
        if self.arguments.json {
            self.written = print_line(&FailureLine {
                block,
                source,
                error,
            });
        }
        let block = block.map_or_else(String::new, |number| format!("block {number} of "));
        let _ = writeln!(io::stderr(), "pleach: {block}{source}: {error}");
    }
}
