//! A native block on every engine.

use std::{num::NonZeroUsize, sync::atomic::AtomicUsize, time::Duration};

use pleach::{AccessSet, CancelToken, ExecuteError};
use pleach_dtt::{Dtt, OpenTree, Trust};

use super::{Base, Engine, Entrant, Job, Left, expected::Expected};
use crate::{
    race::{Counts, Course, Failure, Measured, Memory, Racer},
    stopwatch::Run,
    workloads::{Setting, Visitor, Workload},
};

/// Has all engines execute the block in turns: some times to get warm and for what can be counted, and then so many times for the
/// time. What comes of each run is compared with the plain loop's, while the clock stands. After each of the
/// [`rounds`](crate::race::rounds), `done` is called.
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
) -> Result<Measured, Failure> {
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
    type Result = Result<Measured, Failure>;

    fn visit<W: Workload + Clone + 'static>(mut self, workload: &W) -> Self::Result {
        let prepared = Prepared::new(workload, self.setting.latency, self.cancel);
        let Some(expected) = Expected::new(&prepared.job()) else {
            return Ok(Measured::default());
        };
        let lanes = self.entrants.iter();
        let mut lanes: Vec<_> = lanes
            .map(|entrant| Lane::new(entrant, entrant.engine(), &prepared, &expected))
            .collect();
        let course = Course {
            workload: self.setting.kind.to_string(),
            params: self.setting.params(),
            transactions: self.setting.txs,
            gas: None,
            read: prepared.base.real_latency(),
            tree: prepared.tree(),
            repeat: self.repeat,
            cancel: self.cancel,
        };
        course.race(&mut lanes, &mut self.done)
    }
}

/// A block, and the state that it is executed on.
pub struct Prepared<'a, W: Workload> {
    workload: &'a W,
    base: Base<W::Table>,
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

    /// The tree of the block, by what its transactions announce. Nothing if it has more than a tree can hold.
    fn tree(&self) -> Option<Dtt> {
        let mut tree = OpenTree::with_capacity(self.block.len(), 4 * self.block.len());
        let mut set = AccessSet::new();
        for transaction in &self.block {
            set.clear();
            self.workload.accesses(transaction, &mut set);
            set.sort();
            tree.push(&set, Trust::Exact).ok()?;
        }
        Some(tree.into_tree())
    }
}

/// An engine with a block, and what must come of that.
pub(super) struct Lane<'a, W: Workload> {
    entrant: &'a Entrant,
    text: String,
    engine: Box<dyn Engine<W>>,
    prepared: &'a Prepared<'a, W>,
    expected: &'a Expected<W::Value>,
}

impl<'a, W: Workload> Lane<'a, W> {
    pub(super) fn new(
        entrant: &'a Entrant,
        engine: Box<dyn Engine<W>>,
        prepared: &'a Prepared<'a, W>,
        expected: &'a Expected<W::Value>,
    ) -> Self {
        Self {
            entrant,
            text: entrant.to_string(),
            engine,
            prepared,
            expected,
        }
    }
}

impl<W: Workload> Racer for Lane<'_, W> {
    fn name(&self) -> &str {
        self.entrant.name().text()
    }

    fn workers(&self) -> NonZeroUsize {
        self.entrant.workers()
    }

    fn count(&mut self) -> Result<Counts, Failure> {
        let (prepared, expected) = (self.prepared, self.expected);
        // The copy of the plain loop is there before it runs, as it is in all later runs.
        self.engine.again(&prepared.job(), &[]);
        let attempts = AtomicUsize::new(0);
        let job = Job {
            attempts: Some(&attempts),
            ..prepared.job()
        };
        let (left, run, memory) = Memory::watch(|| self.engine.run(&job));
        if prepared.cancel.is_cancelled() {
            return Ok(Counts::default());
        }
        let left = check(&self.text, prepared, expected, left)?;
        let committed = match left.committed() {
            Some(times) => times.to_vec(),
            None => vec![run.wall],
        };
        drop(left);
        self.engine.again(&job, &expected.written);
        Ok(Counts {
            attempts: Some(attempts.into_inner()),
            memory,
            committed,
        })
    }

    fn time(&mut self) -> Result<Run, Failure> {
        let (prepared, expected) = (self.prepared, self.expected);
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
        source: source.into(),
    })?;
    let compared = expected.compare(&prepared.base, &*left);
    compared.map_err(|what| Failure::Differs {
        entrant: entrant.to_owned(),
        what,
    })?;
    Ok(left)
}
