//! Whether a tree that came from elsewhere is what the access sets give.

use std::hash::Hash;

use crate::{
    access::{AccessSet, Trust},
    error::TooLarge,
    open::OpenTree,
    tree::{Code, Dtt},
};

/// Where a tree is not what the access sets give, or is not equal to another.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// One has more transactions.
    #[error("there are {expected} transactions, and the tree has {found}")]
    Length {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A transaction is the first that differs.
    #[error(
        "transaction {transaction} should wait for [{}] ({expected_trust:?}), and waits for [{}] ({found_trust:?})",
        list(expected),
        list(found)
    )]
    Transaction {
        /// The index of the transaction.
        transaction: usize,
        /// All that it should depend on.
        expected: Vec<usize>,
        /// All that it depends on. It may be the same, met in other sums.
        found: Vec<usize>,
        /// How far its access set should be trusted.
        expected_trust: Trust,
        /// How far it is.
        found_trust: Trust,
    },
    /// The access sets give more than a tree can hold.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

fn list(transactions: &[usize]) -> String {
    const SHOWN: usize = 8;
    let shown = transactions.iter().take(SHOWN).map(usize::to_string);
    let mut shown: Vec<String> = shown.collect();
    if transactions.len() > SHOWN {
        shown.push(format!("and {} more", transactions.len() - SHOWN));
    }
    shown.join(", ")
}

impl Dtt {
    /// Compares the tree with what it should be.
    ///
    /// # Errors
    ///
    /// The first transaction that differs.
    pub fn compare(&self, expected: &Dtt) -> Result<(), Difference> {
        if self == expected {
            return Ok(());
        }
        let both = self.len().min(expected.len());
        let same = |transaction: usize| {
            self.trust(transaction) == expected.trust(transaction)
                && self.codes(transaction) == expected.codes(transaction)
                && self.new_sums(transaction) == expected.new_sums(transaction)
        };
        match (0..both).find(|transaction| !same(*transaction)) {
            None => Err(Difference::Length {
                expected: expected.len(),
                found: self.len(),
            }),
            Some(transaction) => Err(Difference::Transaction {
                transaction,
                expected: expected.dependencies(transaction),
                found: self.dependencies(transaction),
                expected_trust: expected.trust(transaction),
                found_trust: self.trust(transaction),
            }),
        }
    }

    /// Whether the tree is exactly what these access sets give, in their order.
    ///
    /// # Errors
    ///
    /// The first transaction that differs. Nothing is analysed beyond it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach_dtt::{AccessSet, OpenTree, Trust};
    ///
    /// let mut set = AccessSet::new();
    /// set.update("counter");
    /// let mut open = OpenTree::new();
    /// open.push(&set, Trust::Exact)?;
    /// open.push(&set, Trust::Exact)?;
    /// let tree = open.into_tree();
    /// assert!(tree.verify([(&set, Trust::Exact), (&set, Trust::Exact)]).is_ok());
    ///
    /// let other = AccessSet::new();
    /// let error = tree.verify([(&set, Trust::Exact), (&other, Trust::Exact)]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "transaction 1 should wait for [] (Exact), and waits for [0] (Exact)"
    /// );
    /// # Ok::<(), pleach_dtt::TooLarge>(())
    /// ```
    pub fn verify<'a, K: Hash + Eq + Clone + 'a>(
        &self,
        sets: impl IntoIterator<Item = (&'a AccessSet<K>, Trust)>,
    ) -> Result<(), Difference> {
        let mut open = OpenTree::with_capacity(self.len(), self.len());
        for (set, trust) in sets {
            open.push(set, trust)?;
        }
        self.compare(open.tree())
    }

    /// The inputs of the sums that a transaction is the first to need.
    fn new_sums(&self, transaction: usize) -> Vec<&[Code]> {
        let first = &self.sums.first;
        let start = first.partition_point(|first| (*first as usize) < transaction);
        let end = first.partition_point(|first| (*first as usize) <= transaction);
        (start..end).map(|sum| self.sums.inputs(sum)).collect()
    }
}
