//! A machine that stops.

use std::{io, sync::Arc};

use parking_lot::Mutex;
use pleach::VersionedState;
use redb::{Database, StorageBackend};

use super::{Expected, check, mixed, node};
use crate::{Integers, RedbError, RedbStore};

const SECTOR: usize = 512;

#[derive(Debug)]
enum Change {
    Length(usize),
    /// Not more than a sector, which is written whole or not at all.
    Write(usize, Vec<u8>),
}

#[derive(Debug, Default)]
struct Inside {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What is on the disk for sure.
    synced: Vec<u8>,
    /// What may be there too.
    since: Vec<Change>,
    /// After so many more operations it is gone.
    left: u64,
}

/// A disk of a machine that stops.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Inside>>);

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length, 0),
        Change::Write(at, data) => {
            let end = at + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(data);
        }
    }
}

impl Disk {
    fn holding(bytes: Vec<u8>, left: u64) -> Self {
        Self(Arc::new(Mutex::new(Inside {
            seen: bytes.clone(),
            synced: bytes,
            since: Vec::new(),
            left,
        })))
    }

    /// What is found after the power has come back: any part of what was not synced.
    fn after(&self, seed: u64) -> Vec<u8> {
        let inside = self.0.lock();
        let mut bytes = inside.synced.clone();
        // Some times nearly all of it, some times nearly nothing.
        let share = mixed(seed) % 101;
        for (place, change) in inside.since.iter().enumerate() {
            if mixed(seed ^ mixed(place as u64)) % 100 < share {
                apply(&mut bytes, change);
            }
        }
        bytes
    }

    fn change(&self, changes: impl IntoIterator<Item = Change>) -> io::Result<()> {
        let inside = &mut *self.0.lock();
        for change in changes {
            inside.left = inside.left.checked_sub(1).ok_or_else(power_is_off)?;
            apply(&mut inside.seen, &change);
            inside.since.push(change);
        }
        Ok(())
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inside = self.0.lock();
        let offset = offset as usize;
        let found = inside.seen.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change([Change::Length(length as usize)])
    }

    fn sync_data(&self) -> io::Result<()> {
        let inside = &mut *self.0.lock();
        inside.left = inside.left.checked_sub(1).ok_or_else(power_is_off)?;
        inside.synced.clone_from(&inside.seen);
        inside.since.clear();
        Ok(())
    }

    fn write(&self, offset: u64, mut data: &[u8]) -> io::Result<()> {
        let mut at = offset as usize;
        let sectors = std::iter::from_fn(|| {
            let length = data.len().min(SECTOR - at % SECTOR);
            let (sector, rest) = data.split_at(length);
            let change = Change::Write(at, sector.to_vec());
            (at, data) = (at + length, rest);
            (length > 0).then_some(change)
        });
        self.change(sectors)
    }
}

type Store = RedbStore<u64, u64>;

fn open(disk: &Disk) -> Result<Store, RedbError> {
    let database = Database::builder()
        .set_cache_size(1 << 20)
        .create_with_backend(disk.clone());
    Store::of(database.map_err(RedbError::database)?, Integers)
}

#[test]
fn a_machine_that_stops_loses_nothing_that_was_persisted() {
    let mut bytes = Vec::new();
    let mut expected = Expected::default();
    let mut highest = 0;
    for seed in 0..150 {
        // Also while it is opened, and repairs what the last time has left.
        let disk = Disk::holding(bytes, mixed(seed) % 3_000);
        let ended = open(&disk).and_then(|store| {
            let chain = VersionedState::open(store)?;
            node(&chain, seed, |said| expected.hear(said))
        });
        ended.expect_err("the power goes off some time");
        bytes = disk.after(seed);

        let disk = Disk::holding(bytes, u64::MAX);
        let chain = VersionedState::open(open(&disk).unwrap()).unwrap();
        let found = check(&chain).unwrap();
        assert!(expected.is(found), "seed {seed}: {found:?}, {expected:?}");
        expected = Expected {
            done: found,
            begun: None,
        };
        highest = highest.max(found.0);
        drop(chain);
        bytes = disk.0.lock().seen.clone();
    }
    assert!(highest > 10, "it has hardly done anything");
}
