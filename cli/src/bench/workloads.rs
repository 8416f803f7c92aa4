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
    race::rounds,
    row::Row,
};

use super::{
    before,
    grid::Grid,
    markdown::{self, Form},
    means::{self, means},
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

    /// How often each engine executes each block for the time, beside four times for all else. Default: 7, or 3 if it is to be quick.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1_000))]
    repeat: Option<u16>,

    /// Fewer runs, and fewer parameters where none are given: all workloads take less than two minutes on two cores.
    #[arg(long)]
    quick: bool,

    /// Prints one JSON object a line: one for each workload, engine and number of workers, and then, with a "summary", one for each
    /// geometric mean.
    #[arg(long)]
    json: bool,

    /// Writes charts of it all into this file, as a page that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Prints tables of Markdown: the speed-up of each engine, with a row for each block, or what each engine costs, with a table
    /// for each block.
    #[arg(
        long, value_name = "FORM", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "speed",
        conflicts_with = "json",
    )]
    markdown: Option<Form>,

    /// Measures nothing: shows what --json has printed into this file, as far as it is of the workloads, engines, workers and
    /// parameters that are named.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["html", "repeat", "quick"])]
    from: Option<PathBuf>,

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

/// Who reads, for example `head`, may have seen enough.
fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("the result cannot be written"),
    }
}

impl Workloads {
    /// The workloads that were named, or else all that one of the engines can execute.
    fn whats(&self, engines: &[Name]) -> anyhow::Result<Vec<What>> {
        let mut whats = chosen(&self.names, &What::all().collect::<Vec<_>>());
        let is_taken = |what: &What| engines.iter().any(|engine| what.takes(*engine));
        if self.names.is_empty() {
            whats.retain(is_taken);
        }
        if let Some(what) = whats.iter().find(|what| !is_taken(what)) {
            let able = Name::ALL.into_iter().filter(|engine| what.takes(*engine));
            let able: Vec<_> = able.map(Name::text).collect();
            anyhow::bail!(
                "none of the engines {} executes {}: that takes one of {}",
                self.engines.join(", "),
                what.name(),
                able.join(", ")
            );
        }
        Ok(whats)
    }

    /// What there is of what was named, in results that were measured before.
    fn of_those(&self, mut results: Vec<Vec<Row>>) -> Vec<Vec<Row>> {
        let has = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        results.retain(|rows| {
            has(&self.names, &rows[0].workload) && self.grid.admits(&rows[0].params)
        });
        for rows in &mut results {
            rows.retain(|row| {
                let is_plain = row.engine == Name::Plain.text();
                let known: Result<Name, _> = row.engine.parse();
                let is_single = known.is_ok_and(|name| !name.is_parallel());
                let workers = u16::try_from(row.workers).unwrap_or(u16::MAX);
                (is_plain || has(&self.engines, &row.engine))
                    && (is_single || self.workers.is_empty() || self.workers.contains(&workers))
            });
        }
        results.retain(|rows| !rows.is_empty());
        results
    }

    /// Shows all that was measured; of lines of JSON the rows are printed already.
    fn show(&self, results: &[Vec<Row>]) -> io::Result<()> {
        match self.markdown {
            _ if self.json => means(results).iter().try_for_each(print_line),
            Some(form) => markdown::print(results, form),
            None => table::print(results).and_then(|()| means::print(results)),
        }
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

/// Runs the command.
pub(super) fn run(arguments: &Workloads) -> anyhow::Result<ExitCode> {
    if let Some(path) = &arguments.from {
        let results = arguments.of_those(before::read(path)?);
        anyhow::ensure!(!results.is_empty(), "{} has no such rows", path.display());
        let shown = if arguments.json {
            results.iter().flatten().try_for_each(print_line)
        } else {
            Ok(())
        };
        written(shown.and_then(|()| arguments.show(&results)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let engines = chosen(&arguments.engines, &Name::ALL);
    let whats = arguments.whats(&engines)?;
    let subjects = arguments.grid.subjects(&whats, arguments.quick)?;
    let cancel = interrupt::token()?;
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
    let progress = Progress::new(arguments.quiet, count * rounds(repeat));
    let mut page = arguments.html.as_deref().map(Page::new).transpose()?;
    let mut results: Vec<Vec<Row>> = Vec::new();
    let mut failed = false;
    let mut printed = Ok(());
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
                    printed = rows.iter().try_for_each(print_line);
                }
                if let Some(page) = page.as_mut().filter(|_| !rows.is_empty()) {
                    page.look(subject, &workers, measured.sample)?;
                }
                results.push(rows);
                Ok(printed.is_ok())
            },
        );
        if let Err(failure) = measured {
            failed = true;
            let causes = with_causes(failure.as_ref());
            let _ = writeln!(io::stderr(), "pleach: {what}: {causes}");
        }
        if cancel.is_cancelled() || printed.is_err() {
            break;
        }
    }
    progress.finish();
    written(printed.and_then(|()| arguments.show(&results)))?;
    if let Some(page) = page {
        page.finish(&results.concat())?;
    }
    Ok(ExitCode::from(if cancel.is_cancelled() {
        CANCELLED
    } else {
        u8::from(failed)
    }))
}
