//! A pipeline without its types: the board, the stages, the outlet, and the threads that serve them.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    clock::{Clock, nanoseconds},
    control::{Admission, AdmissionSample, StageSample},
    envelope::{Envelope, Tag},
    facade::PipelineReports,
    histogram::Histogram,
    metrics::{Refusals, Snapshot, StageSnapshot, Summary},
    node::{Accept, Run, Work},
    protocol::{
        board::{Board, Claim, Crew, Next, Refusal},
        outlet::Outlet,
    },
    sync::{Arc, Builder, JoinHandle, Mutex, lock},
    timeline::{Recorder, Slice, Timeline},
};

pub(crate) struct Core {
    pub(crate) board: Board,
    pub(crate) nodes: Vec<Arc<dyn Run>>,
    pub(crate) own_crew: Vec<bool>,
    pub(crate) sink: Arc<dyn GiveOut>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) responses: Mutex<Responses>,
    pub(crate) reports: PipelineReports,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) name: String,
    pub(crate) capacity: usize,
    pub(crate) threads: Mutex<Threads>,
}

#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) handles: Vec<JoinHandle<()>>,
    /// How many there are of each stage's own.
    pub(crate) own: Vec<usize>,
    pub(crate) count: usize,
}

/// Response times, and the controller that looks at them.
pub(crate) struct Responses {
    pub(crate) all: Histogram,
    pub(crate) recent: Histogram,
    pub(crate) since: u64,
    pub(crate) admission: Option<Box<dyn Admission>>,
}

/// How long the admission controller waits for events that leave.
const ADMISSION_TIME: u64 = 1_000_000_000;

/// The results behind the last stage, for those who do not know their type.
pub(crate) trait GiveOut: Send + Sync {
    /// Tells the tickets of all results that are there. The board learns first that they have left, so that whoever is
    /// told finds room for the next event.
    fn give_out(&self, core: &Core, claim: &mut Claim, work: &mut Work);
    fn early(&self) -> usize;
}

pub(crate) struct Sink<T> {
    outlet: Outlet<Envelope<T>>,
}

impl<T> Sink<T> {
    pub(crate) fn new(in_order: bool) -> Self {
        Self {
            outlet: Outlet::new(in_order),
        }
    }
}

impl<T: Send> Accept<T> for Sink<T> {
    fn accept(&self, results: &mut Vec<Envelope<T>>, work: &mut Work) {
        self.outlet.put(results, &mut work.gone);
        work.flow.left += work.gone.len();
        work.gone.clear();
        work.has_results = true;
    }

    fn enter(&self, result: Envelope<T>) {
        self.outlet.put(&mut vec![result], &mut Vec::new());
    }
}

impl<T: Any + Send> GiveOut for Sink<T> {
    fn give_out(&self, core: &Core, claim: &mut Claim, work: &mut Work) {
        let mut results = Vec::new();
        let mut giving = self.outlet.begin(&mut results);
        while let Some(right) = giving {
            work.flow.left += results.len();
            work.flow.outcomes.completed += results.len() as u64;
            core.board.settle(claim, &mut work.flow);
            if let Some(allowed) = core.note_responses(&results, work.now) {
                core.board.set_window(allowed);
            }
            for Envelope { tag, value } in results.drain(..) {
                tag.record.phase.decide();
                // If there is no ticket any more, the result ends here.
                tell(move || {
                    let Tag { record, .. } = tag;
                    record.slot.succeed(&mut Some(value));
                });
            }
            giving = self.outlet.more(right, &mut results);
        }
    }

    fn early(&self) -> usize {
        self.outlet.early()
    }
}

/// Whoever is told may panic: a waker is somebody else's code, and so is what happens when a result is dropped.
fn tell(tell: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

impl Core {
    /// Handles what was claimed, and all that follows from it but the end of the claim.
    fn run(self: &Arc<Self>, claim: &mut Claim, worker: usize, work: &mut Work) {
        let begin = work.now;
        let stage = claim.stage;
        let is_last = stage + 1 == self.nodes.len();
        self.nodes[stage].run(claim, is_last, work);
        if let Some(recorder) = &self.recorder {
            recorder.record(Slice {
                stage,
                worker,
                begin,
                end: work.now,
                events: work.events,
                left: claim.left,
            });
        }
        self.tell(claim, work);
        self.control(stage, work.now);
        if !is_last {
            self.control(stage + 1, work.now);
        }
    }

    /// Tells all whose events have left.
    fn tell(&self, claim: &mut Claim, work: &mut Work) {
        if std::mem::take(&mut work.has_results) {
            self.sink.give_out(self, claim, work);
        }
        if !work.failed.is_empty() {
            self.board.settle(claim, &mut work.flow);
            for (record, error) in work.failed.drain(..) {
                tell(move || {
                    let record = record;
                    record.slot.fail(error);
                });
            }
        }
    }

    /// Cancels the events that wait and have lower numbers. Those that stages have in their hands are cancelled when they
    /// would go on.
    pub(crate) fn sweep(&self, cancelled_before: u64) {
        for node in &self.nodes {
            node.cancel(cancelled_before);
        }
    }

    /// Asks the controllers of a stage, if it is time.
    pub(crate) fn control(self: &Arc<Self>, stage: usize, now: u64) {
        let node = &self.nodes[stage];
        let asked = node.control(now, &mut || {
            self.board.look(|lanes| {
                let (concurrency, batch) = lanes.limits(stage);
                let mut sample = StageSample::default();
                (sample.concurrency, sample.batch) = (concurrency, batch);
                sample.queue_length = lanes.queued(stage);
                sample.running = lanes.running(stage);
                sample
            })
        });
        if let Some((concurrency, batch)) = asked {
            self.board.set_limits(stage, concurrency, batch);
            node.report(concurrency);
            if self.own_crew[stage] {
                // Too few threads are no reason to stop: the stage goes on with those that it has.
                let _ = self.hire(stage, concurrency);
            }
        }
    }

    /// Tells the gauges of all stages.
    pub(crate) fn report(&self) {
        for (stage, node) in self.nodes.iter().enumerate() {
            node.report(self.board.look(|lanes| lanes.limits(stage).0));
        }
    }

    pub(crate) fn control_all(self: &Arc<Self>) {
        let now = nanoseconds(self.clock.now());
        for stage in 0..self.nodes.len() {
            self.control(stage, now);
        }
    }

    /// Measures, and asks the admission controller, if it is time.
    fn note_responses<T>(&self, results: &[Envelope<T>], now: u64) -> Option<usize> {
        let mut responses = lock(&self.responses);
        let responses = &mut *responses;
        for result in results {
            let time = now.saturating_sub(result.tag.record.submitted);
            responses.all.record(time, 1);
            self.reports.response(time);
            if responses.admission.is_some() {
                responses.recent.record(time, 1);
            }
        }
        let admission = responses.admission.as_mut()?;
        let finished = responses.recent.count();
        let elapsed = now.saturating_sub(responses.since);
        if finished < admission.events() && elapsed < ADMISSION_TIME {
            return None;
        }
        let allowed = self.board.window().min(self.capacity);
        if finished < allowed as u64 && elapsed < ADMISSION_TIME {
            return None;
        }
        let sample = AdmissionSample {
            now: Duration::from_nanos(now),
            elapsed: Duration::from_nanos(elapsed),
            finished,
            p90: responses.recent.quantile_time(0.9),
            p99: responses.recent.quantile_time(0.99),
            allowed,
            peak: self.board.take_peak(),
            capacity: self.capacity,
        };
        responses.recent.clear();
        responses.since = now;
        // If it panics, things stay as they are.
        catch_unwind(AssertUnwindSafe(|| admission.adjust(&sample))).ok()
    }

    /// A worker's life.
    fn serve(self: &Arc<Self>, crew: Crew, worker: usize) {
        let mut work = Work::default();
        let mut next = self.board.next(crew, None);
        loop {
            next = match next {
                Next::Run(mut claim) => {
                    work.now = nanoseconds(self.clock.now());
                    self.run(&mut claim, worker, &mut work);
                    self.board.next(crew, Some((claim, &mut work.flow)))
                }
                Next::Sweep { cancelled_before } => {
                    self.sweep(cancelled_before);
                    self.board.next(crew, None)
                }
                Next::Look => {
                    self.control_all();
                    self.board.next(crew, None)
                }
                Next::Over => return,
            };
        }
    }

    /// Does what a worker of any stage would do next, once. False if there is nothing to do.
    pub(crate) fn step(self: &Arc<Self>) -> bool {
        let mut work = Work {
            now: nanoseconds(self.clock.now()),
            ..Work::default()
        };
        let Some(mut claim) = self.board.try_claim(Crew::Shared) else {
            self.control_all();
            return false;
        };
        self.run(&mut claim, 0, &mut work);
        if let Some(cancelled_before) = self.board.finish(claim, &mut work.flow) {
            self.sweep(cancelled_before);
        }
        true
    }

    /// Starts threads, until the pool has so many.
    pub(crate) fn hire_shared(self: &Arc<Self>, count: usize) -> io::Result<()> {
        let threads = &mut *lock(&self.threads);
        for _ in 0..count {
            self.start(threads, Crew::Shared)?;
        }
        Ok(())
    }

    /// Starts threads of a stage's own, until there are so many.
    pub(crate) fn hire(self: &Arc<Self>, stage: usize, count: usize) -> io::Result<()> {
        let threads = &mut *lock(&self.threads);
        while threads.own[stage] < count {
            self.start(threads, Crew::Own(stage))?;
            threads.own[stage] += 1;
        }
        Ok(())
    }

    fn start(self: &Arc<Self>, threads: &mut Threads, crew: Crew) -> io::Result<()> {
        let core = Arc::clone(self);
        let worker = threads.count;
        let name = match crew {
            Crew::Shared => format!("{} {worker}", self.name),
            Crew::Own(stage) => format!("{} {}", self.name, self.nodes[stage].name()),
        };
        let thread = Builder::new().name(name);
        let handle = thread.spawn(move || core.serve(crew, worker))?;
        threads.handles.push(handle);
        threads.count += 1;
        Ok(())
    }

    pub(crate) fn join(&self) {
        loop {
            let handles = std::mem::take(&mut lock(&self.threads).handles);
            if handles.is_empty() {
                return;
            }
            for handle in handles {
                // Workers do not panic; if one does, there is nobody to tell.
                let _ = handle.join();
            }
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        self.board.look(|lanes| {
            let outcomes = lanes.outcomes();
            Summary {
                accepted: lanes.entered(),
                completed: outcomes.completed,
                failed: outcomes.failed,
                cancelled: outcomes.cancelled,
                expired: outcomes.expired,
            }
        })
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let stages = self.nodes.iter().enumerate().map(|(stage, node)| {
            let (work, early) = (node.work(), node.early());
            self.board.look(|lanes| {
                let (concurrency, batch) = lanes.limits(stage);
                StageSnapshot {
                    name: Arc::clone(node.name()),
                    queue_length: lanes.queued(stage),
                    early,
                    running: lanes.running(stage),
                    concurrency,
                    batch,
                    work,
                }
            })
        });
        let stages = stages.collect();
        let response = lock(&self.responses).all.clone();
        let early = self.sink.early();
        self.board.look(|lanes| {
            let outcomes = lanes.outcomes();
            Snapshot {
                accepted: lanes.entered(),
                inside: lanes.inside(),
                allowed: lanes.window(),
                completed: outcomes.completed,
                failed: outcomes.failed,
                cancelled: outcomes.cancelled,
                expired: outcomes.expired,
                refused: Refusals {
                    full: lanes.refused(Refusal::Full),
                    overloaded: lanes.refused(Refusal::Overload),
                    closed: lanes.refused(Refusal::Closed),
                },
                response,
                early,
                stages,
            }
        })
    }

    pub(crate) fn timeline(&self) -> Option<Timeline> {
        let names = || self.nodes.iter().map(|node| Arc::clone(node.name()));
        let recorder = self.recorder.as_ref()?;
        Some(recorder.to_timeline(names().collect()))
    }
}
