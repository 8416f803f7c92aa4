//! The multi-version memory: what each location was written by each transaction of the block, and what each transaction
//! read and wrote when it was executed last.

use std::{
    hash::{BuildHasher, Hash},
    mem,
};

use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table::Entry as Slot};
use parking_lot::RwLock;
use smallvec::SmallVec;

use super::{Blocked, Version};

/// So many tables, as a power of two: far more than workers, so that two of them seldom want the same lock.
const SHARD_BITS: u32 = 7;

/// What a location was written by one transaction.
#[derive(Debug)]
enum Entry<V> {
    Written {
        incarnation: u32,
        value: V,
    },
    /// An aborted incarnation wrote here, so the next one probably will.
    Estimate,
}

/// A location and who wrote it, in their order. Nearly all have few writers; a hot one has thousands.
#[derive(Debug)]
struct Location<K, V> {
    key: K,
    entries: SmallVec<[(u32, Entry<V>); 1]>,
}

/// The key of a location with its hash, which is needed wherever the key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<K> {
    hash: u64,
    key: K,
}

/// What a transaction read, by who wrote it: nobody if it is of the state before the block.
#[derive(Debug)]
pub(super) struct ReadDescriptor<K> {
    place: Place<K>,
    version: Option<Version>,
}

/// Small sets stay in the record of the transaction, without memory of their own.
pub(super) type ReadSet<K> = SmallVec<[ReadDescriptor<K>; 3]>;
pub(super) type WriteSet<K, V> = SmallVec<[(Place<K>, V); 3]>;

/// The last execution of a transaction.
#[derive(Debug)]
struct Last<K, O> {
    read_set: ReadSet<K>,
    written_locations: SmallVec<[Place<K>; 3]>,
    output: Option<O>,
}

/// What a read finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<V> {
    /// No lower transaction wrote there.
    NotFound,
    Found {
        version: Version,
        value: V,
    },
}

type Shard<K, V> = CachePadded<RwLock<HashTable<Location<K, V>>>>;

/// All versions of all locations that the block wrote.
#[derive(Debug)]
pub(super) struct Memory<K, V, O> {
    hasher: RandomState,
    shards: Box<[Shard<K, V>]>,
    /// The sets of the last execution of each transaction, which those who validate it read while, if it was aborted
    /// meanwhile, its next incarnation may replace them.
    last: Box<[RwLock<Last<K, O>>]>,
}

impl<K: Clone + Eq + Hash, V: Clone, O> Memory<K, V, O> {
    /// An empty memory for a block of so many transactions.
    pub(super) fn new(transactions: usize) -> Self {
        let shards = 1 << SHARD_BITS;
        // Three locations a transaction, as many as payments between different accounts write: so tables hardly grow, and
        // of what is not used in them only a byte each is touched.
        let capacity = (3 * transactions).div_ceil(shards);
        let last = || {
            RwLock::new(Last {
                read_set: SmallVec::new(),
                written_locations: SmallVec::new(),
                output: None,
            })
        };
        Self {
            hasher: RandomState::default(),
            shards: (0..shards)
                .map(|_| CachePadded::new(RwLock::new(HashTable::with_capacity(capacity))))
                .collect(),
            last: (0..transactions).map(|_| last()).collect(),
        }
    }

    /// The place of a key.
    pub(super) fn place(&self, key: K) -> Place<K> {
        Place {
            hash: self.hasher.hash_one(&key),
            key,
        }
    }

    /// Keeps what an incarnation read, wrote and gave, and says whether it wrote a location that the one before it did not.
    pub(super) fn record(
        &self,
        version: Version,
        read_set: ReadSet<K>,
        write_set: WriteSet<K, V>,
        output: O,
    ) -> bool {
        let mut written_locations = SmallVec::with_capacity(write_set.len());
        for (place, value) in write_set {
            self.insert(&place, version, value);
            written_locations.push(place);
        }
        let mut last = self.last[version.transaction as usize].write();
        let previous = mem::replace(&mut last.written_locations, written_locations);
        for place in &previous {
            if !last.written_locations.contains(place) {
                self.remove(place, version.transaction);
            }
        }
        let mut written = last.written_locations.iter();
        let wrote_new_location = written.any(|place| !previous.contains(place));
        last.read_set = read_set;
        last.output = Some(output);
        wrote_new_location
    }

    /// Marks what an aborted incarnation wrote: who reads it waits for the next one.
    pub(super) fn convert_writes_to_estimates(&self, transaction: u32) {
        let last = self.last[transaction as usize].read();
        for place in &last.written_locations {
            let mut shard = self.shard(place).write();
            let location = shard.find_mut(place.hash, |location| location.key == place.key);
            let entries = &mut location.expect("it was written").entries;
            let at = position(entries, transaction);
            entries[at].1 = Entry::Estimate;
        }
    }

    /// What the highest of the lower transactions wrote at a place.
    pub(super) fn read(&self, place: &Place<K>, transaction: u32) -> Result<Read<V>, Blocked> {
        self.look(place, transaction, |found| match found {
            None => Ok(Read::NotFound),
            Some((writer, Entry::Estimate)) => Err(Blocked(*writer)),
            Some((writer, Entry::Written { incarnation, value })) => Ok(Read::Found {
                version: Version {
                    transaction: *writer,
                    incarnation: *incarnation,
                },
                value: value.clone(),
            }),
        })
    }

    /// Whether the last execution of a transaction would read the same versions again.
    pub(super) fn validate_read_set(&self, transaction: u32) -> bool {
        let last = self.last[transaction as usize].read();
        last.read_set.iter().all(|read| {
            self.look(&read.place, transaction, |found| match found {
                None => read.version.is_none(),
                Some((_, Entry::Estimate)) => false,
                Some((writer, Entry::Written { incarnation, .. })) => {
                    read.version
                        == Some(Version {
                            transaction: *writer,
                            incarnation: *incarnation,
                        })
                }
            })
        })
    }

    /// The outputs of all transactions, in their order, and the last value of each location that was written.
    ///
    /// All transactions have been executed, so there is no estimate left.
    pub(super) fn snapshot(self) -> (Vec<O>, Vec<(K, V)>) {
        let outputs = self.last.into_iter().map(|last| {
            let output = last.into_inner().output;
            output.expect("each transaction was executed")
        });
        let outputs = outputs.collect();
        let tables = self.shards.into_iter().map(|shard| {
            let shard: RwLock<_> = shard.into_inner();
            shard.into_inner()
        });
        let tables: Vec<HashTable<Location<K, V>>> = tables.collect();
        let mut changes = Vec::with_capacity(tables.iter().map(HashTable::len).sum());
        for mut location in tables.into_iter().flatten() {
            match location.entries.pop() {
                Some((_, Entry::Written { value, .. })) => changes.push((location.key, value)),
                Some((_, Entry::Estimate)) => unreachable!("an aborted transaction runs again"),
                // Only incarnations wrote it that were aborted.
                None => {}
            }
        }
        (outputs, changes)
    }

    fn shard(&self, place: &Place<K>) -> &RwLock<HashTable<Location<K, V>>> {
        // A table takes the top bits of the hash as tags and the low ones as positions; these are between them.
        &self.shards[(place.hash >> 32) as usize & ((1 << SHARD_BITS) - 1)]
    }

    /// Shows the entry of the highest lower transaction that wrote at a place.
    fn look<T>(
        &self,
        place: &Place<K>,
        transaction: u32,
        show: impl FnOnce(Option<&(u32, Entry<V>)>) -> T,
    ) -> T {
        let shard = self.shard(place).read();
        let location = shard.find(place.hash, |location| location.key == place.key);
        show(location.and_then(|location| {
            let lower = position(&location.entries, transaction);
            location.entries[..lower].last()
        }))
    }

    fn insert(&self, place: &Place<K>, version: Version, value: V) {
        let entry = Entry::Written {
            incarnation: version.incarnation,
            value,
        };
        let mut shard = self.shard(place).write();
        let slot = shard.entry(
            place.hash,
            |location| location.key == place.key,
            |location| self.hasher.hash_one(&location.key),
        );
        match slot {
            Slot::Vacant(slot) => {
                let mut entries = SmallVec::new();
                entries.push((version.transaction, entry));
                slot.insert(Location {
                    key: place.key.clone(),
                    entries,
                });
            }
            Slot::Occupied(mut slot) => {
                let entries = &mut slot.get_mut().entries;
                let at = position(entries, version.transaction);
                match entries.get_mut(at) {
                    Some((writer, old)) if *writer == version.transaction => *old = entry,
                    _ => entries.insert(at, (version.transaction, entry)),
                }
            }
        }
    }

    fn remove(&self, place: &Place<K>, transaction: u32) {
        let mut shard = self.shard(place).write();
        let location = shard.find_mut(place.hash, |location| location.key == place.key);
        let entries = &mut location.expect("it was written").entries;
        let at = position(entries, transaction);
        let (writer, _) = entries.remove(at);
        debug_assert_eq!(writer, transaction);
    }
}

impl<K> Place<K> {
    pub(super) fn key(&self) -> &K {
        &self.key
    }
}

impl<K> ReadDescriptor<K> {
    pub(super) fn new(place: Place<K>, version: Option<Version>) -> Self {
        Self { place, version }
    }
}

/// How many of the entries are of lower transactions.
///
/// Transactions run roughly in their order, so the answer is mostly near the end: the search begins there, in steps
/// that double, and ends with a binary search within the last step.
fn position<V>(entries: &[(u32, Entry<V>)], transaction: u32) -> usize {
    let mut end = entries.len();
    let mut step = 1;
    while let Some(start) = end.checked_sub(step) {
        if entries[start].0 < transaction {
            let within = &entries[start + 1..end];
            return start + 1 + within.partition_point(|(writer, _)| *writer < transaction);
        }
        end = start;
        step *= 2;
    }
    entries[..end].partition_point(|(writer, _)| *writer < transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 1;
    const B: u64 = 2;

    struct Fixture(Memory<u64, u64, ()>);

    impl Fixture {
        /// Records an incarnation with these writes, and with what reading the keys finds before.
        fn record(
            &self,
            transaction: u32,
            incarnation: u32,
            reads: &[u64],
            writes: &[(u64, u64)],
        ) -> bool {
            let memory = &self.0;
            let version = Version {
                transaction,
                incarnation,
            };
            let reads = reads.iter().map(|key| {
                let place = memory.place(*key);
                let version = match memory.read(&place, transaction) {
                    Ok(Read::Found { version, .. }) => Some(version),
                    Ok(Read::NotFound) => None,
                    Err(blocked) => panic!("{blocked:?}"),
                };
                ReadDescriptor::new(place, version)
            });
            let writes = writes
                .iter()
                .map(|(key, value)| (memory.place(*key), *value));
            memory.record(version, reads.collect(), writes.collect(), ())
        }

        fn read(&self, key: u64, transaction: u32) -> Result<Option<(u32, u32, u64)>, Blocked> {
            let found = self.0.read(&self.0.place(key), transaction)?;
            Ok(match found {
                Read::NotFound => None,
                Read::Found { version, value } => {
                    Some((version.transaction, version.incarnation, value))
                }
            })
        }
    }

    fn fixture() -> Fixture {
        Fixture(Memory::new(200))
    }

    #[test]
    fn reads_see_the_highest_lower_writer() {
        let memory = fixture();
        // All orders of arrival, and enough writers for every case of the search.
        for transaction in (0..200).map(|number| number * 77 % 200) {
            if transaction % 3 == 0 {
                memory.record(transaction, 0, &[], &[(A, u64::from(transaction))]);
            }
        }
        assert_eq!(memory.read(A, 0), Ok(None));
        for transaction in 1..200 {
            let writer = (transaction - 1) / 3 * 3;
            let expected = Some((writer, 0, u64::from(writer)));
            assert_eq!(memory.read(A, transaction), Ok(expected), "{transaction}");
        }
        assert_eq!(memory.read(B, 199), Ok(None));
    }

    #[test]
    fn estimates_block_higher_readers_until_they_are_replaced() {
        let memory = fixture();
        memory.record(3, 0, &[], &[(A, 30), (B, 31)]);
        memory.0.convert_writes_to_estimates(3);
        assert_eq!(memory.read(A, 4), Err(Blocked(3)));
        assert_eq!(memory.read(A, 3), Ok(None));
        assert!(!memory.record(3, 1, &[], &[(A, 32)]));
        assert_eq!(memory.read(A, 4), Ok(Some((3, 1, 32))));
        assert_eq!(
            memory.read(B, 4),
            Ok(None),
            "the second incarnation does not write it"
        );
    }

    #[test]
    fn new_locations_are_those_of_no_incarnation_before() {
        let memory = fixture();
        assert!(!memory.record(1, 0, &[], &[]));
        assert!(memory.record(1, 1, &[], &[(A, 1)]));
        assert!(!memory.record(1, 2, &[], &[(A, 2)]));
        assert!(memory.record(1, 3, &[], &[(B, 3)]));
        assert!(memory.record(1, 4, &[], &[(A, 4), (B, 4)]));
    }

    #[test]
    fn validation_fails_on_every_kind_of_change() {
        let valid = |change: fn(&Fixture)| {
            let memory = fixture();
            memory.record(2, 0, &[], &[(A, 1)]);
            memory.record(5, 0, &[A, B], &[]);
            assert!(memory.0.validate_read_set(5));
            change(&memory);
            memory.0.validate_read_set(5)
        };
        assert!(
            !valid(|memory| _ = memory.record(2, 1, &[], &[(A, 1)])),
            "another incarnation"
        );
        assert!(
            !valid(|memory| _ = memory.record(4, 0, &[], &[(A, 1)])),
            "another writer"
        );
        assert!(
            !valid(|memory| _ = memory.record(0, 0, &[], &[(B, 1)])),
            "a first writer"
        );
        assert!(
            !valid(|memory| _ = memory.record(2, 1, &[], &[])),
            "no writer any more"
        );
        assert!(
            !valid(|memory| memory.0.convert_writes_to_estimates(2)),
            "an estimate"
        );
        assert!(
            valid(|memory| _ = memory.record(1, 0, &[], &[(A, 1)])),
            "hidden by a higher one"
        );
        assert!(
            valid(|memory| _ = memory.record(5, 0, &[A, B], &[(A, 1)])),
            "its own"
        );
        assert!(
            valid(|memory| _ = memory.record(6, 0, &[], &[(A, 1), (B, 1)])),
            "a higher one"
        );
    }
}
