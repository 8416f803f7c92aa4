//! Events a batch: the fewest that keep up throughput.

use super::{Controller, StageSample};
use crate::settings::Knob;

/// Looks for the smallest batches that keep throughput high, because small ones have the lowest latency.
///
/// After the batching controller of Welsh, Culler and Brewer (SOSP 2001), 4.2: begin with the largest, shrink as long as
/// throughput stays, grow when it falls. Throughput here is events for each second that handlers were busy, which does not
/// depend on how many events arrive.
#[derive(Clone, Debug)]
pub struct SmallestBatch {
    most: usize,
    tolerance: f64,
    /// The best throughput known. It fades, because the best of an hour ago says little.
    best: f64,
    /// A size that was too small, and for how many samples that is to be believed.
    too_small: usize,
    believed: u32,
}

/// How much of the best throughput is forgotten with each sample.
const FADING: f64 = 0.995;
/// For how many samples a size that was too small is not tried again.
const BELIEVED: u32 = 100;

impl SmallestBatch {
    /// Between one event and `most`, beginning with `most`.
    #[must_use]
    pub fn up_to(most: usize) -> Self {
        Self {
            most: most.max(1),
            tolerance: 0.1,
            best: 0.0,
            too_small: 0,
            believed: 0,
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
        self.believed = self.believed.saturating_sub(1);
        if self.believed == 0 {
            self.too_small = 0;
        }
        let rate = sample.events as f64 / sample.busy.as_secs_f64();
        self.best = (self.best * FADING).max(rate);
        let step = now.div_ceil(8);
        if rate < self.best * (1.0 - self.tolerance) {
            self.too_small = now;
            self.believed = BELIEVED;
            return (now + step).min(self.most);
        }
        now.saturating_sub(step).max(self.too_small + 1).min(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What the size comes to, for batches that cost `fixed` and `each` microseconds.
    fn settles(most: usize, fixed: f64, each: f64) -> usize {
        let mut controller = SmallestBatch::up_to(most);
        let mut batch = most;
        for _ in 0..200 {
            let batches = 100;
            let time = batches as f64 * (fixed + each * batch as f64);
            batch = controller.adjust(&StageSample {
                batch,
                batches,
                events: batches * batch as u64,
                busy: Duration::from_secs_f64(time * 1e-6),
                ..StageSample::default()
            });
        }
        batch
    }

    #[test]
    fn batches_shrink_to_one_where_they_do_not_help() {
        assert_eq!(settles(64, 0.0, 10.0), 1);
    }

    #[test]
    fn batches_stay_where_they_help() {
        // With 10 us a batch and 1 us an event, 90 % of the best is at about 44 of 64.
        let size = settles(64, 10.0, 1.0);
        assert!((30..=50).contains(&size), "{size}");
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
