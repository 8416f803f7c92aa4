//! `pleach bench payments`: payments between random accounts, on every engine.

use std::{
    io::{self, ErrorKind, Write},
    num::NonZeroUsize,
    process::ExitCode,
    thread,
};

use anyhow::Context;
use clap::value_parser;
use pleach_bench::engines::{self, Case, Entrant, Measured};
use serde::Serialize;

use super::table;
use crate::{
    interrupt::{self, CANCELLED},
    progress::Progress,
    text::{counted, print_line, with_causes},
};

const AFTER_HELP: &str = "\
Each payment reads and writes three keys, and does so many rounds of work beside that; 1,000 rounds take one to two \
microseconds. Each number of accounts is measured with each number of rounds. All engines execute the \
same block in turns, and each outcome is compared with the serial one while the clock stands.

Exit code: 0 if all engines agree; 1 if one of them does not, or fails; 2 if the usage is wrong; 130 if it was cancelled \
with Ctrl-C, with the results of what was done.";

/// Measures payments on every engine, and compares that with a plain loop over a hash map.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// How many payments a block has.
    #[arg(
        long, value_name = "N", default_value_t = 10_000,
        value_parser = value_parser!(u32).range(1..=1_000_000),
    )]
    transactions: u32,

    /// Between how many accounts, in turn. The fewer there are, the more of the payments depend on each other.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',', default_value = "100000,10000,1000,100,2",
        value_parser = value_parser!(u64).range(2..=10_000_000),
    )]
    accounts: Vec<u64>,

    /// How much work each payment does, in turn.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',', default_value = "0,1000",
        value_parser = value_parser!(u32).range(0..=1_000_000),
    )]
    rounds: Vec<u32>,

    /// How many threads the parallel engines have, in turn. Default: one, and one for each core.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u16).range(1..=MOST_WORKERS),
    )]
    workers: Vec<u16>,

    /// How often each engine executes each block.
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = value_parser!(u16).range(1..=1_000))]
    repeat: u16,

    /// Prints one JSON object a line: one for each case, engine and number of workers.
    #[arg(long)]
    json: bool,

    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

const MOST_WORKERS: i64 = 256;

impl Arguments {
    fn cases(&self) -> Vec<Case> {
        let cases = self.rounds.iter().flat_map(|&rounds| {
            self.accounts.iter().map(move |&accounts| Case {
                transactions: self.transactions as usize,
                accounts,
                rounds,
            })
        });
        cases.collect()
    }

    /// In ascending order.
    fn workers(&self) -> Vec<NonZeroUsize> {
        let asked = self.workers.iter();
        let mut workers: Vec<_> = asked
            .filter_map(|count| NonZeroUsize::new(usize::from(*count)))
            .collect();
        if workers.is_empty() {
            workers.push(NonZeroUsize::MIN);
            workers.extend(thread::available_parallelism());
        }
        workers.sort_unstable();
        workers.dedup();
        workers
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Line {
    transactions: usize,
    accounts: u64,
    rounds: u32,
    engine: String,
    workers: NonZeroUsize,
    runs: usize,
    transactions_per_second: f64,
    microseconds_per_transaction: f64,
    speedup: f64,
    /// Nothing where the system does not tell.
    cores_busy: Option<f64>,
    /// Nothing where the engine does not tell.
    attempts_per_transaction: Option<f64>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let entrants = Entrant::all(&arguments.workers())
        .context("there are not enough threads for the workers")?;
    let cases = arguments.cases();
    let repeat = usize::from(arguments.repeat);
    // Each case is checked once.
    let progress = Progress::new(arguments.quiet, cases.len() * (repeat + 1));
    let mut results = Vec::new();
    let mut failed = false;
    let mut written = Ok(());
    for case in cases {
        progress.say(format!(
            "{}, {}",
            counted(case.accounts as usize, "account"),
            counted(case.rounds as usize, "round")
        ));
        match engines::measure(case, &entrants, repeat, &cancel, || progress.step()) {
            Ok(measured) if arguments.json => {
                let mut lines = measured.iter();
                written = lines.try_for_each(|measured| print_line(&line(case, measured)));
            }
            Ok(measured) => results.push((case, measured)),
            Err(failure) => {
                failed = true;
                let _ = writeln!(
                    io::stderr(),
                    "pleach: {} between {}, {}: {}",
                    counted(case.transactions, "payment"),
                    counted(case.accounts as usize, "account"),
                    counted(case.rounds as usize, "round"),
                    with_causes(&failure)
                );
            }
        }
        if cancel.is_cancelled() || written.is_err() {
            break;
        }
    }
    progress.finish();
    match written.and_then(|()| table::print(&results)) {
        // Who reads, for example `head`, has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.context("the result cannot be written")?,
    }
    Ok(ExitCode::from(if cancel.is_cancelled() {
        CANCELLED
    } else {
        u8::from(failed)
    }))
}

fn line(case: Case, measured: &Measured) -> Line {
    Line {
        transactions: case.transactions,
        accounts: case.accounts,
        rounds: case.rounds,
        engine: measured.engine.to_string(),
        workers: measured.workers,
        runs: measured.runs,
        transactions_per_second: case.transactions as f64 / measured.time.as_secs_f64(),
        microseconds_per_transaction: measured.time.as_secs_f64() * 1e6 / case.transactions as f64,
        speedup: measured.speedup,
        cores_busy: measured.cores_busy,
        attempts_per_transaction: measured.attempts,
    }
}
