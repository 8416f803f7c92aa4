//! `pleach bench evm-transfers` and its like: Ethereum blocks of a billion gas on a plain revm loop and on Pleach.

use std::{
    io::{self, ErrorKind, Write},
    num::NonZeroUsize,
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::{ValueEnum, value_parser};
use pleach::CancelToken;
use pleach_bench::{
    gigagas::{
        Engine, Entrant, Failure, Hints, Kind, Measured, Prepared, Settings, Workload, generate,
        measure, real_latency,
    },
    row::Row,
};

use crate::{
    interrupt::{self, CANCELLED},
    progress::Progress,
    tables::{align, lines, make_fit, screen, table},
    text::{counted, decimal, explain, print_line, thousands, with_causes, wrap},
};

const AFTER_HELP: &str = "\
All engines execute the same block in turns. What comes of each run is compared with what the serial executor leaves: receipts \
and changes, and of the plain loop its gas and all that it changed. Measured is execution alone.

Exit code: 0 if all engines agree; 1 if one of them does not, or fails; 2 if the usage is wrong; 130 if it was cancelled \
with Ctrl-C, with the results of what was done.";

/// Measures an Ethereum block of a billion gas, and compares that with a plain revm loop.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// What transactions have in common, in turn. Default: each that there is of the workload.
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    kind: Vec<KindName>,

    /// How long the store takes for an account or a word of storage, in microseconds, in turn. 0 is a store in memory.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',', default_value = "0",
        value_parser = value_parser!(u32).range(0..=1_000_000),
    )]
    latency_us: Vec<u32>,

    /// How many threads the parallel engines have, in turn. Default: one, and one for each core.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u16).range(1..=256),
    )]
    workers: Vec<u16>,

    /// What the parallel engines are told of the block, as an earlier execution has recorded it, in turn.
    #[arg(
        long,
        value_name = "HINTS,...",
        value_delimiter = ',',
        default_value = "none,accesses"
    )]
    hints: Vec<HintsName>,

    /// How much gas a block uses, in millions.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=10_000))]
    mgas: u32,

    /// How many accounts there are to draw from, where accounts are drawn.
    #[arg(
        long, value_name = "N", default_value_t = 100_000,
        value_parser = value_parser!(u64).range(2..=10_000_000),
    )]
    accounts: u64,

    /// Where random numbers begin: the same blocks for the same seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How often each engine executes each block.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u16).range(1..=1_000))]
    repeat: u16,

    /// Prints one JSON object a line: one for each block, latency and engine.
    #[arg(long)]
    json: bool,

    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// What transactions have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// Nobody takes part twice.
    Independent,
    /// Accounts are drawn uniformly.
    Uniform,
    /// Three of ten draws are among a tenth of the accounts.
    Hot,
    /// Each transaction needs what the one before leaves.
    Chained,
}

impl KindName {
    fn kind(self) -> Kind {
        match self {
            Self::Independent => Kind::Independent,
            Self::Uniform => Kind::Uniform,
            Self::Hot => Kind::Hot,
            Self::Chained => Kind::Chained,
        }
    }
}

/// What engines are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HintsName {
    /// Nothing.
    None,
    /// The tree of the block.
    Tree,
    /// What each transaction touches.
    Accesses,
}

impl HintsName {
    fn hints(self) -> Hints {
        match self {
            Self::None => Hints::None,
            Self::Tree => Hints::Tree,
            Self::Accesses => Hints::Accesses,
        }
    }
}

impl Arguments {
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

    fn kinds(&self, workload: Workload) -> anyhow::Result<Vec<Kind>> {
        let all = workload.kinds();
        if self.kind.is_empty() {
            return Ok(all.to_vec());
        }
        let asked = self.kind.iter().map(|name| name.kind());
        let asked: Vec<_> = asked.collect();
        if let Some(other) = asked.iter().find(|kind| !all.contains(kind)) {
            anyhow::bail!("there are no {other} blocks of {workload}");
        }
        Ok(asked)
    }
}

/// One block on one store.
struct Case {
    settings: Settings,
    latency_us: u32,
    /// How long a read really takes.
    read: Duration,
    transactions: usize,
    gas: u64,
    measured: Vec<Measured>,
}

impl Case {
    /// Whether others had the processors meanwhile: a loop that never waits has a core to itself otherwise. On a slow store
    /// that cannot be told.
    fn is_noisy(&self) -> bool {
        let plain = self.measured.first();
        let busy = plain.and_then(|plain| plain.cores_busy);
        self.latency_us == 0 && busy.is_some_and(|cores| cores < 0.9)
    }
}

/// Runs the command.
pub(crate) fn run(workload: Workload, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let kinds = arguments.kinds(workload)?;
    let hints: Vec<_> = arguments.hints.iter().map(|name| name.hints()).collect();
    let entrants = Entrant::all(&arguments.workers(), &hints)
        .context("there are not enough threads for the workers")?;
    let repeat = usize::from(arguments.repeat);
    let steps = kinds.len() * arguments.latency_us.len() * repeat * entrants.len();
    let bench = Bench {
        arguments,
        entrants,
        progress: Progress::new(arguments.quiet, steps),
        cancel,
    };
    let mut cases = Vec::new();
    let mut failed = false;
    let mut written = Ok(());
    for kind in kinds {
        let settings = Settings {
            gas: u64::from(arguments.mgas) * MGAS,
            accounts: arguments.accounts,
            seed: arguments.seed,
            ..Settings::new(workload, kind)
        };
        let result = bench.block(settings, &mut |case: Case| {
            if arguments.json {
                let mut lines = case.measured.iter();
                written = lines.try_for_each(|measured| print_line(&row(&case, measured)));
            } else {
                cases.push(case);
            }
            written.is_ok()
        });
        if let Err(failure) = result {
            failed = true;
            let reasons = with_causes(&failure);
            let _ = writeln!(io::stderr(), "pleach: {workload}, {kind}: {reasons}");
        }
        if bench.cancel.is_cancelled() || written.is_err() {
            break;
        }
    }
    bench.progress.finish();
    match written.and_then(|()| print(&cases)) {
        // Who reads, for example `head`, has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.context("the result cannot be written")?,
    }
    Ok(ExitCode::from(if bench.cancel.is_cancelled() {
        CANCELLED
    } else {
        u8::from(failed)
    }))
}

struct Bench<'a> {
    arguments: &'a Arguments,
    entrants: Vec<Entrant>,
    progress: Progress,
    cancel: CancelToken,
}

impl Bench<'_> {
    /// Measures a block on each store, and gives the results to `sink` until it has enough.
    fn block(&self, settings: Settings, sink: &mut dyn FnMut(Case) -> bool) -> Result<(), Failure> {
        let said = format!("{}, {}", settings.workload, settings.kind);
        self.progress.say(format!("{said}: making the block"));
        let case = generate(&settings);
        let prepared = Prepared::new(&case, &self.cancel)?;
        for &latency_us in &self.arguments.latency_us {
            let latency = Duration::from_micros(latency_us.into());
            self.progress.say(format!("{said}, {latency_us} us a read"));
            let measured = measure(
                &prepared,
                latency,
                &self.entrants,
                usize::from(self.arguments.repeat),
                &self.cancel,
                || self.progress.step(),
            )?;
            let goes_on = sink(Case {
                settings,
                latency_us,
                read: real_latency(latency),
                transactions: prepared.transactions(),
                gas: prepared.gas(),
                measured,
            });
            if !goes_on || self.cancel.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}

fn row(case: &Case, measured: &Measured) -> Row {
    let settings = &case.settings;
    let transactions = case.transactions as f64;
    let tps = |time: Option<&Duration>| time.map_or(0.0, |time| transactions / time.as_secs_f64());
    let params = [
        ("kind", settings.kind.to_string().into()),
        ("latency_us", case.latency_us.into()),
        ("hints", measured.hints.to_string().into()),
        ("mgas", (settings.gas / MGAS).into()),
        ("accounts", settings.accounts.into()),
        ("seed", settings.seed.into()),
    ];
    let seconds = measured.time.as_secs_f64();
    Row {
        workload: settings.workload.to_string(),
        params: params
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect(),
        engine: measured.engine.to_string(),
        workers: measured.workers,
        transactions: case.transactions,
        runs: measured.times.len(),
        tps: transactions / seconds,
        tps_spread: [
            tps(measured.times.iter().max()),
            tps(measured.times.iter().min()),
        ],
        speedup: measured.speedup,
        cpu_s_per_tx: measured
            .cores_busy
            .map(|cores| cores * seconds / transactions),
        cores_busy: measured.cores_busy,
        attempts_per_tx: measured.attempts,
        allocations_per_tx: None,
        peak_alloc_mb: None,
        peak_rss_mb: None,
        commit_p50_us: None,
        commit_p99_us: None,
        bound: None,
        efficiency: None,
        is_noisy: case.is_noisy(),
    }
}

const MGAS: u64 = 1_000_000;
const GGAS: usize = 6;
const CORES: usize = 8;
const ATTEMPTS: usize = 9;
/// What a narrow table goes without, first to last.
const DISPENSABLE: [usize; 3] = [GGAS, ATTEMPTS, CORES];

/// Prints the results for people.
fn print(cases: &[Case]) -> io::Result<()> {
    let cases: Vec<_> = cases
        .iter()
        .filter(|case| !case.measured.is_empty())
        .collect();
    let Some(first) = cases.first() else {
        return Ok(());
    };
    let mut table = table();
    table.set_header([
        "kind",
        "read us",
        "engine",
        "workers",
        "hints",
        "ms",
        "Ggas/s",
        "speed-up",
        "cores busy",
        "attempts",
    ]);
    for case in &cases {
        for (index, row) in case.measured.iter().enumerate() {
            // Said once, or nobody sees where a case begins.
            let once = |text: String| if index == 0 { text } else { String::new() };
            let seconds = row.time.as_secs_f64();
            let hints = match row.engine {
                Engine::Plain | Engine::Serial => String::new(),
                _ => row.hints.to_string(),
            };
            table.add_row([
                once(case.settings.kind.to_string()),
                once(decimal(Some(case.read.as_secs_f64() * 1e6), 0)),
                row.engine.to_string(),
                row.workers.to_string(),
                hints,
                decimal(Some(seconds * 1e3), 1),
                decimal(Some(case.gas as f64 / 1e9 / seconds), 2),
                decimal(Some(row.speedup), 2),
                decimal(row.cores_busy, 2),
                decimal(row.attempts, 2),
            ]);
        }
    }
    align(&mut table, &[0, 2, 4]);
    let width = screen();
    let hidden = make_fit(&mut table, width, &DISPENSABLE);
    let mut lines = lines(&table, 0).into_iter();
    let mut out = io::stdout().lock();
    for line in lines.by_ref().take(2) {
        writeln!(out, "{line}")?;
    }
    for (index, case) in cases.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        for line in lines.by_ref().take(case.measured.len()) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    for line in legend(first, &cases, &hidden, width.into()) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What was executed, and what the columns mean that are there.
fn legend(first: &Case, cases: &[&Case], hidden: &[usize], width: usize) -> Vec<String> {
    const INDENT: usize = 12;
    let mut blocks: Vec<String> = Vec::new();
    for case in cases {
        let block = format!(
            "{} of {} in {} gas",
            case.settings.kind,
            counted(case.transactions, "transaction"),
            thousands(case.gas),
        );
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    let runs = first.measured.first().map_or(0, |row| row.times.len());
    let text = format!(
        "{}: {}; medians of {}, in which every engine left the same.",
        first.settings.workload,
        blocks.join(", "),
        counted(runs, "run"),
    );
    let mut lines = wrap(&text, width);
    if cases.iter().any(|case| case.is_noisy()) {
        let warning = "Others had the processors meanwhile: the figures say little.";
        lines.append(&mut wrap(warning, width));
    }
    for (column, name, meaning) in [
        (
            None,
            "read us",
            "how long the store takes for an account or a word of storage",
        ),
        (
            None,
            "hints",
            "what the engine is told of the block, recorded before",
        ),
        (
            None,
            "speed-up",
            "how many times as fast as the plain revm loop over its cache",
        ),
        (
            Some(CORES),
            "cores busy",
            "processor time of the whole process, by time",
        ),
        (
            Some(ATTEMPTS),
            "attempts",
            "how often each transaction was executed, on average",
        ),
    ] {
        if column.is_none_or(|column| !hidden.contains(&column)) {
            lines.append(&mut explain(name, meaning, INDENT, width));
        }
    }
    lines
}
