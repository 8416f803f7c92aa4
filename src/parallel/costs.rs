//! What transactions take: those of the block at hand that have run, and those of blocks before it.
//!
//! Transactions of similar weight ([`Vm::weight`]) are of one class, and what those took that have run says what those will
//! take that have not. Who executes block after block need not find that out anew in each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    sync::{Mutex, lock},
    vm::Vm,
};

/// Weights below two, below four and so on; those above all that are in the last class.
pub(super) const CLASSES: usize = 12;

/// A transaction that took so many seconds did not take most of them because it was the first.
const LONG: f64 = 40e-6;

/// What was known before counts as much as so many transactions of the block at hand.
const BEFORE: f64 = 8.0;

/// What was known before a block counts half as much after it, beside what the block has shown. What counts less than so many
/// transactions says nothing.
const FADED: f64 = 0.5;
const LEAST: f64 = 1.0;

/// What takes less than so many seconds beside others takes much less alone.
const DEAR: f64 = 10e-6;

/// What part of the transactions that are not in the first stretch is executed again, if nobody has seen that. Measured on Ethereum, roughly.
pub(super) const AGAIN: f64 = 0.08;

/// What part of what one worker takes for all is spent on executing those of lanes again, if there are any by a tree and nobody has seen that.
/// Measured on Ethereum, roughly.
pub(super) const MENDED: f64 = 0.01;

/// Each block that is not executed in stretches, or lanes, takes away one in so many of what is out of the ordinary of that.
const PATIENCE: f64 = 32.0;

/// So many VMs are remembered.
const VMS: usize = 8;

/// What those of one class took one after another.
#[derive(Clone, Copy, Default)]
struct Ran {
    /// How many there were, in how many seconds, and how many keys they were the first to touch.
    count: usize,
    took: f64,
    keys: usize,
    /// Those of them that took the longest at once, and how many they were: one that is out of the ordinary says nothing of the
    /// others, nor does the first, which finds nothing in the caches.
    worst: (f64, usize),
}

/// What the transactions of a block took, by classes.
#[derive(Clone, Copy, Default)]
pub(super) struct Costs([Ran; CLASSES]);

/// What transactions of a class took, and how many keys they had, on average, and how many of them say so.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Mean {
    count: f64,
    took: f64,
    keys: f64,
}

/// What was known before the block.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Before {
    means: [Mean; CLASSES],
    /// What part of the transactions behind the first stretch was executed again, if blocks were executed in stretches.
    pub(super) again: Option<f64>,
    /// What part of all was spent on executing those of lanes again, if blocks were executed in lanes by a tree.
    pub(super) mended: Option<f64>,
}

/// What blocks have shown so far, kept with the threads.
#[derive(Debug, Default)]
pub(super) struct Experience {
    /// By the names of the types of VMs. If two have the same name, that costs time at most.
    vms: Mutex<Vec<(&'static str, Before)>>,
}

impl Costs {
    /// So many of a class, one after another, took so many seconds, and were the first to touch so many keys.
    pub(super) fn ran(&mut self, class: usize, count: usize, took: f64, keys: usize) {
        let ran = &mut self.0[class];
        ran.count += count;
        ran.took += took;
        ran.keys += keys;
        if took > ran.worst.0 {
            ran.worst = (took, count);
        }
    }

    /// Others have shown this.
    pub(super) fn add(&mut self, others: &Self) {
        for (ran, other) in self.0.iter_mut().zip(&others.0) {
            ran.count += other.count;
            ran.took += other.took;
            ran.keys += other.keys;
            if other.worst.0 > ran.worst.0 {
                ran.worst = other.worst;
            }
        }
    }

    /// What one of a class probably takes, and how many keys it has, if something was known before. `None` if nothing is.
    pub(super) fn typical(&self, class: usize, before: &Before) -> Option<(f64, f64)> {
        let before = before.means[class];
        let weight = before.count.min(BEFORE);
        match self.mean(class) {
            None if weight < LEAST => None,
            None => Some((before.took, before.keys)),
            Some(now) => {
                let now = now.and(Mean {
                    count: weight,
                    ..before
                });
                Some((now.took, now.keys))
            }
        }
    }

    /// What those of a class took that have run. `None` if that says nothing.
    fn mean(&self, class: usize) -> Option<Mean> {
        let Ran {
            count,
            took,
            keys,
            worst,
        } = self.0[class];
        if count == 0 || (count == worst.1 && took < LONG * count as f64) {
            return None;
        }
        // Those that are not the first to touch a key touch it nevertheless: some keys belong to all.
        let keys = keys as f64 / count as f64 + 2.0;
        let (took, count) = if count == worst.1 {
            (took, count)
        } else {
            (took - worst.0, count - worst.1)
        };
        let count = count as f64;
        Some(Mean {
            count,
            took: took / count,
            keys,
        })
    }
}

impl Mean {
    /// Both together.
    fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        let mean = |a: f64, b: f64| (a * self.count + b * other.count) / count;
        Self {
            count,
            took: mean(self.took, other.took),
            keys: mean(self.keys, other.keys),
        }
    }
}

impl Before {
    /// What transactions took does not count.
    pub(super) fn forget_costs(&mut self) {
        self.means = Default::default();
    }
}

/// What is known of a part that was this `before` a block that has shown what it is `now`, or nothing of it.
fn learnt(before: Option<f64>, now: Option<f64>, usual: f64) -> Option<f64> {
    match (before, now) {
        (Some(before), Some(now)) => Some(f64::midpoint(before, now)),
        // Others may be of another kind: it is tried again in the end.
        (Some(before), None) => Some(before + (usual - before) / PATIENCE),
        (None, now) => now,
    }
}

impl Experience {
    /// What is known of the kind of VM with this name.
    pub(super) fn of(&self, vm: &str) -> Before {
        let vms = lock(&self.vms);
        let known = vms.iter().find(|(name, _)| *name == vm);
        known.map(|(_, before)| *before).unwrap_or_default()
    }

    /// Learns what transactions of a block for the kind of VM with this name took that ran `alone`, and `all` of them, beside others as
    /// well. If it was executed in stretches, it is known what part of those behind the first was executed `again`, and if in lanes, what part of
    /// all that took.
    pub(super) fn learn(
        &self,
        vm: &'static str,
        (alone, all): (&Costs, &Costs),
        (again, mended): (Option<f64>, Option<f64>),
    ) {
        let mut vms = lock(&self.vms);
        let place = vms.iter().position(|(name, _)| *name == vm);
        // The last one is the one that was needed last.
        let mut known = match place {
            Some(place) => vms.remove(place),
            None => (vm, Before::default()),
        };
        known.1.again = learnt(known.1.again, again, AGAIN);
        known.1.mended = learnt(known.1.mended, mended, MENDED);
        for (class, mean) in known.1.means.iter_mut().enumerate() {
            let Some(now) = all.mean(class) else {
                continue;
            };
            mean.count *= FADED;
            // What is only ever executed beside others is forgotten in the end, and measured alone, or in the first stretch.
            let now = Some(now).filter(|now| now.took > DEAR);
            if let Some(now) = now.or_else(|| alone.mean(class)) {
                *mean = now.and(*mean);
            }
        }
        if vms.len() == VMS {
            vms.remove(0);
        }
        vms.push(known);
    }
}

/// What a VM says that a transaction weighs. The serial executor does not ask: a panic says nothing of the transaction.
fn weight<V: Vm>(vm: &V, transaction: &V::Transaction) -> u32 {
    catch_unwind(AssertUnwindSafe(|| vm.weight(transaction))).unwrap_or(1)
}

/// The class of a transaction.
pub(super) fn class<V: Vm>(vm: &V, transaction: &V::Transaction) -> usize {
    class_of(weight(vm, transaction))
}

/// The class of those that weigh so much.
pub(super) fn class_of(weight: u32) -> usize {
    (weight.max(1).ilog2() as usize).min(CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    const NONE: Costs = Costs(
        [Ran {
            count: 0,
            took: 0.0,
            keys: 0,
            worst: (0.0, 0),
        }; CLASSES],
    );

    /// Three of a class that took so many seconds each.
    fn three(class: usize, each: f64) -> Costs {
        let mut costs = Costs::default();
        (0..3).for_each(|_| costs.ran(class, 1, each, 4));
        costs
    }

    fn took(experience: &Experience, class: usize) -> Option<f64> {
        let before = experience.of("vm");
        Some(Costs::default().typical(class, &before)?.0)
    }

    fn is(took: Option<f64>, expected: f64) -> bool {
        took.is_some_and(|took| (took / expected - 1.0).abs() < 1e-9)
    }

    #[test]
    fn what_blocks_have_shown_is_known_and_what_they_show_later_counts_more() {
        let experience = Experience::default();
        assert_eq!(took(&experience, 4), None);
        experience.learn("vm", (&three(4, 20e-6), &three(4, 20e-6)), (None, None));
        assert!(is(took(&experience, 4), 20e-6));
        assert_eq!(took(&experience, 3), None);
        // Of three one is out of the ordinary, so two say something, and one of those before is left.
        experience.learn("vm", (&three(4, 50e-6), &three(4, 50e-6)), (None, None));
        assert!(is(took(&experience, 4), 40e-6));
        // A block that has none of them says nothing of them.
        experience.learn("vm", (&three(1, 1e-6), &three(1, 1e-6)), (None, None));
        assert!(is(took(&experience, 4), 40e-6));
        let before = experience.of("vm");
        let now = three(4, 10e-6).typical(4, &before).map(|(took, _)| took);
        assert!(is(now, (2.0 * 10e-6 + 3.0 * 40e-6) / 5.0), "{now:?}");
    }

    #[test]
    fn what_is_cheap_beside_others_is_forgotten_and_what_is_dear_is_learnt() {
        let experience = Experience::default();
        experience.learn("vm", (&three(0, 1e-6), &three(0, 1e-6)), (None, None));
        experience.learn("vm", (&NONE, &three(0, 3e-6)), (None, None));
        assert!(is(took(&experience, 0), 1e-6));
        experience.learn("vm", (&NONE, &three(0, 3e-6)), (None, None));
        assert_eq!(took(&experience, 0), None);
        experience.learn("vm", (&NONE, &three(0, 30e-6)), (None, None));
        assert!(took(&experience, 0).is_some_and(|took| took > 20e-6));
        // If some of them ran alone as well, these count.
        (0..9)
            .for_each(|_| experience.learn("vm", (&three(0, 1e-6), &three(0, 3e-6)), (None, None)));
        assert!(took(&experience, 0).is_some_and(|took| took < 1.1e-6));
    }

    #[test]
    fn what_was_executed_again_is_known_until_it_is_long_ago() {
        let experience = Experience::default();
        let again = || experience.of("vm").again;
        experience.learn("vm", (&NONE, &NONE), (None, None));
        assert_eq!(again(), None);
        experience.learn("vm", (&NONE, &NONE), (Some(1.0), None));
        assert_eq!(again(), Some(1.0));
        experience.learn("vm", (&NONE, &NONE), (Some(0.0), None));
        assert_eq!(again(), Some(0.5));
        (0..100).for_each(|_| experience.learn("vm", (&NONE, &NONE), (None, None)));
        assert!(again().is_some_and(|again| again > AGAIN && again < 0.1));
    }

    #[test]
    fn the_vms_that_were_not_needed_for_the_longest_time_are_forgotten() {
        let experience = Experience::default();
        for vm in ["vm", "a", "b", "c", "vm", "d", "e", "f", "g", "h"] {
            experience.learn(vm, (&NONE, &three(2, 20e-6)), (None, None));
        }
        assert_eq!(lock(&experience.vms).len(), VMS);
        let is_known = |vm| experience.of(vm).means[2].count > 0.0;
        assert_eq!(
            ["a", "b", "vm", "h"].map(is_known),
            [false, true, true, true]
        );
    }
}
