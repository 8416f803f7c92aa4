//! `pleach bench pipeline`: a chain of blocks in a pipeline, and block by block.

use std::{
    cell::Cell,
    io::{self, ErrorKind, Write},
    num::NonZeroUsize,
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::value_parser;
use pleach::CancelToken;
use pleach_bench::chain::{self, Case, Chain, Failure, Measured, Overload, Watch};
use serde::Serialize;

use crate::{
    interrupt::{self, CANCELLED},
    progress::Progress,
    tables::{align, lines, make_fit, screen, table},
    text::{
        counted, decimal, explain, microseconds, milliseconds, print_line, thousands, with_causes,
        wrap,
    },
};

const AFTER_HELP: &str = "\
Blocks come as bytes. They are decoded, checked, executed, kept by height, and moved into a store: one after the other, each \
of these steps on all cores, or in a pipeline, several at a time. Both must come to the same. Then, blocks come at random \
moments, at four fifths of what is possible block by block; and then the pipeline is offered more than it can take.

Exit code: 0 if both come to the same; 1 if not; 2 if the usage is wrong; 130 if it was cancelled with Ctrl-C.";

/// Measures a chain of blocks in a pipeline, and block by block.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// How many blocks there are; a twentieth of them where the store takes its time.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(20..=100_000))]
    blocks: u32,

    /// How many payments a block has.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=100_000))]
    transactions: u32,

    /// Between how many accounts.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(2..=10_000_000))]
    accounts: u32,

    /// How much work each payment is, when it is executed, and once more when it is checked: 1,000 rounds take one to two
    /// microseconds.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(0..=1_000_000))]
    rounds: u32,

    /// How many microseconds the store takes for a read, in turn.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',', default_value = "0,50",
        value_parser = value_parser!(u32).range(0..=100_000),
    )]
    latency_us: Vec<u32>,

    /// How many threads of the pipeline read ahead where the store takes its time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u16).range(0..=256))]
    readers: u16,

    /// How many threads execute a block. Default: one for each core.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=256))]
    workers: Option<u16>,

    /// How often each way is measured.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..=100))]
    repeat: u16,

    /// How many times the blocks that it can take the pipeline is offered in the end.
    #[arg(long, value_name = "N", default_value_t = 3.0)]
    overload: f64,

    /// For how many seconds, each time.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=3_600))]
    seconds: u32,

    /// How many milliseconds 99 in 100 blocks may take then, at most. Default: sixteen times as many as half of the blocks
    /// take at the load before.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=600_000))]
    target_ms: Option<u32>,

    /// Prints one JSON object a line: one for each way and store, and one for the overload.
    #[arg(long)]
    json: bool,

    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

impl Arguments {
    fn cases(&self) -> Vec<Case> {
        let workers = self.workers.map(usize::from).and_then(NonZeroUsize::new);
        let workers = workers
            .or_else(|| thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN);
        let case = |latency: &u32| Case {
            blocks: self.blocks as usize / if *latency == 0 { 1 } else { 20 },
            transactions: self.transactions as usize,
            accounts: self.accounts,
            rounds: self.rounds,
            latency: Duration::from_micros(u64::from(*latency)),
            readers: usize::from(self.readers),
            workers,
        };
        self.latency_us.iter().map(case).collect()
    }
}

/// What a narrow table goes without, first to last: transactions a second, cores busy, p99.9.
const DISPENSABLE: [usize; 3] = [3, 5, 8];

/// What a case has come to.
struct Done {
    case: Case,
    /// How long a read really took where there was nothing else to do, if it took any time.
    read: Option<Duration>,
    measured: [Measured; 2],
    overload: Overload,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        arguments.overload.is_finite() && (1.0..=100.0).contains(&arguments.overload),
        "--overload is from 1 to 100"
    );
    let cancel = interrupt::token()?;
    let cases = arguments.cases();
    // As fast as it goes and at a load, both ways; then the pipeline alone.
    let steps = 6 * usize::from(arguments.repeat);
    let progress = Progress::new(arguments.quiet, cases.len() * steps);
    let mut results = Vec::new();
    let mut failed = false;
    let mut written = Ok(());
    for case in cases {
        let runs = Runs {
            latency: case.latency,
            progress: &progress,
            cancel: &cancel,
            has_begun: Cell::new(false),
        };
        match measure(arguments, case, &runs) {
            Ok(Some(done)) if arguments.json => written = print_lines(&done),
            Ok(Some(done)) => results.push(done),
            Ok(None) => break,
            Err(failure) => {
                failed = true;
                let _ = writeln!(io::stderr(), "pleach: {}", with_causes(&failure));
            }
        }
        if written.is_err() {
            break;
        }
    }
    progress.finish();
    match written.and_then(|()| print(&results, arguments.seconds)) {
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

/// The runs of a case, each a step of the bar.
struct Runs<'a> {
    latency: Duration,
    progress: &'a Progress,
    cancel: &'a CancelToken,
    has_begun: Cell<bool>,
}

impl Watch for Runs<'_> {
    fn begins(&self, run: &str) {
        if self.has_begun.replace(true) {
            self.progress.step();
        }
        let latency = self.latency;
        self.progress.say(format!("{latency:?} a read: {run}"));
    }

    fn goes_on(&self) -> bool {
        self.progress.tick();
        !self.cancel.is_cancelled()
    }
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.progress.step();
    }
}

fn measure(arguments: &Arguments, case: Case, runs: &Runs<'_>) -> Result<Option<Done>, Failure> {
    let repeat = usize::from(arguments.repeat);
    let Some(measured) = chain::measure(case, repeat, runs)? else {
        return Ok(None);
    };
    let target = arguments.target_ms.map_or_else(
        || 16 * measured[1].loaded.latency(0.5).unwrap_or_default(),
        |target| Duration::from_millis(u64::from(target)),
    );
    let time = Duration::from_secs(u64::from(arguments.seconds));
    let overload = chain::overload(case, repeat, arguments.overload, time, target, runs)?;
    Ok(overload.map(|overload| Done {
        case,
        read: case.read(),
        measured,
        overload,
    }))
}

impl Done {
    /// How many times as fast as block by block.
    fn speedup(&self, measured: &Measured) -> f64 {
        measured.fast.speed() / self.measured[0].fast.speed()
    }
}

/// A way of executing blocks, as JSON.
#[derive(Serialize)]
struct Line {
    how: String,
    transactions: usize,
    latency_us: u128,
    read_us: Option<f64>,
    workers: NonZeroUsize,
    blocks_per_s: f64,
    transactions_per_s: f64,
    speedup: f64,
    cores_busy: Option<f64>,
    load_blocks_per_s: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
}

/// More than the pipeline can take, as JSON.
#[derive(Serialize)]
struct OverloadLine {
    how: &'static str,
    latency_us: u128,
    offered_blocks_per_s: f64,
    best_blocks_per_s: f64,
    accepted_blocks_per_s: f64,
    share_of_best: f64,
    refused: usize,
    target_ms: f64,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
}

fn at(chain: &Chain, share: f64) -> Option<f64> {
    chain.latency(share).map(milliseconds)
}

fn print_lines(done: &Done) -> io::Result<()> {
    for measured in &done.measured {
        let blocks_per_s = measured.fast.speed();
        print_line(&Line {
            how: measured.how.to_string(),
            transactions: done.case.transactions,
            latency_us: done.case.latency.as_micros(),
            read_us: done.read.map(microseconds),
            workers: done.case.workers,
            blocks_per_s,
            transactions_per_s: blocks_per_s * done.case.transactions as f64,
            speedup: done.speedup(measured),
            cores_busy: measured.fast.run.cores_busy(),
            load_blocks_per_s: measured.load,
            p50_ms: at(&measured.loaded, 0.5),
            p99_ms: at(&measured.loaded, 0.99),
            p999_ms: at(&measured.loaded, 0.999),
        })?;
    }
    let overload = &done.overload;
    print_line(&OverloadLine {
        how: "overload",
        latency_us: done.case.latency.as_micros(),
        offered_blocks_per_s: overload.offered,
        best_blocks_per_s: overload.best,
        accepted_blocks_per_s: overload.accepted.speed(),
        share_of_best: overload.share,
        refused: overload.refused,
        target_ms: milliseconds(overload.target),
        p90_ms: at(&overload.accepted, 0.9),
        p99_ms: at(&overload.accepted, 0.99),
    })
}

fn print(results: &[Done], seconds: u32) -> io::Result<()> {
    let Some(first) = results.first() else {
        return Ok(());
    };
    let mut table = table();
    table.set_header([
        "us a read",
        "how",
        "blocks/s",
        "txs/s",
        "speed-up",
        "cores busy",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
    ]);
    for done in results {
        for (index, measured) in done.measured.iter().enumerate() {
            let speed = measured.fast.speed();
            let cell = |share| decimal(at(&measured.loaded, share), 2);
            table.add_row([
                if index == 0 {
                    thousands(done.case.latency.as_micros() as u64)
                } else {
                    String::new()
                },
                measured.how.to_string(),
                decimal(Some(speed), 1),
                decimal(Some(speed * done.case.transactions as f64), 0),
                decimal(Some(done.speedup(measured)), 2),
                decimal(measured.fast.run.cores_busy(), 2),
                cell(0.5),
                cell(0.99),
                cell(0.999),
            ]);
        }
    }
    align(&mut table, &[1]);
    let width = screen();
    make_fit(&mut table, width, &DISPENSABLE);
    let mut out = io::stdout().lock();
    for line in lines(&table, 0) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    let width = usize::from(width);
    let mut text = wrap(
        &format!(
            "{} a block, between {} accounts; medians.",
            counted(first.case.transactions, "payment"),
            thousands(first.case.accounts.into())
        ),
        width,
    );
    for (name, meaning) in [
        ("blocks/s", "as fast as it goes"),
        (
            "p50 ms",
            "from when a block comes to when it is final, where blocks come at random moments, at four fifths of the speed \
             that is possible block by block; and so on for p99 and p99.9",
        ),
    ] {
        text.append(&mut explain(name, meaning, 12, width));
    }
    for Done {
        case,
        read,
        overload,
        ..
    } in results
    {
        text.push(String::new());
        let latency = case.latency;
        if let Some(read) = read {
            text.append(&mut wrap(
                &format!(
                    "A read that is to take {latency:?} took {} us where there was nothing else to do.",
                    decimal(Some(microseconds(*read)), 1)
                ),
                width,
            ));
        }
        text.append(&mut wrap(
            &format!(
                "Overload, {latency:?} a read: of {} blocks/s that were offered for {} s, again and again, the pipeline executed {}, {} % of its best, and refused \
                 the others. These took {} ms (p90), {} ms (p99), {} ms (p99.9); at most {} ms (p99) were asked for.",
                decimal(Some(overload.offered), 0),
                seconds,
                decimal(Some(overload.accepted.speed()), 1),
                decimal(Some(100.0 * overload.share), 1),
                decimal(at(&overload.accepted, 0.9), 1),
                decimal(at(&overload.accepted, 0.99), 1),
                decimal(at(&overload.accepted, 0.999), 1),
                decimal(Some(milliseconds(overload.target)), 1),
            ),
            width,
        ));
    }
    text.iter().try_for_each(|line| writeln!(out, "{line}"))
}
