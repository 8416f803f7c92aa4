//! Whether a block is worth more than one thread, by how its transactions go serially.
//!
//! Nobody knows what a transaction costs before one has run. So a block of which not everything is known beforehand begins
//! serially, for so short a time that little is lost if it should have begun otherwise; small blocks are over by then. As long
//! as one thread seems to be as good, it goes on like that, and is asked again.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

/// How long transactions are watched between two decisions: some times what it takes until another thread is awake.
const WATCH: Duration = Duration::from_micros(40);

/// The first ones bring code and data into the caches: what they take says little.
const WARM: Duration = Duration::from_micros(20);

/// About how often one looks at the clock.
const LOOK: Duration = Duration::from_micros(3);

/// What it costs to run a transaction optimistically beside others, and for each of its keys. Measured on payments and on
/// blocks of Ethereum: between half and twice as much.
const EACH: f64 = 0.3e-6;
const EACH_KEY: f64 = 0.25e-6;

/// What the helpers have to win for all at least: some times what it takes to wake them.
const WORTH: f64 = 60e-6;

/// Some transactions, and what they took one after another.
#[derive(Clone, Copy, Default)]
struct Took {
    time: Duration,
    transactions: usize,
}

/// The first transactions of a block, while they run.
pub(super) struct Trial {
    begun: Instant,
    /// All up to the last look at the clock.
    all: Took,
    /// Those that do not count.
    warm: Took,
    /// Those that took the longest between two looks: one that is out of the ordinary says nothing of the others.
    worst: Took,
    done: usize,
    /// When to look at the clock again.
    next: usize,
    /// When to decide again.
    until: Duration,
    transactions: usize,
    workers: NonZeroUsize,
    is_for_many: bool,
}

impl Trial {
    /// Watches a block of so many transactions that so many workers could execute.
    pub(super) fn new(transactions: usize, workers: NonZeroUsize) -> Self {
        Self {
            begun: Instant::now(),
            all: Took::default(),
            warm: Took::default(),
            worst: Took::default(),
            done: 0,
            next: 1,
            until: WATCH,
            transactions,
            workers,
            is_for_many: false,
        }
    }

    /// Counts one more transaction, and says whether what is left is probably executed faster by several workers. All so far
    /// have touched so many `keys`.
    pub(super) fn is_over(&mut self, keys: usize) -> bool {
        self.done += 1;
        if self.done < self.next {
            return false;
        }
        let now = self.begun.elapsed();
        self.look(now, keys)
    }

    /// Whether several workers were said to be faster.
    pub(super) fn is_for_many(&self) -> bool {
        self.is_for_many
    }

    fn look(&mut self, now: Duration, keys: usize) -> bool {
        let last = Took {
            time: now.saturating_sub(self.all.time),
            transactions: self.done - self.all.transactions,
        };
        self.all = Took {
            time: now,
            transactions: self.done,
        };
        self.next = self.done + 1;
        if now < WARM {
            self.warm = self.all;
            return false;
        }
        if last.time > self.worst.time {
            self.worst = last;
        }
        let each = last.time.as_nanos() / last.transactions.max(1) as u128;
        self.next += (LOOK.as_nanos() / each.max(1)).min(64) as usize;
        if now < self.until {
            return false;
        }
        self.until = now + WATCH;
        self.is_for_many = self.decide(keys);
        self.is_for_many
    }

    fn decide(&self, keys: usize) -> bool {
        let rest = self.transactions.saturating_sub(self.done);
        let Self {
            all, warm, worst, ..
        } = self;
        let count = all.transactions - warm.transactions - worst.transactions;
        if count == 0 || rest < 2 {
            return false;
        }
        let time = all.time.saturating_sub(warm.time + worst.time);
        let alone = time.as_secs_f64() / count as f64;
        let overhead = EACH + EACH_KEY * keys as f64 / self.done as f64;
        let workers = self.workers.get().min(rest) as f64;
        // Some of it is in vain, or waits.
        let together = (alone + overhead) / workers * 1.05;
        (alone - together) * rest as f64 > WORTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(transactions: usize) -> Trial {
        Trial::new(transactions, NonZeroUsize::new(2).expect("two is not zero"))
    }

    /// Has so many more transactions done, which take so many microseconds each.
    fn run(trial: &mut Trial, count: usize, micros: f64, keys: usize) -> bool {
        (0..count).any(|_| {
            trial.done += 1;
            trial.done >= trial.next && {
                // The test itself takes no time.
                let now = trial.all.time.as_secs_f64();
                let since = (trial.done - trial.all.transactions) as f64;
                trial.look(
                    Duration::from_secs_f64(now + since * micros * 1e-6),
                    keys * trial.done,
                )
            }
        })
    }

    #[test]
    fn dear_transactions_are_for_many_and_cheap_ones_are_not() {
        assert!(run(&mut trial(100), 3, 50.0, 30));
        assert!(run(&mut trial(10_000), 200, 1.6, 3));
        assert!(!run(&mut trial(10_000), 10_000, 0.4, 3));
    }

    #[test]
    fn the_first_ones_and_the_worst_one_do_not_count() {
        let mut trial = trial(10_000);
        assert!(!run(&mut trial, 1, 19.0, 4));
        assert!(!run(&mut trial, 100, 0.4, 4));
        assert!(!run(&mut trial, 1, 500.0, 4));
        assert!(!run(&mut trial, 1_000, 0.4, 4));
    }

    #[test]
    fn what_gets_dear_later_is_for_many_then() {
        let mut trial = trial(10_000);
        assert!(!run(&mut trial, 300, 0.4, 4));
        assert!(run(&mut trial, 300, 20.0, 4));
    }

    #[test]
    fn nothing_is_won_on_what_is_nearly_over() {
        assert!(!run(&mut trial(3), 3, 50.0, 3));
        assert!(!run(&mut trial(30), 30, 1.6, 3));
    }
}
