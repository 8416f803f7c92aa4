//! Which worker executes which transactions of a round.
//!
//! What transactions take is guessed, so one who is done early takes over the later half of what is left to another: that is one more stretch.

use std::ops::Range;

use crate::{
    mutant::mutant,
    sync::{Mutex, lock},
};

/// A worker takes so many transactions at a time, or less: one in so many of those that a worker has.
const BATCH: usize = 64;
const BATCHES: usize = 256;

/// So many times the workers is how many stretches there are at most; and one in so many of what a worker has to do is too little to be
/// taken over.
const MOST: usize = 4;
const LITTLE: f64 = 16.0;

/// See the module.
pub(super) struct Shares {
    all: Mutex<Vec<Share>>,
    /// How many of those that there are at the beginning somebody has.
    given: Mutex<usize>,
    /// The first transaction of the round.
    first: usize,
    /// What all before each of its transactions probably take, and all of them.
    costs: Vec<f64>,
    workers: usize,
    batch: usize,
}

struct Share {
    first: usize,
    /// What nobody has taken yet.
    left: Range<usize>,
    /// Whether it is being executed, so that part of it can be taken over.
    has_begun: bool,
}

/// What was taken over.
pub(super) struct Stolen {
    /// The number of the share that it is now, and of the one that it was a part of, with the transactions of that before it.
    pub(super) share: usize,
    pub(super) of: usize,
    pub(super) before: Range<usize>,
}

impl Shares {
    /// Shares transactions, of which each probably costs so much, among so many workers.
    pub(super) fn new(
        transactions: Range<usize>,
        workers: usize,
        cost: impl Fn(usize) -> f64,
    ) -> Self {
        let Range { start: first, end } = transactions;
        let mut costs = Vec::with_capacity(transactions.len() + 1);
        let mut sum = 0.0;
        costs.push(sum);
        for index in first..end {
            sum += cost(index);
            costs.push(sum);
        }
        let mut this = Self {
            all: Mutex::new(Vec::new()),
            given: Mutex::new(0),
            first,
            costs,
            workers,
            batch: (transactions.len() / (BATCHES * workers)).clamp(1, BATCH),
        };
        let mut all = Vec::with_capacity(workers);
        let mut begin = first;
        for worker in 1..=workers {
            let until = sum * worker as f64 / workers as f64;
            // One for each, as long as there are any.
            let least = end.min(begin + 1);
            let to = if worker == workers {
                end
            } else {
                this.reach(until).clamp(least, end)
            };
            if begin < to {
                all.push(Share::new(begin..to));
            }
            begin = to;
        }
        this.all = Mutex::new(all);
        this
    }

    /// The transactions of the shares that there are.
    pub(super) fn ranges(&self) -> Vec<Range<usize>> {
        let all = lock(&self.all);
        all.iter().map(|share| share.left.clone()).collect()
    }

    /// How many shares there can be.
    pub(super) fn most(&self) -> usize {
        MOST * self.workers
    }

    /// One of so many shares that there are at the beginning, if nobody has it yet.
    pub(super) fn give(&self, ranges: usize) -> Option<usize> {
        let mut given = lock(&self.given);
        let share = *given;
        *given += usize::from(share < ranges);
        (share < ranges).then_some(share)
    }

    /// How many transactions of a share nobody has taken yet.
    pub(super) fn left(&self, share: usize) -> usize {
        lock(&self.all)[share].left.len()
    }

    /// The next transactions of a share; empty if there are no more.
    pub(super) fn take(&self, share: usize) -> Range<usize> {
        let mut all = lock(&self.all);
        let share = &mut all[share];
        share.has_begun = true;
        let begin = share.left.start;
        share.left.start = share.left.end.min(begin + self.batch);
        begin..share.left.start
    }

    /// Takes over the later half of what most is left of, if that is worth it.
    pub(super) fn steal(&self) -> Option<Stolen> {
        let mut all = lock(&self.all);
        if all.len() >= self.most() {
            return None;
        }
        let left = |share: &Share| self.cost(share.left.end) - self.cost(share.left.start);
        let begun = all.iter().enumerate();
        let begun = begun.filter(|(_, share)| share.has_begun && share.left.len() > 1);
        let (of, share) = begun.max_by(|(_, a), (_, b)| left(a).total_cmp(&left(b)))?;
        let little = self.costs[self.costs.len() - 1] / (LITTLE * self.workers as f64);
        if left(share) < little {
            return None;
        }
        let Range { start, end } = share.left;
        let half = f64::midpoint(self.cost(start), self.cost(end));
        let middle = self.reach(half).clamp(start + 1, end - 1);
        let stolen = Stolen {
            share: all.len(),
            of,
            before: share.first..middle,
        };
        if !mutant!("steal_and_leave") {
            all[of].left.end = middle;
        }
        all.push(Share::new(middle..end));
        Some(stolen)
    }

    /// What all transactions before this one probably take.
    fn cost(&self, index: usize) -> f64 {
        self.costs[index - self.first]
    }

    /// The first transaction before which all take so much.
    fn reach(&self, cost: f64) -> usize {
        self.first + self.costs.partition_point(|before| *before < cost)
    }
}

impl Share {
    fn new(left: Range<usize>) -> Self {
        Self {
            first: left.start,
            left,
            has_begun: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_is_taken_once_whatever_it_costs() {
        for (count, workers) in [(1, 1), (3, 4), (100, 2), (1000, 3)] {
            for cost in [|_| 1.0, |index| index as f64, |_| 0.0] {
                let shares = Shares::new(7..7 + count, workers, cost);
                let mut taken = vec![0; count];
                let mut open: Vec<_> = (0..shares.ranges().len()).collect();
                while let Some(share) = open.pop() {
                    let batch = shares.take(share);
                    if batch.is_empty() {
                        open.extend(shares.steal().map(|stolen| {
                            assert!(!stolen.before.is_empty());
                            stolen.share
                        }));
                        continue;
                    }
                    for index in batch {
                        taken[index - 7] += 1;
                    }
                    open.insert(0, share);
                }
                assert_eq!(taken, vec![1; count], "{workers}");
            }
        }
    }

    #[test]
    fn shares_take_as_long_as_each_other() {
        let ranges =
            |range, workers, cost: fn(usize) -> f64| Shares::new(range, workers, cost).ranges();
        assert_eq!(ranges(0..90, 3, |_| 1.0), [0..30, 30..60, 60..90]);
        // The last nine take nearly as long as the others.
        let dear_at_the_end = |index| if index < 100 { 1.0 } else { 9.0 };
        assert_eq!(ranges(0..109, 2, dear_at_the_end), [0..91, 91..109]);
        assert_eq!(ranges(98..101, 8, |_| 1.0), [98..99, 99..100, 100..101]);
        assert!(ranges(5..5, 2, |_| 1.0).is_empty());
    }

    #[test]
    fn who_takes_over_takes_the_later_half() {
        let shares = Shares::new(0..1024, 2, |_| 1.0);
        assert_eq!(shares.ranges(), [0..512, 512..1024]);
        assert!(shares.steal().is_none(), "nobody has begun");
        assert_eq!(shares.take(0), 0..2);
        let Stolen { share, of, before } = shares.steal().expect("there is enough");
        assert_eq!((share, of, before), (2, 0, 0..257));
        assert_eq!(shares.ranges(), [2..257, 512..1024, 257..512]);
    }
}
