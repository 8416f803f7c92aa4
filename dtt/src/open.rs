//! From access sets to the tree, one transaction after another.

use std::{hash::Hash, mem};

use crate::{
    access::{Access, AccessSet, Trust},
    block::Block,
    error::TooLarge,
    intern::{Interner, Tag},
    range::KeyRange,
    tree::{Dtt, MOST},
};

/// The number of a key in an [`OpenTree`] or an [`Interner`]: dense, in the order in which keys first appear.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyId(pub(crate) u32);

impl KeyId {
    /// As an index into arrays with an element a key.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A transaction of a block before the present one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Carried {
    /// Which block, counted from the first that this tree was for.
    pub block: u32,
    /// Its index there.
    pub transaction: u32,
}

/// A tree that grows: transactions are appended, and what there is can be looked at at any time.
///
/// Each append hashes each key once. A transaction's place is final at once, as only earlier ones matter for it; so a pool
/// that fills up has the tree of what it holds at every moment. [`next_block`](Self::next_block) goes on with the block
/// after.
///
/// # Examples
///
/// ```
/// use pleach_dtt::{AccessSet, OpenTree, Source, Trust};
///
/// let mut open = OpenTree::new();
/// let mut set = AccessSet::new();
/// // Three tips for one waiter, who then counts them.
/// for _ in 0..3 {
///     set.clear();
///     set.add("tips");
///     open.push(&set, Trust::Exact)?;
/// }
/// set.clear();
/// set.read("tips");
/// open.push(&set, Trust::Exact)?;
///
/// let tree = open.tree();
/// assert_eq!(tree.sources(3).collect::<Vec<_>>(), [Source::Sum(0)]);
/// assert_eq!(tree.dependencies(3), [0, 1, 2]);
/// assert_eq!(open.conflicts(3), [(0, Some(&"tips")), (1, Some(&"tips")), (2, Some(&"tips"))]);
/// # Ok::<(), pleach_dtt::TooLarge>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenTree<K> {
    pub(crate) interner: Interner<K>,
    pub(crate) block: Block<K>,
    /// How many blocks came before.
    blocks: u32,
    /// Which transaction of an earlier block was the last to change each key; empty in the first block.
    changed: Vec<Option<Carried>>,
    /// The latest transaction of an earlier block that each transaction depends on; empty in the first block.
    carried: Vec<Option<Carried>>,
    /// Buffers.
    tags: Vec<Tag>,
}

impl<K> Default for OpenTree<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> OpenTree<K> {
    /// A tree without a transaction.
    #[must_use]
    pub fn new() -> Self {
        Self {
            interner: Interner::default(),
            block: Block::default(),
            blocks: 0,
            changed: Vec::new(),
            carried: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// A tree with room for so many transactions and so many different keys.
    #[must_use]
    pub fn with_capacity(transactions: usize, keys: usize) -> Self {
        let mut open = Self::new();
        open.interner = Interner::with_capacity(keys);
        open.block.reserve(transactions, keys);
        open
    }

    /// How much memory it holds, in bytes: arrays of its own, not what keys point to.
    #[must_use]
    pub fn memory(&self) -> usize {
        let carried = self.changed.capacity() + self.carried.capacity();
        self.interner.memory() + self.block.memory() + carried * size_of::<Option<Carried>>()
    }

    /// The tree of the present block, as far as it goes.
    #[must_use]
    pub fn tree(&self) -> &Dtt {
        &self.block.tree
    }

    /// The tree of the present block.
    #[must_use]
    pub fn into_tree(self) -> Dtt {
        self.block.tree
    }

    /// Ends the block and begins the next, whose parent state is what this one leaves. Keys keep their numbers; what the
    /// transactions to come need of earlier blocks is told by [`carried`](Self::carried).
    ///
    /// All keys since the beginning are kept, and this takes O(all keys). Who goes on for long begins anew from time to time,
    /// with [`clear`](Self::clear), where nothing before matters any more.
    pub fn next_block(&mut self) -> Dtt {
        let block = mem::take(&mut self.block);
        self.block.watch_writes();
        self.carried.clear();
        self.changed.resize(self.interner.keys().len(), None);
        for (latest, changed) in block.latest_changes().zip(&mut self.changed) {
            if let Some(transaction) = latest {
                let block = self.blocks;
                *changed = Some(Carried { block, transaction });
            }
        }
        self.blocks += 1;
        block.tree
    }

    /// Forgets everything and keeps the memory of the keys.
    pub fn clear(&mut self) {
        self.interner.clear();
        self.block = Block::default();
        self.blocks = 0;
        self.changed.clear();
        self.carried.clear();
    }

    /// The latest transaction of an earlier block that a transaction of this block depends on, whether or not it depends
    /// on others of this block too.
    #[must_use]
    pub fn carried(&self, transaction: usize) -> Option<Carried> {
        self.carried.get(transaction).copied().flatten()
    }

    /// How many keys have a number, in this block and those before.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.interner.keys().len()
    }

    /// The key with this number.
    ///
    /// # Panics
    ///
    /// If the number is of another tree, and too high for this.
    #[must_use]
    pub fn key(&self, id: KeyId) -> &K {
        &self.interner.keys()[id.index()]
    }

    /// The keys that a transaction's access set names, and what it does with them, as often as they were said. Ranges are
    /// not part of it. None of an unknown transaction.
    #[must_use]
    pub fn accesses(
        &self,
        transaction: usize,
    ) -> impl ExactSizeIterator<Item = (KeyId, Access)> + '_ {
        let words = self.block.words(transaction);
        words
            .iter()
            .map(|word| (KeyId(word >> Access::BITS), Access::from_bits(*word)))
    }
}

impl<K: Hash + Eq + Clone> OpenTree<K> {
    /// Appends the next transaction. O(keys), and for each range O(log keys) beside what has changed since the last scan;
    /// after the first block, for each range O(all keys).
    ///
    /// A transaction whose accesses are unknown is ordered by nothing, and orders nothing.
    ///
    /// # Errors
    ///
    /// If the tree would get too large. Nothing more can be appended then.
    pub fn push(&mut self, set: &AccessSet<K>, trust: Trust) -> Result<(), TooLarge> {
        let mut tags = mem::take(&mut self.tags);
        tags.clear();
        if trust != Trust::Unknown {
            tags.extend(set.entries().iter().map(|(key, _)| self.interner.tag(key)));
        }
        self.interner.preload(&tags);
        let result = self.push_tagged(set.entries(), &tags, set.ranges(), trust);
        self.tags = tags;
        result
    }

    /// [`push`](Self::push), where the hashes are known.
    pub(crate) fn push_tagged(
        &mut self,
        entries: &[(K, Access)],
        tags: &[Tag],
        ranges: &[KeyRange<K>],
        trust: Trust,
    ) -> Result<(), TooLarge> {
        let block = &mut self.block;
        if block.tree.len() as u32 > MOST {
            return Err(TooLarge::Transactions);
        }
        let start = block.accesses.len();
        for ((key, access), tag) in entries.iter().zip(tags) {
            let id = match self.interner.intern_tagged(*tag, key) {
                Ok(id) => id,
                Err(error) => {
                    block.accesses.truncate(start);
                    return Err(error);
                }
            };
            block.accesses.push(id << Access::BITS | access.bits());
        }
        block.know(self.interner.keys().len());
        let ranges = if trust == Trust::Unknown { &[] } else { ranges };
        if self.blocks > 0 {
            let carried = self.carried_by(start, ranges, trust);
            self.carried.push(carried);
        }
        self.block
            .append(start, self.interner.keys(), ranges, trust)
    }

    /// See [`Interner::preload`].
    #[cfg(feature = "rayon")]
    pub(crate) fn preload(&self, tags: &[Tag]) {
        self.interner.preload(tags);
    }

    /// What makes the tags for [`push_tagged`](Self::push_tagged).
    #[cfg(feature = "rayon")]
    pub(crate) fn tagger(&self) -> crate::intern::Tagger {
        self.interner.tagger()
    }

    /// The number of a key, if it has one.
    #[must_use]
    pub fn id(&self, key: &K) -> Option<KeyId> {
        self.interner.get(key)
    }

    /// What the next transaction, whose accesses start at `start`, needs of earlier blocks.
    fn carried_by(&self, start: usize, ranges: &[KeyRange<K>], trust: Trust) -> Option<Carried> {
        let accesses = &self.block.accesses[start..];
        let named = accesses
            .iter()
            .filter(|word| Access::from_bits(**word).needs_value(trust))
            .map(|word| (word >> Access::BITS) as usize);
        // All keys are looked at: ranges across blocks are rare.
        let scanned = ranges.iter().flat_map(|range| {
            let keys = self.interner.keys().iter().enumerate();
            keys.filter(|(_, key)| range.contains(key))
                .map(|(id, _)| id)
        });
        named
            .chain(scanned)
            .filter(|id| self.block.sees_earlier(*id as u32))
            .filter_map(|id| *self.changed.get(id)?)
            .max()
    }
}
