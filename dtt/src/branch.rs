//! Branches: parts of a tree that share no dependency with any other.

use petgraph::unionfind::UnionFind;

use crate::tree::{Code, Dtt, Source};

/// A branch without a number.
const NONE: u32 = u32::MAX;

/// The branches of a tree, in the order of their first transactions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branches {
    /// The branch of each transaction.
    of: Vec<u32>,
    /// Where the transactions of each branch end.
    ends: Vec<u32>,
    transactions: Vec<u32>,
}

impl Branches {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none, as the block is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The branch that a transaction is on.
    ///
    /// # Panics
    ///
    /// If there is no transaction with this index.
    #[must_use]
    pub fn of(&self, transaction: usize) -> usize {
        self.of[transaction] as usize
    }

    /// The transactions of a branch, in block order.
    ///
    /// # Panics
    ///
    /// If there is no branch with this index.
    #[must_use]
    pub fn transactions(&self, branch: usize) -> &[u32] {
        let start = branch.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.transactions[start as usize..self.ends[branch] as usize]
    }

    /// The transactions of each branch, in block order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        (0..self.len()).map(|branch| self.transactions(branch))
    }

    /// How many transactions the largest branch has.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.iter().map(<[u32]>::len).max().unwrap_or_default()
    }
}

impl Dtt {
    /// The connected components of the tree without its root. Close to O(transactions + edges).
    #[must_use]
    pub fn branches(&self) -> Branches {
        let count = self.len();
        let mut union = UnionFind::<u32>::new(count);
        // Who first needs a sum stands for it: all that need it are on one branch.
        let on_branch = |code: Code| match code.source() {
            Source::Transaction(index) => index as u32,
            Source::Sum(index) => self.sums.first[index],
        };
        self.walk(|node, codes| {
            let node = on_branch(node.code());
            for code in codes {
                union.union(node, on_branch(*code));
            }
        });

        let mut numbers = vec![NONE; count];
        let mut sizes = Vec::new();
        let of: Vec<u32> = (0..count as u32)
            .map(|transaction| {
                let number = &mut numbers[union.find_mut(transaction) as usize];
                if *number == NONE {
                    *number = sizes.len() as u32;
                    sizes.push(0);
                }
                sizes[*number as usize] += 1;
                *number
            })
            .collect();
        let mut next = 0;
        let mut places: Vec<u32> = sizes
            .iter()
            .map(|size| {
                let start = next;
                next += size;
                start
            })
            .collect();
        let mut transactions = vec![0; count];
        for (transaction, branch) in of.iter().enumerate() {
            let place = &mut places[*branch as usize];
            transactions[*place as usize] = transaction as u32;
            *place += 1;
        }
        Branches {
            of,
            ends: places,
            transactions,
        }
    }
}
