//! How long a tree takes: levels, and the critical path under given costs.

use crate::tree::{Code, Dtt, Source};

/// The most costly chain of dependencies: no number of workers beats it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CriticalPath {
    /// What its transactions cost together.
    pub cost: u64,
    /// Its transactions, each of which depends on the one before.
    pub transactions: Vec<usize>,
}

impl Dtt {
    /// How many dependencies deep each transaction is: zero if it hangs from the root, and one more than the deepest of
    /// its dependencies otherwise. O(transactions + edges).
    #[must_use]
    pub fn levels(&self) -> Vec<u32> {
        let (levels, _) = self.longest(|_| 1);
        levels.into_iter().map(|level| level as u32 - 1).collect()
    }

    /// How many transactions are on each level: the most that could ever run at once, if all took equally long.
    #[must_use]
    pub fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for level in self.levels() {
            let level = level as usize;
            if widths.len() <= level {
                widths.resize(level + 1, 0);
            }
            widths[level] += 1;
        }
        widths
    }

    /// The most costly chain of dependencies, if transaction `i` costs `costs[i]`, in any unit. Of equally costly chains,
    /// the one whose transactions come first. O(transactions + edges).
    ///
    /// Costs that are missing are zero. A sum beyond 64 bits stays at the maximum.
    #[must_use]
    pub fn critical_path(&self, costs: &[u64]) -> CriticalPath {
        let cost = |transaction: usize| costs.get(transaction).copied().unwrap_or_default();
        let (ends, sums) = self.longest(cost);
        let end = |code: Code| match code.source() {
            Source::Transaction(index) => ends[index],
            Source::Sum(index) => sums[index],
        };
        let Some(all) = ends.iter().copied().max() else {
            return CriticalPath::default();
        };
        let mut at = ends
            .iter()
            .position(|end| *end == all)
            .map(Source::Transaction);
        let mut transactions = Vec::new();
        while let Some(node) = at {
            let codes = match node {
                Source::Transaction(index) => {
                    transactions.push(index);
                    self.codes(index)
                }
                Source::Sum(index) => self.sums.inputs(index),
            };
            let mut latest: Option<Code> = None;
            for &code in codes {
                if latest.is_none_or(|latest| end(code) > end(latest)) {
                    latest = Some(code);
                }
            }
            at = latest.map(Code::source);
        }
        transactions.reverse();
        CriticalPath {
            cost: all,
            transactions,
        }
    }

    /// When each transaction and each sum is done at the earliest, if nothing but its sources holds it up.
    pub(crate) fn longest(&self, cost: impl Fn(usize) -> u64) -> (Vec<u64>, Vec<u64>) {
        let mut ends = vec![0; self.len()];
        let mut sums = vec![0; self.sums()];
        self.walk(|node, codes| {
            let start = codes
                .iter()
                .map(|code| match code.source() {
                    Source::Transaction(index) => ends[index],
                    Source::Sum(index) => sums[index],
                })
                .max()
                .unwrap_or_default();
            match node {
                Source::Transaction(index) => {
                    ends[index] = u64::saturating_add(start, cost(index));
                }
                Source::Sum(index) => sums[index] = start,
            }
        });
        (ends, sums)
    }
}
