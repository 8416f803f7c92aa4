//! What a pipeline measures of itself.

use crate::{histogram::Histogram, sync::Arc};

/// A pipeline at one moment. Numbers that count go from its beginning on; times are in nanoseconds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Events that were accepted. Those that are not inside any more are completed, failed, cancelled or expired.
    pub accepted: u64,
    /// Events inside.
    pub inside: usize,
    /// How many the admission controller allows inside; the largest number if there is none.
    pub allowed: usize,
    /// Events that have left with a result.
    pub completed: u64,
    /// Events that have left because a handler failed or panicked, or had stopped.
    pub failed: u64,
    /// Events that were cancelled.
    pub cancelled: u64,
    /// Events whose deadline passed before a stage began with them.
    pub expired: u64,
    /// Events that were refused.
    pub refused: Refusals,
    /// From when they were let in to their results, of those completed.
    pub response: Histogram,
    /// Results that wait for their turn behind the last stage.
    pub early: usize,
    /// One for each stage, first stage first.
    pub stages: Vec<StageSnapshot>,
}

/// How many events were refused, and why.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Refusals {
    /// Because the pipeline was full.
    pub full: u64,
    /// Because of the admission controller.
    pub overloaded: u64,
    /// Because it was closed.
    pub closed: u64,
}

/// A stage at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StageSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Events that wait before it.
    pub queue_length: usize,
    /// Events that wait before it for their turn.
    pub early: usize,
    /// Handlers that run.
    pub running: usize,
    /// How many may run.
    pub concurrency: usize,
    /// How many events a batch may have.
    pub batch: usize,
    /// What it did.
    pub work: StageWork,
}

/// What a stage did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StageWork {
    /// Events that left it with a result.
    pub handled: u64,
    /// Events that failed in it: errors, panics, no answers.
    pub failed: u64,
    /// Events that it did not begin with: cancelled or past their deadline.
    pub withdrawn: u64,
    /// Panics of its handlers.
    pub panics: u64,
    /// How long events waited before it.
    pub waiting: Histogram,
    /// How long handlers took, by event: the time of a batch in equal parts.
    pub service: Histogram,
    /// Events a batch.
    pub batches: Histogram,
}

impl StageWork {
    pub(crate) fn new() -> Self {
        Self {
            handled: 0,
            failed: 0,
            withdrawn: 0,
            panics: 0,
            waiting: Histogram::new(),
            service: Histogram::new(),
            batches: Histogram::new(),
        }
    }
}

/// What has become of every event, once a pipeline is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Events that were accepted: the sum of the others.
    pub accepted: u64,
    /// With a result.
    pub completed: u64,
    /// Because of a handler.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Past their deadline.
    pub expired: u64,
}
