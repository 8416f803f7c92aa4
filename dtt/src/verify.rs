//! Whether a tree that came from elsewhere is what the access sets give.

use std::hash::Hash;

use crate::{
    access::{Access, AccessSet, Trust},
    error::TooLarge,
    intern::{Table, Tag, Tagger},
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
    /// The first transaction that differs.
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
        let sets: Vec<(&AccessSet<K>, Trust)> = sets.into_iter().collect();
        if self.sums() == 0 && self.is_of_plain_sets(&sets) {
            return Ok(());
        }
        let mut open = OpenTree::with_capacity(self.len(), self.len());
        for (set, trust) in sets {
            open.push(set, trust)?;
        }
        self.compare(open.tree())
    }

    /// Whether the tree, which has no sums, is what these sets give. `false` also where one of them scans: that takes more.
    ///
    /// Most keys of a block are touched once, and order nothing. The others are found first, by two bits for each, and
    /// only they are looked up; no key is copied, and no tree is made.
    fn is_of_plain_sets<K: Hash + Eq>(&self, sets: &[(&AccessSet<K>, Trust)]) -> bool {
        if self.len() != sets.len() {
            return false;
        }
        let accesses = sets.iter().map(|(set, _)| set.entries().len()).sum();
        let mut seen = Seen::new(accesses);
        let tagger = Tagger::default();
        let mut tags = Vec::with_capacity(accesses);
        for (set, _) in sets.iter().filter(|(_, trust)| *trust != Trust::Unknown) {
            if !set.ranges().is_empty() {
                return false;
            }
            for (key, _) in set.entries() {
                let tag = tagger.tag(key);
                tags.push(tag);
                seen.note(tag);
            }
        }
        let mut writers = Writers::new(seen.repeats);
        let mut sources = Vec::new();
        let mut tags = tags.as_slice();
        for (transaction, (set, trust)) in sets.iter().enumerate() {
            sources.clear();
            if *trust != Trust::Unknown {
                let (ours, rest) = tags.split_at(set.entries().len());
                tags = rest;
                writers.found.clear();
                for ((key, access), tag) in set.entries().iter().zip(ours) {
                    if !seen.again(*tag) {
                        continue;
                    }
                    let last = writers.find(*tag, key, *access);
                    if access.needs_value(*trust) {
                        match last {
                            Last::Nobody => {}
                            Last::Write(index) | Last::Add(index) => {
                                sources.push(Code::transaction(index));
                            }
                            // They would meet in a sum.
                            Last::Several => return false,
                        }
                    }
                }
                writers.note(transaction as u32);
            }
            if sources.len() > 1 {
                sources.sort_unstable();
                sources.dedup();
            }
            if sources != self.codes(transaction) || *trust != self.trust(transaction) {
                return false;
            }
        }
        true
    }

    /// The inputs of the sums that a transaction is the first to need.
    fn new_sums(&self, transaction: usize) -> Vec<&[Code]> {
        let first = &self.sums.first;
        let start = first.partition_point(|first| (*first as usize) < transaction);
        let end = first.partition_point(|first| (*first as usize) <= transaction);
        (start..end).map(|sum| self.sums.inputs(sum)).collect()
    }
}

/// How often each tag was seen, in two bits: never, once, or again. Different tags may share them.
struct Seen {
    words: Vec<u64>,
    /// How often something was seen again.
    repeats: usize,
}

impl Seen {
    /// For so many tags, few of which share their bits with another.
    fn new(tags: usize) -> Self {
        let words = (tags / 2).next_power_of_two().max(1);
        let words = vec![0; words];
        Self { words, repeats: 0 }
    }

    /// The word of a tag, and where its bits are.
    fn place(&self, tag: Tag) -> (usize, u32) {
        let at = (tag >> 5) as usize & (self.words.len() - 1);
        (at, (tag & 31) * 2)
    }

    /// No branch: what is seen again is as good as random.
    #[inline]
    fn note(&mut self, tag: Tag) {
        let (at, shift) = self.place(tag);
        let word = self.words[at];
        let seen = word >> shift & 1;
        self.words[at] = word | (1 | seen << 1) << shift;
        self.repeats += seen as usize;
    }

    #[inline]
    fn again(&self, tag: Tag) -> bool {
        let (at, shift) = self.place(tag);
        self.words[at] >> shift & 2 != 0
    }
}

/// Who has changed a key last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nobody,
    Write(u32),
    /// One alone has added to what the parent state has.
    Add(u32),
    /// Several together make the value.
    Several,
}

/// Who has changed each key last. Keys stay where they are, in their access sets.
struct Writers<'a, K> {
    table: Table,
    keys: Vec<(&'a K, Last)>,
    /// The numbers of the present transaction's keys.
    found: Vec<(u32, Access)>,
}

impl<'a, K: Eq> Writers<'a, K> {
    /// With room for so many keys.
    fn new(keys: usize) -> Self {
        Self {
            table: Table::with_capacity(keys + 1),
            keys: Vec::with_capacity(keys),
            found: Vec::new(),
        }
    }

    /// Who has changed a key of the present transaction last.
    #[inline]
    fn find(&mut self, tag: Tag, key: &'a K, access: Access) -> Last {
        let keys = &self.keys;
        let is_it = |number: u32| keys[number as usize].0 == key;
        let number = self.table.find(tag, is_it).unwrap_or_else(|at| {
            self.keys.push((key, Last::Nobody));
            self.table.insert(at, tag)
        });
        self.found.push((number, access));
        self.keys[number as usize].1
    }

    /// Notes what the transaction changes, whose keys were found before.
    #[inline]
    fn note(&mut self, transaction: u32) {
        for (number, access) in &self.found {
            if access.has(Access::WRITE) {
                self.keys[*number as usize].1 = Last::Write(transaction);
            }
        }
        for (number, access) in &self.found {
            if access.has(Access::ADD) {
                let last = &mut self.keys[*number as usize].1;
                *last = match *last {
                    Last::Nobody => Last::Add(transaction),
                    // Its own.
                    Last::Write(index) | Last::Add(index) if index == transaction => continue,
                    _ => Last::Several,
                };
            }
        }
    }
}
