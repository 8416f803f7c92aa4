//! The result for programs: one JSON object a line, written as soon as it is known.

use std::{
    io::{self, StdoutLock, Write},
    num::NonZeroU16,
};

use pleach::pipeline::seda_stages::Histogram;
use pleach_evm::Check;
use serde::{Serialize, Serializer};

use super::{
    Arguments, Plan,
    outcome::{BlockOutcome, Executed, Fate, Mismatch, Totals, mgas_per_second},
    report::Report,
    staged::Measured,
};
use crate::{input::Unreadable, text::milliseconds};

pub(super) struct JsonLines {
    plan: Plan,
    out: StdoutLock<'static>,
}

/// A block. Null is what cannot be told, or checked, here.
#[derive(Serialize)]
struct Line<'a> {
    block: u64,
    transactions: usize,
    gas_used: Option<u64>,
    header_ok: Option<bool>,
    #[serde(serialize_with = "by_name")]
    checks: &'a [Check],
    strategy: &'static str,
    /// How it was executed: `auto` leaves to the serial executor what is too short for more than one thread.
    ran: Option<&'static str>,
    workers: NonZeroU16,
    serial_ms: Option<f64>,
    run_ms: Option<f64>,
    speedup: Option<f64>,
    attempts: Option<usize>,
    /// Attempts that had seen something that turned out different.
    deceived: Option<usize>,
    /// Attempts that were told something that was not so when their turn came.
    refused: Option<usize>,
    /// How often a transaction waited for one before it.
    waited: Option<usize>,
    /// What was executed serially, the protocol's own steps among it.
    serial: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict>,
    mgas_per_s: Option<f64>,
    fork: &'static str,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    /// The checks that failed, with both values in full.
    mismatches: Vec<Mismatch<'a>>,
}

/// A key on which attempts were wasted.
#[derive(Serialize)]
struct Conflict {
    key: String,
    attempts: usize,
}

#[derive(Serialize)]
struct Summary {
    /// What tells this line from the others.
    #[serde(rename = "summary")]
    last: bool,
    blocks: usize,
    failed: usize,
    geomean_speedup: Option<f64>,
    /// The same for blocks that use more than four million gas.
    geomean_speedup_large: Option<f64>,
    min_speedup: Option<f64>,
    not_run: usize,
    unreadable: usize,
    cancelled: bool,
    transactions: usize,
    gas_used: u64,
    serial_ms: Option<f64>,
    run_ms: f64,
    mgas_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<PipelineLine>,
}

/// How long blocks were in the stages, if they went through a pipeline.
#[derive(Serialize)]
struct PipelineLine {
    /// From the first file to the last result.
    wall_ms: f64,
    blocks_per_s: Option<f64>,
    mgas_per_s: Option<f64>,
    /// From when a block was read to when it was executed and kept.
    response_ms: Option<Quantiles>,
    stages: Vec<StageLine>,
}

#[derive(Serialize)]
struct StageLine {
    stage: String,
    handled: u64,
    waiting_ms: Quantiles,
    service_ms: Quantiles,
}

#[derive(Serialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
    max: f64,
}

impl From<&Histogram> for Quantiles {
    fn from(times: &Histogram) -> Self {
        let at = |share| rounded(milliseconds(times.quantile_time(share)));
        Self {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

fn pipeline(totals: &Totals) -> Option<PipelineLine> {
    let Measured {
        took,
        response,
        stages,
    } = totals.staged.as_ref()?;
    let stages = stages.iter().map(|stage| StageLine {
        stage: stage.name.to_string(),
        handled: stage.handled,
        waiting_ms: (&stage.waiting).into(),
        service_ms: (&stage.service).into(),
    });
    Some(PipelineLine {
        wall_ms: rounded(milliseconds(*took)),
        blocks_per_s: totals.blocks_per_second().map(rounded),
        mgas_per_s: mgas_per_second(totals.gas, *took).map(rounded),
        response_ms: response.as_ref().map(Into::into),
        stages: stages.collect(),
    })
}

fn by_name<S: Serializer>(checks: &[Check], serializer: S) -> Result<S::Ok, S::Error> {
    let checks = checks.iter();
    serializer.collect_map(checks.map(|check| (check.name, check.result.passed())))
}

fn conflicts(executed: &Executed) -> Vec<Conflict> {
    let conflicts = executed.conflicts.iter();
    conflicts
        .map(|(key, attempts)| Conflict {
            key: key.to_string(),
            attempts: *attempts,
        })
        .collect()
}

/// What is finer than a thousandth is noise.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl JsonLines {
    pub(super) fn new(arguments: &Arguments) -> Self {
        Self {
            plan: arguments.plan(),
            out: io::stdout().lock(),
        }
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.out.write_all(&text)?;
        self.out.flush()
    }
}

impl Report for JsonLines {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn block(&mut self, block: BlockOutcome) -> io::Result<()> {
        let executed = block.executed();
        let mismatches: Vec<_> = executed
            .into_iter()
            .flat_map(Executed::mismatches)
            .collect();
        let error = match &block.fate {
            Fate::Executed(_) if mismatches.is_empty() => None,
            Fate::Executed(_) => {
                let lines: Vec<_> = mismatches.iter().map(Mismatch::line).collect();
                Some(lines.join("; "))
            }
            Fate::Failed(error) => Some(error.clone()),
            Fate::NotRun => Some("not run: a block before it could not be executed".to_owned()),
        };
        self.line(&Line {
            block: block.number,
            transactions: block.transactions,
            gas_used: executed.map(|it| it.gas_used),
            header_ok: block.passed(),
            checks: executed.map_or(&[], |it| &it.checks),
            strategy: self.plan.strategy.name(),
            ran: executed.map(Executed::ran),
            workers: self.plan.workers,
            serial_ms: executed
                .and_then(|it| it.times.serial)
                .map(|time| rounded(milliseconds(time))),
            run_ms: executed.map(|it| rounded(milliseconds(it.times.run))),
            speedup: executed.and_then(|it| it.times.speedup()).map(rounded),
            attempts: executed.map(|it| it.attempts),
            deceived: executed.map(|it| it.statistics.deceived),
            refused: executed.map(|it| it.statistics.refused),
            waited: executed.map(|it| it.statistics.waited),
            serial: executed.map(|it| it.statistics.serial),
            conflicts: executed.map(conflicts).unwrap_or_default(),
            mgas_per_s: executed
                .and_then(|it| mgas_per_second(it.gas_used, it.times.run))
                .map(rounded),
            fork: block.fork,
            source: block.source.to_string(),
            error,
            mismatches,
        })
    }

    fn unreadable(&mut self, input: Unreadable) -> io::Result<()> {
        self.line(&input)
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.line(&Summary {
            last: true,
            blocks: totals.blocks,
            failed: totals.failed,
            geomean_speedup: totals.geomean_speedup().map(rounded),
            geomean_speedup_large: totals.large_speedup().map(|(mean, _)| rounded(mean)),
            min_speedup: totals.min_speedup().map(rounded),
            not_run: totals.not_run,
            unreadable: totals.unreadable,
            cancelled: totals.cancelled,
            transactions: totals.transactions,
            gas_used: totals.gas,
            serial_ms: totals.serial.map(|time| rounded(milliseconds(time))),
            run_ms: rounded(milliseconds(totals.run)),
            mgas_per_s: mgas_per_second(totals.gas, totals.run).map(rounded),
            pipeline: pipeline(totals),
        })
    }
}
