//! `pleach bench WORKLOAD...`: every engine on any workload.

use std::{
    io::{self, ErrorKind, Write},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    thread,
};

use anyhow::Context;
use clap::{builder::PossibleValuesParser, value_parser};
use pleach_bench::{
    engines::{Name, lineup},
    row::Row,
};

use super::{
    grid::Grid,
    page::Page,
    subject::{Means, Subject, What},
    table,
};
use crate::{
    interrupt::{self, CANCELLED},
    progress::Progress,
    text::{print_line, with_causes},
};

pub(super) const AFTER_HELP: &str = "\
Without a workload all are measured: half an hour on two cores, or two minutes with --quick. All engines execute the same block in \
turns; each outcome, the outputs and the state at the end, is compared with the plain loop's while the clock stands. If one differs \
there are no figures. Ethereum blocks have the engines plain, a revm loop over its cache, serial, pleach-optimistic and pleach-auto.

Exit code: 0 if all engines agree; 1 if one of them does not, or fails; 2 if the usage is wrong; 130 if it was cancelled \
with Ctrl-C, with the results of what was done.";

/// How to measure.
#[derive(Debug, clap::Args)]
pub(super) struct Workloads {
    /// What to measure. Default: all.
    #[arg(value_name = "WORKLOAD", value_parser = PossibleValuesParser::new(What::all().map(What::name)))]
    names: Vec<String>,

    /// Which engines. The plain loop always takes part. Default: all.
    #[arg(
        long, value_name = "ENGINE,ENGINE...", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Name::ALL.map(Name::text)),
    )]
    engines: Vec<String>,

    /// How many threads the parallel engines have, in turn. Default: one, and one for each core.
    #[arg(
        long, value_name = "N,N...", value_delimiter = ',',
        value_parser = value_parser!(u16).range(1..=MOST_WORKERS),
    )]
    workers: Vec<u16>,

    /// How often each engine executes each block. Default: 7, or 3 if it is to be quick.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1_000))]
    repeat: Option<u16>,

    /// Fewer runs, and fewer parameters where none are given: all workloads take less than two minutes on two cores.
    #[arg(long)]
    quick: bool,

    /// Prints one JSON object a line: one for each workload, engine and number of workers.
    #[arg(long)]
    json: bool,

    /// Writes charts of it all into this file, as a page that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// No progress bar.
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    grid: Grid,
}

const MOST_WORKERS: i64 = 256;

/// Those that were named, each once, or else all. Names were checked before.
pub(super) fn chosen<T: Copy + PartialEq + std::str::FromStr>(
    names: &[String],
    all: &[T],
) -> Vec<T> {
    let mut chosen = Vec::new();
    for one in names.iter().filter_map(|name| name.parse().ok()) {
        if !chosen.contains(&one) {
            chosen.push(one);
        }
    }
    if chosen.is_empty() {
        all.to_vec()
    } else {
        chosen
    }
}

impl Workloads {
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

/// Runs the command.
pub(super) fn run(arguments: &Workloads) -> anyhow::Result<ExitCode> {
    let whats = chosen(&arguments.names, &What::all().collect::<Vec<_>>());
    let subjects = arguments.grid.subjects(&whats, arguments.quick)?;
    let cancel = interrupt::token()?;
    let engines = chosen(&arguments.engines, &Name::ALL);
    let workers = arguments.workers();
    let entrants =
        lineup(&engines, &workers).context("there are not enough threads for the workers")?;
    let usual = if arguments.quick { 3 } else { 7 };
    let repeat = usize::from(arguments.repeat.unwrap_or(usual));
    let means = Means {
        entrants: &entrants,
        repeat,
        cancel: &cancel,
    };
    let count: usize = subjects.iter().map(Subject::count).sum();
    // Each block is executed once more, for what is counted.
    let progress = Progress::new(arguments.quiet, count * (repeat + 1));
    let mut page = arguments.html.as_deref().map(Page::new).transpose()?;
    let mut results: Vec<Vec<Row>> = Vec::new();
    let mut failed = false;
    let mut written = Ok(());
    for subject in &subjects {
        let mut what = subject.workload().to_owned();
        let measured = subject.measure(
            means,
            &mut |params| {
                what = table::title(subject.workload(), params);
                progress.say(what.clone());
            },
            &mut || progress.step(),
            &mut |measured| {
                let rows = measured.rows;
                if arguments.json {
                    written = rows.iter().try_for_each(print_line);
                }
                if let Some(page) = page.as_mut().filter(|_| !rows.is_empty()) {
                    page.look(subject, &workers, measured.sample)?;
                }
                results.push(rows);
                Ok(written.is_ok())
            },
        );
        if let Err(failure) = measured {
            failed = true;
            let causes = with_causes(failure.as_ref());
            let _ = writeln!(io::stderr(), "pleach: {what}: {causes}");
        }
        if cancel.is_cancelled() || written.is_err() {
            break;
        }
    }
    progress.finish();
    if !arguments.json {
        written = written.and_then(|()| table::print(&results));
    }
    match written {
        // Who reads, for example `head`, has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.context("the result cannot be written")?,
    }
    if let Some(page) = page {
        page.finish(&results.concat())?;
    }
    Ok(ExitCode::from(if cancel.is_cancelled() {
        CANCELLED
    } else {
        u8::from(failed)
    }))
}
