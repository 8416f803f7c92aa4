//! What exact access sets come to: which value each access sees, what runs in one go, and what waits for what.
//!
//! Every write that a transaction may do has a place of its own for the value that it leaves. So a read is an index, not a
//! search, and nobody overwrites what another still needs. A transaction that does not write what it said it might, or
//! fails, passes on what it found; therefore a write waits for the one before it as a read does. An add does too: nothing
//! here looks again at whether its bounds held.

use std::hash::Hash;

use pleach_dtt::{Access, AccessSet, Interner, Trust};

use crate::{protocol::countdown::Countdown, vm::Vm};

/// A transaction with up to so many accesses has them as they were said; of others they are sorted by key.
pub(super) const FEW: usize = 8;

/// Stands for the parent state, and for no branch.
pub(super) const NONE: u32 = u32::MAX;

/// A branch of so many transactions always runs in one go. Models have smaller blocks.
const SMALL: usize = if cfg!(pleach_loom) { 1 } else { 16 };

/// The plan for a block whose access sets are all exact.
pub(super) struct Plan<K> {
    pub(super) keys: Interner<K>,
    /// All accesses, transaction by transaction.
    pub(super) accesses: Vec<Planned>,
    /// Where the accesses of each transaction end.
    ends: Vec<u32>,
    /// The last write to each key.
    pub(super) last_writes: Vec<u32>,
    /// What can run from the start.
    pub(super) tasks: Vec<Task>,
    /// The transactions of batches, one after another.
    pub(super) batched: Vec<u32>,
    /// For transactions that run when their dependencies are done: who waits for each, and how many it waits for.
    waiting: Vec<u32>,
    waiting_ends: Vec<u32>,
    pub(super) countdowns: Vec<Countdown>,
    /// How many transactions the longest chain has.
    depth: u32,
}

/// How much of a plan can run side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Enough.
    Wide,
    /// Hardly anything, but much if transactions waited for nothing but what they look at: they add to the same keys.
    Free,
    /// Hardly anything.
    Chain,
}

/// An access that a transaction may do.
#[derive(Clone, Copy)]
pub(super) struct Planned {
    pub(super) key: u32,
    /// The access before it whose value it sees, or `NONE`: the parent state's.
    pub(super) source: u32,
    pub(super) access: Access,
}

impl Planned {
    pub(super) fn writes(self) -> bool {
        self.access.has(Access::WRITE) || self.access.has(Access::ADD)
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

impl<K: Ord + Hash + Clone> Plan<K> {
    /// The plan for `transactions` on so many workers. `None` if some access set is not exact, or scans a range.
    pub(super) fn new<V: Vm<Key = K>>(
        vm: &V,
        transactions: &[V::Transaction],
        workers: usize,
    ) -> Option<Self> {
        let count = transactions.len();
        let mut plan = Self {
            keys: Interner::with_capacity(3 * count),
            accesses: Vec::with_capacity(4 * count),
            ends: Vec::with_capacity(count),
            last_writes: Vec::with_capacity(3 * count),
            tasks: Vec::new(),
            batched: Vec::with_capacity(count),
            waiting: Vec::new(),
            waiting_ends: Vec::new(),
            countdowns: Vec::new(),
            depth: 0,
        };
        let mut branches = Branches::new(count);
        let mut levels = Vec::with_capacity(count);
        let mut owners = Vec::with_capacity(4 * count);
        let mut set = AccessSet::new();
        for (index, transaction) in transactions.iter().enumerate() {
            set.clear();
            if vm.accesses(transaction, &mut set) != Trust::Exact || !set.ranges().is_empty() {
                return None;
            }
            if set.entries().len() > FEW {
                // Several entries for one key become one, and keys can be searched for.
                set.sort();
            }
            let level = plan.append(index as u32, &set, &mut owners, &mut branches, &levels)?;
            plan.depth = plan.depth.max(level);
            levels.push(level);
        }
        plan.divide(&mut branches, &owners, workers);
        Some(plan)
    }

    /// Plans the next transaction, and says how long its longest chain is.
    fn append(
        &mut self,
        index: u32,
        set: &AccessSet<K>,
        owners: &mut Vec<u32>,
        branches: &mut Branches,
        levels: &[u32],
    ) -> Option<u32> {
        let mut level = 0;
        let first = self.accesses.len();
        let is_few = set.entries().len() <= FEW;
        for (key, access) in set.entries() {
            let key = self.keys.intern(key).ok()?.index();
            let mut before = self.accesses[first..].iter_mut().zip(first..);
            let before = before
                .by_ref()
                .take_while(|_| is_few)
                .find(|(planned, _)| planned.key == key as u32);
            if let Some((planned, place)) = before {
                planned.access = planned.access.and(*access);
                if planned.writes() {
                    self.last_writes[key] = place as u32;
                }
                continue;
            }
            if key == self.last_writes.len() {
                self.last_writes.push(NONE);
            }
            let source = self.last_writes[key];
            if source != NONE {
                let owner = owners[source as usize];
                branches.join(owner, index);
                level = level.max(levels[owner as usize]);
            }
            let planned = Planned {
                key: key as u32,
                source,
                access: *access,
            };
            if planned.writes() {
                self.last_writes[key] = u32::try_from(self.accesses.len()).ok()?;
            }
            self.accesses.push(planned);
            owners.push(index);
        }
        self.ends.push(u32::try_from(self.accesses.len()).ok()?);
        Some(level + 1)
    }

    /// Puts small branches together into batches, and lets the transactions of large ones wait for each other.
    fn divide(&mut self, branches: &mut Branches, owners: &[u32], workers: usize) {
        let count = self.ends.len();
        let (members, ends) = branches.lists();
        // A branch of which each worker could have two would leave some without work at the end.
        let large = (count / (2 * workers)).max(SMALL);
        let batch = (count / (8 * workers)).clamp(1, 256);
        let mut is_large = vec![false; count];
        let mut start = 0;
        let mut begun = 0;
        for end in ends {
            let branch = &members[start as usize..end as usize];
            start = end;
            if branch.len() > large {
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
            self.link(&is_large, owners);
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
                if planned.source == NONE {
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
            if counts[index] == 0 {
                roots.push(Task::Root(index as u32));
            }
        }
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

    fn of(&self, transaction: u32) -> impl Iterator<Item = Planned> {
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

    /// How much of it can run side by side.
    pub(super) fn shape(&self) -> Shape {
        let is_chain = |depth: u32| depth as usize * 4 > self.transactions() * 3;
        if !is_chain(self.depth) {
            Shape::Wide
        } else if is_chain(self.free_depth()) {
            Shape::Chain
        } else {
            Shape::Free
        }
    }

    /// How many transactions the longest chain would have if only those waited who look at a value.
    fn free_depth(&self) -> u32 {
        // How many transactions deep the value of each key is.
        let mut depths = vec![0; self.keys.keys().len()];
        for transaction in 0..self.transactions() as u32 {
            let looks = |planned: &Planned| planned.access.has(Access::READ);
            let seen = self.of(transaction).filter(looks);
            let depth = seen.map(|planned| depths[planned.key as usize]).max();
            let depth = 1 + depth.unwrap_or(0);
            for planned in self.of(transaction).filter(|planned| planned.writes()) {
                let before = &mut depths[planned.key as usize];
                *before = if planned.access.has(Access::WRITE) {
                    depth
                } else {
                    depth.max(*before)
                };
            }
        }
        depths.into_iter().max().unwrap_or(0)
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

/// Which transactions are connected.
struct Branches {
    /// Of each transaction, one on the same branch with a lower index, or itself.
    lower: Vec<u32>,
}

impl Branches {
    fn new(count: usize) -> Self {
        Self {
            lower: (0..count as u32).collect(),
        }
    }

    /// The first transaction of a branch.
    fn first(&mut self, mut index: u32) -> u32 {
        while self.lower[index as usize] != index {
            let lower = self.lower[index as usize];
            // Halves the way for those who come next.
            self.lower[index as usize] = self.lower[lower as usize];
            index = lower;
        }
        index
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.first(a), self.first(b));
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        self.lower[high as usize] = low;
    }

    /// The transactions of all branches, branch by branch, and where each ends.
    fn lists(&mut self) -> (Vec<u32>, Vec<u32>) {
        let count = self.lower.len();
        let mut numbers = vec![NONE; count];
        let mut ends: Vec<u32> = Vec::new();
        for index in 0..count as u32 {
            let first = self.first(index);
            if first == index {
                numbers[index as usize] = ends.len() as u32;
                ends.push(0);
            } else {
                numbers[index as usize] = numbers[first as usize];
            }
            ends[numbers[index as usize] as usize] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            let length = *end;
            *end = start;
            start += length;
        }
        let mut members = vec![0; count];
        for index in 0..count {
            let place = &mut ends[numbers[index] as usize];
            members[*place as usize] = index as u32;
            *place += 1;
        }
        (members, ends)
    }
}
