//! Puts a pipeline together, stage by stage, so that what one makes is what the next one takes.

use std::{fmt, thread::available_parallelism};

use crate::{
    clock::{Clock, SystemClock, nanoseconds},
    control::Admission,
    core::{Core, Responses, Sink, Threads},
    error::BuildError,
    facade::PipelineReports,
    histogram::Histogram,
    node::{Accept, Node, NodeParts, Run},
    pipeline::Pipeline,
    protocol::board::{Board, Lane},
    settings::{self, Order, Settings},
    stage::Stage,
    sync::{Arc, Mutex},
    timeline::Recorder,
};

/// Puts a pipeline together: from events of type `In` to, so far, results of type `Out`. See [`Pipeline::builder`].
#[must_use = "a pipeline begins with `build`"]
pub struct Builder<In, Out> {
    stages: Vec<Plan>,
    link: Link<In, Out>,
    workers: Option<usize>,
    inside: Option<usize>,
    admission: Option<Box<dyn Admission>>,
    clock: Arc<dyn Clock>,
    timeline: Option<usize>,
    name: String,
    is_stepped: bool,
}

/// Makes the stages so far, given what comes behind them, and gives back the first.
type Link<In, Out> =
    Box<dyn FnOnce(Arc<dyn Accept<Out>>, &mut Assembly) -> Arc<dyn Accept<In>> + Send>;

/// A stage that is not made yet.
struct Plan {
    name: Arc<str>,
    settings: Settings,
}

/// What stages are made from. They are made from the last to the first, as each knows the next.
struct Assembly {
    plans: Vec<(Plan, bool)>,
    nodes: Vec<Arc<dyn Run>>,
    clock: Arc<dyn Clock>,
    pipeline: String,
}

impl<In, Out> fmt::Debug for Builder<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.stages.iter().map(|plan| &plan.name);
        f.debug_struct("Builder")
            .field("stages", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Builder<T, T> {
    pub(crate) fn new() -> Self {
        Self {
            stages: Vec::new(),
            link: Box::new(|next, _| next),
            workers: None,
            inside: None,
            admission: None,
            clock: Arc::new(SystemClock::new()),
            timeline: None,
            name: "pipeline".to_owned(),
            is_stepped: false,
        }
    }
}

impl<In: Send + 'static, Out: Send + 'static> Builder<In, Out> {
    /// Adds a stage, which takes what the one before makes. `make` makes its handlers, when they are first needed and after
    /// panics.
    ///
    /// What does not fit does not compile:
    ///
    /// ```compile_fail,E0271
    /// # use seda_stages::{Pipeline, Settings, from_fn};
    /// Pipeline::builder()
    ///     .stage("length", Settings::new(), from_fn(|text: String| Ok::<usize, String>(text.len())))
    ///     .stage("double", Settings::new(), from_fn(|length: u32| Ok::<u32, String>(length * 2)));
    /// ```
    ///
    /// and with the same type on both sides it does:
    ///
    /// ```
    /// # use seda_stages::{Pipeline, Settings, from_fn};
    /// # let _builder =
    /// Pipeline::builder()
    ///     .stage("length", Settings::new(), from_fn(|text: String| Ok::<usize, String>(text.len())))
    ///     .stage("double", Settings::new(), from_fn(|length: usize| Ok::<usize, String>(length * 2)));
    /// ```
    #[expect(clippy::missing_panics_doc, reason = "every stage has its plan")]
    pub fn stage<S, F>(
        mut self,
        name: impl Into<String>,
        settings: Settings,
        make: F,
    ) -> Builder<In, S::Out>
    where
        S: Stage<In = Out>,
        F: Fn() -> S + Send + Sync + 'static,
    {
        self.stages.push(Plan {
            name: name.into().into(),
            settings,
        });
        let before = self.link;
        let link: Link<In, S::Out> = Box::new(move |next, assembly| {
            let (Plan { name, settings }, restores_order) =
                assembly.plans.pop().expect("every stage has a plan");
            let node = Arc::new(Node::new(NodeParts {
                index: assembly.plans.len(),
                name,
                make,
                next,
                restores_order,
                is_irrevocable: settings.is_irrevocable,
                restart: settings.restart,
                concurrency: settings.concurrency.unwrap_or(1.into()),
                batch: settings.batch,
                control_every: nanoseconds(settings.control_every),
                clock: Arc::clone(&assembly.clock),
                pipeline: assembly.pipeline.clone(),
            }));
            assembly.nodes.push(Arc::clone(&node) as Arc<dyn Run>);
            before(node, assembly)
        });
        Builder {
            stages: self.stages,
            link,
            workers: self.workers,
            inside: self.inside,
            admission: self.admission,
            clock: self.clock,
            timeline: self.timeline,
            name: self.name,
            is_stepped: self.is_stepped,
        }
    }

    /// Threads of the pool that stages share. Default: as many as there are cores. None are needed if all stages have
    /// threads of their own.
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = Some(threads);
        self
    }

    /// How many events may be inside at a time. Default: as many as all queues and the handlers of the last
    /// stage take together.
    pub fn inside(mut self, events: usize) -> Self {
        self.inside = Some(events);
        self
    }

    /// Who says how many of these are let in, such as a [`ResponseTarget`](crate::ResponseTarget). Default: nobody, all are.
    pub fn admission(mut self, controller: impl Admission + 'static) -> Self {
        self.admission = Some(Box::new(controller));
        self
    }

    /// Where the time comes from. Default: the [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Remembers the last batches, so many of them, for [`Pipeline::timeline`]. Default: none. One takes about 50 bytes.
    pub fn timeline(mut self, batches: usize) -> Self {
        self.timeline = Some(batches);
        self
    }

    /// What the pipeline is called in the names of its threads and in metrics. Default: `pipeline`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// No threads at all: somebody calls [`Pipeline::step`]. Everything happens in one order then, which suits tests and
    /// simulations, best with a [`ManualClock`](crate::ManualClock).
    pub fn stepped(mut self) -> Self {
        self.is_stepped = true;
        self
    }

    /// Begins.
    pub fn build(self) -> Result<Pipeline<In, Out>, BuildError> {
        let mut plans = self.stages;
        let workers = if self.is_stepped {
            1
        } else {
            let cores = || available_parallelism().map_or(1, Into::into);
            self.workers.unwrap_or_else(cores)
        };
        check(&plans, workers, self.inside)?;
        let gates = gates(&plans);
        let mut lanes = Vec::new();
        let mut own_crew = Vec::new();
        for plan in &mut plans {
            let settings = &mut plan.settings;
            if settings.order == Order::Strict {
                settings.concurrency = Some(1.into());
            }
            let is_own = settings.threads == settings::Threads::Own && !self.is_stepped;
            let all = if is_own { 1 } else { workers };
            let concurrency = settings.concurrency.get_or_insert(all.into());
            lanes.push(Lane {
                capacity: settings.queue,
                limit: concurrency.start,
                batch: settings.batch.start,
                has_own_crew: is_own,
            });
            own_crew.push(is_own);
        }
        let look = plans
            .iter()
            .filter(|plan| plan.settings.is_controlled())
            .map(|plan| plan.settings.control_every)
            .min();
        let own: Vec<_> = lanes.iter().map(|lane| lane.limit).collect();
        let queues = lanes.iter().map(|lane| lane.capacity);
        // Events that a stage has in its hands have a place in the next queue; behind the last stage there is none.
        let last = lanes
            .last()
            .map_or(0, |lane| lane.limit.saturating_mul(lane.batch));
        let capacity = queues.fold(last, usize::saturating_add);
        let capacity = self.inside.unwrap_or(capacity);

        let sink = Arc::new(Sink::new(gates[plans.len()]));
        let mut assembly = Assembly {
            plans: plans.into_iter().zip(gates).collect(),
            nodes: Vec::new(),
            clock: Arc::clone(&self.clock),
            pipeline: self.name.clone(),
        };
        let entry = (self.link)(Arc::clone(&sink) as Arc<dyn Accept<Out>>, &mut assembly);
        assembly.nodes.reverse();

        let mut admission = self.admission;
        let allowed = admission.as_mut().map(|it| it.begin(capacity));
        let core = Arc::new(Core {
            board: Board::new(lanes, capacity, look),
            nodes: assembly.nodes,
            sink,
            responses: Mutex::new(Responses {
                all: Histogram::new(),
                recent: Histogram::new(),
                since: nanoseconds(self.clock.now()),
                admission,
            }),
            reports: PipelineReports::new(&self.name),
            clock: self.clock,
            recorder: self.timeline.map(Recorder::new),
            name: self.name,
            capacity,
            threads: Mutex::new(Threads {
                own: vec![0; own.len()],
                ..Threads::default()
            }),
            own_crew,
        });
        if let Some(allowed) = allowed {
            core.board.set_window(allowed.min(capacity));
        }
        // From here on, a thread that cannot be started ends those that were.
        let pipeline = Pipeline::new(Arc::clone(&core), entry, self.is_stepped, look);
        if !self.is_stepped {
            if core.own_crew.contains(&false) {
                core.hire_shared(workers).map_err(BuildError::Thread)?;
            }
            for (stage, count) in own.into_iter().enumerate() {
                if core.own_crew[stage] {
                    core.hire(stage, count).map_err(BuildError::Thread)?;
                }
            }
        }
        core.report();
        Ok(pipeline)
    }
}

impl Settings {
    fn is_controlled(&self) -> bool {
        let concurrency = self.concurrency.as_ref();
        self.batch.controller.is_some() || concurrency.is_some_and(|knob| knob.controller.is_some())
    }
}

fn check(plans: &[Plan], workers: usize, inside: Option<usize>) -> Result<(), BuildError> {
    if plans.is_empty() {
        return Err(BuildError::NoStage);
    }
    let zero = |of: &str, what| {
        Err(BuildError::Zero {
            of: of.to_owned(),
            what,
        })
    };
    if inside == Some(0) {
        return zero("the pipeline", "the number of events inside");
    }
    for (index, Plan { name, settings }) in plans.iter().enumerate() {
        if plans[..index].iter().any(|before| before.name == *name) {
            return Err(BuildError::NameTwice(name.to_string()));
        }
        let concurrency = settings.concurrency.as_ref();
        if concurrency.is_some_and(|knob| knob.start == 0) {
            return zero(name, "the concurrency");
        }
        if settings.batch.start == 0 {
            return zero(name, "the batch size");
        }
        if settings.queue == 0 {
            return zero(name, "the queue");
        }
        if workers == 0 && settings.threads == settings::Threads::Shared {
            return Err(BuildError::NoWorker);
        }
    }
    Ok(())
}

/// Where events that come in any order have to be brought back into theirs: before each stage, and behind the last.
fn gates(plans: &[Plan]) -> Vec<bool> {
    let mut gates = Vec::new();
    let mut is_in_order = true;
    let mut is_wanted = false;
    for plan in plans {
        let order = plan.settings.order;
        is_wanted |= order == Order::Strict;
        gates.push(is_wanted && !is_in_order);
        is_in_order = order == Order::Strict;
        is_wanted = order == Order::Restored;
    }
    gates.push(is_wanted && !is_in_order);
    gates
}
