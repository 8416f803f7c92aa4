//! The versions of each key, by stamp.

use std::{collections::BTreeSet, hash::Hash, ops::Bound};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use smallvec::SmallVec;

use crate::execute::Known;

/// What a block made of a key.
struct Version<V> {
    /// The stamp of the block.
    born: u64,
    /// From this stamp on it is no more: the block was reverted.
    dead: u64,
    value: Option<V>,
}

/// Stamps do not come so far.
const NEVER: u64 = u64::MAX;

/// By stamp.
type Versions<V> = SmallVec<[Version<V>; 1]>;

pub(super) struct Index<K, V> {
    versions: DashMap<K, Versions<V>, RandomState>,
    /// All keys that have versions, and some that had, in their order: for range scans, so only once there was one.
    ordered: RwLock<Option<BTreeSet<K>>>,
    /// Held by scans: what they have not seen in the store yet must not be forgotten here behind them.
    scanning: RwLock<()>,
}

/// While it is there, scans wait.
pub(super) struct Unscanned<'a>(
    #[expect(dead_code, reason = "it is held")] RwLockWriteGuard<'a, ()>,
);

impl<K: Ord + Hash + Clone, V: Clone> Index<K, V> {
    pub(super) fn new() -> Self {
        Self {
            versions: DashMap::with_hasher(RandomState::default()),
            ordered: RwLock::new(None),
            scanning: RwLock::new(()),
        }
    }

    pub(super) fn versions(&self) -> usize {
        self.versions.iter().map(|entry| entry.value().len()).sum()
    }

    /// What a stamp sees of a key; `Known::No` if that is in the store. O(log versions of the key), and the reverted ones
    /// among them.
    pub(super) fn look(&self, key: &K, stamp: u64) -> Known<V> {
        let Some(versions) = self.versions.get(key) else {
            return Known::No;
        };
        let end = versions.partition_point(|version| version.born <= stamp);
        let mut before = versions[..end].iter().rev();
        match before.find(|version| stamp < version.dead) {
            Some(version) => Known::of(version.value.clone()),
            None => Known::No,
        }
    }

    /// The first key of a range, which is not empty, that has versions or had some.
    pub(super) fn next(&self, range: (Bound<&K>, Bound<&K>)) -> Option<K> {
        let next = |ordered: &BTreeSet<K>| ordered.range::<K, _>(range).next().cloned();
        if let Some(ordered) = &*self.ordered.read_recursive() {
            return next(ordered);
        }
        // Who adds or forgets a key does so among the versions first, and then here: either it is found now, or this is waited
        // for. Nobody waits for this with a part of the versions locked.
        let mut ordered = self.ordered.write();
        let keys = || self.versions.iter().map(|entry| entry.key().clone());
        next(ordered.get_or_insert_with(|| keys().collect()))
    }

    /// As long as this is held, nothing is forgotten because the store has it.
    pub(super) fn scan(&self) -> RwLockReadGuard<'_, ()> {
        self.scanning.read_recursive()
    }

    /// Adds what a block made of its keys, which nobody sees before its stamp is given out.
    pub(super) fn begin(&self, stamp: u64, changes: &[(K, Option<V>)]) {
        for (key, value) in changes {
            let mut versions = self.versions.entry(key.clone()).or_default();
            let is_first = versions.is_empty();
            versions.push(Version {
                born: stamp,
                dead: NEVER,
                value: value.clone(),
            });
            drop(versions);
            if is_first && let Some(ordered) = &mut *self.ordered.write() {
                ordered.insert(key.clone());
            }
        }
    }

    /// Ends what the block of stamp `born` made of these keys: later stamps do not see it.
    pub(super) fn end(&self, born: u64, dead: u64, changes: &[(K, Option<V>)]) {
        for (key, _) in changes {
            if let Some(mut versions) = self.versions.get_mut(key) {
                let ended = versions.iter_mut().find(|version| version.born == born);
                if let Some(version) = ended {
                    version.dead = dead;
                }
            }
        }
    }

    /// Forgets what ended, which nobody sees any more.
    pub(super) fn bury(&self, born: u64, dead: u64, changes: &[(K, Option<V>)]) {
        let is_buried = |version: &Version<V>| version.born == born && version.dead == dead;
        self.forget(changes, is_buried);
    }

    /// The right to [settle](Self::settle), unless somebody scans: nobody waits for what others do while they scan.
    pub(super) fn unscanned(&self) -> Option<Unscanned<'_>> {
        self.scanning.try_write().map(Unscanned)
    }

    /// Forgets what the blocks up to a stamp made of these keys: the store has it now.
    pub(super) fn settle(&self, _: &Unscanned<'_>, stamp: u64, changes: &[(K, Option<V>)]) {
        self.forget(changes, |version| {
            version.born <= stamp && version.dead == NEVER
        });
    }

    fn forget(&self, changes: &[(K, Option<V>)], is_gone: impl Fn(&Version<V>) -> bool) {
        for (key, _) in changes {
            let Some(mut versions) = self.versions.get_mut(key) else {
                continue;
            };
            versions.retain(|version| !is_gone(version));
            let is_empty = versions.is_empty();
            drop(versions);
            // One thread writes, so nothing comes in between.
            if is_empty {
                self.versions.remove(key);
                if let Some(ordered) = &mut *self.ordered.write() {
                    ordered.remove(key);
                }
            }
        }
    }
}
