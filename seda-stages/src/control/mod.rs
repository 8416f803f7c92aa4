//! Controllers: what sets the numbers of a stage while it runs.
//!
//! | file | what |
//! | --- | --- |
//! | `concurrency.rs` | handlers at a time, from queue length and idling |
//! | `batch.rs` | events a batch: the fewest that keep up throughput |
//! | `admission.rs` | events in the pipeline, from a target for the response time |
//!
//! All are functions of what they are shown, and never look at a clock.

use std::time::Duration;

mod admission;
mod batch;
mod concurrency;

pub use admission::{ResponseTarget, ResponseTargetError};
pub use batch::SmallestBatch;
pub use concurrency::QueueThreads;

/// Sets one number of a stage: its concurrency or its batch size.
///
/// ```
/// use seda_stages::{Controller, Knob, Settings, StageSample};
///
/// /// As many handlers as events wait, up to eight.
/// struct AsManyAsWait;
///
/// impl Controller for AsManyAsWait {
///     fn adjust(&mut self, sample: &StageSample) -> usize {
///         sample.queue_length.min(8)
///     }
/// }
///
/// let _settings = Settings::new().concurrency(Knob::controlled(1, AsManyAsWait));
/// ```
pub trait Controller: Send {
    /// What the number should be from now on. Less than one counts as one.
    ///
    /// It is asked every [`control_every`](crate::Settings::control_every), as long as events come to the stage or leave it,
    /// or wait because all its handlers are busy.
    fn adjust(&mut self, sample: &StageSample) -> usize;
}

/// What a stage has done since its controllers were last asked.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct StageSample {
    /// The time now.
    pub now: Duration,
    /// The time since the last sample.
    pub elapsed: Duration,
    /// Events that wait before the stage now.
    pub queue_length: usize,
    /// Handlers that run now.
    pub running: usize,
    /// How many may run.
    pub concurrency: usize,
    /// How many events a batch may have.
    pub batch: usize,
    /// Events that were handled.
    pub events: u64,
    /// Batches that were handled.
    pub batches: u64,
    /// Time that handlers have spent, all together.
    pub busy: Duration,
}

/// Sets how many events may be in a pipeline at a time.
///
/// ```
/// use std::time::Duration;
/// use seda_stages::{Admission, AdmissionSample};
///
/// /// One more while all goes well, half of them when it does not.
/// struct Additive;
///
/// impl Admission for Additive {
///     fn adjust(&mut self, sample: &AdmissionSample) -> usize {
///         if sample.p90 < Duration::from_millis(10) {
///             sample.allowed.saturating_add(1)
///         } else {
///             sample.allowed / 2
///         }
///     }
/// }
///
/// let mut sample = AdmissionSample::default();
/// sample.allowed = 8;
/// assert_eq!(Additive.adjust(&sample), 9);
/// ```
pub trait Admission: Send {
    /// How many are allowed until [`adjust`](Self::adjust) is asked for the first time. Less than one counts as one. Default: as
    /// many as there is room for.
    fn begin(&mut self, capacity: usize) -> usize {
        capacity
    }

    /// How many should be allowed from now on. Less than one counts as one.
    ///
    /// It is asked when at least so many [`events`](Self::events) have left, and as many as are allowed inside, so that the last
    /// answer has shown its effect; or when a second has passed and some have left.
    fn adjust(&mut self, sample: &AdmissionSample) -> usize;

    /// How many events have to leave before it is asked again. Default: 100.
    fn events(&self) -> u64 {
        100
    }
}

impl<T: Admission + ?Sized> Admission for Box<T> {
    fn begin(&mut self, capacity: usize) -> usize {
        (**self).begin(capacity)
    }

    fn events(&self) -> u64 {
        (**self).events()
    }

    fn adjust(&mut self, sample: &AdmissionSample) -> usize {
        (**self).adjust(sample)
    }
}

/// What a pipeline has done since its admission controller was last asked.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct AdmissionSample {
    /// The time now.
    pub now: Duration,
    /// The time since the last sample.
    pub elapsed: Duration,
    /// Events that have left with a result.
    pub finished: u64,
    /// The response time that nine in ten of them did not exceed: from when they were let in to their results.
    pub p90: Duration,
    /// The one that 99 in 100 of them did not exceed.
    pub p99: Duration,
    /// How many are allowed inside.
    pub allowed: usize,
    /// The most that were inside.
    pub peak: usize,
    /// How many the queues have room for: more are never inside.
    pub capacity: usize,
}
