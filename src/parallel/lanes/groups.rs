//! Which transactions probably depend on each other.

use std::{
    hash::{BuildHasher, Hash},
    panic::{AssertUnwindSafe, catch_unwind},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use pleach_dtt::{Access, AccessSet, Dtt, Trust};

use crate::{
    parallel::attempt::{Input, forecast},
    vm::Vm,
};

/// Whether most of some transactions from all over the block name the same key first.
pub(super) fn are_one<V: Vm, S>(input: &Input<'_, V, S>) -> bool {
    /// So many are looked at.
    const SOME: usize = 8;
    let all = input.transactions;
    let step = all.len().div_ceil(SOME).max(1);
    let mut first: Vec<(V::Key, usize)> = Vec::with_capacity(SOME);
    let mut add = |key| match first.iter_mut().find(|(known, _)| *known == key) {
        Some((_, count)) => *count += 1,
        None => first.push((key, 1)),
    };
    for transaction in all.iter().step_by(step) {
        let mut is_first = true;
        let mut name = |key| {
            if std::mem::take(&mut is_first) {
                add(key);
            }
        };
        let ask = AssertUnwindSafe(|| input.vm.affinity(transaction, &mut name));
        // As below.
        let _ = catch_unwind(ask);
    }
    let most = first.iter().map(|(_, count)| *count).max();
    most.is_some_and(|most| most * 2 > all.len().min(SOME))
}

/// The tree of the block, if somebody has carried one with it that could be it.
pub(super) fn tree<'a, V: Vm, S>(input: &Input<'a, V, S>) -> Option<&'a Dtt> {
    let tree = input.hints.tree;
    tree.filter(|tree| tree.len() == input.transactions.len())
}

/// The group of each transaction from the `first` on, which probably cost so much: those that probably depend on each other, directly or by others,
/// have the same, unless that would be too many for one of so many workers. `None` if nobody says anything of any of them, or if it is not good
/// `enough` that the dearest group takes such a part of all. O(what is said of them, sorted).
pub(super) fn groups<V: Vm, S>(
    input: &Input<'_, V, S>,
    first: usize,
    (costs, workers): (&[f64], usize),
    enough: impl Fn(f64) -> bool,
) -> Option<Vec<u32>> {
    let transactions = &input.transactions[first..];
    let hinted = input.hints.predicted.get(first..).unwrap_or_default();
    let tree = tree(input);
    let mut together = Together::new(costs);
    if let Some(tree) = tree {
        let branches = tree.branches();
        let mut first_of = vec![None; branches.len()];
        for at in 0..transactions.len() {
            let before = &mut first_of[branches.of(first + at)];
            together.join(*before.get_or_insert(at), at);
        }
        // What comes can only make groups larger, which is never better.
        if !enough(together.dearest()) {
            return None;
        }
    }
    let mut is_said = tree.is_some();
    let mut numbers = Numbers::new(transactions.len());
    let mut meets = Meets::default();
    let mut names = Names::default();
    let mut set = AccessSet::new();
    for (at, transaction) in transactions.iter().enumerate() {
        // The serial executor does not ask: a panic says nothing.
        let mut is_announced = || {
            set.clear();
            let accesses = AssertUnwindSafe(|| input.vm.accesses(transaction, &mut set));
            !matches!(catch_unwind(accesses), Ok(Trust::Unknown) | Err(_))
        };
        if let Some(hinted) = hinted.get(at) {
            meets.set(hinted, at, (&mut together, &mut numbers));
        } else if tree.is_none() && is_announced() {
            meets.set(&set, at, (&mut together, &mut numbers));
        } else {
            let mut is_first = true;
            let mut name = |key| {
                is_said = true;
                if std::mem::take(&mut is_first) {
                    meets.name(numbers.of(&key), at, &mut together);
                } else if tree.is_none() {
                    // What is not sure is of no use if somebody knows it.
                    names.add(numbers.of(&key), at);
                }
            };
            let ask = AssertUnwindSafe(|| input.vm.affinity(transaction, &mut name));
            let _ = catch_unwind(ask);
            continue;
        }
        is_said = true;
        meets.foresee(input.vm, transaction, &mut numbers);
    }
    names.join(&mut together, workers);
    (is_said && enough(together.dearest())).then(|| together.numbers())
}

/// Numbers for keys. Those of one hash have the same, so of keys that hash badly all are one: groups are guesses anyway.
struct Numbers {
    hasher: RandomState,
    of: HashTable<(u64, u32)>,
}

impl Numbers {
    /// For about so many keys.
    fn new(expected: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            of: HashTable::with_capacity(expected),
        }
    }

    fn of<K: Hash>(&mut self, key: &K) -> u32 {
        let hash = self.hasher.hash_one(key);
        let next = self.of.len() as u32;
        let entry = self.of.entry(hash, |it| it.0 == hash, |it| it.0);
        entry.or_insert((hash, next)).get().1
    }
}

/// What transactions have named that may be a reason why they depend on each other, by numbers.
#[derive(Default)]
struct Names {
    /// How often each was named.
    counts: Vec<u32>,
    /// Which was named by which transaction.
    named: Vec<(u32, u32)>,
}

impl Names {
    fn add(&mut self, key: u32, at: usize) {
        *of(&mut self.counts, key) += 1;
        self.named.push((key, at as u32));
    }

    /// Those who name the same are one group, as long as it is not too large: what few name says more than what many do.
    fn join(mut self, together: &mut Together, workers: usize) {
        /// What part of what one worker has to do a group may be.
        const PART: f64 = 0.7;
        let most = together.costs.iter().sum::<f64>() * PART / workers as f64;
        let counts = &self.counts;
        self.named.retain(|(key, _)| counts[*key as usize] > 1);
        // Stable, so that those of one name stay in the order of the block.
        self.named
            .sort_by_key(|(key, _)| (counts[*key as usize], *key));
        for pair in self.named.windows(2) {
            let [(name, one), (other_name, other)] = [pair[0], pair[1]];
            if name == other_name {
                together.join_up_to(one as usize, other as usize, most);
            }
        }
    }
}

/// Who has been said to touch keys so far. Keys are numbers.
#[derive(Default)]
struct Meets {
    /// The last one who changes each key, or names it, as a place in `chain`, plus one.
    last: Vec<usize>,
    /// Those who change it, and are not one group yet: each with the place of the one before it, if there is one.
    chain: Vec<(usize, Option<usize>)>,
    /// Those that somebody says to add to. Who checks one of these had better see that; other checks are hardly ever answered otherwise.
    foreseen: Vec<bool>,
}

impl Meets {
    fn foresee<V: Vm>(&mut self, vm: &V, transaction: &V::Transaction, numbers: &mut Numbers) {
        forecast(vm, transaction, |key, _| {
            *of(&mut self.foreseen, numbers.of(&key)) = true;
        });
    }

    /// Who looks at what others change depends on them; who changes it does not.
    fn set<K: Hash + Ord + Clone>(
        &mut self,
        set: &AccessSet<K>,
        at: usize,
        (together, numbers): (&mut Together, &mut Numbers),
    ) {
        for (key, access) in set.entries() {
            let is_change = access.has(Access::WRITE) || access.has(Access::ADD);
            let asks = access.has(Access::READ) || access.has(Access::CHECK);
            if !is_change && !asks {
                continue;
            }
            let key = numbers.of(key);
            let looks = access.has(Access::READ)
                || (access.has(Access::CHECK) && *of(&mut self.foreseen, key));
            let last = of(&mut self.last, key);
            let mut before = last.checked_sub(1);
            if looks && let Some(first) = before {
                while let Some(place) = before {
                    let (other, next) = self.chain[place];
                    together.join(other, at);
                    before = next;
                }
                // All of them are one group now.
                self.chain[first].1 = None;
            }
            if is_change {
                self.chain.push((at, before));
                *last = self.chain.len();
            }
        }
    }

    /// All who name a key are one group.
    fn name(&mut self, key: u32, at: usize, together: &mut Together) {
        let last = of(&mut self.last, key);
        if let Some(place) = last.checked_sub(1) {
            together.join(self.chain[place].0, at);
        } else {
            self.chain.push((at, None));
            *last = self.chain.len();
        }
    }
}

/// What there is of the key with this number.
fn of<T: Clone + Default>(all: &mut Vec<T>, key: u32) -> &mut T {
    let key = key as usize;
    if key >= all.len() {
        all.resize(key + 1, T::default());
    }
    &mut all[key]
}

/// Which transactions are of one group, by another one of it.
struct Together {
    by: Vec<u32>,
    /// What all of a group cost, at the one that stands for it.
    costs: Vec<f64>,
}

impl Together {
    fn new(costs: &[f64]) -> Self {
        Self {
            by: (0..costs.len() as u32).collect(),
            costs: costs.to_vec(),
        }
    }

    /// The one that stands for the group of this one.
    fn find(&mut self, at: usize) -> usize {
        let mut at = at as u32;
        while self.by[at as usize] != at {
            let next = self.by[self.by[at as usize] as usize];
            self.by[at as usize] = next;
            at = next;
        }
        at as usize
    }

    fn join(&mut self, one: usize, other: usize) {
        self.join_up_to(one, other, f64::INFINITY);
    }

    /// The same, unless the group would cost more than so much.
    fn join_up_to(&mut self, one: usize, other: usize, most: f64) {
        let (one, other) = (self.find(one), self.find(other));
        let (first, last) = (one.min(other), one.max(other));
        let cost = self.costs[first] + self.costs[last];
        if first < last && cost <= most {
            // The first one stands for all.
            self.by[last] = first as u32;
            self.costs[first] = cost;
        }
    }

    /// What part of all the dearest group takes.
    fn dearest(&self) -> f64 {
        let (mut all, mut dearest) = (0.0, 0.0_f64);
        for (at, cost) in self.costs.iter().enumerate() {
            if self.by[at] as usize == at {
                all += cost;
                dearest = dearest.max(*cost);
            }
        }
        if all > 0.0 { dearest / all } else { 1.0 }
    }

    /// The number of the group of each.
    fn numbers(mut self) -> Vec<u32> {
        let mut count = 0;
        let mut numbers = vec![0; self.by.len()];
        for at in 0..numbers.len() {
            let it = self.find(at);
            if it == at {
                numbers[at] = count;
                count += 1;
            } else {
                numbers[at] = numbers[it];
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_at_what_others_change_is_of_their_group() {
        let mut sets = vec![AccessSet::new(); 7];
        sets[0].add("a");
        sets[1].add("a").write("b");
        sets[2].read("a");
        sets[3].update("b");
        sets[4].read("c").check("a");
        sets[5].write("c");
        sets[6].add("a");
        let mut together = Together::new(&vec![1.0; sets.len()]);
        let mut meets = Meets::default();
        let mut numbers = Numbers::new(0);
        for (at, set) in sets.iter().enumerate() {
            meets.set(set, at, (&mut together, &mut numbers));
        }
        assert!((together.dearest() - 4.0 / 7.0).abs() < 1e-9);
        assert_eq!(together.numbers(), [0, 0, 0, 0, 1, 2, 3]);
    }

    /// 0 is named by all, so that it only brings those together for whom there is room left in a group.
    #[test]
    fn what_few_name_counts_before_what_many_do_and_no_group_is_too_large() {
        let keys = [&[0, 1][..], &[0], &[0], &[1, 0]];
        let mut together = Together::new(&[1.0; 4]);
        let mut names = Names::default();
        for (at, keys) in keys.iter().enumerate() {
            for key in *keys {
                names.add(*key, at);
            }
        }
        // One of two workers may have 2.8 of 8 in a group.
        together.costs[1] = 5.0;
        names.join(&mut together, 2);
        assert_eq!(together.numbers(), [0, 1, 2, 0]);
    }

    #[test]
    fn who_names_the_same_is_of_one_group() {
        let named = [&[0, 1][..], &[2], &[3, 1], &[], &[2, 3]];
        let mut together = Together::new(&vec![1.0; named.len()]);
        let mut meets = Meets::default();
        for (at, keys) in named.iter().enumerate() {
            for key in *keys {
                meets.name(*key, at, &mut together);
            }
        }
        assert_eq!(together.numbers(), [0, 0, 0, 1, 0]);
    }
}
