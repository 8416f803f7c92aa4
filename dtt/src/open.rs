//! From access sets to the tree, one transaction after another.

use std::{hash::Hash, iter::repeat_n, mem};

use crate::{
    access::{Access, AccessSet, KeyRange, Trust},
    error::TooLarge,
    intern::{Interner, Tag},
    ordered::{Found, OrderedIndex, SEVERAL, Summing},
    tree::{Code, Dtt, MOST, Source},
};

/// The number of a key in an [`OpenTree`]: dense, in the order in which keys first appear.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyId(u32);

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
    interner: Interner<K>,
    block: Block<K>,
    /// How many blocks came before.
    blocks: u32,
    /// Which transaction of an earlier block was the last to change each key; empty in the first block.
    carried: Vec<Option<Carried>>,
    /// Buffers.
    tags: Vec<Tag>,
}

/// What is known of the present block.
#[derive(Clone, Debug)]
struct Block<K> {
    tree: Dtt,
    /// The key behind each source of a transaction, and behind each input of a sum, or `SEVERAL`.
    causes: Vec<u32>,
    sum_causes: Vec<u32>,
    /// The keys of each transaction, with what it does with them, and where they end.
    accesses: Vec<u32>,
    ends: Vec<u32>,
    /// The latest transaction of an earlier block that each transaction depends on; empty in the first block.
    carried: Vec<Option<Carried>>,
    keys: Vec<KeyState>,
    adds: Vec<Add>,
    ordered: Option<OrderedIndex<K>>,
    /// Buffers.
    found: Vec<Found>,
    wanted: Vec<(Vec<Code>, u32)>,
}

/// What became of a key so far.
#[derive(Clone, Copy, Debug)]
struct KeyState {
    /// Where its value comes from, but for the adds below.
    value: Code,
    /// The latest add since, in `Block::adds`.
    adds: u32,
}

impl KeyState {
    const UNTOUCHED: Self = Self {
        value: Code::ROOT,
        adds: NO_ADD,
    };

    fn is_untouched(self) -> bool {
        self.value == Code::ROOT && self.adds == NO_ADD
    }
}

/// A list of adds, from the latest on.
#[derive(Clone, Copy, Debug)]
struct Add {
    transaction: u32,
    before: u32,
}

const NO_ADD: u32 = u32::MAX;

impl<K> Default for OpenTree<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Default for Block<K> {
    fn default() -> Self {
        Self {
            tree: Dtt::new(),
            causes: Vec::new(),
            sum_causes: Vec::new(),
            accesses: Vec::new(),
            ends: Vec::new(),
            carried: Vec::new(),
            keys: Vec::new(),
            adds: Vec::new(),
            ordered: None,
            found: Vec::new(),
            wanted: Vec::new(),
        }
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
            carried: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// A tree with room for so many transactions and so many different keys.
    #[must_use]
    pub fn with_capacity(transactions: usize, keys: usize) -> Self {
        let mut open = Self::new();
        open.interner = Interner::with_capacity(keys);
        open.block.keys.reserve(keys);
        open.block.tree.reserve(transactions);
        open.block.causes.reserve(transactions);
        open.block.ends.reserve(transactions);
        open.block.accesses.reserve(keys);
        open
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
    pub fn next_block(&mut self) -> Dtt {
        let block = mem::take(&mut self.block);
        self.carried.resize(self.interner.keys().len(), None);
        for (state, carried) in block.keys.iter().zip(&mut self.carried) {
            if let Some(latest) = block.latest(*state) {
                *carried = Some(Carried {
                    block: self.blocks,
                    transaction: latest,
                });
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
        self.carried.clear();
    }

    /// The latest transaction of an earlier block that a transaction of this block depends on, whether or not it depends
    /// on others of this block too.
    #[must_use]
    pub fn carried(&self, transaction: usize) -> Option<Carried> {
        self.block.carried.get(transaction).copied().flatten()
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

    /// The keys that a transaction's access set names, and what it does with them. Ranges are not part of it. None of
    /// an unknown transaction.
    #[must_use]
    pub fn accesses(
        &self,
        transaction: usize,
    ) -> impl ExactSizeIterator<Item = (KeyId, Access)> + '_ {
        let Block { accesses, ends, .. } = &self.block;
        let start = transaction.checked_sub(1).map_or(0, |before| ends[before]);
        let accesses = &accesses[start as usize..ends[transaction] as usize];
        accesses
            .iter()
            .map(|word| (KeyId(word >> Access::BITS), Access::from_bits(*word)))
    }

    /// The transactions that a transaction depends on, each with a key that is why; in ascending order. `None` stands for
    /// several keys in a range that it scans.
    ///
    /// That takes time and memory for as many as there are, as with [`Dtt::dependencies`].
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
        let mut seen = std::collections::BTreeSet::new();
        let mut found = std::collections::BTreeMap::new();
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
                    open.extend(inputs.iter().copied().zip(causes.iter().copied()));
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

    /// What each key is used for in this block, for all keys that are.
    #[must_use]
    pub fn usage(&self) -> Vec<(KeyId, Usage)> {
        let mut usage = vec![Usage::default(); self.keys()];
        for word in &self.block.accesses {
            let of = &mut usage[(word >> Access::BITS) as usize];
            let access = Access::from_bits(*word);
            of.reads += u32::from(access.has(Access::READ));
            of.writes += u32::from(access.has(Access::WRITE));
            of.adds += u32::from(access.has(Access::ADD));
            of.checks += u32::from(access.has(Access::CHECK));
        }
        for cause in &self.block.causes {
            if let Some(of) = usage.get_mut(*cause as usize) {
                of.ordered += 1;
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
            (std::cmp::Reverse((usage.ordered, all)), *id)
        });
        usage.truncate(count);
        let named = usage.into_iter();
        named.map(|(id, usage)| (self.key(id), usage)).collect()
    }
}

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

impl<K: Hash + Eq + Clone> OpenTree<K> {
    /// Appends the next transaction. O(keys), and for each range O(log keys) beside what has changed since the last scan.
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
            let id = match self.interner.intern(*tag, key) {
                Ok(id) => id,
                Err(error) => {
                    block.accesses.truncate(start);
                    return Err(error);
                }
            };
            block.accesses.push(id << Access::BITS | access.bits());
        }
        if block.keys.len() < self.interner.keys().len() {
            let count = self.interner.keys().len();
            block.keys.resize(count, KeyState::UNTOUCHED);
        }
        let ranges = if trust == Trust::Unknown { &[] } else { ranges };
        if self.blocks > 0 {
            let carried = self.carried_by(start, ranges, trust);
            self.block.carried.push(carried);
        }
        self.block
            .append(start, self.interner.keys(), ranges, trust)
    }

    /// The number of a key, if it has one.
    #[must_use]
    pub fn id(&self, key: &K) -> Option<KeyId> {
        self.interner.get(key).map(KeyId)
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
            .filter_map(|id| *self.carried.get(id)?)
            .max()
    }
}

impl<K> Block<K> {
    /// The latest transaction that changed a key.
    fn latest(&self, state: KeyState) -> Option<u32> {
        if state.adds != NO_ADD {
            // A write ends the list: these are later.
            return Some(self.adds[state.adds as usize].transaction);
        }
        (state.value != Code::ROOT).then(|| self.tree.sums.latest(state.value))
    }

    /// Whether the value of a key is still what earlier blocks left, perhaps with adds on top.
    fn sees_earlier(&self, id: u32) -> bool {
        let wrote = |transaction: usize| {
            let start = transaction
                .checked_sub(1)
                .map_or(0, |before| self.ends[before]);
            let words = &self.accesses[start as usize..self.ends[transaction] as usize];
            words.iter().any(|word| {
                word >> Access::BITS == id && Access::from_bits(*word).has(Access::WRITE)
            })
        };
        let value = self.keys[id as usize].value;
        value == Code::ROOT || !self.tree.resolve(&[value]).into_iter().any(wrote)
    }

    /// Appends a transaction whose accesses are the last ones, from `start` on.
    fn append(
        &mut self,
        start: usize,
        keys: &[K],
        ranges: &[KeyRange<K>],
        trust: Trust,
    ) -> Result<(), TooLarge> {
        let transaction = self.tree.len() as u32;
        let mut found = mem::take(&mut self.found);
        found.clear();
        let result = self
            .find_sources(start, keys, ranges, trust, &mut found)
            .and_then(|()| {
                if found.len() > 1 {
                    found.sort_unstable();
                    found.dedup_by_key(|(code, _)| *code);
                }
                let ends = u32::try_from(self.accesses.len());
                let ends = ends.map_err(|_| TooLarge::Dependencies)?;
                self.tree.push(trust, found.iter().map(|(code, _)| *code))?;
                self.causes.extend(found.iter().map(|(_, cause)| *cause));
                self.ends.push(ends);
                Ok(())
            });
        self.found = found;
        result?;

        // Writes first: a key that is written is not added to any more.
        for place in start..self.accesses.len() {
            let word = self.accesses[place];
            if Access::from_bits(word).has(Access::WRITE) {
                self.keys[(word >> Access::BITS) as usize] = KeyState {
                    value: Code::transaction(transaction),
                    adds: NO_ADD,
                };
            }
        }
        for place in start..self.accesses.len() {
            let word = self.accesses[place];
            if Access::from_bits(word).has(Access::ADD) {
                self.note_add((word >> Access::BITS) as usize, transaction);
            }
        }
        if let Some(ordered) = &mut self.ordered {
            let mut changed: Vec<u32> = self.accesses[start..]
                .iter()
                .filter(|word| {
                    let access = Access::from_bits(**word);
                    access.has(Access::WRITE) || access.has(Access::ADD)
                })
                .map(|word| word >> Access::BITS)
                .collect();
            // How the index splits must not depend on the order in which accesses were said.
            let compare = ordered.compare();
            changed.sort_unstable_by(|a, b| compare(&keys[*a as usize], &keys[*b as usize]));
            changed.dedup();
            for key in changed {
                ordered.change(key, keys);
            }
        }
        Ok(())
    }

    fn note_add(&mut self, key: usize, transaction: u32) {
        let state = &mut self.keys[key];
        if state.value == Code::transaction(transaction) {
            return;
        }
        let latest = self.adds.get(state.adds as usize);
        if latest.is_some_and(|add| add.transaction == transaction) {
            return;
        }
        let add = Add {
            transaction,
            before: state.adds,
        };
        state.adds = self.adds.len() as u32;
        self.adds.push(add);
    }

    /// What the transaction waits for, in any order.
    fn find_sources(
        &mut self,
        start: usize,
        keys: &[K],
        ranges: &[KeyRange<K>],
        trust: Trust,
        found: &mut Vec<Found>,
    ) -> Result<(), TooLarge> {
        for place in start..self.accesses.len() {
            let word = self.accesses[place];
            let key = word >> Access::BITS;
            let state = self.keys[key as usize];
            if state.is_untouched() || !Access::from_bits(word).needs_value(trust) {
                continue;
            }
            if state.adds == NO_ADD {
                found.push((state.value, key));
            } else {
                let inputs = self.inputs(state);
                self.wanted.push((inputs, key));
            }
        }
        if !self.wanted.is_empty() {
            self.meet(found)?;
        }
        if !ranges.is_empty() {
            self.scan(keys, ranges, found)?;
        }
        Ok(())
    }

    /// What meets in the value of a key that was added to.
    fn inputs(&self, state: KeyState) -> Vec<Code> {
        let mut inputs = Vec::new();
        let mut at = state.adds;
        while at != NO_ADD {
            let add = self.adds[at as usize];
            inputs.push(Code::transaction(add.transaction));
            at = add.before;
        }
        if state.value != Code::ROOT {
            inputs.push(state.value);
        }
        inputs.sort_unstable();
        inputs
    }

    /// Makes the sums that the newest transaction is the first to need, in an order that does not depend on that of its
    /// accesses.
    fn meet(&mut self, found: &mut Vec<Found>) -> Result<(), TooLarge> {
        let mut wanted = mem::take(&mut self.wanted);
        wanted.sort_unstable();
        let mut result = Ok(());
        let mut before: Option<(usize, Code)> = None;
        for index in 0..wanted.len() {
            let (inputs, key) = &wanted[index];
            // Two keys of which the same transactions make the value have one sum.
            let same = before.filter(|(other, _)| wanted[*other].0 == *inputs);
            let code = match same {
                Some((_, code)) => Ok(code),
                None => self.sum(inputs, repeat_n(*key, inputs.len())),
            };
            match code {
                Ok(code) => {
                    before = Some((index, code));
                    self.settle_key(*key, code);
                    found.push((code, *key));
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        wanted.clear();
        self.wanted = wanted;
        result
    }

    /// From now on, the value of the key comes from `code`.
    fn settle_key(&mut self, key: u32, code: Code) {
        self.keys[key as usize] = KeyState {
            value: code,
            adds: NO_ADD,
        };
    }

    /// The sum of these inputs, ordered and none twice; of one alone, that.
    fn sum(
        &mut self,
        inputs: &[Code],
        causes: impl Iterator<Item = u32>,
    ) -> Result<Code, TooLarge> {
        if let [code] = inputs {
            return Ok(*code);
        }
        let code = self.tree.sums.push(self.tree.len() as u32, inputs)?;
        self.sum_causes.extend(causes);
        Ok(code)
    }

    fn scan(
        &mut self,
        keys: &[K],
        ranges: &[KeyRange<K>],
        found: &mut Vec<Found>,
    ) -> Result<(), TooLarge> {
        let mut ranges: Vec<&KeyRange<K>> = ranges.iter().collect();
        ranges.sort_by(|a, b| a.order(b));
        let mut ordered = match self.ordered.take() {
            Some(ordered) => ordered,
            None => self.order(keys, ranges[0]),
        };
        let mut result = Ok(());
        for range in ranges {
            let mut owner = Owner { block: self, keys };
            result = ordered.scan(
                &|key| range.is_after(key),
                &|key| range.is_before(key),
                &mut owner,
                found,
            );
            if result.is_err() {
                break;
            }
        }
        self.ordered = Some(ordered);
        result
    }

    /// The index of all keys that have been changed.
    fn order(&self, keys: &[K], range: &KeyRange<K>) -> OrderedIndex<K> {
        let mut changed: Vec<u32> = (0..self.keys.len() as u32)
            .filter(|key| !self.keys[*key as usize].is_untouched())
            .collect();
        changed.sort_unstable_by(|a, b| (range.compare)(&keys[*a as usize], &keys[*b as usize]));
        let mut ordered = OrderedIndex::new(range.compare);
        for key in changed {
            ordered.change(key, keys);
        }
        ordered
    }
}

/// Lets the index of keys make sums.
struct Owner<'a, K> {
    block: &'a mut Block<K>,
    keys: &'a [K],
}

impl<K> Summing<K> for Owner<'_, K> {
    fn keys(&self) -> &[K] {
        self.keys
    }

    fn value_of(&mut self, key: u32) -> Result<Code, TooLarge> {
        let state = self.block.keys[key as usize];
        if state.adds == NO_ADD {
            return Ok(state.value);
        }
        let inputs = self.block.inputs(state);
        let code = self.block.sum(&inputs, repeat_n(key, inputs.len()))?;
        self.block.settle_key(key, code);
        Ok(code)
    }

    fn sum_of(&mut self, found: &mut Vec<Found>) -> Result<Code, TooLarge> {
        found.sort_unstable();
        found.dedup_by_key(|(code, _)| *code);
        let codes: Vec<Code> = found.iter().map(|(code, _)| *code).collect();
        self.block.sum(&codes, found.iter().map(|(_, key)| *key))
    }
}
