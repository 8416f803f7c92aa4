//! Handlers at a time, from queue length and idling.

use std::time::Duration;

use super::{Controller, StageSample};
use crate::settings::Knob;

/// Adds a handler when the queue is long, and takes one away when one has been idle for some time.
///
/// This is the thread pool controller of M. Welsh, D. Culler and E. Brewer, "SEDA: An Architecture for Well-Conditioned,
/// Scalable Internet Services" (SOSP 2001), 4.2. Handlers that run are not idle, however long each event takes.
///
/// Of a stage with [threads of its own](crate::Settings::own_threads), the thread of a handler that is taken away sleeps, and is there
/// when one is added again.
///
/// ```
/// use std::time::Duration;
/// use seda_stages::{Pipeline, QueueThreads, Settings, from_fn};
///
/// let fetch = from_fn(|number: u32| {
///     std::thread::sleep(Duration::from_micros(10));
///     Ok::<_, std::io::Error>(number)
/// });
/// let threads = QueueThreads::new(1, 8).threshold(4).idle(Duration::from_secs(1));
/// let pipeline = Pipeline::builder()
///     .stage("fetch", Settings::new().own_threads().concurrency(threads), fetch)
///     .build()?;
/// assert_eq!(pipeline.submit(7)?.wait()?, 7);
/// assert_eq!(pipeline.snapshot().stages[0].concurrency, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct QueueThreads {
    least: usize,
    most: usize,
    threshold: usize,
    idle: Duration,
    idle_so_far: Duration,
}

impl QueueThreads {
    /// Between `least` and `most` handlers, beginning with `least`. One is added at a queue length of 10, and taken away
    /// after five seconds of idling.
    #[must_use]
    pub fn new(least: usize, most: usize) -> Self {
        Self {
            least: least.max(1),
            most: most.max(least).max(1),
            threshold: 10,
            idle: Duration::from_secs(5),
            idle_so_far: Duration::ZERO,
        }
    }

    /// From which queue length on a handler is added. Default: 10.
    #[must_use]
    pub fn threshold(mut self, events: usize) -> Self {
        self.threshold = events.max(1);
        self
    }

    /// How long one handler's worth of time must be left over before one is taken away. Default: 5 s.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }
}

impl From<QueueThreads> for Knob {
    fn from(controller: QueueThreads) -> Self {
        Self::controlled(controller.least, controller)
    }
}

impl Controller for QueueThreads {
    fn adjust(&mut self, sample: &StageSample) -> usize {
        let now = sample.concurrency.clamp(self.least, self.most);
        if sample.queue_length >= self.threshold {
            self.idle_so_far = Duration::ZERO;
            return (now + 1).min(self.most);
        }
        // Those that run count for their time when they are done, and may have run all the while.
        if sample.running >= now {
            self.idle_so_far = Duration::ZERO;
            return now;
        }
        // Would one handler less have been enough?
        let less = u32::try_from(now - 1).unwrap_or(u32::MAX);
        if sample.busy > sample.elapsed.saturating_mul(less) {
            self.idle_so_far = Duration::ZERO;
            return now;
        }
        self.idle_so_far += sample.elapsed;
        if self.idle_so_far < self.idle {
            return now;
        }
        self.idle_so_far = Duration::ZERO;
        (now - 1).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(concurrency: usize, queue_length: usize, busy: f64) -> StageSample {
        StageSample {
            elapsed: Duration::from_secs(1),
            concurrency,
            queue_length,
            busy: Duration::from_secs_f64(busy),
            ..StageSample::default()
        }
    }

    #[test]
    fn a_long_queue_adds_handlers_up_to_the_most() {
        let mut controller = QueueThreads::new(1, 3).threshold(10);
        assert_eq!(controller.adjust(&sample(1, 9, 1.0)), 1);
        assert_eq!(controller.adjust(&sample(1, 10, 1.0)), 2);
        assert_eq!(controller.adjust(&sample(2, 50, 2.0)), 3);
        assert_eq!(controller.adjust(&sample(3, 50, 3.0)), 3);
    }

    #[test]
    fn idling_takes_one_away_and_work_starts_the_wait_again() {
        let mut controller = QueueThreads::new(1, 8).idle(Duration::from_secs(3));
        for _ in 0..2 {
            assert_eq!(controller.adjust(&sample(4, 0, 1.0)), 4);
        }
        // More than three are needed for a moment.
        assert_eq!(controller.adjust(&sample(4, 0, 3.5)), 4);
        for _ in 0..2 {
            assert_eq!(controller.adjust(&sample(4, 0, 1.0)), 4);
        }
        assert_eq!(controller.adjust(&sample(4, 0, 1.0)), 3);
        assert_eq!(controller.adjust(&sample(1, 0, 0.0)), 1);
    }

    /// What runs is counted as busy when it ends, which may be long after the next sample.
    #[test]
    fn handlers_that_run_are_not_idle() {
        let mut controller = QueueThreads::new(1, 8).idle(Duration::from_secs(2));
        let mut sample = sample(4, 0, 0.0);
        sample.running = 4;
        for _ in 0..10 {
            assert_eq!(controller.adjust(&sample), 4);
        }
        sample.running = 2;
        assert_eq!(controller.adjust(&sample), 4);
        assert_eq!(controller.adjust(&sample), 3);
    }
}
