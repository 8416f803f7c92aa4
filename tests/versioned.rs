//! States by height against a list of whole maps: whatever is committed, reverted, adopted, pruned and held, in any order.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use pleach::{
    Block, Changes, Executor, Fork, HeightError, MemoryState, MemoryStore, Orphaned, PruneError,
    SerialExecutor, Snapshot, State, VersionedState,
    testkit::{Program, ProgramVm, Step},
};
use proptest::{prelude::*, test_runner::TestRunner};

type Store = MemoryStore<u8, u64>;
type Map = BTreeMap<u8, u64>;

/// What a block of puts and deletes changes.
fn changes(writes: &[(u8, Option<u64>)]) -> Changes<u8, u64> {
    let steps = writes.iter().map(|(key, value)| match value {
        Some(value) => Step::Put(*key, *value),
        None => Step::Delete(*key),
    });
    let programs = [Program::new(steps.collect::<Vec<_>>())];
    let state = MemoryState::new();
    let outcome = SerialExecutor::new().execute(Block::new(&ProgramVm, &state, &programs));
    outcome.expect("nothing fails").changes
}

fn apply(map: &Map, writes: &[(u8, Option<u64>)]) -> Map {
    let mut map = map.clone();
    for (key, value) in writes {
        match value {
            Some(value) => map.insert(*key, *value),
            None => map.remove(key),
        };
    }
    map
}

/// All that a state says, key by key and in ranges.
fn is(state: &impl State<u8, u64>, expected: &Map) -> Result<(), TestCaseError> {
    for key in 0..=KEYS {
        let found = state.get(&key).expect("it is in memory");
        prop_assert_eq!(found.as_ref(), expected.get(&key), "key {}", key);
    }
    for range in [
        (Bound::Unbounded, Bound::Unbounded),
        (Bound::Excluded(2), Bound::Included(6)),
        (Bound::Included(5), Bound::Excluded(5)),
    ] {
        let mut found = Vec::new();
        state
            .range(range.0.as_ref(), range.1.as_ref(), &mut |key, value| {
                found.push((*key, *value));
                ControlFlow::Continue(())
            })
            .expect("it is in memory");
        let all = expected.iter().map(|(key, value)| (*key, *value));
        let inside = all.filter(|(key, _)| std::ops::RangeBounds::<u8>::contains(&range, key));
        prop_assert_eq!(found, inside.collect::<Vec<_>>(), "{:?}", range);
    }
    Ok(())
}

const KEYS: u8 = 8;

#[derive(Clone, Debug)]
enum Act {
    Commit(Vec<(u8, Option<u64>)>),
    Revert(usize),
    Prune(usize),
    Hold(usize),
    Release(usize),
    /// On top of a snapshot, or of another fork.
    Fork(usize, Vec<(u8, Option<u64>)>),
    Adopt(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let writes = || prop::collection::vec((0..=KEYS, prop::option::of(0..100_u64)), 0..5);
    let act = prop_oneof![
        6 => writes().prop_map(Act::Commit),
        2 => (0..6_usize).prop_map(Act::Revert),
        2 => (0..6_usize).prop_map(Act::Prune),
        3 => (0..6_usize).prop_map(Act::Hold),
        3 => any::<usize>().prop_map(Act::Release),
        3 => (any::<usize>(), writes()).prop_map(|(on, writes)| Act::Fork(on, writes)),
        1 => any::<usize>().prop_map(Act::Adopt),
    ];
    prop::collection::vec(act, 1..40)
}

/// What should be.
struct Model {
    /// The heights that can be read, of which the first has this number.
    first: u64,
    heights: Vec<Map>,
    /// Names blocks, so that a block is not taken for another one of its height.
    names: Vec<u64>,
    next: u64,
}

impl Model {
    fn latest(&self) -> u64 {
        self.first + self.heights.len() as u64 - 1
    }

    fn push(&mut self, map: Map) {
        self.heights.push(map);
        self.next += 1;
        self.names.push(self.next);
    }

    fn truncate(&mut self, height: u64) {
        let count = (height - self.first) as usize + 1;
        self.heights.truncate(count);
        self.names.truncate(count);
    }
}

/// A snapshot, what it should be, and the name of its block.
type Held = (Snapshot<u8, u64, Store>, Map, u64);

/// A fork, what each of its blocks should be, and the height and the name of the block that it is on.
type Forked = (Fork<u8, u64, Store>, Vec<Map>, u64, u64);

/// Every height, every snapshot and every fork is what it should be.
fn all_are(
    state: &VersionedState<u8, u64, Store>,
    model: &Model,
    held: &[Held],
    forks: &[Forked],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(state.height(), model.latest());
    for (map, height) in model.heights.iter().zip(model.first..) {
        is(&state.at(height).expect("it is there"), map)?;
    }
    for (snapshot, map, _) in held {
        is(snapshot, map)?;
    }
    for (fork, maps, height, _) in forks {
        prop_assert_eq!(fork.height(), height + maps.len() as u64);
        is(fork, maps.last().expect("there is one"))?;
    }
    Ok(())
}

fn run(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let state = VersionedState::new(MemoryStore::new(MemoryState::new()));
    let mut model = Model {
        first: 0,
        heights: vec![Map::new()],
        names: vec![0],
        next: 0,
    };
    let mut held: Vec<Held> = Vec::new();
    let mut forks: Vec<Forked> = Vec::new();
    for act in acts {
        // Counted from the latest height.
        let height = |back: usize| model.latest().saturating_sub(back as u64);
        match act {
            Act::Commit(writes) => {
                let map = apply(model.heights.last().expect("there is one"), &writes);
                model.push(map);
                prop_assert_eq!(state.commit(changes(&writes)), model.latest());
            }
            Act::Revert(back) => {
                let height = height(back);
                let result = state.revert(height);
                if height < model.first {
                    let first = model.first;
                    prop_assert_eq!(result, Err(HeightError::Pruned { height, first }));
                } else {
                    prop_assert_eq!(result, Ok(()));
                    model.truncate(height);
                }
            }
            Act::Prune(back) => {
                let height = height(back);
                state.prune(height).expect("memory takes all");
                let gone = height.saturating_sub(model.first) as usize;
                model.heights.drain(..gone);
                model.names.drain(..gone);
                model.first = model.first.max(height);
                prop_assert_eq!(state.first_height(), model.first);
            }
            Act::Hold(back) => {
                let height = height(back);
                match state.at(height) {
                    Ok(snapshot) => {
                        let place = (height - model.first) as usize;
                        let map = model.heights[place].clone();
                        held.push((snapshot, map, model.names[place]));
                    }
                    Err(error) => {
                        let first = model.first;
                        prop_assert_eq!(error, HeightError::Pruned { height, first });
                    }
                }
            }
            Act::Release(which) if !held.is_empty() => {
                let which = which % held.len();
                drop(held.swap_remove(which));
            }
            Act::Fork(on, writes) => {
                let bases = held.len() + forks.len();
                let Some(on) = on.checked_rem(bases) else {
                    continue;
                };
                let forked = if let Some((snapshot, map, name)) = held.get(on) {
                    let fork = snapshot.fork(changes(&writes));
                    (fork, vec![apply(map, &writes)], snapshot.height(), *name)
                } else {
                    let (fork, maps, height, name) = &forks[on - held.len()];
                    let mut maps = maps.clone();
                    maps.push(apply(maps.last().expect("there is one"), &writes));
                    (fork.fork(changes(&writes)), maps, *height, *name)
                };
                forks.push(forked);
            }
            Act::Adopt(which) if !forks.is_empty() => {
                let (fork, maps, height, name) = &forks[which % forks.len()];
                let place = height.checked_sub(model.first);
                let found = place.and_then(|place| model.names.get(place as usize));
                if found == Some(name) {
                    model.truncate(*height);
                    for map in maps {
                        model.push(map.clone());
                    }
                    prop_assert_eq!(state.adopt(fork), Ok(model.latest()));
                } else {
                    prop_assert_eq!(state.adopt(fork), Err(Orphaned { height: *height }));
                }
            }
            Act::Release(_) | Act::Adopt(_) => {}
        }
        all_are(&state, &model, &held, &forks)?;
    }
    // When nobody reads anything old any more, nothing old is left.
    held.clear();
    forks.clear();
    state.prune(state.height()).expect("memory takes all");
    prop_assert_eq!(state.versions(), 0);
    is(&state.latest(), model.heights.last().expect("there is one"))
}

#[test]
fn it_is_what_a_list_of_maps_would_be() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(600));
    runner
        .run(&acts(), run)
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn heights_that_are_not_there_are_named() {
    let state = VersionedState::new(MemoryStore::<u8, u64>::new(MemoryState::new()));
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
    let state = VersionedState::new(MemoryStore::new(state));
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
