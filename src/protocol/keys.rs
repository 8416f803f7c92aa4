//! Numbers for keys that nobody knew beforehand, given by many threads at once.
//!
//! A key that is touched for the first time gets an entry, and every later touch finds the same one. Nothing is ever taken
//! away, so finding takes no lock: a hash, a cache line of slots, and the entry that the matching slot names.
//!
//! Slots stand in buckets. A key goes into the first empty slot of its bucket; if there is none, into its bucket in the next
//! table, which is larger, and is there only if there are enough keys for it. Some other bits of the hash number that bucket, so
//! that keys which share one do not share all. As slots never become empty again, who finds an empty slot knows that the key is
//! nowhere yet.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hash},
};

use crossbeam_utils::CachePadded;
// Models, and seeded schedules, do the same in every run.
#[cfg(any(feature = "schedules", pleach_loom))]
pub(crate) use foldhash::fast::FixedState as Hasher;
#[cfg(not(any(feature = "schedules", pleach_loom)))]
pub(crate) use foldhash::fast::RandomState as Hasher;

use super::handoff::Handoff;
use crate::sync::{AtomicU32, AtomicU64, Mutex, OnceLock, Ordering, lock};

/// Models have buckets that are full sooner.
const SLOTS: usize = if cfg!(pleach_loom) { 2 } else { 8 };
/// Entries are made so many at a time.
const BLOCK: usize = if cfg!(pleach_loom) { 2 } else { 128 };
/// A thread gets so many numbers at a time, and with them entries that lie side by side.
const RUN: u32 = if cfg!(pleach_loom) { 1 } else { 16 };
/// Each table has twice the buckets of the one before. Keys that hash badly end up in a map behind a lock.
const TABLES: usize = if cfg!(pleach_loom) { 2 } else { 20 };
/// Buckets are full with fewer keys than one for so many slots only if keys hash badly: then no table would help.
const SPARSE: usize = 32;
/// By how many bits the hash is turned for each further table.
const TURN: u32 = 5;
/// Each list of blocks is as long as all before it together, but for the first.
const LISTS: usize = 27;

/// ORDERING: see `Keys::enter`. Weaker, a reader could find an entry without its key: model `keys` fails on this mutant.
const PUBLISH: Ordering = if cfg!(mutant = "relaxed_key") {
    Ordering::Relaxed
} else {
    Ordering::Release
};

/// Keys, and a `C` for each.
#[derive(Debug)]
pub struct Keys<K, C> {
    tables: [OnceLock<Box<[Bucket]>>; TABLES],
    /// In how many bits the buckets of the first table are numbered.
    bits: u32,
    lists: [OnceLock<Blocks<K, C>>; LISTS],
    /// How many numbers were handed out.
    taken: CachePadded<AtomicU32>,
    /// Those for which all their buckets were full.
    others: Mutex<BTreeMap<K, u32>>,
    /// Seeded anew in every process, but for tests, so that nobody can prepare keys that collide. No result depends on it.
    hasher: Hasher,
}

type Blocks<K, C> = Box<[OnceLock<Box<[Entry<K, C>]>>]>;

/// One cache line: in each slot the number of an entry, plus one, and half of its key's hash.
#[derive(Debug)]
#[repr(align(64))]
struct Bucket([AtomicU64; SLOTS]);

impl Bucket {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// Numbers that a thread has for keys that it is the first to touch.
#[derive(Debug, Default)]
pub struct Spare {
    next: u32,
    end: u32,
}

/// A key, and what belongs to it. They stay in this order: who changes what belongs to the key leaves the key in the caches of
/// others, if it is not small.
#[derive(Debug)]
#[repr(C)]
pub struct Entry<K, C> {
    key: Handoff<K>,
    mark: AtomicU32,
    cell: C,
}

impl<K, C> Entry<K, C> {
    /// Takes the key, if there is one, and gives what belongs to it. Nobody shares it any more.
    pub fn take(&mut self) -> Option<(K, &mut C)> {
        Some((self.key.take()?, &mut self.cell))
    }
}

impl<K: Sync, C> Entry<K, C> {
    /// The key, for who has its number from [`Keys::enter`].
    pub fn key(&self) -> &K {
        // SAFETY: Numbers come from calls that have seen the key, and whoever got one from another thread got it after that.
        let key = unsafe { self.key.get() };
        key.expect("the number was given for a key")
    }

    /// A word beside the key, zero at first, that means what its users want it to.
    pub fn mark(&self) -> &AtomicU32 {
        &self.mark
    }

    /// What belongs to the key.
    pub fn cell(&self) -> &C {
        &self.cell
    }
}

impl<K: Hash + Ord + Clone + Send + Sync, C: Default> Keys<K, C> {
    /// No keys yet; made for about so many.
    #[must_use]
    pub fn new(expected: usize) -> Self {
        let buckets = (expected / 4).clamp(1, 1 << 20).next_power_of_two();
        Self {
            tables: std::array::from_fn(|_| OnceLock::new()),
            bits: buckets.trailing_zeros(),
            lists: std::array::from_fn(|_| OnceLock::new()),
            taken: CachePadded::new(AtomicU32::new(0)),
            others: Mutex::new(BTreeMap::new()),
            hasher: Hasher::default(),
        }
    }

    /// The hash of `key`, by which it is found.
    pub fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The number and the entry of `key`, and whether it has one only by this. New numbers come from `spare`.
    pub fn enter(&self, hash: u64, key: &K, spare: &mut Spare) -> (u32, &Entry<K, C>, bool) {
        let mut mine = None;
        loop {
            match self.look_up(hash, key) {
                Place::Found(index, entry) => return (index, entry, false),
                Place::Empty(slot) => {
                    let (index, entry) = *mine.get_or_insert_with(|| self.begin(key, spare));
                    let word = tag(hash) | u64::from(index + 1);
                    // ORDERING: Release publishes the entry with its key; who was faster is found by looking again.
                    let filled = slot.compare_exchange(0, word, PUBLISH, Ordering::Relaxed);
                    if filled.is_ok() {
                        return (index, entry, true);
                    }
                }
                Place::Full => {
                    let mut others = lock(&self.others);
                    if let Some(index) = others.get(key) {
                        return (*index, self.at(*index), false);
                    }
                    let (index, entry) = mine.unwrap_or_else(|| self.begin(key, spare));
                    others.insert(key.clone(), index);
                    return (index, entry, true);
                }
            }
        }
    }

    /// Where `key` is, or would be.
    fn look_up(&self, hash: u64, key: &K) -> Place<'_, Entry<K, C>> {
        for (number, table) in self.tables.iter().enumerate() {
            let bits = self.bits + number as u32;
            let table = table.get_or_init(|| self.table(number));
            if table.is_empty() {
                break;
            }
            // Quick hashes of numbers that follow each other are not even in every bit.
            let turned = (hash as u32).rotate_right(TURN * number as u32);
            for slot in &table[turned as usize & ((1 << bits) - 1)].0 {
                // ORDERING: Acquire pairs with the Release of who filled the slot: the entry that it names, with its key,
                // was there before.
                let word = slot.load(Ordering::Acquire);
                if word == 0 {
                    return Place::Empty(slot);
                }
                if tag(word) == tag(hash) {
                    let index = word as u32 - 1;
                    let entry = self.at(index);
                    // SAFETY: The slot was filled after the key was (see above).
                    if unsafe { entry.key.get() } == Some(key) {
                        return Place::Found(index, entry);
                    }
                }
            }
        }
        Place::Full
    }

    /// A new table. If those before it are nearly empty, it has no buckets, and none comes after it: what that decides is
    /// decided once, so a key stays where it is looked for.
    fn table(&self, number: usize) -> Box<[Bucket]> {
        let before = (SLOTS << self.bits) * ((1 << number) - 1);
        // ORDERING: Relaxed. It need not be exact.
        if (self.taken.load(Ordering::Relaxed) as usize) < before / SPARSE {
            return Box::default();
        }
        let buckets = 1_usize << (self.bits + number as u32);
        (0..buckets).map(|_| Bucket::new()).collect()
    }

    /// An entry for `key` that nobody knows of yet. If it stays so, because somebody else was faster, it is lost.
    fn begin(&self, key: &K, spare: &mut Spare) -> (u32, &Entry<K, C>) {
        if spare.next == spare.end {
            // ORDERING: Relaxed. It hands out numbers.
            spare.next = self.taken.fetch_add(RUN, Ordering::Relaxed);
            spare.end = spare.next + RUN;
        }
        let index = spare.next;
        spare.next += 1;
        let entry = self.at(index);
        // SAFETY: The number is this thread's alone, until a slot names it.
        unsafe { entry.key.fill(key.clone()) };
        (index, entry)
    }

    /// The entry of this number, which was handed out before.
    pub fn at(&self, index: u32) -> &Entry<K, C> {
        let (list, block, place) = place(index);
        let blocks =
            self.lists[list].get_or_init(|| (0..length(list)).map(|_| OnceLock::new()).collect());
        let entries = blocks[block].get_or_init(|| {
            let entries = (0..BLOCK).map(|_| Entry {
                key: Handoff::new(),
                mark: AtomicU32::new(0),
                cell: C::default(),
            });
            entries.collect()
        });
        &entries[place]
    }

    /// The key of this number, which a call of [`enter`](Self::enter) gave.
    pub fn key(&self, index: u32) -> &K {
        self.at(index).key()
    }

    /// All entries, some at a time, in no particular order. Some keys are there twice if threads met; then all but one are as
    /// they were made.
    pub fn into_blocks(self) -> impl Iterator<Item = Box<[Entry<K, C>]>> {
        let lists = self.lists.into_iter().filter_map(OnceLock::into_inner);
        lists.flatten().filter_map(OnceLock::into_inner)
    }
}

/// Where a key is, or would be.
enum Place<'a, E> {
    Found(u32, &'a E),
    Empty(&'a AtomicU64),
    /// In no table.
    Full,
}

/// The half of a hash that slots hold.
fn tag(hash: u64) -> u64 {
    hash & !u64::from(u32::MAX)
}

/// How many blocks a list has.
fn length(list: usize) -> usize {
    1 << list.saturating_sub(1)
}

/// The list, the block in it and the place in that of an entry.
fn place(index: u32) -> (usize, usize, usize) {
    let (block, place) = (index as usize / BLOCK, index as usize % BLOCK);
    match block.checked_ilog2() {
        None => (0, 0, place),
        Some(bits) => (bits as usize + 1, block - (1 << bits), place),
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct Colliding(u32);

    impl Hash for Colliding {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    /// How many buckets there are for so many keys, if `expected` were expected.
    fn buckets<K: Hash + Ord + Clone + Send + Sync>(
        expected: usize,
        count: u32,
        key: impl Fn(u32) -> K,
    ) -> usize {
        let keys: Keys<K, ()> = Keys::new(expected);
        let mut spare = Spare::default();
        for is_new in [true, false] {
            for number in 0..count {
                let key = key(number);
                let (index, entry, new) = keys.enter(keys.hash(&key), &key, &mut spare);
                assert_eq!((index, new), (number, is_new));
                assert!(*entry.key() == key);
            }
        }
        let tables = keys.tables.iter().filter_map(OnceLock::get);
        tables.map(|table| table.len()).sum()
    }

    #[test]
    fn keys_that_collide_make_no_tables_that_stay_empty() {
        assert_eq!(buckets(1 << 16, 1_000, Colliding), 1 << 14);
        assert!(buckets(1, 1_000, Colliding) <= 1_024);
    }

    #[test]
    fn there_are_tables_for_more_keys_than_were_expected() {
        // Each time hashes are seeded anew.
        for _ in 0..10 {
            let buckets = buckets(1, 100_000, |number| number);
            assert!((100_000 / SLOTS..100_000).contains(&buckets), "{buckets}");
        }
    }
}
