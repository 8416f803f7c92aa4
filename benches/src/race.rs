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

impl Counts {
    /// Within so many microseconds so many of a hundred transactions were final.
    fn commit_us(&self, percent: usize) -> Option<f64> {
        let mut committed = self.committed.clone();
        let at = committed.len().checked_sub(1)? * percent / 100;
        let (_, time, _) = committed.select_nth_unstable(at);
        Some(time.as_secs_f64() * 1e6)
    }
}

/// In millions.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
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

/// So many runs are counted: what is told of them are medians.
const COUNTED: usize = 3;

/// So many rounds there are of each block, if it is to be executed so many times for the time.
#[must_use]
pub const fn rounds(repeat: usize) -> usize {
    1 + COUNTED + repeat
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
    /// Has each engine execute the block in turns: first once to get warm, of which nothing is kept, then some times for what can
    /// be counted, then so many times for the time. The plain loop comes first. After each of these, `done` is called: see
    /// [`rounds`].
    pub(crate) fn race(
        self,
        racers: &mut [impl Racer],
        done: &mut dyn FnMut(),
    ) -> Result<Measured, Failure> {
        let neighbours = Neighbours::watch();
        self.rounds(racers, 1, &mut *done, Racer::count)?;
        let counts = self.rounds(racers, COUNTED, &mut *done, Racer::count)?;
        let runs = self.rounds(racers, self.repeat, &mut *done, Racer::time)?;
        let is_noisy = !self.cancel.is_cancelled() && neighbours.were_noisy();
        let costs = counts.first().map_or_else(Vec::new, |plain| costs(plain));
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

    /// So many rounds: what each engine has come to in each of those that were done.
    fn rounds<R: Racer, T>(
        &self,
        racers: &mut [R],
        count: usize,
        done: &mut dyn FnMut(),
        run: impl Fn(&mut R) -> Result<T, Failure>,
    ) -> Result<Vec<Vec<T>>, Failure> {
        let mut all: Vec<_> = racers.iter().map(|_| Vec::with_capacity(count)).collect();
        for turn in 0..count {
            let mut round = Vec::with_capacity(racers.len());
            for place in 0..racers.len() {
                // There and back, so that nobody always comes after the same one.
                let place = if turn % 2 == 0 {
                    place
                } else {
                    racers.len() - 1 - place
                };
                if self.cancel.is_cancelled() {
                    return Ok(all);
                }
                round.push((place, run(&mut racers[place])?));
            }
            if self.cancel.is_cancelled() {
                break;
            }
            for (place, result) in round {
                all[place].push(result);
            }
            done();
        }
        Ok(all)
    }
}

/// What the plain loop takes for each transaction, in nanoseconds, the clock included: the least of some runs, as what else the
/// processor does meanwhile belongs to no transaction.
fn costs(runs: &[Counts]) -> Vec<u64> {
    let mut costs: Vec<u64> = Vec::new();
    for run in runs {
        let mut before = Duration::ZERO;
        let again = run.committed.iter().map(|committed| {
            let cost = committed.saturating_sub(before);
            before = *committed;
            cost.as_nanos() as u64
        });
        if costs.is_empty() {
            costs = again.collect();
            continue;
        }
        for (least, cost) in costs.iter_mut().zip(again) {
            *least = cost.min(*least);
        }
    }
    costs
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
    fn row(&self, racer: &impl Racer, counts: &[Counts], runs: &[Run]) -> Option<Row> {
        let course = self.course;
        let time = median(seconds(runs))?;
        let transactions = course.transactions as f64;
        let slowest = seconds(runs).fold(0.0, f64::max);
        let fastest = seconds(runs).fold(f64::INFINITY, f64::min);
        let processors = runs.iter().filter_map(|run| run.processors);
        let of = |figure: fn(&Counts) -> Option<f64>| median(counts.iter().filter_map(figure));
        let speedup = self.plain? / time;
        let bound = self
            .bound
            .as_ref()
            .map(|bound| bound.speedup(racer.workers()));
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
            attempts_per_tx: of(|run| Some(run.attempts? as f64)).map(|runs| runs / transactions),
            allocations_per_tx: of(|run| Some(run.memory.counted?.allocations as f64))
                .map(|allocations| allocations / transactions),
            peak_alloc_mb: of(|run| Some(megabytes(run.memory.counted?.peak))),
            peak_rss_mb: of(|run| run.memory.peak.map(megabytes)),
            commit_p50_us: of(|run| run.commit_us(50)),
            commit_p99_us: of(|run| run.commit_us(99)),
            bound,
            efficiency: bound.map(|bound| speedup / bound),
            is_noisy: self.is_noisy,
        })
    }
}
