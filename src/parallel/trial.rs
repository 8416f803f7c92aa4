//! Whether a block is worth more than one thread, by how its first transactions go serially.
//!
//! Nobody knows what a transaction costs before one has run. So a block of which not everything is known beforehand begins
//! serially: for so short a time that little is lost if it should have begun otherwise, and small blocks are over by then.

use std::{num::NonZeroUsize, time::Duration};

use crate::sync::Moment;

/// How long the first transactions are watched: some times what it takes until another thread is awake.
const WATCH: Duration = Duration::from_micros(40);

/// The first ones among them bring code and data into the caches: what they take says little.
const WARM: Duration = Duration::from_micros(20);

/// What it costs to run a transaction optimistically beside others, and for each of its keys. Measured on payments and on
/// blocks of Ethereum: between half and twice as much.
const EACH: f64 = 0.3e-6;
const EACH_KEY: f64 = 0.15e-6;

/// What the helpers have to win for all at least: some times what it takes to wake them.
const WORTH: f64 = 60e-6;

/// The first transactions of a block, while they run.
pub(super) struct Trial {
    begun: Moment,
    took: Duration,
    done: usize,
    /// How long those took that do not count, and how many they were.
    warm: (Duration, usize),
    transactions: usize,
    workers: NonZeroUsize,
}

impl Trial {
    /// Watches a block of so many transactions that so many workers could execute.
    pub(super) fn new(transactions: usize, workers: NonZeroUsize) -> Self {
        Self {
            begun: Moment::now(),
            took: Duration::ZERO,
            done: 0,
            warm: (Duration::ZERO, 0),
            transactions,
            workers,
        }
    }

    /// Counts one more transaction, and says whether enough of them were seen.
    pub(super) fn is_over(&mut self) -> bool {
        self.done += 1;
        self.took = self.begun.elapsed();
        if self.took < WARM {
            self.warm = (self.took, self.done);
        }
        self.took >= WATCH
    }

    /// Whether what is left is probably executed faster by several workers. The transactions so far have touched so many
    /// keys.
    pub(super) fn is_for_many(&self, keys: usize) -> bool {
        let rest = self.transactions.saturating_sub(self.done);
        if self.done == 0 || rest < 2 {
            return false;
        }
        // There is at least one more, or the watch would not be over.
        let (warm, count) = self.warm;
        let watched = self.done.saturating_sub(count).max(1) as f64;
        let alone = self.took.saturating_sub(warm).as_secs_f64() / watched;
        let overhead = EACH + EACH_KEY * keys as f64 / self.done as f64;
        let workers = self.workers.get().min(rest) as f64;
        // Some of it is in vain, or waits.
        let together = (alone + overhead) / workers * 1.15;
        (alone - together) * rest as f64 > WORTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(transactions: usize, done: usize, micros: u64) -> Trial {
        Trial {
            begun: Moment::now(),
            took: Duration::from_micros(micros),
            done,
            warm: (Duration::ZERO, 0),
            transactions,
            workers: NonZeroUsize::new(2).expect("two is not zero"),
        }
    }

    #[test]
    fn dear_transactions_are_for_many_and_cheap_ones_are_not() {
        assert!(trial(100, 1, 50).is_for_many(30));
        assert!(trial(10_000, 25, 40).is_for_many(75));
        assert!(!trial(10_000, 100, 40).is_for_many(300));
    }

    #[test]
    fn the_first_ones_do_not_count() {
        let mut trial = trial(10_000, 41, 60);
        assert!(trial.is_for_many(164));
        trial.warm = (Duration::from_micros(19), 1);
        assert!(!trial.is_for_many(164));
    }

    #[test]
    fn nothing_is_won_on_what_is_nearly_over() {
        assert!(!trial(2, 1, 50).is_for_many(3));
        assert!(!trial(2, 2, 500).is_for_many(3));
        assert!(!trial(0, 0, 0).is_for_many(0));
        assert!(!trial(30, 25, 40).is_for_many(75));
    }
}
