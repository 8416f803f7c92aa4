//! Whatever is committed, reverted, adopted, pruned, persisted, prefetched and held, in any order: a [`VersionedState`] over a
//! store is what a list of whole maps would be.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow, RangeBounds},
};

use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    Changes, Fork, HeightError, Orphaned, Prefetched, Snapshot, State, Store, VersionedState,
    value::Value,
};

/// What a store has left when it is opened again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing: it ends with the process.
    None,
    /// What was persisted.
    Persisted,
}

/// Runs so many random histories over a store, which has room for any `u8` and `u64`.
///
/// `place` gives a new place for a store, and what it gives opens the store there: once, or again and again if it is durable.
/// Others have ended with it by then.
///
/// # Panics
///
/// If the state is not what it should be: with the shortest history that shows it, as proptest finds it.
///
/// # Examples
///
/// ```
/// use pleach::testkit::histories::{Durability, check};
/// use pleach::{MemoryState, MemoryStore};
///
/// check(10, Durability::None, || || MemoryStore::new(MemoryState::new()));
/// ```
pub fn check<S: Store<u8, u64>, O: FnMut() -> S>(
    cases: u32,
    durability: Durability,
    place: impl Fn() -> O,
) {
    let mut runner = TestRunner::new(ProptestConfig {
        // A library has no folder for the histories that failed.
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    });
    let result = runner.run(&acts(), |acts| {
        let mut history = History::new(place());
        for act in acts {
            history.act(act, durability)?;
            history.is_right()?;
        }
        history.ends()
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// What a block changes that sets these keys, or makes them absent; of those that come twice, the last one counts.
pub fn changes<K: Ord + Clone, V: Value>(writes: &[(K, Option<V>)]) -> Changes<K, V> {
    let writes: BTreeMap<K, Option<V>> = writes.iter().cloned().collect();
    Changes::from_unsorted(writes.into_iter().collect())
}

type Map = BTreeMap<u8, u64>;
type Writes = crate::Writes<u8, u64>;

const KEYS: u8 = 8;

#[derive(Clone, Debug)]
enum Act {
    Commit(Writes),
    /// Heights are counted back from the latest.
    Revert(u64),
    Prune(u64),
    Persist,
    Reopen,
    Hold(u64),
    Release(usize),
    /// On top of a snapshot, or of another fork.
    Fork(usize, Writes),
    Adopt(usize),
    Prefetch(Vec<u8>),
    Forget(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let writes = || prop::collection::vec((0..=KEYS, prop::option::of(0..100_u64)), 0..5);
    let act = prop_oneof![
        6 => writes().prop_map(Act::Commit),
        2 => (0..6_u64).prop_map(Act::Revert),
        2 => (0..6_u64).prop_map(Act::Prune),
        2 => Just(Act::Persist),
        1 => Just(Act::Reopen),
        3 => (0..6_u64).prop_map(Act::Hold),
        3 => any::<usize>().prop_map(Act::Release),
        3 => (any::<usize>(), writes()).prop_map(|(on, writes)| Act::Fork(on, writes)),
        1 => any::<usize>().prop_map(Act::Adopt),
        2 => prop::collection::vec(0..=KEYS, 0..6).prop_map(Act::Prefetch),
        1 => any::<usize>().prop_map(Act::Forget),
    ];
    prop::collection::vec(act, 1..40)
}

fn apply(map: &Map, writes: &Writes) -> Map {
    let mut map = map.clone();
    for (key, value) in writes {
        match value {
            Some(value) => map.insert(*key, *value),
            None => map.remove(key),
        };
    }
    map
}

/// All that a state says, key by key and in ranges, is as in this map.
fn is(state: &impl State<u8, u64>, expected: &Map) -> Result<(), TestCaseError> {
    has(state, expected)?;
    for range in [
        (Bound::Unbounded, Bound::Unbounded),
        (Bound::Excluded(2), Bound::Included(6)),
        (Bound::Included(5), Bound::Excluded(5)),
        (Bound::Excluded(5), Bound::Excluded(5)),
        (Bound::Included(7), Bound::Included(1)),
    ] {
        let mut found = Vec::new();
        let (from, to) = (range.0.as_ref(), range.1.as_ref());
        let visited = state.range(from, to, &mut |key, value| {
            found.push((*key, *value));
            ControlFlow::Continue(())
        });
        visited.map_err(failed)?;
        let all = expected.iter().map(|(key, value)| (*key, *value));
        let inside = all.filter(|(key, _)| RangeBounds::<u8>::contains(&range, key));
        prop_assert_eq!(found, inside.collect::<Vec<_>>(), "{:?}", range);
    }
    let mut first = None;
    let all = (Bound::Unbounded, Bound::Unbounded);
    let visited = state.range(all.0, all.1, &mut |key, _| {
        first = Some(*key);
        ControlFlow::Break(())
    });
    visited.map_err(failed)?;
    prop_assert_eq!(first, expected.keys().next().copied(), "scans that break");
    Ok(())
}

/// All that a state says, key by key.
fn has(state: &impl State<u8, u64>, expected: &Map) -> Result<(), TestCaseError> {
    for key in 0..=KEYS {
        let found = state.get(&key).map_err(failed)?;
        prop_assert_eq!(found.as_ref(), expected.get(&key), "key {}", key);
    }
    Ok(())
}

fn failed(error: impl std::error::Error) -> TestCaseError {
    TestCaseError::fail(format!("the store failed: {error:?}"))
}

/// A block of the chain: what the state is after it, and a name, so that it is not taken for another one of its height.
type Link = (Map, u64);

/// A fork, what each of its blocks should be, and the height and the name of the block that it is on.
type Forked<S> = (Fork<u8, u64, S>, Vec<Map>, u64, u64);

/// A state, and what it should be.
struct History<S: Store<u8, u64>, O> {
    open: O,
    state: Option<VersionedState<u8, u64, S>>,
    /// By height; those below `first` cannot be read.
    links: Vec<Link>,
    first: u64,
    /// What is found when the store is opened again.
    persisted: Vec<Link>,
    names: u64,
    held: Vec<(Snapshot<u8, u64, S>, Link)>,
    forks: Vec<Forked<S>>,
    prefetched: Vec<Prefetched<u8, u64, S>>,
}

impl<S: Store<u8, u64>, O: FnMut() -> S> History<S, O> {
    fn new(mut open: O) -> Self {
        let state = VersionedState::open(open()).expect("a new store opens");
        let genesis = vec![(Map::new(), 0)];
        Self {
            open,
            state: Some(state),
            links: genesis.clone(),
            first: 0,
            persisted: genesis,
            names: 0,
            held: Vec::new(),
            forks: Vec::new(),
            prefetched: Vec::new(),
        }
    }

    fn state(&self) -> &VersionedState<u8, u64, S> {
        self.state.as_ref().expect("it is closed only to be opened")
    }

    fn latest(&self) -> u64 {
        self.links.len() as u64 - 1
    }

    fn last(&self) -> &Map {
        let (map, _) = self.links.last().expect("there is a genesis");
        map
    }

    fn push(&mut self, map: Map) {
        self.names += 1;
        self.links.push((map, self.names));
    }

    fn act(&mut self, act: Act, durability: Durability) -> Result<(), TestCaseError> {
        let first = self.first;
        let height = |back: u64| self.latest().saturating_sub(back);
        match act {
            Act::Commit(writes) => {
                self.push(apply(self.last(), &writes));
                prop_assert_eq!(self.state().commit(changes(&writes)), self.latest());
            }
            Act::Revert(back) => {
                let height = height(back);
                let result = self.state().revert(height);
                if height < first {
                    prop_assert_eq!(result, Err(HeightError::Pruned { height, first }));
                } else {
                    prop_assert_eq!(result, Ok(()));
                    self.links.truncate(height as usize + 1);
                }
            }
            Act::Prune(back) => {
                let height = height(back);
                self.state().prune(height).map_err(failed)?;
                self.first = first.max(height);
                prop_assert_eq!(self.state().first_height(), self.first);
                self.persisted.clone_from(&self.links);
            }
            Act::Persist => {
                let height = self.state().persist().map_err(failed)?;
                prop_assert_eq!(height, self.latest());
                self.persisted.clone_from(&self.links);
            }
            Act::Reopen if durability == Durability::Persisted => self.reopen()?,
            Act::Hold(back) => {
                let height = height(back);
                match self.state().at(height) {
                    Ok(snapshot) => {
                        let link = self.links[height as usize].clone();
                        self.held.push((snapshot, link));
                    }
                    Err(error) => {
                        prop_assert_eq!(error, HeightError::Pruned { height, first });
                    }
                }
            }
            Act::Release(which) if !self.held.is_empty() => {
                let which = which % self.held.len();
                drop(self.held.swap_remove(which));
            }
            Act::Fork(on, writes) => self.fork(on, &writes),
            Act::Adopt(which) if !self.forks.is_empty() => self.adopt(which % self.forks.len())?,
            Act::Prefetch(keys) => {
                let prefetched = self.state().prefetch(keys).map_err(failed)?;
                self.prefetched.push(prefetched);
            }
            Act::Forget(which) if !self.prefetched.is_empty() => {
                let which = which % self.prefetched.len();
                drop(self.prefetched.swap_remove(which));
            }
            Act::Reopen | Act::Release(_) | Act::Adopt(_) | Act::Forget(_) => {}
        }
        Ok(())
    }

    fn let_go(&mut self) {
        self.held.clear();
        self.forks.clear();
        self.prefetched.clear();
    }

    fn reopen(&mut self) -> Result<(), TestCaseError> {
        self.let_go();
        self.state = None;
        let state = VersionedState::open((self.open)()).map_err(failed)?;
        // A height is pruned for good when nobody holds a snapshot from before.
        prop_assert!(state.first_height() <= self.first);
        self.first = state.first_height();
        self.links.clone_from(&self.persisted);
        self.state = Some(state);
        Ok(())
    }

    fn fork(&mut self, on: usize, writes: &Writes) {
        let Some(on) = on.checked_rem(self.held.len() + self.forks.len()) else {
            return;
        };
        let forked = if let Some((snapshot, (map, name))) = self.held.get(on) {
            let fork = snapshot.fork(changes(writes));
            (fork, vec![apply(map, writes)], snapshot.height(), *name)
        } else {
            let (fork, maps, height, name) = &self.forks[on - self.held.len()];
            let mut maps = maps.clone();
            maps.push(apply(maps.last().expect("there is one"), writes));
            (fork.fork(changes(writes)), maps, *height, *name)
        };
        self.forks.push(forked);
    }

    fn adopt(&mut self, which: usize) -> Result<(), TestCaseError> {
        let (fork, maps, height, name) = &self.forks[which];
        let (result, maps, height) = (self.state().adopt(fork), maps.clone(), *height);
        let base = self.links.get(height as usize);
        let is_there = height >= self.first && base.is_some_and(|(_, base)| base == name);
        if is_there {
            self.links.truncate(height as usize + 1);
            for map in maps {
                self.push(map);
            }
            prop_assert_eq!(result, Ok(self.latest()));
        } else {
            prop_assert_eq!(result, Err(Orphaned { height }));
        }
        Ok(())
    }

    /// Every height, every snapshot and every fork is what it should be.
    fn is_right(&self) -> Result<(), TestCaseError> {
        let state = self.state();
        prop_assert_eq!(state.height(), self.latest());
        for (height, (map, _)) in (0..).zip(&self.links).skip(self.first as usize) {
            self.sees(&state.at(height).map_err(failed)?, map)?;
        }
        for (snapshot, (map, _)) in &self.held {
            self.sees(snapshot, map)?;
        }
        for (fork, maps, height, _) in &self.forks {
            prop_assert_eq!(fork.height(), height + maps.len() as u64);
            is(fork, maps.last().expect("there is one"))?;
        }
        Ok(())
    }

    /// A snapshot is as in this map, and with whatever was prefetched too.
    fn sees(&self, snapshot: &Snapshot<u8, u64, S>, expected: &Map) -> Result<(), TestCaseError> {
        is(snapshot, expected)?;
        let mut warm = self.prefetched.iter().map(|it| snapshot.with(it));
        warm.try_for_each(|warm| has(&warm, expected))
    }

    /// When nobody reads anything old any more, nothing old is left.
    fn ends(mut self) -> Result<(), TestCaseError> {
        self.let_go();
        let state = self.state();
        state.prune(state.height()).map_err(failed)?;
        prop_assert_eq!(state.versions(), 0);
        is(&state.latest(), self.last())
    }
}
