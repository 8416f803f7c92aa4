//! For people: what conflicts, and which keys are hot.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    access::Access,
    block::Block,
    open::{KeyId, OpenTree},
    ordered::{Found, SEVERAL},
    tree::Source,
};

/// How often a key is used in a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Transactions that wait for another because of it.
    pub ordered: u32,
    /// Transactions that read it.
    pub reads: u32,
    /// Transactions that write it.
    pub writes: u32,
    /// Transactions that add to it.
    pub adds: u32,
    /// Transactions that ask a predicate of it.
    pub checks: u32,
}

impl<K> OpenTree<K> {
    /// The transactions that a transaction depends on, each with a key that is why; in ascending order. `None` stands for
    /// several keys in a range that it scans.
    ///
    /// That takes time and memory for as many as there are, as with [`Dtt::dependencies`](crate::Dtt::dependencies).
    #[must_use]
    pub fn conflicts(&self, transaction: usize) -> Vec<(usize, Option<&K>)> {
        let Block {
            tree,
            causes,
            sum_causes,
            ..
        } = &self.block;
        let end = tree.ends[transaction] as usize;
        let start = end - tree.codes(transaction).len();
        let mut open: Vec<Found> = tree
            .codes(transaction)
            .iter()
            .copied()
            .zip(causes[start..end].iter().copied())
            .collect();
        let mut seen = BTreeSet::new();
        let mut found = BTreeMap::new();
        while let Some((code, cause)) = open.pop() {
            match code.source() {
                Source::Transaction(index) => {
                    let known = found.entry(index).or_insert(cause);
                    if *known == SEVERAL {
                        *known = cause;
                    }
                }
                Source::Sum(sum) if seen.insert(sum) => {
                    let end = tree.sums.ends[sum] as usize;
                    let inputs = tree.sums.inputs(sum);
                    let causes = &sum_causes[end - inputs.len()..end];
                    // A sum may serve several keys. What it is needed for here is what its inputs are needed for.
                    let causes = causes.iter().map(|inner| match cause {
                        SEVERAL => *inner,
                        key => key,
                    });
                    open.extend(inputs.iter().copied().zip(causes));
                }
                Source::Sum(_) => {}
            }
        }
        let key = |cause: u32| self.interner.keys().get(cause as usize);
        found
            .into_iter()
            .map(|(index, cause)| (index, key(cause)))
            .collect()
    }

    /// What each key is used for in this block, for all keys that are. Scans of ranges are not counted.
    #[must_use]
    pub fn usage(&self) -> Vec<(KeyId, Usage)> {
        let mut usage = vec![Usage::default(); self.keys()];
        let mut changed = vec![false; self.keys()];
        let mut words: Vec<u32> = Vec::new();
        for transaction in 0..self.tree().len() {
            // What is said of a key several times counts once.
            words.clear();
            words.extend_from_slice(self.block.words(transaction));
            words.sort_unstable();
            let trust = self.tree().trust(transaction);
            for words in words.chunk_by(|a, b| a >> Access::BITS == b >> Access::BITS) {
                let key = (words[0] >> Access::BITS) as usize;
                let all = words.iter().fold(0, |all, word| all | word);
                let access = Access::from_bits(all);
                let of = &mut usage[key];
                of.reads += u32::from(access.has(Access::READ));
                of.writes += u32::from(access.has(Access::WRITE));
                of.adds += u32::from(access.has(Access::ADD));
                of.checks += u32::from(access.has(Access::CHECK));
                of.ordered += u32::from(changed[key] && access.needs_value(trust));
                changed[key] |= access.has(Access::WRITE) || access.has(Access::ADD);
            }
        }
        let usage = usage.into_iter().enumerate();
        usage
            .map(|(index, usage)| (KeyId(index as u32), usage))
            .filter(|(_, usage)| *usage != Usage::default())
            .collect()
    }

    /// The keys that order the most transactions, and of those that order equally many, those with the most accesses
    /// first: at most `count`.
    #[must_use]
    pub fn hottest(&self, count: usize) -> Vec<(&K, Usage)> {
        let mut usage = self.usage();
        usage.sort_by_key(|(id, usage)| {
            let all = usage.reads + usage.writes + usage.adds + usage.checks;
            (Reverse((usage.ordered, all)), *id)
        });
        usage.truncate(count);
        let named = usage.into_iter();
        named.map(|(id, usage)| (self.key(id), usage)).collect()
    }
}
