//! States by height: the histories of the testkit over two stores, stores that fail, and readers beside a writer.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use pleach::{
    MemoryState, MemoryStore, PruneError, RangeSupport, State, Store, VersionedState, Writes,
    testkit::histories::{Durability, changes, check},
};

/// What a disk would hold.
#[derive(Default)]
struct Disk {
    height: u64,
    state: BTreeMap<u8, u64>,
    record: Vec<Writes<u8, u64>>,
    /// Writes that still succeed; then one fails.
    fails_after: Option<usize>,
    fails_reads: bool,
    panics: bool,
    /// How often heights have come.
    advances: usize,
}

#[derive(Clone, Default)]
struct DiskStore(Arc<Mutex<Disk>>);

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Full;

impl DiskStore {
    fn fail_after(&self, writes: usize) {
        self.0.lock().expect("nobody panics").fails_after = Some(writes);
    }

    fn fail_reads(&self, fails: bool) {
        self.0.lock().expect("nobody panics").fails_reads = fails;
    }

    fn write(&self, write: impl FnOnce(&mut Disk)) -> Result<(), Full> {
        let mut disk = self.0.lock().expect("nobody panics");
        match &mut disk.fails_after {
            Some(0) => {
                disk.fails_after = None;
                return Err(Full);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        write(&mut disk);
        Ok(())
    }
}

impl State<u8, u64> for DiskStore {
    type Error = Full;

    fn get(&self, key: &u8) -> Result<Option<u64>, Full> {
        let disk = self.0.lock().expect("nobody panics");
        if disk.fails_reads {
            return Err(Full);
        }
        Ok(disk.state.get(key).copied())
    }

    fn range(
        &self,
        from: Bound<&u8>,
        to: Bound<&u8>,
        visit: &mut dyn FnMut(&u8, &u64) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Full> {
        let disk = self.0.lock().expect("nobody panics");
        let state: MemoryState<u8, u64> = disk.state.clone().into_iter().collect();
        drop(disk);
        state.range(from, to, visit).map_err(|never| match never {})
    }
}

impl Store<u8, u64> for DiskStore {
    fn height(&self) -> u64 {
        self.0.lock().expect("nobody panics").height
    }

    fn advance(&self, height: u64, changes: Writes<u8, u64>) -> Result<(), Full> {
        self.write(|disk| {
            disk.advances += 1;
            for (key, value) in changes {
                match value {
                    Some(value) => disk.state.insert(key, value),
                    None => disk.state.remove(&key),
                };
            }
            disk.record.drain(..(height - disk.height) as usize);
            disk.height = height;
        })
    }

    fn record(&self, height: u64, blocks: &[&[(u8, Option<u64>)]]) -> Result<(), Full> {
        let mut disk = self.0.lock().expect("nobody panics");
        let panics = std::mem::take(&mut disk.panics);
        drop(disk);
        assert!(!panics, "as it should");
        self.write(|disk| {
            disk.record.truncate((height - disk.height) as usize);
            disk.record
                .extend(blocks.iter().map(|block| block.to_vec()));
        })
    }

    fn recorded(&self) -> Result<Vec<Writes<u8, u64>>, Full> {
        Ok(self.0.lock().expect("nobody panics").record.clone())
    }
}

#[test]
fn over_memory_it_is_what_a_list_of_maps_would_be() {
    check(500, Durability::None, || {
        || MemoryStore::new(MemoryState::new())
    });
}

#[test]
fn over_a_durable_store_it_is_what_a_list_of_maps_would_be() {
    check(500, Durability::Persisted, || {
        let disk = DiskStore::default();
        move || disk.clone()
    });
}

/// Whatever write fails, nothing is lost, and asking again goes on.
#[test]
fn a_store_that_fails_loses_nothing() {
    for fails_after in 0..4 {
        let disk = DiskStore::default();
        let state = VersionedState::open(disk.clone()).expect("it is empty");
        let all_is_there = |state: &VersionedState<_, _, _>| {
            let latest = state.latest();
            (0..6).all(|key| latest.get(&key).expect("it can be read") == Some(key.into()))
        };
        for key in 0..6 {
            state.commit(changes(&[(key, Some(key.into()))]));
        }
        disk.fail_after(fails_after);
        let mut failures = 0;
        while let Err(error) = state.prune(3) {
            assert!(matches!(error, PruneError::Store(Full)), "{error}");
            assert!(all_is_there(&state));
            failures += 1;
        }
        assert_eq!(failures, usize::from(fails_after < 2));
        assert!(all_is_there(&state));
        assert_eq!(disk.height(), 3);
        while state.persist().is_err() {}
        drop(state);
        let state = VersionedState::open(disk).expect("it can be read");
        assert_eq!((state.first_height(), state.height()), (3, 6));
        assert!(all_is_there(&state));
    }
}

/// A record that failed when the chain had gone back meanwhile is not taken for the one that is there.
#[test]
fn what_was_recorded_and_reverted_is_gone_after_the_next_time() {
    let disk = DiskStore::default();
    let state = VersionedState::open(disk.clone()).expect("it is empty");
    state.commit(changes(&[(1, Some(1))]));
    state.commit(changes(&[(2, Some(2))]));
    assert_eq!(state.persist().expect("it does not fail"), 2);
    state.revert(1).expect("it is there");
    disk.fail_after(0);
    state.persist().expect_err("it fails");
    assert_eq!(state.persist().expect("it does not fail"), 1);
    drop(state);
    let state = VersionedState::open(disk).expect("it can be read");
    assert_eq!(state.height(), 1);
    assert_eq!(state.latest().get(&2).expect("it can be read"), None);
}

#[test]
fn heights_that_are_not_there_are_named() {
    let Ok(state) = VersionedState::open(MemoryStore::<u8, u64>::new(MemoryState::new()));
    let error = state.at(3).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "there is no height 3 yet: the latest is 0"
    );
    assert!(matches!(state.prune(1), Err(PruneError::Height(_))));
    state.commit(changes(&[(1, Some(1))]));
    state.prune(1).expect("it is there");
    let error = state.revert(0).expect_err("it was pruned");
    assert_eq!(
        error.to_string(),
        "height 0 is no longer there: the first is 1"
    );
}

/// Blocks that move money between accounts, so that its sum stays.
#[test]
fn readers_see_one_height_while_others_come_and_go() {
    const ACCOUNTS: u8 = 16;
    let state: MemoryState<u8, u64> = (0..ACCOUNTS).map(|key| (key, 100)).collect();
    let Ok(state) = VersionedState::open(MemoryStore::new(state));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..2 {
            let (state, is_over) = (&state, &is_over);
            scope.spawn(move || {
                let mut looks = 0;
                while !is_over.load(Ordering::Relaxed) || looks == 0 {
                    let snapshot = state.latest();
                    let mut sum = 0;
                    if reader == 0 {
                        let mut keys = 0..ACCOUNTS;
                        sum = keys.by_ref().fold(0, |sum, key| {
                            sum + snapshot.get(&key).expect("it is in memory").unwrap_or(0)
                        });
                    } else {
                        let all = (Bound::Unbounded, Bound::Unbounded);
                        let result = snapshot.range(all.0, all.1, &mut |_, value| {
                            sum += value;
                            ControlFlow::Continue(())
                        });
                        result.expect("it is in memory");
                    }
                    assert_eq!(
                        sum,
                        100 * u64::from(ACCOUNTS),
                        "height {}",
                        snapshot.height()
                    );
                    looks += 1;
                }
            });
        }
        let mut seed = 7_u64;
        for round in 0..3_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let latest = state.latest();
            let (from, to) = ((seed % 16) as u8, (seed >> 8) as u8 % 16);
            let read = |key| latest.get(&key).expect("it is in memory").unwrap_or(0);
            if from != to && read(from) > 0 {
                let writes = [(from, Some(read(from) - 1)), (to, Some(read(to) + 1))];
                if round % 10 == 0 {
                    let fork = latest.fork(changes(&writes));
                    state.adopt(&fork).expect("it is on the latest");
                } else {
                    state.commit(changes(&writes));
                }
            }
            let height = state.height();
            drop(latest);
            if round % 7 == 0 {
                let back = height
                    .saturating_sub(seed >> 20 & 3)
                    .max(state.first_height());
                state.revert(back).expect("it is there");
            }
            if round % 5 == 0 {
                state.prune(state.height()).expect("memory takes all");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// The store would say what the last block made of a key, if it could go there while somebody has read it before.
#[test]
fn what_was_prefetched_stays_right() {
    let disk = DiskStore::default();
    disk.advance(0, vec![(1, Some(1)), (2, Some(2))])
        .expect("it does not fail");
    let state = VersionedState::open(disk.clone()).expect("it can be read");
    let prefetched = state.prefetch(0..4).expect("it can be read");
    assert_eq!(prefetched.len(), 4);
    state.commit(changes(&[(1, Some(10)), (3, Some(30))]));
    let between = state.latest();
    state.commit(changes(&[(1, None), (2, Some(20))]));
    state.prune(2).expect("it does not fail");
    let latest = state.latest();
    disk.fail_reads(true);
    let read = |warm: &dyn Fn(u8) -> Option<u64>| [0, 1, 2, 3].map(warm);
    let warm = latest.with(&prefetched);
    let found = read(&|key| warm.get(&key).expect("the store is not asked"));
    assert_eq!(found, [None, None, Some(20), Some(30)]);
    let warm = between.with(&prefetched);
    let found = read(&|key| warm.get(&key).expect("the store is not asked"));
    assert_eq!(found, [None, Some(10), Some(2), Some(30)]);

    // What was in memory moves into the store, behind who has read it before.
    drop((between, prefetched));
    disk.fail_reads(false);
    let prefetched = state.prefetch(1..3).expect("it can be read");
    assert!(prefetched.is_empty());
    state.commit(changes(&[(3, None)]));
    state.prune(3).expect("it does not fail");
    let latest = state.latest();
    disk.fail_reads(true);
    let warm = latest.with(&prefetched);
    let found = [1, 2].map(|key| warm.get(&key).expect("the store is not asked"));
    assert_eq!(found, [None, Some(20)]);

    // What is of another state says nothing about this one.
    let other = VersionedState::open(DiskStore::default()).expect("it is empty");
    let other = other.latest();
    assert_eq!(
        other.with(&prefetched).get(&2).expect("it can be read"),
        None
    );
}

/// A store that panics is asked again, like one that fails.
#[test]
fn a_record_that_panicked_is_not_there() {
    crate::silence_panics("as it should");
    let disk = DiskStore::default();
    let state = VersionedState::open(disk.clone()).expect("it is empty");
    state.commit(changes(&[(1, Some(1))]));
    disk.0.lock().expect("nobody panics").panics = true;
    let persist = AssertUnwindSafe(|| state.persist());
    catch_unwind(persist).expect_err("it panics");
    assert_eq!(state.owed(), 1);
    assert_eq!(state.persist().expect("it does not fail"), 1);
    assert_eq!(state.owed(), 0);
    drop(state);
    let state = VersionedState::open(disk).expect("it can be read");
    assert_eq!(state.height(), 1);
}

/// Scans of everything, each key with its value; `meanwhile` is called in the midst.
fn scan<S: Store<u8, u64>>(
    state: &VersionedState<u8, u64, S>,
    mut meanwhile: impl FnMut(),
) -> Vec<(u8, u64)> {
    let mut found = Vec::new();
    let all = (Bound::Unbounded, Bound::Unbounded);
    let scanned = state.latest().range(all.0, all.1, &mut |key, value| {
        if found.is_empty() {
            meanwhile();
        }
        found.push((*key, *value));
        ControlFlow::Continue(())
    });
    scanned.expect("it can be read");
    found
}

/// Pruning does not wait for who scans, and so holds up nobody else either: who scans may even commit.
#[test]
fn who_scans_holds_up_nobody() {
    let disk = DiskStore::default();
    let state = VersionedState::open(disk.clone()).expect("it is empty");
    state.commit(changes(&[(1, Some(1)), (2, Some(2)), (3, Some(3))]));
    let found = scan(&state, || {
        let (ended, has_ended) = mpsc::channel();
        let other = state.clone();
        thread::spawn(move || {
            let _ = ended.send(other.prune(1));
        });
        let pruned = has_ended.recv_timeout(Duration::from_mins(1));
        let pruned = pruned.expect("pruning waits for who scans");
        pruned.expect("the disk does not fail");
        assert_eq!(state.commit(changes(&[(2, None), (4, Some(4))])), 2);
    });
    assert_eq!(found, [(1, 1), (2, 2), (3, 3)]);
    assert_eq!((state.versions(), state.owed()), (5, 2));
    state.prune(2).expect("the disk does not fail");
    assert_eq!((state.versions(), state.owed()), (0, 0));
    assert_eq!(scan(&state, || {}), [(1, 1), (3, 3), (4, 4)]);
}

/// Somebody begins to scan after the store has the heights, and before memory has forgotten them.
#[test]
fn what_is_in_the_store_is_forgotten_when_nobody_scans() {
    /// Scans while it takes heights.
    struct Scanned(DiskStore, Arc<Barrier>);
    impl State<u8, u64> for Scanned {
        type Error = Full;
        fn get(&self, key: &u8) -> Result<Option<u64>, Full> {
            self.0.get(key)
        }
        fn range(
            &self,
            from: Bound<&u8>,
            to: Bound<&u8>,
            visit: &mut dyn FnMut(&u8, &u64) -> ControlFlow<()>,
        ) -> Result<RangeSupport, Full> {
            self.0.range(from, to, visit)
        }
    }
    impl Store<u8, u64> for Scanned {
        fn height(&self) -> u64 {
            self.0.height()
        }
        fn advance(&self, height: u64, changes: Writes<u8, u64>) -> Result<(), Full> {
            self.0.advance(height, changes)?;
            // The scan begins, and goes on when the heights would be forgotten.
            self.1.wait();
            self.1.wait();
            Ok(())
        }
        fn record(&self, height: u64, blocks: &[&[(u8, Option<u64>)]]) -> Result<(), Full> {
            self.0.record(height, blocks)
        }
    }
    let (disk, barrier) = (DiskStore::default(), Arc::new(Barrier::new(2)));
    let store = Scanned(disk.clone(), Arc::clone(&barrier));
    let state = VersionedState::open(store).expect("it is empty");
    state.commit(changes(&[(1, Some(1)), (2, Some(2))]));
    let (pruned, is_pruned) = mpsc::channel();
    let other = state.clone();
    let pruning = thread::spawn(move || {
        let _ = pruned.send(other.prune(1));
        other.prune(1).expect("the disk does not fail");
    });
    barrier.wait();
    let found = scan(&state, || {
        barrier.wait();
        let pruned = is_pruned.recv_timeout(Duration::from_mins(1));
        let pruned = pruned.expect("pruning waits for who scans");
        pruned.expect("the disk does not fail");
        assert_eq!(state.versions(), 2);
        state.commit(changes(&[(2, Some(3))]));
    });
    assert_eq!(found, [(1, 1), (2, 2)]);
    pruning.join().expect("it does not panic");
    state.prune(1).expect("the disk does not fail");
    assert_eq!(state.versions(), 1);
    assert_eq!(scan(&state, || {}), [(1, 1), (2, 3)]);
    let disk = disk.0.lock().expect("nobody panics");
    assert_eq!((disk.height, disk.advances), (1, 1));
}
