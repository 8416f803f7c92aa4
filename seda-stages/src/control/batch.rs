//! Events a batch: the fewest that keep up throughput.

use super::{Controller, StageSample};
use crate::settings::Knob;

/// Looks for the smallest batches that keep throughput high, because small ones have the lowest latency.
///
/// After the batching controller of Welsh, Culler and Brewer (SOSP 2001), 4.2: begin with the largest, shrink as long as
/// throughput stays, grow when it falls, and begin again when throughput changes by itself. Throughput here is events for each
/// second that handlers were busy, which does not depend on how many events arrive.
///
/// ```
/// use seda_stages::{Pipeline, Settings, SmallestBatch, from_fn};
///
/// let double = from_fn(|number: u32| Ok::<_, std::io::Error>(2 * number));
/// let pipeline = Pipeline::builder()
///     .stage("double", Settings::new().batch(SmallestBatch::up_to(64).tolerance(0.05)), double)
///     .build()?;
/// assert_eq!(pipeline.snapshot().stages[0].batch, 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SmallestBatch {
    most: usize,
    tolerance: f64,
    /// The best throughput since the beginning of the search.
    best: f64,
    /// The largest size that was too small.
    too_small: usize,
    /// The throughput at which the search ended.
    settled: Option<f64>,
    /// How often in a row it was another one since.
    strange: u32,
}

/// By what share throughput has to change, and how often in a row, for the search to begin again.
const CHANGE: (f64, u32) = (0.3, 3);

impl SmallestBatch {
    /// Between one event and `most`, beginning with `most`.
    #[must_use]
    pub fn up_to(most: usize) -> Self {
        Self {
            most: most.max(1),
            tolerance: 0.1,
            best: 0.0,
            too_small: 0,
            settled: None,
            strange: 0,
        }
    }

    /// How much throughput may be given up for latency, as a share of the best. Default: 0.1.
    #[must_use]
    pub fn tolerance(mut self, share: f64) -> Self {
        self.tolerance = share.clamp(0.0, 0.9);
        self
    }
}

impl From<SmallestBatch> for Knob {
    fn from(controller: SmallestBatch) -> Self {
        Self::controlled(controller.most, controller)
    }
}

impl Controller for SmallestBatch {
    fn adjust(&mut self, sample: &StageSample) -> usize {
        let now = sample.batch.clamp(1, self.most);
        // Batches that were far from full say nothing about this size.
        let is_full = sample.events * 4 >= sample.batches * now as u64 * 3;
        if sample.batches == 0 || sample.busy.is_zero() || !is_full {
            return now;
        }
        let rate = sample.events as f64 / sample.busy.as_secs_f64();
        if let Some(settled) = self.settled {
            let is_strange = (rate - settled).abs() > CHANGE.0 * settled;
            self.strange = if is_strange { self.strange + 1 } else { 0 };
            if self.strange < CHANGE.1 {
                return now;
            }
            *self = Self::up_to(self.most).tolerance(self.tolerance);
            return self.most;
        }
        self.best = self.best.max(rate);
        let step = now.div_ceil(8);
        let next = if rate < self.best * (1.0 - self.tolerance) {
            self.too_small = self.too_small.max(now);
            (now + step).min(self.most)
        } else {
            now.saturating_sub(step).max(self.too_small + 1).min(now)
        };
        if next == now {
            self.settled = Some(rate);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What the size comes to, for batches that cost `fixed` and `each` microseconds.
    fn settles(controller: &mut SmallestBatch, batch: &mut usize, fixed: f64, each: f64) {
        for _ in 0..200 {
            let batches = 100;
            let time = batches as f64 * (fixed + each * *batch as f64);
            *batch = controller.adjust(&StageSample {
                batch: *batch,
                batches,
                events: batches * *batch as u64,
                busy: Duration::from_secs_f64(time * 1e-6),
                ..StageSample::default()
            });
        }
    }

    #[test]
    fn batches_are_as_small_as_throughput_allows() {
        let (mut controller, mut batch) = (SmallestBatch::up_to(64), 64);
        settles(&mut controller, &mut batch, 0.0, 10.0);
        assert_eq!(batch, 1, "batches do not help");
        // With 40 us a batch and 1 us an event, 90 % of the best is at about 50 of 64.
        settles(&mut controller, &mut batch, 40.0, 1.0);
        assert!((45..=55).contains(&batch), "{batch}");
        settles(&mut controller, &mut batch, 0.0, 10.0);
        assert_eq!(batch, 1, "batches do not help any more");
    }

    #[test]
    fn what_was_not_full_says_nothing() {
        let mut controller = SmallestBatch::up_to(64);
        let sample = StageSample {
            batch: 64,
            batches: 10,
            events: 20,
            busy: Duration::from_millis(1),
            ..StageSample::default()
        };
        assert_eq!(controller.adjust(&sample), 64);
    }
}
