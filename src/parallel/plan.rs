//! What access sets come to: which value each access sees, what runs in one go, and what waits for what.
//!
//! Every write that a transaction may do has a place of its own for the value that it leaves. So a read is an index, not a
//! search, and nobody overwrites what another still needs. A transaction that does not write what it said it might, or
//! fails, passes on what it found; therefore a write waits for the one before it as a read does.
//!
//! An access that only adds to a number, or asks something of a value, is *free*: it waits for nobody, and what it was told is
//! asked again when the transaction is committed. Who looks at such a key afterwards waits for the commit of the last
//! transaction before it that may add to it.

mod branches;

use std::hash::Hash;

use pleach_dtt::{Access, AccessSet, Interner, Trust};

use super::attempt::forecast;
use crate::{
    protocol::{countdown::Countdown, versions::together},
    value::{Amount, Delta, Value},
    vm::Vm,
};
use branches::Branches;

/// A transaction with up to so many accesses has them as they were said; of others they are sorted by key.
pub(super) const FEW: usize = 8;

/// Stands for the parent state, and for no branch.
pub(super) const NONE: u32 = u32::MAX;

/// A branch of so many transactions always runs in one go. Models have smaller blocks.
const SMALL: usize = if cfg!(pleach_loom) { 1 } else { 16 };

/// The plan for a block of which all access sets are known.
pub(super) struct Plan<K, A> {
    pub(super) keys: Interner<K>,
    /// All accesses, transaction by transaction.
    pub(super) accesses: Vec<Planned>,
    /// Where the accesses of each transaction end.
    ends: Vec<u32>,
    /// Which sets are only predicted; as far as there are any.
    guessed: Vec<bool>,
    /// The last write to each key.
    pub(super) last_writes: Vec<u32>,
    /// Which keys have free accesses; as far as there are any.
    free_keys: Vec<bool>,
    /// What those before it will probably add to the key of each free access; as far as anything is known.
    forecasts: Vec<Option<Delta<A>>>,
    /// What can run from the start.
    pub(super) tasks: Vec<Task>,
    /// The transactions of batches, one after another.
    pub(super) batched: Vec<u32>,
    /// For transactions that run when their dependencies are done: who waits for each, and how many it waits for.
    waiting: Vec<u32>,
    waiting_ends: Vec<u32>,
    pub(super) countdowns: Vec<Countdown>,
    /// Which commit somebody waits for, and who does, in the order of the commits.
    pub(super) after_commits: Vec<(u32, u32)>,
    /// How many transactions the longest chain has.
    depth: u32,
}

/// An access that a transaction may do.
#[derive(Clone, Copy)]
pub(super) struct Planned {
    pub(super) key: u32,
    /// The access before it whose value it sees, or `NONE`: the parent state's.
    pub(super) source: u32,
    pub(super) access: Access,
    /// Whether it is free, and somebody waits to see what its commit leaves.
    pub(super) is_seen: bool,
}

impl Planned {
    pub(super) fn writes(self) -> bool {
        self.access.has(Access::WRITE) || self.access.has(Access::ADD)
    }

    /// Whether the transaction neither looks at the value nor puts one.
    pub(super) fn is_free(self) -> bool {
        !self.access.has(Access::READ) && !self.access.has(Access::WRITE)
    }

    /// Whether the transaction itself leaves a value there, when it has run.
    pub(super) fn leaves(self) -> bool {
        self.writes() && !self.is_free()
    }
}

/// Something that can run from the start.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// These of the batched transactions, in their order: whole branches.
    Batch(u32, u32),
    /// A transaction of a branch that is too large for one worker.
    Root(u32),
}

/// What is needed only while a plan is made.
struct Draft<A> {
    branches: Branches,
    /// The transaction of each access.
    owners: Vec<u32>,
    /// How long the longest chain is that ends with each transaction, and with any up to it.
    levels: Vec<(u32, u32)>,
    /// What the transactions so far will probably add to each key; as far as anything is known.
    sums: Vec<Option<Delta<A>>>,
}

impl<K: Ord + Hash + Clone, A: Amount> Plan<K, A> {
    /// The plan for `transactions` on so many workers. `None` if some access set is not known, or scans a range: it has to be
    /// exact unless there are predictions, which take the place of what the VM predicts.
    pub(super) fn new<V>(
        vm: &V,
        transactions: &[V::Transaction],
        predicted: Option<&[AccessSet<K>]>,
        workers: usize,
    ) -> Option<Self>
    where
        V: Vm<Key = K, Value: Value<Amount = A>>,
    {
        let count = transactions.len();
        let mut plan = Self {
            keys: Interner::with_capacity(3 * count),
            accesses: Vec::with_capacity(4 * count),
            ends: Vec::with_capacity(count),
            guessed: Vec::new(),
            last_writes: Vec::with_capacity(3 * count),
            free_keys: Vec::new(),
            forecasts: Vec::new(),
            tasks: Vec::new(),
            batched: Vec::with_capacity(count),
            waiting: Vec::new(),
            waiting_ends: Vec::new(),
            countdowns: Vec::new(),
            after_commits: Vec::new(),
            depth: 0,
        };
        let mut draft = Draft {
            branches: Branches::new(count),
            owners: Vec::with_capacity(4 * count),
            levels: Vec::with_capacity(count),
            sums: Vec::new(),
        };
        let mut set = AccessSet::new();
        for (index, transaction) in transactions.iter().enumerate() {
            set.clear();
            let trust = vm.accesses(transaction, &mut set);
            if trust != Trust::Exact {
                match predicted?.get(index) {
                    Some(hint) => set.clone_from(hint),
                    None if trust == Trust::Unknown => return None,
                    None => {}
                }
                plan.guessed.resize(index, false);
                plan.guessed.push(true);
            }
            if !set.ranges().is_empty() {
                return None;
            }
            if set.entries().len() > FEW {
                // Several entries for one key become one, and keys can be searched for.
                set.sort();
            }
            plan.append(index as u32, &set, &mut draft)?;
            forecast(vm, transaction, |key, delta| {
                if let Some(key) = plan.keys.get(&key) {
                    let known = draft.sums.len().max(key.index() + 1);
                    draft.sums.resize(known, None);
                    let sum = &mut draft.sums[key.index()];
                    *sum = Some(together(*sum, delta));
                }
            });
        }
        plan.divide(&mut draft, workers);
        Some(plan)
    }

    /// Plans the next transaction.
    fn append(&mut self, index: u32, set: &AccessSet<K>, draft: &mut Draft<A>) -> Option<()> {
        let first = self.accesses.len();
        let is_few = set.entries().len() <= FEW;
        for (key, access) in set.entries() {
            let key = self.keys.intern(key).ok()?.index();
            let mut before = self.accesses[first..].iter_mut().take_while(|_| is_few);
            if let Some(planned) = before.find(|planned| planned.key == key as u32) {
                planned.access = planned.access.and(*access);
                continue;
            }
            if key == self.last_writes.len() {
                self.last_writes.push(NONE);
            }
            self.accesses.push(Planned {
                key: key as u32,
                source: NONE,
                access: *access,
                is_seen: false,
            });
            draft.owners.push(index);
        }
        let end = u32::try_from(self.accesses.len()).ok()?;
        self.ends.push(end);
        let mut level = 0;
        // The last transaction the commit of which it waits for: those before that are committed before.
        let mut committed = None;
        let (before, mine) = self.accesses.split_at_mut(first);
        for (planned, place) in mine.iter_mut().zip(first as u32..) {
            let key = planned.key as usize;
            let last = &mut self.last_writes[key];
            if planned.is_free() {
                if key >= self.free_keys.len() {
                    self.free_keys.resize(key + 1, false);
                }
                self.free_keys[key] = true;
                if let Some(sum) = draft.sums.get(key).filter(|sum| sum.is_some()) {
                    self.forecasts.resize(place as usize, None);
                    self.forecasts.push(*sum);
                }
            } else if *last != NONE {
                planned.source = *last;
                let owner = draft.owners[*last as usize];
                let (chain, highest) = draft.levels[owner as usize];
                let source = &mut before[*last as usize];
                if source.is_free() {
                    source.is_seen = true;
                    committed = committed.max(Some(owner));
                    level = level.max(highest);
                } else {
                    draft.branches.join(owner, index);
                    level = level.max(chain);
                }
            }
            if planned.writes() {
                *last = place;
            }
        }
        self.after_commits
            .extend(committed.map(|committed| (committed, index)));
        self.depth = self.depth.max(level + 1);
        draft.levels.push((level + 1, self.depth));
        Some(())
    }

    /// Puts small branches together into batches, and lets the transactions of large ones wait for each other.
    fn divide(&mut self, draft: &mut Draft<A>, workers: usize) {
        let count = self.ends.len();
        let (members, ends) = draft.branches.lists();
        // A branch of which each worker could have two would leave some without work at the end.
        let large = (count / (2 * workers)).max(SMALL);
        let batch = (count / (8 * workers)).clamp(1, 256);
        let mut is_large = vec![false; count];
        for (_, waits) in &self.after_commits {
            is_large[draft.branches.first(*waits) as usize] = true;
        }
        let mut start = 0;
        let mut begun = 0;
        for end in ends {
            let branch = &members[start as usize..end as usize];
            start = end;
            // The first of its members says whether one of them waits for a commit, as no batch does.
            if branch.len() > large || is_large[branch[0] as usize] {
                for index in branch {
                    is_large[*index as usize] = true;
                }
                continue;
            }
            self.batched.extend_from_slice(branch);
            if self.batched.len() - begun >= batch {
                self.tasks
                    .push(Task::Batch(begun as u32, self.batched.len() as u32));
                begun = self.batched.len();
            }
        }
        if self.batched.len() > begun {
            self.tasks
                .push(Task::Batch(begun as u32, self.batched.len() as u32));
        }
        if self.batched.len() < count {
            self.link(&is_large, &draft.owners);
        }
    }

    /// Finds out who waits for whom in large branches.
    fn link(&mut self, is_large: &[bool], owners: &[u32]) {
        let count = self.ends.len();
        let mut counts = vec![0_u32; count];
        let mut ends = vec![0_u32; count];
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut roots = Vec::new();
        // Who waits for each, as far as was seen last: a transaction waits for another one once.
        let mut latest = vec![NONE; count];
        for index in (0..count).filter(|index| is_large[*index]) {
            let first = edges.len();
            for planned in self.of(index as u32) {
                // For free ones it waits until they are committed.
                let source = self.accesses.get(planned.source as usize);
                if source.is_none_or(|source| source.is_free()) {
                    continue;
                }
                let owner = owners[planned.source as usize];
                if latest[owner as usize] != index as u32 {
                    latest[owner as usize] = index as u32;
                    edges.push((owner, index as u32));
                    ends[owner as usize] += 1;
                }
            }
            counts[index] = (edges.len() - first) as u32;
        }
        for (_, waits) in &self.after_commits {
            counts[*waits as usize] += 1;
        }
        for index in (0..count).filter(|index| is_large[*index]) {
            if counts[index] == 0 {
                roots.push(Task::Root(index as u32));
            }
        }
        self.after_commits.sort_unstable();
        let mut start = 0;
        for end in &mut ends {
            let length = *end;
            *end = start;
            start += length;
        }
        self.waiting = vec![0; edges.len()];
        for (before, after) in edges {
            let place = &mut ends[before as usize];
            self.waiting[*place as usize] = after;
            *place += 1;
        }
        self.waiting_ends = ends;
        self.countdowns = counts.into_iter().map(Countdown::new).collect();
        // What others wait for comes first.
        roots.append(&mut self.tasks);
        self.tasks = roots;
    }

    /// The first access of a transaction, and all of them.
    pub(super) fn range(&self, transaction: u32) -> std::ops::Range<usize> {
        let index = transaction as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[index] as usize
    }

    pub(super) fn of(&self, transaction: u32) -> impl Iterator<Item = Planned> {
        self.accesses[self.range(transaction)].iter().copied()
    }

    /// Who waits for a transaction of a large branch.
    pub(super) fn waiting(&self, transaction: u32) -> &[u32] {
        let index = transaction as usize;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.waiting_ends[before]);
        &self.waiting[start as usize..self.waiting_ends[index] as usize]
    }

    /// Whether all of a transaction's accesses are known, and enforced.
    pub(super) fn is_exact(&self, transaction: u32) -> bool {
        !matches!(self.guessed.get(transaction as usize), Some(true))
    }

    /// Whether that is so for all transactions.
    pub(super) fn is_all_exact(&self) -> bool {
        self.guessed.is_empty()
    }

    /// Whether any access waits for nobody.
    pub(super) fn has_free(&self) -> bool {
        !self.free_keys.is_empty()
    }

    /// Whether anybody waits for a commit.
    pub(super) fn waits_for_commits(&self) -> bool {
        !self.after_commits.is_empty()
    }

    /// Whether a key has free accesses.
    pub(super) fn is_free_key(&self, key: u32) -> bool {
        matches!(self.free_keys.get(key as usize), Some(true))
    }

    /// What transactions before it will probably add to the key of a free access.
    pub(super) fn forecast(&self, access: usize) -> Option<Delta<A>> {
        *self.forecasts.get(access)?
    }

    /// Whether hardly anything can run side by side.
    pub(super) fn is_chain(&self) -> bool {
        self.depth as usize * 4 > self.transactions() * 3
    }

    /// How many threads can be of use beside the caller's.
    pub(super) fn helpers(&self) -> usize {
        if self.countdowns.is_empty() {
            self.tasks.len().saturating_sub(1)
        } else {
            self.transactions().saturating_sub(1)
        }
    }

    pub(super) fn transactions(&self) -> usize {
        self.ends.len()
    }
}
