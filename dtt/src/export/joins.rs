//! Which joins to draw: those that nothing else implies.
//!
//! If `c` needs `b` and `b` needs `a`, it goes without saying that `c` comes after `a`.

use super::Facts;
use crate::tree::{Code, Dtt, Source};

/// The largest table of who comes after whom, in bits.
const MOST_BITS: usize = 1 << 29;

/// The joins of a tree, as lines between transactions and sums.
#[derive(Default)]
pub(super) struct Joins {
    pub(super) lines: Vec<(Source, Source)>,
    /// How many there are with those that others imply.
    pub(super) all: usize,
    /// Whether there were too many to tell which ones others imply; then there are no lines.
    pub(super) skipped: bool,
}

/// A set of transactions for each transaction and each sum.
struct Sets {
    words: usize,
    transactions: usize,
    bits: Vec<u64>,
}

impl Sets {
    fn new(tree: &Dtt) -> Self {
        let words = tree.len().div_ceil(64);
        Self {
            words,
            transactions: tree.len(),
            bits: vec![0; words * (tree.len() + tree.sums())],
        }
    }

    fn of(&self, source: Source) -> &[u64] {
        let index = match source {
            Source::Transaction(index) => index,
            Source::Sum(index) => self.transactions + index,
        };
        &self.bits[index * self.words..][..self.words]
    }

    fn set(&mut self, source: Source, set: &[u64]) {
        let index = match source {
            Source::Transaction(index) => index,
            Source::Sum(index) => self.transactions + index,
        };
        self.bits[index * self.words..][..self.words].copy_from_slice(set);
    }
}

/// The joins that no other dependency implies. Without `wanted`, they are only counted.
pub(super) fn find(tree: &Dtt, wanted: bool) -> Joins {
    let parents = (0..tree.len())
        .filter(|transaction| match tree.parents[*transaction] {
            Code::ROOT => false,
            parent => tree.codes(*transaction).contains(&parent),
        })
        .count();
    let all = tree.edges() - parents;
    let bits = tree.len().saturating_mul(tree.len() + tree.sums());
    if all == 0 || !wanted || bits > MOST_BITS {
        return Joins {
            lines: Vec::new(),
            all,
            skipped: all > 0,
        };
    }

    let mut sets = Sets::new(tree);
    let mut lines = Vec::new();
    let mut reach = vec![0; sets.words];
    tree.walk(|node, codes| {
        reach.fill(0);
        let mut sources: Vec<Code> = codes.to_vec();
        if let Source::Transaction(index) = node
            && let Some(parent) = tree.parent(index)
        {
            add(&mut reach, sets.of(Source::Transaction(parent)));
            sources.retain(|source| *source != tree.parents[index]);
        }
        // Only what is later can imply something; sums imply the transactions in them.
        sources.sort_by_key(|source| {
            let is_transaction = matches!(source.source(), Source::Transaction(_));
            (
                std::cmp::Reverse(tree.sums.latest(*source)),
                is_transaction,
                *source,
            )
        });
        for source in sources {
            let source = source.source();
            if has(&reach, sets.of(source)) {
                continue;
            }
            add(&mut reach, sets.of(source));
            lines.push((source, node));
        }
        if let Source::Transaction(index) = node {
            reach[index / 64] |= 1 << (index % 64);
        }
        sets.set(node, &reach);
    });
    // A sum that nobody needs beyond what they have anyway is not drawn. Sums only need earlier ones, so one pass from the end finds all that are drawn for nobody.
    let mut by_sum = vec![Vec::new(); tree.sums()];
    for (from, to) in &lines {
        if let (Source::Sum(from), Source::Sum(to)) = (from, to) {
            by_sum[*to].push(*from);
        }
    }
    let mut used = vec![false; tree.sums()];
    for (from, to) in &lines {
        if let (Source::Sum(from), Source::Transaction(_)) = (from, to) {
            used[*from] = true;
        }
    }
    for sum in (0..tree.sums()).rev() {
        if used[sum] {
            for from in &by_sum[sum] {
                used[*from] = true;
            }
        }
    }
    lines.retain(|(from, to)| {
        let is_used = |source: &Source| match source {
            Source::Transaction(_) => true,
            Source::Sum(sum) => used[*sum],
        };
        is_used(from) && is_used(to)
    });
    Joins {
        lines,
        all,
        skipped: false,
    }
}

fn add(to: &mut [u64], from: &[u64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to |= from;
    }
}

/// Whether all of `part` is in `whole`.
fn has(whole: &[u64], part: &[u64]) -> bool {
    whole
        .iter()
        .zip(part)
        .all(|(whole, part)| part & !whole == 0)
}

impl Facts {
    /// Which transactions are on the critical path.
    pub(super) fn is_critical(&self, transactions: usize) -> Vec<bool> {
        let mut critical = vec![false; transactions];
        for transaction in &self.critical.transactions {
            critical[*transaction] = true;
        }
        critical
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;

    #[test]
    fn implied_joins_go() {
        // 3 needs 2 and 1, but 2 needs 1 already; 4 needs 3 and 0, which nothing implies.
        let tree = samples::payments(&[(8, 9), (1, 2), (2, 3), (1, 3), (3, 9)]);
        let joins = find(&tree, true);
        assert_eq!(joins.all, 2);
        let expected = [(Source::Transaction(0), Source::Transaction(4))];
        assert_eq!(joins.lines, expected);
    }

    #[test]
    fn sums_are_met_once() {
        let tree = samples::adders(3, 2);
        let joins = find(&tree, true);
        let meet = |index| (Source::Transaction(index), Source::Sum(0));
        let need = |index| (Source::Sum(0), Source::Transaction(index));
        let expected = [meet(2), meet(1), meet(0), need(3), need(4)];
        assert_eq!(joins.lines, expected);
    }
}
