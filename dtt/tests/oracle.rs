//! What a tree must be, straight from the definitions. It compares everything with everything.

use std::{collections::BTreeSet, ops::RangeBounds};

use pleach_dtt::{Access, Trust};

use crate::blocks::Tx;

/// A set of keys.
type Keys = [bool; 256];

/// What a transaction does with each key.
pub(crate) struct Effects {
    /// It needs the value that those before it leave.
    needs: Keys,
    writes: Keys,
    /// It writes or adds.
    changes: Keys,
}

fn effects(tx: &Tx) -> Effects {
    let of = |holds: &dyn Fn(u8, Access) -> bool| {
        std::array::from_fn(|key| {
            let mut entries = tx.entries.iter();
            let key = key as u8;
            tx.trust != Trust::Unknown
                && entries.any(|(other, found)| *other == key && holds(key, *found))
        })
    };
    let checked = tx.trust == Trust::Exact;
    let mut needs: Keys =
        of(&|_, found| found.has(Access::READ) || (checked && found.has(Access::CHECK)));
    for (from, to) in &tx.ranges {
        for key in 0..=u8::MAX {
            needs[usize::from(key)] |= tx.trust != Trust::Unknown && (*from, *to).contains(&key);
        }
    }
    Effects {
        needs,
        writes: of(&|_, found| found.has(Access::WRITE)),
        changes: of(&|_, found| found.has(Access::WRITE) || found.has(Access::ADD)),
    }
}

/// For each transaction, those that it depends on: they change a key that it needs, and nobody writes it in between.
pub(crate) fn dependencies(block: &[Tx]) -> Vec<Vec<usize>> {
    let effects = all_effects(block);
    let mut all = Vec::new();
    for (later, of_later) in effects.iter().enumerate() {
        let mut seen = of_later.needs;
        let mut found = Vec::new();
        for (earlier, of_earlier) in effects[..later].iter().enumerate().rev() {
            if (0..256).any(|key| seen[key] && of_earlier.changes[key]) {
                found.push(earlier);
            }
            for (seen, overwritten) in seen.iter_mut().zip(of_earlier.writes) {
                *seen &= !overwritten;
            }
        }
        found.reverse();
        all.push(found);
    }
    all
}

/// What each transaction of a block does.
pub(crate) fn all_effects(block: &[Tx]) -> Vec<Effects> {
    block.iter().map(effects).collect()
}

/// Whether `later` sees what `earlier` does to `key`.
pub(crate) fn sees(block: &[Effects], earlier: usize, later: usize, key: u8) -> bool {
    let key = usize::from(key);
    let between = &block[earlier + 1..later];
    block[earlier].changes[key]
        && block[later].needs[key]
        && !between.iter().any(|effects| effects.writes[key])
}

/// The connected components, in the order of their first transactions.
pub(crate) fn branches(dependencies: &[Vec<usize>]) -> Vec<Vec<u32>> {
    let mut branches: Vec<BTreeSet<u32>> = Vec::new();
    for (transaction, needed) in dependencies.iter().enumerate() {
        let mut branch = BTreeSet::from([transaction as u32]);
        branches.retain(|other| {
            let joined = needed
                .iter()
                .any(|needed| other.contains(&(*needed as u32)));
            if joined {
                branch.extend(other);
            }
            !joined
        });
        branches.push(branch);
    }
    branches.sort();
    let branches = branches.into_iter();
    branches
        .map(|branch| branch.into_iter().collect())
        .collect()
}

/// When each transaction is done at the earliest.
pub(crate) fn ends(dependencies: &[Vec<usize>], costs: &[u64]) -> Vec<u64> {
    let mut ends: Vec<u64> = Vec::new();
    for (needed, cost) in dependencies.iter().zip(costs) {
        let start = needed.iter().map(|needed| ends[*needed]).max();
        ends.push(start.unwrap_or_default() + cost);
    }
    ends
}
