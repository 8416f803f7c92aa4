//! Turns, and the figures that are made of them.

use std::{num::NonZeroUsize, sync::atomic::AtomicUsize, time::Duration};

use pleach::{CancelToken, ExecuteError};

use super::{Base, Engine, Entrant, Job, Left, bound::Bound, expected::Expected};
use crate::{
    allocations::{self, Counted},
    machine::{self, Neighbours},
    row::Row,
    stopwatch::{Run, median},
    workloads::{Setting, Visitor, Workload},
};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// An engine did not execute the block.
    #[error("{entrant}: the block is not executed")]
    Execute {
        /// The engine and its workers.
        entrant: String,
        /// Why.
        source: ExecuteError,
    },
    /// An engine gives something else than the plain loop.
    #[error("{entrant}: another outcome than that of the plain loop: {what}")]
    Differs {
        /// The engine and its workers.
        entrant: String,
        /// What is not the same.
        what: String,
    },
}

/// Has each engine execute the block once for what can be counted, and then all of them in turns, so many times, for the time.
/// What comes of each run is compared with the plain loop's, while the clock stands. After each round, `done` is called.
///
/// A workload that is cancelled has the figures of the turns that were done; none if there was no whole turn.
///
/// # Errors
///
/// If an engine fails, or gives something else than the plain loop. Then there are no figures at all.
pub fn measure(
    setting: &Setting,
    entrants: &[Entrant],
    repeat: usize,
    cancel: &CancelToken,
    done: impl FnMut(),
) -> Result<Vec<Row>, Failure> {
    setting.visit(Measure {
        setting,
        entrants,
        repeat,
        cancel,
        done,
    })
}

struct Measure<'a, D> {
    setting: &'a Setting,
    entrants: &'a [Entrant],
    repeat: usize,
    cancel: &'a CancelToken,
    done: D,
}

impl<D: FnMut()> Visitor for Measure<'_, D> {
    type Result = Result<Vec<Row>, Failure>;

    fn visit<W: Workload + Clone + 'static>(mut self, workload: &W) -> Self::Result {
        let prepared = Prepared::new(workload, self.setting.latency, self.cancel);
        let mut racers = self.entrants.iter().map(Racer::new).collect::<Vec<_>>();
        let Some(expected) = Expected::new(&prepared.job()) else {
            return Ok(Vec::new());
        };
        for racer in &mut racers {
            racer.count(&prepared, &expected)?;
        }
        (self.done)();
        let neighbours = Neighbours::watch();
        for turn in 0..self.repeat {
            let mut runs = Vec::with_capacity(racers.len());
            for place in 0..racers.len() {
                // There and back, so that nobody always comes after the same one.
                let place = if turn % 2 == 0 {
                    place
                } else {
                    racers.len() - 1 - place
                };
                runs.push((place, racers[place].time(&prepared, &expected)?));
            }
            if self.cancel.is_cancelled() {
                break;
            }
            for (place, run) in runs {
                racers[place].runs.push(run);
            }
            (self.done)();
        }
        let is_noisy = neighbours.are_noisy();
        let bound = Bound::new(&prepared.job());
        Ok(rows(self.setting, &racers, bound.as_ref(), is_noisy))
    }
}

/// A block, and the state that it is executed on.
pub struct Prepared<'a, W: Workload> {
    workload: &'a W,
    base: Base<W::Value>,
    block: Vec<W::Transaction>,
    cancel: &'a CancelToken,
}

impl<'a, W: Workload> Prepared<'a, W> {
    /// Makes both, the state with such a latency.
    #[must_use]
    pub fn new(workload: &'a W, latency: Duration, cancel: &'a CancelToken) -> Self {
        Self {
            workload,
            base: Base::new(workload, latency),
            block: workload.block(),
            cancel,
        }
    }

    /// Executing it once.
    #[must_use]
    pub fn job(&self) -> Job<'_, W> {
        Job {
            workload: self.workload,
            base: &self.base,
            block: &self.block,
            cancel: self.cancel,
            attempts: None,
        }
    }
}

/// An engine, and what it has taken.
pub(super) struct Racer<W: Workload> {
    name: String,
    workers: NonZeroUsize,
    text: String,
    engine: Box<dyn Engine<W>>,
    runs: Vec<Run>,
    counts: Counts,
}

/// What is counted in a run of its own.
#[derive(Clone, Debug, Default)]
struct Counts {
    attempts: usize,
    memory: Option<Counted>,
    peak: Option<u64>,
    /// The median time until a transaction was final, and what one in a hundred exceeds.
    committed: Option<[Duration; 2]>,
}

impl<W: Workload> Racer<W> {
    pub(super) fn new(entrant: &Entrant) -> Self {
        Self::with(entrant, entrant.engine())
    }

    pub(super) fn with(entrant: &Entrant, engine: Box<dyn Engine<W>>) -> Self {
        Self {
            name: entrant.name().to_string(),
            workers: entrant.workers(),
            text: entrant.to_string(),
            engine,
            runs: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Executes the block once, for all but the time. What a run that was cancelled comes to is not looked at.
    pub(super) fn count(
        &mut self,
        prepared: &Prepared<'_, W>,
        expected: &Expected<W::Value>,
    ) -> Result<(), Failure> {
        // The copy of the plain loop is there before it runs, as it is in all later runs.
        self.engine.again(&prepared.job(), &[]);
        let attempts = AtomicUsize::new(0);
        let job = Job {
            attempts: Some(&attempts),
            ..prepared.job()
        };
        machine::forget_peak_memory();
        let ((left, run), memory) = allocations::count(|| Run::time(|| self.engine.run(&job)));
        let peak = machine::peak_memory();
        if prepared.cancel.is_cancelled() {
            return Ok(());
        }
        let left = check(&self.text, prepared, expected, left)?;
        let committed = match left.committed() {
            Some(times) => {
                let mut times = times.to_vec();
                times.sort_unstable();
                let at = |share: usize| times.get(times.len().saturating_sub(1) * share / 100);
                at(50).copied().zip(at(99).copied()).map(<[_; 2]>::from)
            }
            None => Some([run.wall; 2]),
        };
        drop(left);
        self.engine.again(&job, &expected.written);
        self.counts = Counts {
            attempts: attempts.into_inner(),
            memory,
            peak,
            committed,
        };
        Ok(())
    }

    /// Executes the block once, for the time. What a run that was cancelled comes to is not looked at, and is to be forgotten.
    pub(super) fn time(
        &mut self,
        prepared: &Prepared<'_, W>,
        expected: &Expected<W::Value>,
    ) -> Result<Run, Failure> {
        let job = prepared.job();
        let (left, executing) = Run::time(|| self.engine.run(&job));
        if prepared.cancel.is_cancelled() {
            return Ok(executing);
        }
        let left = check(&self.text, prepared, expected, left)?;
        let ((), dropping) = Run::time(|| drop(left));
        self.engine.again(&job, &expected.written);
        Ok(executing.and(dropping))
    }
}

fn check<'a, W: Workload>(
    entrant: &str,
    prepared: &Prepared<'_, W>,
    expected: &Expected<W::Value>,
    left: Result<Box<dyn Left<W::Value> + 'a>, ExecuteError>,
) -> Result<Box<dyn Left<W::Value> + 'a>, Failure> {
    let left = left.map_err(|source| Failure::Execute {
        entrant: entrant.to_owned(),
        source,
    })?;
    let compared = expected.compare(&prepared.base, &*left);
    compared.map_err(|what| Failure::Differs {
        entrant: entrant.to_owned(),
        what,
    })?;
    Ok(left)
}

fn rows<W: Workload>(
    setting: &Setting,
    racers: &[Racer<W>],
    bound: Option<&Bound>,
    is_noisy: bool,
) -> Vec<Row> {
    let seconds = |run: &Run| run.wall.as_secs_f64();
    let time = |racer: &Racer<W>| median(racer.runs.iter().map(seconds));
    // The plain loop comes first.
    let Some(plain) = racers.first().and_then(time) else {
        return Vec::new();
    };
    let transactions = setting.txs as f64;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let rows = racers.iter().filter_map(|racer| {
        let time = time(racer)?;
        let times = || racer.runs.iter().map(seconds);
        let slowest = times().fold(0.0, f64::max);
        let fastest = times().fold(f64::INFINITY, f64::min);
        let processors = racer.runs.iter().filter_map(|run| run.processors);
        let counts = &racer.counts;
        let speedup = plain / time;
        let bound = bound.map(|bound| bound.speedup(racer.workers));
        let micros = |at: usize| Some(counts.committed?[at].as_secs_f64() * 1e6);
        Some(Row {
            workload: setting.kind.to_string(),
            params: setting.params(),
            engine: racer.name.clone(),
            workers: racer.workers.get(),
            transactions: setting.txs,
            runs: racer.runs.len(),
            tps: transactions / time,
            tps_spread: [transactions / slowest, transactions / fastest],
            speedup,
            cpu_s_per_tx: median(processors.map(|time| time.as_secs_f64() / transactions)),
            cores_busy: median(racer.runs.iter().filter_map(Run::cores_busy)),
            attempts_per_tx: Some(counts.attempts as f64 / transactions),
            allocations_per_tx: counts
                .memory
                .map(|memory| memory.allocations as f64 / transactions),
            peak_alloc_mb: counts.memory.map(|memory| megabytes(memory.peak)),
            peak_rss_mb: counts.peak.map(megabytes),
            commit_p50_us: micros(0),
            commit_p99_us: micros(1),
            bound,
            efficiency: bound.map(|bound| speedup / bound),
            is_noisy,
        })
    });
    rows.collect()
}
