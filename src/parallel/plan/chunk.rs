//! Some transactions of a plan that follow each other: what they may touch, and what they leave.
//!
//! A plan is made and executed chunk by chunk, so that each thread has memory of its own at hand.

use std::hash::BuildHasher;

use pleach_dtt::{Access, AccessSet, Trust};

use super::super::{attempt::forecast, settling::Report};
use crate::{
    execute::Known,
    protocol::{handoff::Handoff, reports::Reports, slot::Slot},
    value::{Delta, Value},
    vm::Vm,
};

/// So many transactions are in a chunk; in the last there may be fewer. Models have smaller blocks.
pub(in crate::parallel) const CHUNK: usize = if cfg!(any(pleach_loom, pleach_shuttle)) {
    2
} else {
    256
};

/// A transaction with up to so many accesses has them as they were said; of others they are sorted by key.
pub(in crate::parallel) const FEW: usize = 8;

/// What a transaction adds to a number, as far as is known beforehand.
pub(in crate::parallel) type DeltaOf<V> = Delta<<<V as Vm>::Value as Value>::Amount>;

/// See the module.
pub(in crate::parallel) struct Chunk<V: Vm> {
    /// Where the accesses of each transaction end.
    ends: Vec<u32>,
    /// Which sets are only predicted; as far as there are any.
    guessed: Vec<bool>,
    /// All accesses, transaction by transaction.
    pub(in crate::parallel) accesses: Vec<Planned<V::Key>>,
    /// What each access leaves, if it may write: `Known::No` if that is still the parent state's. Empty where nobody has run,
    /// and where nobody waits for what a free access comes to.
    pub(in crate::parallel) values: Box<[Slot<Known<V::Value>>]>,
    /// What those before it will probably add to the key of each free access; nothing at all if nothing is foretold.
    pub(super) forecasts: Box<[Handoff<DeltaOf<V>>]>,
    /// What came of each transaction.
    pub(in crate::parallel) reports: Reports<Report<V>>,
    /// The accesses to the keys of each part.
    pub(super) columns: Box<[Column]>,
    /// What each transaction will probably add, until the plan is made.
    pub(super) foretold: Vec<Foretold<V>>,
}

/// An access that a transaction may do.
pub(in crate::parallel) struct Planned<K> {
    pub(in crate::parallel) key: K,
    /// The place in its column.
    index: u32,
    /// The part that the key belongs to.
    part: u8,
    pub(in crate::parallel) access: Access,
}

/// The accesses of a chunk to keys of one part. Whoever makes the part writes here alone.
pub(super) struct Column {
    /// Each of them, until the plan is made.
    pub(super) touches: Vec<Touch>,
    /// What comes before each.
    pub(super) links: Box<[Handoff<Link>]>,
    /// There if it is free, and somebody waits to see what its commit leaves.
    pub(super) seen: Box<[Handoff<()>]>,
}

/// An access, for who makes a part.
pub(super) struct Touch {
    pub(super) hash: u64,
    /// The place among the accesses of the chunk.
    pub(super) at: u32,
    /// The number of the transaction in the chunk.
    pub(super) transaction: u32,
}

/// What comes before an access.
#[derive(Clone, Copy, Debug)]
pub(in crate::parallel) struct Link {
    /// The number of the key.
    pub(in crate::parallel) number: u32,
    /// The access before it whose value it sees, or none: the parent state's.
    pub(in crate::parallel) source: Option<Source>,
}

/// An access that writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::parallel) struct Source {
    pub(in crate::parallel) transaction: u32,
    /// The place of the access in the chunk.
    pub(in crate::parallel) at: u32,
    /// The place in its column.
    pub(super) index: u32,
    /// Whether it is free.
    pub(in crate::parallel) is_free: bool,
}

/// What a transaction will probably add to a key.
pub(super) struct Foretold<V: Vm> {
    /// The number of the transaction in the chunk.
    pub(super) transaction: u32,
    pub(super) hash: u64,
    pub(super) key: V::Key,
    pub(super) delta: DeltaOf<V>,
}

impl<K> Planned<K> {
    pub(in crate::parallel) fn writes(&self) -> bool {
        self.access.has(Access::WRITE) || self.access.has(Access::ADD)
    }

    /// Whether the transaction neither looks at the value nor puts one.
    pub(in crate::parallel) fn is_free(&self) -> bool {
        !self.access.has(Access::READ) && !self.access.has(Access::WRITE)
    }

    /// Whether the transaction itself leaves a value there, when it has run.
    pub(in crate::parallel) fn leaves(&self) -> bool {
        self.writes() && !self.is_free()
    }
}

impl<V: Vm> Chunk<V> {
    /// What these transactions may touch. `None` if some access set is not known, or scans a range: it has to be exact unless
    /// there are predictions, which take the place of what the VM predicts.
    pub(super) fn new(
        vm: &V,
        transactions: &[V::Transaction],
        predicted: Option<&[AccessSet<V::Key>]>,
        parts: u8,
        hasher: &impl BuildHasher,
    ) -> Option<Self> {
        let count = transactions.len();
        let mut chunk = Self {
            ends: Vec::with_capacity(count),
            guessed: Vec::new(),
            accesses: Vec::with_capacity(4 * count),
            values: Box::default(),
            forecasts: Box::default(),
            reports: Reports::new(count),
            columns: (0..parts).map(|_| Column::new()).collect(),
            foretold: Vec::new(),
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
                chunk.guessed.resize(index, false);
                chunk.guessed.push(true);
            }
            if !set.ranges().is_empty() {
                return None;
            }
            if set.entries().len() > FEW {
                // Several entries for one key become one, and keys can be searched for.
                set.sort();
            }
            chunk.append(index as u32, &set, hasher)?;
            forecast(vm, transaction, |key, delta| {
                chunk.foretold.push(Foretold {
                    transaction: index as u32,
                    hash: hasher.hash_one(&key),
                    key,
                    delta,
                });
            });
        }
        chunk.values = chunk.accesses.iter().map(|_| Slot::new()).collect();
        for column in &mut chunk.columns {
            column.links = empty(column.touches.len());
            column.seen = empty(column.touches.len());
        }
        Some(chunk)
    }

    /// Adds the accesses of the next transaction.
    fn append(
        &mut self,
        transaction: u32,
        set: &AccessSet<V::Key>,
        hasher: &impl BuildHasher,
    ) -> Option<()> {
        let parts = self.columns.len() as u8;
        let first = self.accesses.len();
        let is_few = set.entries().len() <= FEW;
        for (key, access) in set.entries() {
            let mut before = self.accesses[first..].iter_mut().take_while(|_| is_few);
            if let Some(planned) = before.find(|planned| planned.key == *key) {
                planned.access = planned.access.and(*access);
                continue;
            }
            let hash = hasher.hash_one(key);
            let part = part_of(hash, parts);
            let touches = &mut self.columns[usize::from(part)].touches;
            self.accesses.push(Planned {
                key: key.clone(),
                index: touches.len() as u32,
                part,
                access: *access,
            });
            touches.push(Touch {
                hash,
                at: self.accesses.len() as u32 - 1,
                transaction,
            });
        }
        self.ends.push(u32::try_from(self.accesses.len()).ok()?);
        Some(())
    }

    /// Makes room for forecasts.
    pub(super) fn foresee(&mut self) {
        self.forecasts = empty(self.accesses.len());
    }

    /// Forgets what only the making of the plan needs.
    pub(super) fn finish(&mut self) {
        for column in &mut self.columns {
            column.touches = Vec::new();
        }
        self.foretold = Vec::new();
    }

    pub(super) fn transactions(&self) -> usize {
        self.ends.len()
    }

    /// Where the accesses of a transaction are.
    #[inline]
    pub(in crate::parallel) fn range(&self, local: usize) -> std::ops::Range<usize> {
        let start = local.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[local] as usize
    }

    /// The accesses of a transaction.
    #[inline]
    pub(in crate::parallel) fn of(&self, local: usize) -> &[Planned<V::Key>] {
        &self.accesses[self.range(local)]
    }

    /// What comes before an access.
    #[inline]
    pub(in crate::parallel) fn link(&self, planned: &Planned<V::Key>) -> Link {
        let links = &self.columns[usize::from(planned.part)].links;
        // SAFETY: Plans are looked at when they are made, which ends with all threads that made it meeting each other.
        let link = unsafe { links[planned.index as usize].get() };
        *link.expect("every access got one when the plan was made")
    }

    /// Whether an access is free, and somebody waits to see what its commit leaves.
    pub(in crate::parallel) fn is_seen(&self, planned: &Planned<V::Key>) -> bool {
        let seen = &self.columns[usize::from(planned.part)].seen;
        // SAFETY: As above.
        unsafe { seen[planned.index as usize].get() }.is_some()
    }

    /// Whether all of a transaction's accesses are known, and enforced.
    pub(in crate::parallel) fn is_exact(&self, local: usize) -> bool {
        !matches!(self.guessed.get(local), Some(true))
    }

    /// Whether that is so for all transactions.
    pub(super) fn is_all_exact(&self) -> bool {
        self.guessed.is_empty()
    }

    /// What transactions before it will probably add to the key of a free access.
    pub(in crate::parallel) fn forecast(&self, access: usize) -> Option<DeltaOf<V>> {
        // SAFETY: Forecasts are made with the plan, see `link`.
        unsafe { self.forecasts.get(access)?.get() }.copied()
    }
}

impl Column {
    fn new() -> Self {
        Self {
            touches: Vec::new(),
            links: Box::default(),
            seen: Box::default(),
        }
    }
}

/// The part that a key with this hash belongs to. The highest and the lowest bits are for tables.
#[inline]
pub(super) fn part_of(hash: u64, parts: u8) -> u8 {
    ((u64::from((hash >> 16) as u32) * u64::from(parts)) >> 32) as u8
}

fn empty<T>(count: usize) -> Box<[Handoff<T>]> {
    (0..count).map(|_| Handoff::new()).collect()
}
