//! Which transactions probably depend on each other.

use std::{
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet, hash_map::Entry};
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
/// have the same, unless that would be too many for one of so many workers. `None` if nobody says anything of any of them. O(what is said of
/// them, sorted).
pub(super) fn groups<V: Vm, S>(
    input: &Input<'_, V, S>,
    first: usize,
    (costs, workers): (&[f64], usize),
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
    }
    let mut is_said = tree.is_some();
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
            meets.set(hinted, at, &mut together);
        } else if tree.is_none() && is_announced() {
            meets.set(&set, at, &mut together);
        } else {
            let mut is_first = true;
            let mut name = |key| {
                is_said = true;
                if std::mem::take(&mut is_first) {
                    meets.name(key, at, &mut together);
                } else if tree.is_none() {
                    // What is not sure is of no use if somebody knows it.
                    names.add(key, at);
                }
            };
            let ask = AssertUnwindSafe(|| input.vm.affinity(transaction, &mut name));
            let _ = catch_unwind(ask);
            continue;
        }
        is_said = true;
        meets.foresee(input.vm, transaction);
    }
    names.join(&mut together, workers);
    is_said.then(|| together.numbers())
}

/// What transactions have named that may be a reason why they depend on each other.
struct Names<K> {
    numbers: HashMap<K, u32, RandomState>,
    /// How often each was named.
    counts: Vec<u32>,
    /// Which was named by which transaction.
    named: Vec<(u32, u32)>,
}

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self {
            numbers: HashMap::default(),
            counts: Vec::new(),
            named: Vec::new(),
        }
    }
}

impl<K: Hash + Eq> Names<K> {
    fn add(&mut self, key: K, at: usize) {
        let next = self.counts.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.counts.push(0);
        }
        self.counts[number as usize] += 1;
        self.named.push((number, at as u32));
    }

    /// Those who name the same are one group, as long as it is not too large: what few name says more than what many do.
    fn join(mut self, together: &mut Together, workers: usize) {
        /// What part of what one worker has to do a group may be.
        const PART: f64 = 0.7;
        let most = together.costs.iter().sum::<f64>() * PART / workers as f64;
        let counts = &self.counts;
        self.named
            .retain(|(number, _)| counts[*number as usize] > 1);
        // Stable, so that those of one name stay in the order of the block.
        self.named
            .sort_by_key(|(number, _)| (counts[*number as usize], *number));
        for pair in self.named.windows(2) {
            let [(name, one), (other_name, other)] = [pair[0], pair[1]];
            if name == other_name {
                together.join_up_to(one as usize, other as usize, most);
            }
        }
    }
}

/// Who has been said to touch keys so far.
struct Meets<K> {
    /// The last one who changes each key, or names it, as a place in `chain`.
    last: HashMap<K, usize, RandomState>,
    /// Those who change it, and are not one group yet: each with the place of the one before it, if there is one.
    chain: Vec<(usize, Option<usize>)>,
    /// Those that somebody says to add to. Who checks one of these had better see that; other checks are hardly ever answered otherwise.
    foreseen: HashSet<K, RandomState>,
}

impl<K> Default for Meets<K> {
    fn default() -> Self {
        Self {
            last: HashMap::default(),
            chain: Vec::new(),
            foreseen: HashSet::default(),
        }
    }
}

impl<K: Hash + Eq + Clone> Meets<K> {
    fn foresee<V: Vm<Key = K>>(&mut self, vm: &V, transaction: &V::Transaction) {
        forecast(vm, transaction, |key, _| {
            self.foreseen.insert(key);
        });
    }

    /// Who looks at what others change depends on them; who changes it does not.
    fn set(&mut self, set: &AccessSet<K>, at: usize, together: &mut Together) {
        for (key, access) in set.entries() {
            let is_change = access.has(Access::WRITE) || access.has(Access::ADD);
            let looks = access.has(Access::READ)
                || (access.has(Access::CHECK) && self.foreseen.contains(key));
            if !is_change && !looks {
                continue;
            }
            let Some(last) = self.last.get_mut(key) else {
                if is_change {
                    self.last.insert(key.clone(), self.chain.len());
                    self.chain.push((at, None));
                }
                continue;
            };
            let mut before = Some(*last);
            if looks {
                while let Some(place) = before {
                    let (other, next) = self.chain[place];
                    together.join(other, at);
                    before = next;
                }
                // All of them are one group now.
                self.chain[*last].1 = None;
            }
            if is_change {
                let before = (!looks).then_some(*last);
                *last = self.chain.len();
                self.chain.push((at, before));
            }
        }
    }

    /// All who name a key are one group.
    fn name(&mut self, key: K, at: usize, together: &mut Together) {
        match self.last.entry(key) {
            Entry::Occupied(entry) => together.join(self.chain[*entry.get()].0, at),
            Entry::Vacant(entry) => {
                entry.insert(self.chain.len());
                self.chain.push((at, None));
            }
        }
    }
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
        for (at, set) in sets.iter().enumerate() {
            meets.set(set, at, &mut together);
        }
        assert_eq!(together.numbers(), [0, 0, 0, 0, 1, 2, 3]);
    }

    /// "all" is named by all, so that it only brings those together for whom there is room left in a group.
    #[test]
    fn what_few_name_counts_before_what_many_do_and_no_group_is_too_large() {
        let keys = [&["all", "few"][..], &["all"], &["all"], &["few", "all"]];
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
        let named = [&["a", "b"][..], &["c"], &["d", "b"], &[], &["c", "d"]];
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
