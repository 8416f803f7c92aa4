//! A histogram of whole numbers, with a bounded error and a bounded size.

use std::{fmt, time::Duration};

/// Steps between a power of two and the next, as bits: a value is known to 1/16.
const STEPS: u32 = 4;
/// Values from here on count as this one: 18 minutes in nanoseconds.
const LARGEST: u64 = 1 << 40;
const BUCKETS: usize = bucket(LARGEST) + 1;

/// How often each value came, to about 6 %. Values are nanoseconds, or numbers of events.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    sum: u64,
    largest: u64,
}

/// Small values have a bucket each; after that, each power of two has 16.
const fn bucket(value: u64) -> usize {
    if value < 1 << STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEPS;
    ((shift as usize) << STEPS) + (value >> shift) as usize
}

/// The largest value in a bucket.
const fn upper_end(bucket: usize) -> u64 {
    if bucket < 2 << STEPS {
        return bucket as u64;
    }
    let shift = (bucket >> STEPS) - 1;
    let step = (bucket - (shift << STEPS)) as u64;
    ((step + 1) << shift) - 1
}

/// Rounded up.
#[expect(clippy::cast_sign_loss, reason = "it is a count")]
pub(crate) fn whole(count: f64) -> u64 {
    count.ceil() as u64
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS].into(),
            count: 0,
            sum: 0,
            largest: 0,
        }
    }

    pub(crate) fn record(&mut self, value: u64, times: u64) {
        self.counts[bucket(value.min(LARGEST))] += times;
        self.count += times;
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
        self.largest = self.largest.max(value);
    }

    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        (self.count, self.sum, self.largest) = (0, 0, 0);
    }

    /// Adds the values of another one.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.largest = self.largest.max(other.largest);
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The largest.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// The average; zero if there were none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        self.sum as f64 / self.count as f64
    }

    /// The value that this share of all does not exceed, at most 6 % too high; zero if there were none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = whole(share.clamp(0.0, 1.0) * self.count as f64);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                return upper_end(bucket).min(self.largest);
            }
        }
        self.largest
    }

    /// As [`quantile`](Self::quantile), for values that are nanoseconds.
    #[must_use]
    pub fn quantile_time(&self, share: f64) -> Duration {
        Duration::from_nanos(self.quantile(share))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("p50", &self.quantile(0.5))
            .field("p90", &self.quantile(0.9))
            .field("p99", &self.quantile(0.99))
            .field("largest", &self.largest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_near_those_of_the_sorted_values(
            mut values in prop::collection::vec(0..LARGEST, 1..200),
            share in 0.0..=1.0_f64,
        ) {
            let mut histogram = Histogram::new();
            for value in &values {
                histogram.record(*value, 1);
            }
            values.sort_unstable();
            let rank = usize::try_from(whole(share * values.len() as f64)).expect("it is small");
            let exact = values[rank.max(1) - 1];
            let found = histogram.quantile(share);
            prop_assert!(found >= exact && found - exact <= exact / 16, "{found} for {exact}");
            prop_assert_eq!(histogram.largest(), *values.last().expect("there is one"));
        }

        #[test]
        fn each_value_is_in_its_bucket(value in 0..=LARGEST) {
            let bucket = bucket(value);
            prop_assert!(value <= upper_end(bucket));
            prop_assert!(bucket == 0 || value > upper_end(bucket - 1));
        }
    }

    #[test]
    fn beyond_the_largest_bucket_it_is_still_counted() {
        let mut histogram = Histogram::new();
        histogram.record(u64::MAX, 3);
        assert_eq!((histogram.count(), histogram.largest()), (3, u64::MAX));
        assert!(histogram.quantile(0.5) >= LARGEST);
        histogram.clear();
        assert_eq!(histogram, Histogram::new());
    }
}
