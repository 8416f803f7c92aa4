//! The tree itself: of each transaction, what it needs.

use std::fmt;

use crate::{access::Trust, error::TooLarge};

/// The most transactions, and the most sums.
pub(crate) const MOST: u32 = (1 << 31) - 2;

/// Where a value comes from, in one word: nowhere, a transaction, or a sum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    /// The parent state.
    pub(crate) const ROOT: Self = Self(u32::MAX);
    const SUM: u32 = 1 << 31;

    pub(crate) fn transaction(index: u32) -> Self {
        Self(index)
    }

    pub(crate) fn sum(index: u32) -> Self {
        Self(index | Self::SUM)
    }

    pub(crate) fn source(self) -> Source {
        if self.0 & Self::SUM == 0 {
            Source::Transaction(self.0 as usize)
        } else {
            Source::Sum((self.0 & !Self::SUM) as usize)
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ROOT {
            return f.write_str("root");
        }
        self.source().fmt(f)
    }
}

/// What a transaction waits for, if it is not the parent state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// An earlier transaction, by its index.
    Transaction(usize),
    /// Several earlier transactions together, by the index of their [sum](Dtt::sum).
    Sum(usize),
}

impl Source {
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Transaction(index) => Code::transaction(index as u32),
            Self::Sum(index) => Code::sum(index as u32),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction(index) => write!(f, "{index}"),
            Self::Sum(index) => write!(f, "sum {index}"),
        }
    }
}

/// The Deterministic Transaction Tree: the dependencies of one ordered block.
///
/// A transaction *depends* on an earlier one whose effect it sees: which wrote what it reads, or added to it since.
/// Nothing else orders transactions. The latest of its dependencies is its *parent*, and a transaction without any hangs
/// from the root, the parent state. All other dependencies are *joins*.
///
/// Thousands may add to a key before thousands read it, and each of these depends on all of those. So where a value
/// comes from several transactions, they meet in a *sum*, and who reads it needs the sum. That keeps a tree as small as
/// the access sets that it was made from.
///
/// Two trees are equal if they have the same transactions with the same dependencies, met in the same sums. Keys are not
/// part of it; [`OpenTree`](crate::OpenTree) knows them.
///
/// # Examples
///
/// ```
/// use pleach_dtt::{AccessSet, OpenTree, Source, Trust};
///
/// let mut open = OpenTree::new();
/// let mut set = AccessSet::new();
/// for (from, to) in [("alice", "bob"), ("carol", "dave"), ("bob", "erin")] {
///     set.clear();
///     set.update(from).update(to);
///     open.push(&set, Trust::Exact)?;
/// }
/// let tree = open.into_tree();
/// assert_eq!(tree.parent(1), None);
/// assert_eq!(tree.parent(2), Some(0));
/// assert_eq!(tree.branches().len(), 2);
/// # Ok::<(), pleach_dtt::TooLarge>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Dtt {
    pub(crate) trusts: Vec<Trust>,
    /// The latest dependency of each transaction, or `Code::ROOT`.
    pub(crate) parents: Vec<Code>,
    /// Where the sources of each transaction end.
    pub(crate) ends: Vec<u32>,
    /// Transactions first, then sums; both ascend, and none is there twice.
    pub(crate) sources: Vec<Code>,
    pub(crate) sums: Sums,
}

/// The sums of a tree, in the order of the transactions that are the first to need them.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    /// The first transaction that needs it.
    pub(crate) first: Vec<u32>,
    /// Its latest transaction.
    pub(crate) latest: Vec<u32>,
    pub(crate) ends: Vec<u32>,
    /// Ordered as the sources of a transaction are; at least two for each sum.
    pub(crate) inputs: Vec<Code>,
}

/// The elements of list `index` among `all`, of which each ends where `ends` says.
fn list<'a>(all: &'a [Code], ends: &[u32], index: usize) -> &'a [Code] {
    let start = index.checked_sub(1).map_or(0, |before| ends[before]);
    &all[start as usize..ends[index] as usize]
}

/// A length as it is kept.
fn length(list: &[Code]) -> Result<u32, TooLarge> {
    u32::try_from(list.len()).map_err(|_| TooLarge::Dependencies)
}

impl Sums {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn inputs(&self, index: usize) -> &[Code] {
        list(&self.inputs, &self.ends, index)
    }

    /// Adds a sum that transaction `first` is the first to need.
    pub(crate) fn push(&mut self, first: u32, inputs: &[Code]) -> Result<Code, TooLarge> {
        let index = self.ends.len() as u32;
        if index > MOST {
            return Err(TooLarge::Dependencies);
        }
        let latest = inputs.iter().map(|input| self.latest(*input)).max();
        self.inputs.extend_from_slice(inputs);
        self.ends.push(length(&self.inputs)?);
        self.first.push(first);
        self.latest.push(latest.unwrap_or_default());
        Ok(Code::sum(index))
    }

    /// The latest transaction of a source.
    pub(crate) fn latest(&self, code: Code) -> u32 {
        match code.source() {
            Source::Transaction(index) => index as u32,
            Source::Sum(index) => self.latest[index],
        }
    }
}

impl Default for Dtt {
    fn default() -> Self {
        Self::new()
    }
}

impl Dtt {
    /// The tree of an empty block.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            trusts: Vec::new(),
            parents: Vec::new(),
            ends: Vec::new(),
            sources: Vec::new(),
            sums: Sums {
                first: Vec::new(),
                latest: Vec::new(),
                ends: Vec::new(),
                inputs: Vec::new(),
            },
        }
    }

    pub(crate) fn reserve(&mut self, transactions: usize) {
        self.trusts.reserve(transactions);
        self.parents.reserve(transactions);
        self.ends.reserve(transactions);
        self.sources.reserve(transactions);
    }

    /// Adds the next transaction, which needs `sources`: ordered, and none twice.
    pub(crate) fn push(
        &mut self,
        trust: Trust,
        sources: impl Iterator<Item = Code>,
    ) -> Result<(), TooLarge> {
        self.push_record(sources)?;
        self.trusts.push(trust);
        Ok(())
    }

    /// [`push`](Self::push), where the trusts of all transactions are known.
    #[inline]
    pub(crate) fn push_record(
        &mut self,
        sources: impl Iterator<Item = Code>,
    ) -> Result<(), TooLarge> {
        let mut parent = Code::ROOT;
        for source in sources {
            let latest = Code::transaction(self.sums.latest(source));
            if parent == Code::ROOT || latest > parent {
                parent = latest;
            }
            self.sources.push(source);
        }
        self.ends.push(length(&self.sources)?);
        self.parents.push(parent);
        Ok(())
    }

    /// How many transactions it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no transaction.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How far the access set of a transaction could be trusted.
    ///
    /// # Panics
    ///
    /// Like all questions about a transaction, if there is none with this index.
    #[must_use]
    pub fn trust(&self, transaction: usize) -> Trust {
        self.trusts[transaction]
    }

    /// The latest dependency of a transaction; `None` if it hangs from the root. O(1).
    #[must_use]
    pub fn parent(&self, transaction: usize) -> Option<usize> {
        let parent = self.parents[transaction];
        (parent != Code::ROOT).then_some(parent.0 as usize)
    }

    pub(crate) fn codes(&self, transaction: usize) -> &[Code] {
        list(&self.sources, &self.ends, transaction)
    }

    /// What a transaction waits for: transactions in ascending order, then sums.
    #[must_use]
    pub fn sources(&self, transaction: usize) -> impl ExactSizeIterator<Item = Source> + '_ {
        self.codes(transaction).iter().map(|code| code.source())
    }

    /// How many sums there are.
    #[must_use]
    pub fn sums(&self) -> usize {
        self.sums.len()
    }

    /// What meets in a sum: transactions in ascending order, then sums with a lower index. There are at least two.
    ///
    /// # Panics
    ///
    /// If there is no sum with this index.
    #[must_use]
    pub fn sum(&self, sum: usize) -> impl ExactSizeIterator<Item = Source> + '_ {
        self.sums.inputs(sum).iter().map(|code| code.source())
    }

    /// How many entries the tree has in all: sources of transactions and of sums.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.sources.len() + self.sums.inputs.len()
    }

    /// How much memory it holds, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let Sums {
            first,
            latest,
            ends,
            inputs,
        } = &self.sums;
        let words = self.parents.capacity()
            + self.ends.capacity()
            + self.sources.capacity()
            + first.capacity()
            + latest.capacity()
            + ends.capacity()
            + inputs.capacity();
        self.trusts.capacity() + words * size_of::<u32>()
    }

    /// All dependencies of a transaction, in ascending order: its sources, with sums resolved into the transactions that
    /// meet in them.
    ///
    /// That takes time and memory for as many as there are, which may be all earlier transactions.
    #[must_use]
    pub fn dependencies(&self, transaction: usize) -> Vec<usize> {
        self.resolve(self.codes(transaction))
    }

    /// All dependencies of a transaction but its parent, in ascending order; see [`dependencies`](Self::dependencies).
    #[must_use]
    pub fn joins(&self, transaction: usize) -> Vec<usize> {
        let mut joins = self.dependencies(transaction);
        joins.pop();
        joins
    }

    /// The transactions that are behind `codes`.
    pub(crate) fn resolve(&self, codes: &[Code]) -> Vec<usize> {
        let mut found = Vec::with_capacity(codes.len());
        let mut open = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let mut sort_out = |codes: &[Code], open: &mut Vec<usize>| {
            for code in codes {
                match code.source() {
                    Source::Transaction(index) => found.push(index),
                    // Sums may share sums: each is looked at once.
                    Source::Sum(index) if seen.insert(index) => open.push(index),
                    Source::Sum(_) => {}
                }
            }
        };
        sort_out(codes, &mut open);
        while let Some(sum) = open.pop() {
            sort_out(self.sums.inputs(sum), &mut open);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Visits everything that can be computed for a transaction or a sum from its sources alone, in an order in which
    /// sources come first.
    pub(crate) fn walk(&self, mut visit: impl FnMut(Source, &[Code])) {
        let mut sum = 0;
        for transaction in 0..self.len() {
            while self.sums.first.get(sum) == Some(&(transaction as u32)) {
                visit(Source::Sum(sum), self.sums.inputs(sum));
                sum += 1;
            }
            visit(Source::Transaction(transaction), self.codes(transaction));
        }
    }
}

impl fmt::Debug for Dtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        self.walk(|node, codes| {
            match node {
                Source::Transaction(index) => map.key(&(index, self.trusts[index])),
                Source::Sum(_) => map.key(&node),
            };
            map.value(&codes);
        });
        map.finish()
    }
}
