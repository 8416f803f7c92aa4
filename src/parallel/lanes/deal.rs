//! Who executes which transactions.
//!
//! Transactions that probably depend on each other are a group. Each worker has groups at the beginning that probably take as long as those of
//! the others, and executes their transactions in block order. What transactions take is guessed, so one who is done early takes over
//! groups of which nobody has begun.

use std::cmp::Reverse;

use crate::{
    mutant::mutant,
    sync::{Mutex, lock},
};

/// A worker takes so many transactions at a time, or less: one in so many of those that a worker has.
const BATCH: usize = 64;
const BATCHES: usize = 256;

/// See the module.
pub(super) struct Deal<'g> {
    hands: Mutex<Hands>,
    /// The group of each transaction.
    groups: &'g [u32],
    costs: &'g [f64],
    batch: usize,
}

struct Hands {
    /// What each worker has not taken yet, from the last to the first.
    left: Vec<Vec<u32>>,
    /// Whether some of a group were taken.
    has_begun: Vec<bool>,
}

impl<'g> Deal<'g> {
    /// Deals transactions that are of these groups, and probably cost so much, to so many workers. Groups have numbers from zero on.
    pub(super) fn new(groups: &'g [u32], costs: &'g [f64], workers: usize) -> Self {
        let sums = sums(groups, costs);
        let mut order: Vec<usize> = (0..sums.len()).collect();
        order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]));
        let mut loads = vec![0.0_f64; workers];
        let mut owners = vec![0; sums.len()];
        for group in order {
            let lightest = (0..workers).min_by(|a, b| loads[*a].total_cmp(&loads[*b]));
            let owner = lightest.unwrap_or(0);
            owners[group] = owner;
            loads[owner] += sums[group];
        }
        let mut left = vec![Vec::new(); workers];
        for (at, group) in groups.iter().enumerate().rev() {
            left[owners[*group as usize]].push(at as u32);
        }
        Self {
            hands: Mutex::new(Hands {
                left,
                has_begun: vec![false; sums.len()],
            }),
            groups,
            costs,
            batch: (groups.len() / (BATCHES * workers)).clamp(1, BATCH),
        }
    }

    /// How many transactions a worker has.
    pub(super) fn left(&self, worker: usize) -> usize {
        lock(&self.hands).left[worker].len()
    }

    /// Takes the next transactions of a worker, or others that he takes over; none if there are no more. `batch` has been dealt with.
    pub(super) fn take(&self, worker: usize, batch: &mut Vec<u32>) {
        let mut hands = lock(&self.hands);
        let Hands { left, has_begun } = &mut *hands;
        if left[worker].is_empty() {
            self.take_over(worker, left, has_begun);
        }
        let mine = &mut left[worker];
        let rest = mine.len().saturating_sub(self.batch);
        batch.clear();
        batch.extend(mine[rest..].iter().rev());
        mine.truncate(rest);
        for at in batch {
            has_begun[self.groups[*at as usize] as usize] = true;
        }
    }

    /// Gives a worker about half of what most is left of, in groups of which nobody has begun, the dearest first.
    fn take_over(&self, worker: usize, left: &mut [Vec<u32>], has_begun: &[bool]) {
        let cost = |all: &[u32]| -> f64 { all.iter().map(|at| self.costs[*at as usize]).sum() };
        let mut by_cost: Vec<_> = (0..left.len()).map(|it| (cost(&left[it]), it)).collect();
        by_cost.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (cost, other) in by_cost {
            let group = |at: &u32| self.groups[*at as usize];
            let free = left[other]
                .iter()
                .filter(|at| !has_begun[group(at) as usize]);
            let mut free: Vec<(u32, u32)> = free.map(|at| (group(at), *at)).collect();
            if free.is_empty() {
                continue;
            }
            free.sort_unstable();
            let mut groups: Vec<&[(u32, u32)]> = free.chunk_by(|a, b| a.0 == b.0).collect();
            let of = |group: &[(u32, u32)]| -> f64 {
                group.iter().map(|(_, at)| self.costs[*at as usize]).sum()
            };
            groups.sort_by(|a, b| of(b).total_cmp(&of(a)));
            let mut taken = 0.0;
            let mut mine = Vec::new();
            for group in groups {
                let more = of(group);
                if mine.is_empty() || taken + more <= cost / 2.0 {
                    taken += more;
                    mine.extend(group.iter().map(|(_, at)| *at));
                }
            }
            mine.sort_unstable_by_key(|at| Reverse(*at));
            if !mutant!("deal_twice") {
                left[other].retain(|at| mine.binary_search_by(|it| at.cmp(it)).is_err());
            }
            left[worker] = mine;
            return;
        }
    }
}

/// What all transactions of each group cost.
fn sums(groups: &[u32], costs: &[f64]) -> Vec<f64> {
    let all = groups.iter().max().map_or(0, |last| *last as usize + 1);
    let mut sums = vec![0.0_f64; all];
    for (group, cost) in groups.iter().zip(costs) {
        sums[*group as usize] += cost;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(deal: &Deal<'_>, worker: usize) -> Vec<u32> {
        let mut batch = Vec::new();
        deal.take(worker, &mut batch);
        batch
    }

    #[test]
    fn each_transaction_is_dealt_once() {
        for (count, workers, kinds) in [(1, 1, 1), (3, 4, 2), (100, 2, 7), (1000, 3, 500)] {
            let groups: Vec<u32> = (0..count).map(|at| at * 31 % kinds).collect();
            for cost in [|_| 1.0, |at| f64::from(at), |_| 0.0] {
                let costs: Vec<f64> = (0..count).map(cost).collect();
                let deal = Deal::new(&groups, &costs, workers);
                let mut dealt = vec![0; count as usize];
                // The first one comes most often, and takes more.
                let turns = || (0..workers).flat_map(|worker| [0, worker]);
                let mut is_over = false;
                while !is_over {
                    is_over = true;
                    for batch in turns().map(|worker| take(&deal, worker)) {
                        is_over &= batch.is_empty();
                        for at in batch {
                            dealt[at as usize] += 1;
                        }
                    }
                }
                let left: usize = (0..workers).map(|worker| deal.left(worker)).sum();
                assert_eq!(left, 0);
                assert_eq!(dealt, vec![1; count as usize], "{workers}");
            }
        }
    }

    #[test]
    fn groups_stay_together_and_hands_cost_the_same() {
        let groups = [0, 1, 0, 2, 1, 3];
        let costs = [3.0, 1.0, 3.0, 2.0, 1.0, 2.0];
        let deal = Deal::new(&groups, &costs, 2);
        assert_eq!(take(&deal, 0), [0]);
        assert_eq!(take(&deal, 0), [2]);
        // One is done: group 1 has begun nowhere, and is as dear as 3.
        assert_eq!(take(&deal, 1), [1]);
        assert_eq!(take(&deal, 0), [3]);
        assert_eq!(take(&deal, 0), [5]);
        // What has begun stays where it is.
        assert!(take(&deal, 0).is_empty());
        assert_eq!(take(&deal, 1), [4]);
    }
}
