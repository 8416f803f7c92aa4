//! The first phase: placeholders for all versions, and what each access finds before it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use hashbrown::{HashTable, hash_table::Entry};
use pleach::AccessSet;

use crate::{
    engines::Job,
    workloads::{Key, Workload},
};

/// So many transactions are announced together.
pub(super) const CHUNK: usize = 256;

/// No version: the value is that of the state.
const NONE: u64 = u64::MAX;

/// An access of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) transaction: u32,
    /// The number of the access in its chunk.
    at: u32,
}

impl Place {
    fn code(self) -> u64 {
        u64::from(self.transaction) << 32 | u64::from(self.at)
    }

    fn decode(code: u64) -> Option<Self> {
        (code != NONE).then_some(Self {
            transaction: (code >> 32) as u32,
            at: code as u32,
        })
    }
}

/// What a transaction does with a key.
pub(super) struct Announced {
    pub(super) key: Key,
    /// The access that the version before it comes of.
    before: AtomicU64,
    /// The number of its version among those of the chunk, if it writes.
    pub(super) version: Option<u32>,
    pub(super) reads: bool,
}

impl Announced {
    pub(super) fn before(&self) -> Option<Place> {
        // ORDERING: threads have met since it was stored.
        Place::decode(self.before.load(Ordering::Relaxed))
    }
}

/// The accesses of some transactions that follow each other, and their versions.
pub(super) struct Chunk<V> {
    first: u32,
    /// Where the accesses of each transaction begin, and of which the last ends.
    starts: Vec<u32>,
    accesses: Vec<Announced>,
    /// Those of the keys.
    hashes: Vec<u64>,
    versions: Vec<OnceLock<Option<V>>>,
}

impl<V> Chunk<V> {
    pub(super) fn announce<W: Workload<Value = V>>(
        job: &Job<'_, W>,
        index: usize,
        hash: impl Fn(&Key) -> u64,
    ) -> Self {
        let first = index * CHUNK;
        let end = job.block.len().min(first + CHUNK);
        let mut chunk = Self {
            first: first as u32,
            starts: Vec::with_capacity(end - first + 1),
            accesses: Vec::with_capacity(4 * (end - first)),
            hashes: Vec::with_capacity(4 * (end - first)),
            versions: Vec::new(),
        };
        chunk.starts.push(0);
        let mut set = AccessSet::new();
        let mut versions = 0;
        for transaction in &job.block[first..end] {
            set.clear();
            job.workload.accesses(transaction, &mut set);
            let start = chunk.accesses.len();
            for (key, access) in set.entries() {
                let writes = access.has(pleach::Access::WRITE) || access.has(pleach::Access::ADD);
                let reads = access.has(pleach::Access::READ) || access.has(pleach::Access::ADD);
                let mut same = chunk.accesses[start..].iter_mut();
                let known = same.find(|announced| announced.key == *key);
                let announced = if let Some(announced) = known {
                    announced
                } else {
                    chunk.hashes.push(hash(key));
                    chunk.accesses.push(Announced {
                        key: *key,
                        before: AtomicU64::new(NONE),
                        version: None,
                        reads: false,
                    });
                    chunk.accesses.last_mut().expect("it was just pushed")
                };
                announced.reads |= reads;
                if writes && announced.version.is_none() {
                    announced.version = Some(versions);
                    versions += 1;
                }
            }
            chunk.starts.push(chunk.accesses.len() as u32);
        }
        chunk.versions.resize_with(versions as usize, OnceLock::new);
        chunk
    }

    fn local(&self, transaction: u32) -> usize {
        (transaction - self.first) as usize
    }

    /// All accesses of a transaction.
    pub(super) fn of(&self, transaction: u32) -> &[Announced] {
        let local = self.local(transaction);
        &self.accesses[self.starts[local] as usize..self.starts[local + 1] as usize]
    }

    /// The placeholder of a write.
    pub(super) fn placeholder(&self, version: u32) -> &OnceLock<Option<V>> {
        &self.versions[version as usize]
    }

    /// The placeholder at a place.
    pub(super) fn placed(&self, place: Place) -> &OnceLock<Option<V>> {
        let version = self.accesses[place.at as usize].version;
        self.placeholder(version.expect("only writes are referred to"))
    }
}

/// Goes through all accesses to the keys of one part, of which there are so many, in the order of the block: each learns which
/// version is before it. Gives the last version of each key.
pub(super) fn place<V>(chunks: &[Chunk<V>], part: usize, parts: usize) -> Vec<(Key, Place)> {
    let all: usize = chunks.iter().map(|chunk| chunk.versions.len()).sum();
    let mut table: HashTable<(u64, Key, Place)> = HashTable::with_capacity(all / parts);
    for chunk in chunks {
        let mut transaction = 0;
        for (at, hash) in chunk.hashes.iter().enumerate() {
            // The high bits are the tags of the table, the low ones the places in it.
            if (hash >> 24) as u32 as usize % parts != part {
                continue;
            }
            while chunk.starts[transaction + 1] as usize <= at {
                transaction += 1;
            }
            let access = &chunk.accesses[at];
            let own = Place {
                transaction: chunk.first + transaction as u32,
                at: at as u32,
            };
            // ORDERING: this thread owns the key; who reads it has met this thread since.
            let note = |before: Place| access.before.store(before.code(), Ordering::Relaxed);
            let is_same = |(_, key, _): &(u64, Key, Place)| *key == access.key;
            if access.version.is_none() {
                if let Some((_, _, last)) = table.find(*hash, is_same) {
                    note(*last);
                }
                continue;
            }
            match table.entry(*hash, is_same, |(hash, ..)| *hash) {
                Entry::Occupied(mut last) => {
                    let (_, _, last) = last.get_mut();
                    note(*last);
                    *last = own;
                }
                Entry::Vacant(vacant) => _ = vacant.insert((*hash, access.key, own)),
            }
        }
    }
    table
        .into_iter()
        .map(|(_, key, last)| (key, last))
        .collect()
}
