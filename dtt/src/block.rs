//! The analysis of one block: what became of each key so far, and what the next transaction needs of that.

use std::{iter::repeat_n, mem};

use crate::{
    access::{Access, Trust},
    error::TooLarge,
    ordered::{Found, OrderedIndex, Summing},
    range::KeyRange,
    tree::{Code, Dtt},
};

/// What is known of the present block.
#[derive(Clone, Debug)]
pub(crate) struct Block<K> {
    pub(crate) tree: Dtt,
    /// The key behind each source of a transaction, and behind each input of a sum, or `SEVERAL`.
    pub(crate) causes: Vec<u32>,
    pub(crate) sum_causes: Vec<u32>,
    /// The keys of each transaction, with what it does with them, and where they end.
    pub(crate) accesses: Vec<u32>,
    ends: Vec<u32>,
    keys: Vec<KeyState>,
    /// Which keys some transaction of the block has written, if that is watched.
    written: Vec<bool>,
    is_watched: bool,
    adds: Vec<Add>,
    ordered: Option<OrderedIndex<K>>,
    /// Buffers.
    found: Vec<Found>,
    added: Vec<u32>,
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

impl<K> Default for Block<K> {
    fn default() -> Self {
        Self {
            tree: Dtt::new(),
            causes: Vec::new(),
            sum_causes: Vec::new(),
            accesses: Vec::new(),
            ends: Vec::new(),
            keys: Vec::new(),
            written: Vec::new(),
            is_watched: false,
            adds: Vec::new(),
            ordered: None,
            found: Vec::new(),
            added: Vec::new(),
        }
    }
}

impl<K> Block<K> {
    pub(crate) fn reserve(&mut self, transactions: usize, keys: usize) {
        self.tree.reserve(transactions);
        self.causes.reserve(transactions);
        self.ends.reserve(transactions);
        self.accesses.reserve(keys);
        self.keys.reserve(keys);
    }

    /// In bytes.
    pub(crate) fn memory(&self) -> usize {
        let words = self.causes.capacity()
            + self.sum_causes.capacity()
            + self.accesses.capacity()
            + self.ends.capacity();
        self.tree.memory()
            + words * size_of::<u32>()
            + self.keys.capacity() * size_of::<KeyState>()
            + self.adds.capacity() * size_of::<Add>()
            + self.ordered.as_ref().map_or(0, OrderedIndex::memory)
    }

    /// Makes room for so many keys.
    #[inline]
    pub(crate) fn know(&mut self, keys: usize) {
        if self.keys.len() < keys {
            self.keys.resize(keys, KeyState::UNTOUCHED);
        }
    }

    /// The accesses of a transaction, packed.
    pub(crate) fn words(&self, transaction: usize) -> &[u32] {
        let before = transaction.checked_sub(1);
        let start = before.map_or(0, |before| self.ends[before]);
        &self.accesses[start as usize..self.ends[transaction] as usize]
    }

    /// The latest transaction that changed each key.
    pub(crate) fn latest_changes(&self) -> impl Iterator<Item = Option<u32>> {
        self.keys.iter().map(|state| self.latest(*state))
    }

    /// The latest transaction that changed a key.
    fn latest(&self, state: KeyState) -> Option<u32> {
        if state.adds != NO_ADD {
            // A write ends the list: these are later.
            return Some(self.adds[state.adds as usize].transaction);
        }
        (state.value != Code::ROOT).then(|| self.tree.sums.latest(state.value))
    }

    /// Whether the value of a key is still what earlier blocks left, perhaps with adds on top.
    pub(crate) fn sees_earlier(&self, id: u32) -> bool {
        !self
            .written
            .get(id as usize)
            .is_some_and(|written| *written)
    }

    /// Notes from now on which keys are written.
    pub(crate) fn watch_writes(&mut self) {
        self.is_watched = true;
    }

    /// Appends a transaction whose accesses are the last ones, from `start` on.
    pub(crate) fn append(
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
                let key = (word >> Access::BITS) as usize;
                self.keys[key] = KeyState {
                    value: Code::transaction(transaction),
                    adds: NO_ADD,
                };
                if self.is_watched {
                    self.written.resize(self.keys.len(), false);
                    self.written[key] = true;
                }
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
                self.added.push(key);
            }
        }
        if !self.added.is_empty() {
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
        // A key that is said many times is looked at once.
        let mut added = mem::take(&mut self.added);
        added.sort_unstable();
        added.dedup();
        let wanted = added.drain(..);
        let mut wanted: Vec<(Vec<Code>, u32)> = wanted
            .map(|key| (self.inputs(self.keys[key as usize]), key))
            .collect();
        wanted.sort_unstable();
        self.added = added;
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
