//! Whether a block is probably a chain, by a few of its transactions: then making a plan of it only to see that would be in vain.

use std::hash::BuildHasher;

use hashbrown::{HashTable, hash_table::Entry};
use pleach_dtt::{Access, AccessSet, Trust};

use crate::{protocol::keys::Hasher, vm::Vm};

/// How many transactions are looked at, and of how many at least.
const SAMPLE: usize = 64;
const MANY: usize = 8 * SAMPLE;

/// A chain this long is one, for so many transactions: three quarters.
pub(super) fn is_chain(depth: usize, transactions: usize) -> bool {
    depth * 4 > transactions * 3
}

/// Whether the VM says nothing of the first, the middle and the last transaction, so probably of none.
pub(in crate::parallel) fn announces_nothing<V: Vm>(
    vm: &V,
    transactions: &[V::Transaction],
) -> bool {
    let mut set = AccessSet::new();
    let count = transactions.len();
    let some = [0, count / 2, count.saturating_sub(1)].into_iter();
    let mut some = some.filter_map(|place| transactions.get(place));
    some.all(|transaction| {
        set.clear();
        vm.accesses(transaction, &mut set) == Trust::Unknown
    })
}

/// Whether transactions from all over the block would be a chain if they were a block, all sets being exact. Those between them can
/// only add to what each waits for, so what is a chain in the sample is hardly anything else as a whole; but a chain in which each
/// waits for the one right before it is not found.
pub(in crate::parallel) fn looks_like_chain<V: Vm>(
    vm: &V,
    transactions: &[V::Transaction],
) -> bool {
    let step = transactions.len() / SAMPLE;
    if transactions.len() < MANY {
        return false;
    }
    let hasher = Hasher::default();
    // How long the longest chain is that ends with the last write of each key.
    let mut written: HashTable<(u64, V::Key, usize)> = HashTable::with_capacity(4 * SAMPLE);
    let mut set = AccessSet::new();
    let mut longest = 0;
    for (number, transaction) in transactions.iter().step_by(step).take(SAMPLE).enumerate() {
        set.clear();
        if vm.accesses(transaction, &mut set) != Trust::Exact || !set.ranges().is_empty() {
            return false;
        }
        let mut level = 0;
        for (key, access) in set.entries() {
            if access.has(Access::READ) || access.has(Access::WRITE) {
                let last = written.find(hasher.hash_one(key), |(_, other, _)| other == key);
                level = level.max(last.map_or(0, |(.., level)| *level));
            }
        }
        level += 1;
        longest = longest.max(level);
        // It is too short for what is left.
        if !is_chain(longest + SAMPLE - number - 1, SAMPLE) {
            return false;
        }
        for (key, access) in set.entries() {
            if access.has(Access::WRITE) {
                let hash = hasher.hash_one(key);
                let is_it = |(_, other, _): &(u64, V::Key, usize)| other == key;
                match written.entry(hash, is_it, |(hash, ..)| *hash) {
                    Entry::Occupied(mut last) => last.get_mut().2 = level,
                    Entry::Vacant(vacant) => _ = vacant.insert((hash, key.clone(), level)),
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{Declared, Program, ProgramVm, Step};

    fn looks(programs: impl Iterator<Item = Program>) -> bool {
        let programs: Vec<Program> = programs
            .map(|program| program.declaring(Declared::Exactly))
            .collect();
        looks_like_chain(&ProgramVm, &programs)
    }

    #[test]
    fn all_that_change_one_key_are_a_chain() {
        let change = |_| Program::new([Step::Get(1), Step::PutRegister(1)]);
        assert!(looks((0..MANY).map(change)));
        // A plan of so few takes no time.
        assert!(!looks((1..MANY).map(change)));
    }

    #[test]
    fn what_reads_one_key_or_adds_to_it_or_has_one_of_its_own_is_none() {
        assert!(!looks((0..MANY).map(|_| Program::new([Step::Get(1)]))));
        let change = |key| Program::new([Step::Get(key), Step::PutRegister(key)]);
        assert!(!looks((0..MANY).map(|number| change(number as u8))));
        // Each has some in a row, but not those of the others.
        assert!(!looks((0..MANY).map(|number| change((number / 16) as u8))));
    }

    #[test]
    fn a_set_that_is_not_certain_says_nothing() {
        let change = Program::new([Step::Get(1), Step::PutRegister(1)]);
        assert!(!looks_like_chain(&ProgramVm, &vec![change; MANY]));
    }
}
