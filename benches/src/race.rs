//! Turns, and the figures that are made of them: the same for blocks of every kind.

use std::{collections::BTreeMap, error::Error, num::NonZeroUsize, time::Duration};

use pleach::CancelToken;
use pleach_dtt::Dtt;
use serde_json::Value as Json;

use crate::{
    allocations::{self, Counted},
    bound::Bound,
    machine::{self, Neighbours},
    report::Sample,
    row::Row,
    stopwatch::{Run, median},
};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The block cannot be made ready, whatever the engine.
    #[error("the block is not made ready")]
    Prepare(#[source] Box<dyn Error + Send + Sync>),
    /// An engine did not execute the block.
    #[error("{entrant}: the block is not executed")]
    Execute {
        /// The engine and its workers.
        entrant: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An engine gives something else than it must.
    #[error("{entrant}: another outcome than that of the plain loop: {what}")]
    Differs {
        /// The engine and its workers.
        entrant: String,
        /// What is not the same.
        what: String,
    },
}

/// What is measured of a block.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// A row for each engine; none if it was cancelled before the first turn was over.
    pub rows: Vec<Row>,
    /// The block's tree, with what the plain loop takes for each transaction; none if it has more than a tree can hold.
    pub sample: Option<Sample>,
}

/// An engine with a block.
pub(crate) trait Racer {
    /// How the engine is called.
    fn name(&self) -> &str;

    /// How many threads it has.
    fn workers(&self) -> NonZeroUsize;

    /// Executes the block once, for all but the time. What a run that was cancelled comes to is not looked at.
    fn count(&mut self) -> Result<Counts, Failure>;

    /// Executes the block once, for the time. What a run that was cancelled comes to is not looked at, and is to be forgotten.
    fn time(&mut self) -> Result<Run, Failure>;
}

/// What is counted in a run of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) attempts: Option<usize>,
    pub(crate) memory: Memory,
    /// From the beginning of the block until each transaction was final, in their order; or until all were.
    pub(crate) committed: Vec<Duration>,
}

/// What memory a run takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    counted: Option<Counted>,
    peak: Option<u64>,
}

impl Memory {
    /// Runs something, and looks how long that takes and what memory it asks for.
    pub(crate) fn watch<T>(run: impl FnOnce() -> T) -> (T, Run, Self) {
        machine::forget_peak_memory();
        let ((result, run), counted) = allocations::count(|| Run::time(run));
        let peak = machine::peak_memory();
        (result, run, Self { counted, peak })
    }
}

/// A block as all engines have it.
#[derive(Clone, Debug)]
pub(crate) struct Course<'a> {
    pub(crate) workload: String,
    pub(crate) params: BTreeMap<String, Json>,
    pub(crate) transactions: usize,
    /// Of an Ethereum block.
    pub(crate) gas: Option<u64>,
    /// How long a read of the state really takes, if it takes any time.
    pub(crate) read: Option<Duration>,
    pub(crate) tree: Option<Dtt>,
    pub(crate) repeat: usize,
    pub(crate) cancel: &'a CancelToken,
}

impl Course<'_> {
    /// Has each engine execute the block once for what can be counted, and then all of them in turns, so many times, for the
    /// time. The plain loop comes first. After each round, `done` is called.
    pub(crate) fn race(
        self,
        racers: &mut [impl Racer],
        done: &mut dyn FnMut(),
    ) -> Result<Measured, Failure> {
        let mut counts = Vec::with_capacity(racers.len());
        for racer in &mut *racers {
            counts.push(racer.count()?);
        }
        let costs = match racers.first_mut() {
            Some(plain) => self.costs(&counts[0], plain)?,
            None => Vec::new(),
        };
        done();
        let neighbours = Neighbours::watch();
        let mut runs = vec![Vec::with_capacity(self.repeat); racers.len()];
        for turn in 0..self.repeat {
            let mut round = Vec::with_capacity(racers.len());
            for place in 0..racers.len() {
                // There and back, so that nobody always comes after the same one.
                let place = if turn % 2 == 0 {
                    place
                } else {
                    racers.len() - 1 - place
                };
                round.push((place, racers[place].time()?));
            }
            if self.cancel.is_cancelled() {
                break;
            }
            for (place, run) in round {
                runs[place].push(run);
            }
            done();
        }
        let is_noisy = neighbours.are_noisy();
        let costs = Some(costs).filter(|costs| costs.len() == self.transactions);
        let bound = self.tree.as_ref().zip(costs.as_ref());
        let bound = bound.map(|(tree, costs)| Bound::new(tree, costs));
        let figures = Figures {
            course: &self,
            bound,
            is_noisy,
            plain: runs.first().and_then(|runs| median(seconds(runs))),
        };
        let rows = racers.iter().zip(&counts).zip(&runs);
        let rows = rows.filter_map(|((racer, counts), runs)| figures.row(racer, counts, runs));
        let rows: Vec<_> = rows.collect();
        let sample = self.tree.zip(costs).map(|(tree, costs)| Sample {
            workload: self.workload,
            params: self.params,
            tree,
            costs,
        });
        Ok(Measured {
            sample: sample.filter(|_| !rows.is_empty()),
            rows,
        })
    }

    /// What the plain loop takes for each transaction, in nanoseconds, the clock included: the least of some runs, as what else
    /// the processor does meanwhile belongs to no transaction.
    fn costs(&self, first: &Counts, plain: &mut impl Racer) -> Result<Vec<u64>, Failure> {
        const RUNS: usize = 3;
        let of = |counts: &Counts| {
            let mut before = Duration::ZERO;
            let costs = counts.committed.iter().map(|committed| {
                let cost = committed.saturating_sub(before);
                before = *committed;
                cost.as_nanos() as u64
            });
            costs.collect::<Vec<_>>()
        };
        let mut costs = of(first);
        // A slow state is slow each time, and takes long.
        let runs = if self.read.is_some() { 1 } else { RUNS };
        for _ in 1..runs {
            let again = of(&plain.count()?);
            for (least, cost) in costs.iter_mut().zip(again) {
                *least = cost.min(*least);
            }
        }
        Ok(costs)
    }
}

fn seconds(runs: &[Run]) -> impl Iterator<Item = f64> {
    runs.iter().map(|run| run.wall.as_secs_f64())
}

/// What all rows of a block are made with.
struct Figures<'a> {
    course: &'a Course<'a>,
    bound: Option<Bound>,
    is_noisy: bool,
    /// The seconds that the plain loop takes.
    plain: Option<f64>,
}

impl Figures<'_> {
    fn row(&self, racer: &impl Racer, counts: &Counts, runs: &[Run]) -> Option<Row> {
        let course = self.course;
        let time = median(seconds(runs))?;
        let transactions = course.transactions as f64;
        let slowest = seconds(runs).fold(0.0, f64::max);
        let fastest = seconds(runs).fold(f64::INFINITY, f64::min);
        let processors = runs.iter().filter_map(|run| run.processors);
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let Memory { counted, peak } = counts.memory;
        let speedup = self.plain? / time;
        let bound = self
            .bound
            .as_ref()
            .map(|bound| bound.speedup(racer.workers()));
        let mut committed = counts.committed.clone();
        committed.sort_unstable();
        let micros = |percent: usize| {
            let at = committed.len().saturating_sub(1) * percent / 100;
            committed.get(at).map(|time| time.as_secs_f64() * 1e6)
        };
        Some(Row {
            workload: course.workload.clone(),
            params: course.params.clone(),
            engine: racer.name().to_owned(),
            workers: racer.workers().get(),
            transactions: course.transactions,
            runs: runs.len(),
            tps: transactions / time,
            tps_spread: [transactions / slowest, transactions / fastest],
            mgas_per_s: course.gas.map(|gas| gas as f64 / 1e6 / time),
            read_us: course.read.map(|read| read.as_secs_f64() * 1e6),
            speedup,
            cpu_s_per_tx: median(processors.map(|time| time.as_secs_f64() / transactions)),
            cores_busy: median(runs.iter().filter_map(Run::cores_busy)),
            attempts_per_tx: counts
                .attempts
                .map(|attempts| attempts as f64 / transactions),
            allocations_per_tx: counted.map(|counted| counted.allocations as f64 / transactions),
            peak_alloc_mb: counted.map(|counted| megabytes(counted.peak)),
            peak_rss_mb: peak.map(megabytes),
            commit_p50_us: micros(50),
            commit_p99_us: micros(99),
            bound,
            efficiency: bound.map(|bound| speedup / bound),
            is_noisy: self.is_noisy,
        })
    }
}
