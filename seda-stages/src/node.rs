//! One stage of a pipeline: takes events from its queue, has them handled, and passes them on.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    clock::{Clock, nanoseconds},
    control::StageSample,
    envelope::{Envelope, Record, Slot, Tag},
    error::{EventError, EventErrorKind},
    facade::{BatchReport, Reports, in_span},
    metrics::StageWork,
    protocol::{
        board::{Claim, Flow},
        phase::{CallOff, Withdrawn},
        queue::Queue,
    },
    settings::{Knob, Restart},
    stage::{Batch, Stage},
    sync::{Arc, Mutex, lock},
};

/// What is somebody else's code may panic when it is dropped, too.
fn discard<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// Where events go.
pub(crate) trait Accept<T>: Send + Sync {
    /// Takes these events, and the numbers in `work.gone`, whose events have left.
    fn accept(&self, events: &mut Vec<Envelope<T>>, work: &mut Work);
    /// Takes one event from outside. The caller tells the board.
    fn enter(&self, event: Envelope<T>);
}

/// A stage, for those who do not know its types.
pub(crate) trait Run: Send + Sync {
    /// Handles claimed events.
    fn run(&self, claim: &Claim, is_last: bool, work: &mut Work);
    /// Cancels the events that wait before it, if they have lower numbers. They stay where they are, but are answered.
    fn cancel(&self, before: u64);
    fn name(&self) -> &Arc<str>;
    fn early(&self) -> usize;
    fn work(&self) -> StageWork;
    /// What the controllers say, if it is time to ask them: concurrency and batch size.
    fn control(&self, now: u64, look: &mut dyn FnMut() -> StageSample) -> Option<(usize, usize)>;
    /// Tells how many handlers may run.
    fn report(&self, handlers: usize);
}

/// What a worker carries from batch to batch. Times are in nanoseconds.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) flow: Flow,
    /// Numbers of events that have left, for those who wait for their turn.
    pub(crate) gone: Vec<u64>,
    /// Events that have failed, to be told when the board knows.
    pub(crate) failed: Vec<(Arc<Record<dyn Slot>>, EventError)>,
    /// Whether there may be results to give out.
    pub(crate) has_results: bool,
    /// The time, as far as it is known.
    pub(crate) now: u64,
    /// Events in the last batch.
    pub(crate) events: usize,
}

/// A handler, with room for its events.
struct Hand<S: Stage> {
    stage: Option<S>,
    batch: Batch<S::In, S::Out, S::Error>,
    handled: Vec<Envelope<S::Out>>,
    /// How long its events have waited.
    waited: Vec<u64>,
}

impl<S: Stage> Hand<S> {
    fn new() -> Self {
        Self {
            stage: None,
            batch: Batch::new(),
            handled: Vec::new(),
            waited: Vec::new(),
        }
    }
}

/// How a node is made.
pub(crate) struct NodeParts<S: Stage, F> {
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) make: F,
    pub(crate) next: Arc<dyn Accept<S::Out>>,
    pub(crate) restores_order: bool,
    pub(crate) is_irrevocable: bool,
    pub(crate) restart: Restart,
    pub(crate) concurrency: Knob,
    pub(crate) batch: Knob,
    pub(crate) control_every: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pipeline: String,
}

pub(crate) struct Node<S: Stage, F> {
    index: usize,
    name: Arc<str>,
    make: F,
    pub(crate) queue: Queue<Envelope<S::In>>,
    restores_order: bool,
    is_irrevocable: bool,
    next: Arc<dyn Accept<S::Out>>,
    hands: Mutex<Vec<Hand<S>>>,
    restart: Restart,
    clock: Arc<dyn Clock>,
    reports: Reports,
    work: Mutex<StageWork>,
    is_controlled: bool,
    control: Mutex<Control>,
}

/// The controllers of a stage, and what it did since they were asked.
struct Control {
    concurrency: Knob,
    batch: Knob,
    every: u64,
    last: u64,
    events: u64,
    batches: u64,
    busy: u64,
}

impl<S: Stage, F> Node<S, F> {
    pub(crate) fn new(parts: NodeParts<S, F>) -> Self {
        let NodeParts {
            concurrency, batch, ..
        } = parts;
        Self {
            index: parts.index,
            reports: Reports::new(&parts.pipeline, &parts.name),
            name: parts.name,
            make: parts.make,
            queue: Queue::new(parts.restores_order),
            restores_order: parts.restores_order,
            is_irrevocable: parts.is_irrevocable,
            next: parts.next,
            hands: Mutex::new(Vec::new()),
            restart: parts.restart,
            work: Mutex::new(StageWork::new()),
            is_controlled: concurrency.controller.is_some() || batch.controller.is_some(),
            control: Mutex::new(Control {
                concurrency,
                batch,
                every: parts.control_every,
                last: nanoseconds(parts.clock.now()),
                events: 0,
                batches: 0,
                busy: 0,
            }),
            clock: parts.clock,
        }
    }

    fn error(&self, kind: EventErrorKind) -> EventError {
        EventError::new(Some(Arc::clone(&self.name)), kind)
    }

    /// An event leaves with an error.
    fn fail(&self, tag: Tag, kind: EventErrorKind, work: &mut Work) {
        if matches!(kind, EventErrorKind::Cancelled) {
            work.flow.outcomes.cancelled += 1;
        } else {
            work.flow.outcomes.failed += 1;
        }
        tag.record.phase.decide();
        work.gone.push(tag.number);
        work.failed.push((tag.record, self.error(kind)));
    }

    /// An event leaves that no stage has, because it was called off, or is now.
    fn withdraw(&self, tag: Tag, why: Withdrawn, work: &mut Work) {
        work.gone.push(tag.number);
        let why = match tag.record.phase.call_off(why) {
            CallOff::Mine => {
                work.failed.push((tag.record, self.error(why.into())));
                why
            }
            // Who called it off before has answered, too.
            _ => tag.record.phase.begin().err().unwrap_or(why),
        };
        match why {
            Withdrawn::Cancelled => work.flow.outcomes.cancelled += 1,
            Withdrawn::Expired => work.flow.outcomes.expired += 1,
        }
    }

    /// Takes the claimed events, but for those that have been called off. How many these were.
    fn take(&self, claim: &Claim, hand: &mut Hand<S>, work: &mut Work) -> u64 {
        let events = &mut hand.batch.events;
        self.queue.take(claim.events, events);
        self.reports.taken(claim.events);
        let now = work.now;
        let begin = |envelope: &Envelope<S::In>| {
            let record = &envelope.tag.record;
            let called_off = if envelope.tag.number < claim.cancelled_before {
                Some(Withdrawn::Cancelled)
            } else {
                (record.deadline <= now).then_some(Withdrawn::Expired)
            };
            match called_off {
                Some(why) if !record.phase.stands() => Err(why),
                _ => record.phase.begin(),
            }
        };
        let mut withdrawn = 0;
        let mut place = 0;
        // Most often, all may begin, and stay where they are.
        while let Some(envelope) = events.get(place) {
            match begin(envelope) {
                Ok(()) => place += 1,
                Err(why) => {
                    let Envelope { tag, value } = events.remove(place).expect("it was just seen");
                    withdrawn += 1;
                    discard(value);
                    self.withdraw(tag, why, work);
                }
            }
        }
        withdrawn
    }

    /// Nothing more to do for these events here.
    fn pass_gone(&self, work: &mut Work) {
        if !work.gone.is_empty() {
            self.next.accept(&mut Vec::new(), work);
        }
    }
}

impl<S: Stage, F: Fn() -> S + Send + Sync> Node<S, F> {
    /// Has all events of the batch answered. How often a handler panicked.
    fn handle(&self, hand: &mut Hand<S>, work: &mut Work) -> u64 {
        let mut panics = 0;
        while !hand.batch.is_empty() {
            if self.has_stopped(panics) {
                while let Some(event) = hand.batch.take() {
                    discard(event);
                }
                for tag in std::mem::take(&mut hand.batch.taken) {
                    self.fail(tag, EventErrorKind::Stopped, work);
                }
                break;
            }
            let before = hand.batch.len();
            let result = catch_unwind(AssertUnwindSafe(|| {
                let stage = hand.stage.get_or_insert_with(&self.make);
                stage.handle_batch(&mut hand.batch);
            }));
            if hand.batch.len() == before {
                // It goes on with one event less, or it might for ever.
                discard(hand.batch.take());
            }
            let message = result.err().map(|payload| {
                panics += 1;
                message(&*payload)
            });
            for tag in std::mem::take(&mut hand.batch.taken) {
                let kind = match &message {
                    Some(message) => EventErrorKind::Panicked(message.clone()),
                    None => EventErrorKind::Unanswered,
                };
                self.fail(tag, kind, work);
            }
            if message.is_some() {
                // It may panic again; that is the same panic to us.
                discard(hand.stage.take());
            }
        }
        panics
    }

    fn has_stopped(&self, panics: u64) -> bool {
        match self.restart {
            Restart::Always => false,
            Restart::AtMost(most) => lock(&self.work).panics + panics > most,
        }
    }

    /// Passes on what was answered with a result; the others leave.
    fn pass_on(&self, hand: &mut Hand<S>, is_last: bool, work: &mut Work) {
        for (mut tag, result) in hand.batch.answers.drain(..) {
            match result {
                Ok(value) => {
                    if self.is_irrevocable {
                        tag.record.phase.stand();
                    }
                    if is_last || tag.record.phase.pass_on() {
                        tag.since = work.now;
                        hand.handled.push(Envelope { tag, value });
                    } else {
                        discard(value);
                        self.fail(tag, EventErrorKind::Cancelled, work);
                    }
                }
                Err(error) => {
                    let error = catch_unwind(AssertUnwindSafe(|| error.into()));
                    let kind = match error {
                        Ok(error) => EventErrorKind::Failed(error),
                        Err(payload) => EventErrorKind::Panicked(message(&*payload)),
                    };
                    self.fail(tag, kind, work);
                }
            }
        }
        self.next.accept(&mut hand.handled, work);
    }
}

/// What a panic says.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it says nothing").to_owned()
}

impl<S: Stage, F: Fn() -> S + Send + Sync> Accept<S::In> for Node<S, F> {
    fn accept(&self, events: &mut Vec<Envelope<S::In>>, work: &mut Work) {
        if !events.is_empty() || self.restores_order {
            let queued = self.queue.put(events, &mut work.gone);
            if queued > 0 {
                work.flow.queued.push((self.index, queued));
                self.reports.queued(queued);
            }
        }
        self.pass_gone(work);
    }

    fn enter(&self, event: Envelope<S::In>) {
        self.reports.queued(1);
        self.queue.push(event);
    }
}

impl<S: Stage, F: Fn() -> S + Send + Sync> Run for Node<S, F> {
    fn run(&self, claim: &Claim, is_last: bool, work: &mut Work) {
        let mut hand = lock(&self.hands).pop().unwrap_or_else(Hand::new);
        let begin = work.now;
        let withdrawn = self.take(claim, &mut hand, work);
        let failed_before = work.flow.outcomes.failed;
        let events = hand.batch.len();
        let mut report = BatchReport {
            events: events as u64,
            withdrawn,
            ..BatchReport::default()
        };
        for envelope in &hand.batch.events {
            let waited = begin.saturating_sub(envelope.tag.since);
            hand.waited.push(waited);
            self.reports.waited(waited);
        }
        report.panics = in_span(&self.name, events, || self.handle(&mut hand, work));
        work.now = nanoseconds(self.clock.now());
        work.events = events;
        report.busy = work.now.saturating_sub(begin);
        self.pass_on(&mut hand, is_last, work);
        report.failed = work.flow.outcomes.failed - failed_before;
        report.handled = report.events - report.failed;

        let mut stage = lock(&self.work);
        for waited in hand.waited.drain(..) {
            stage.waiting.record(waited, 1);
        }
        stage.handled += report.handled;
        stage.failed += report.failed;
        stage.withdrawn += report.withdrawn;
        stage.panics += report.panics;
        if events > 0 {
            stage.batches.record(report.events, 1);
            let each = report.busy / report.events;
            stage.service.record(each, report.events);
        }
        drop(stage);
        lock(&self.hands).push(hand);
        self.reports.batch(&report);
        if self.is_controlled {
            let mut control = lock(&self.control);
            control.events += report.events;
            control.batches += u64::from(events > 0);
            control.busy += report.busy;
        }
    }

    fn cancel(&self, before: u64) {
        let mut records = Vec::new();
        self.queue.look(|envelope| {
            if envelope.tag.number < before {
                records.push(Arc::clone(&envelope.tag.record));
            }
        });
        for record in records {
            let _ = record.call_off(Withdrawn::Cancelled);
        }
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn early(&self) -> usize {
        self.queue.early()
    }

    fn work(&self) -> StageWork {
        lock(&self.work).clone()
    }

    fn control(&self, now: u64, look: &mut dyn FnMut() -> StageSample) -> Option<(usize, usize)> {
        if !self.is_controlled {
            return None;
        }
        let mut control = lock(&self.control);
        let control = &mut *control;
        let elapsed = now.saturating_sub(control.last);
        if elapsed < control.every {
            return None;
        }
        control.last = now;
        let sample = StageSample {
            now: std::time::Duration::from_nanos(now),
            elapsed: std::time::Duration::from_nanos(elapsed),
            events: std::mem::take(&mut control.events),
            batches: std::mem::take(&mut control.batches),
            busy: std::time::Duration::from_nanos(std::mem::take(&mut control.busy)),
            ..look()
        };
        let ask = |knob: &mut Knob, now: usize| {
            let controller = knob.controller.as_mut()?;
            let asked = catch_unwind(AssertUnwindSafe(|| controller.adjust(&sample)));
            if asked.is_err() {
                // The number stays as it is from now on.
                knob.controller = None;
            }
            Some(asked.unwrap_or(now).max(1))
        };
        let concurrency =
            ask(&mut control.concurrency, sample.concurrency).unwrap_or(sample.concurrency);
        let batch = ask(&mut control.batch, sample.batch).unwrap_or(sample.batch);
        Some((concurrency, batch))
    }

    fn report(&self, handlers: usize) {
        self.reports.handlers(handlers);
    }
}
