//! Root hashes: two nodes compare their trees, and find where they differ, without sending them.

use std::fmt;

use crate::tree::Dtt;

/// Separates these hashes from all others that blake3 is used for.
const CONTEXT: &str = "pleach-dtt 2026 root hash of a transaction tree, version 1";

/// The hash of a tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootHash([u8; 32]);

impl RootHash {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for RootHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Dtt {
    /// The hash of the tree: blake3 of its encoding, under a context of its own. O(transactions + edges).
    #[must_use]
    pub fn root_hash(&self) -> RootHash {
        self.prefix_hash(self.len())
    }

    /// The root hash of the tree of the first `transactions` alone: nothing that comes later changes it. Of all, if
    /// there are no more.
    #[must_use]
    pub fn prefix_hash(&self, transactions: usize) -> RootHash {
        let bytes = self.encode_prefix(transactions.min(self.len()));
        RootHash(blake3::derive_key(CONTEXT, &bytes))
    }

    /// The first transaction in which another node's tree of as many transactions differs, if one does. `theirs` is
    /// asked for its prefix hashes, about log2(transactions) times.
    ///
    /// # Errors
    ///
    /// What `theirs` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach_dtt::{AccessSet, OpenTree, Trust};
    ///
    /// let tree = |keys: &[&'static str]| {
    ///     let mut open = OpenTree::new();
    ///     for key in keys {
    ///         let mut set = AccessSet::new();
    ///         set.update(*key);
    ///         open.push(&set, Trust::Exact).expect("it is small");
    ///     }
    ///     open.into_tree()
    /// };
    /// let ours = tree(&["a", "b", "a", "c"]);
    /// let theirs = tree(&["a", "b", "b", "c"]);
    /// assert_ne!(ours.root_hash(), theirs.root_hash());
    /// let found = ours.first_difference(|count| Ok::<_, ()>(theirs.prefix_hash(count)));
    /// assert_eq!(found, Ok(Some(2)));
    /// ```
    pub fn first_difference<E>(
        &self,
        mut theirs: impl FnMut(usize) -> Result<RootHash, E>,
    ) -> Result<Option<usize>, E> {
        let mut differs = |count: usize| Ok(theirs(count)? != self.prefix_hash(count));
        if !differs(self.len())? {
            return Ok(None);
        }
        let (mut same, mut different) = (0, self.len());
        while same + 1 < different {
            let middle = usize::midpoint(same, different);
            if differs(middle)? {
                different = middle;
            } else {
                same = middle;
            }
        }
        Ok(Some(different.saturating_sub(1)))
    }
}
