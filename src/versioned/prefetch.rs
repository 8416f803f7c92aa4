//! What the store says of some keys, or will say, read before it is needed.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::{self, Debug},
    hash::Hash,
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::{Snapshot, VersionedState, store::Store};
use crate::{
    state::{RangeSupport, State},
    value::Value,
};

/// What the [`Store`] says of some keys: [`VersionedState::prefetch`]. It is good for every height that is read while it is there,
/// because the store keeps what it says until then.
pub struct Prefetched<K, V, S> {
    values: HashMap<K, Found<V>, RandomState>,
    /// How many of them the store was asked for.
    read: usize,
    /// While a snapshot is held, nothing that came after it moves into the store.
    held: Snapshot<K, V, S>,
}

struct Found<V> {
    value: Option<V>,
    /// Then it is as good as the store's once it has moved there, and not before.
    was_in_memory: bool,
}

impl<K, V, S> Prefetched<K, V, S> {
    /// How many values were read from the store. The others were in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read
    }

    /// Whether the store was not asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read == 0
    }
}

impl<K, V, S> Debug for Prefetched<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetched")
            .field("values", &self.values.len())
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl<K, V, S> VersionedState<K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    /// Reads these keys from the store, but for those whose latest values are in memory: these are remembered, as they may move
    /// into the store. A store on a disk is slow, and several
    /// threads can ask it at the same time, while blocks before the one that needs them execute.
    ///
    /// Snapshots that are taken later read them [with](Snapshot::with) it, whatever is committed, reverted or pruned meanwhile. As
    /// long as it is there, the blocks that come after stay in memory.
    ///
    /// # Errors
    ///
    /// If the store cannot say.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::testkit::histories::changes;
    /// use pleach::{MemoryState, MemoryStore, State, VersionedState};
    ///
    /// let state = VersionedState::open(MemoryStore::new(MemoryState::<u8, u64>::new()))?;
    /// let prefetched = state.prefetch([7, 8])?;
    /// assert_eq!(prefetched.len(), 2);
    /// state.commit(changes(&[(7, Some(1))]));
    /// let latest = state.latest();
    /// assert_eq!(latest.with(&prefetched).get(&7)?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prefetch(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Prefetched<K, V, S>, S::Error> {
        let held = self.latest();
        let mut values = HashMap::default();
        for key in keys {
            if let Entry::Vacant(entry) = values.entry(key) {
                let found = self.find(entry.key(), &held)?;
                entry.insert(found);
            }
        }
        Ok(Prefetched::new(values, held))
    }

    /// The same, on all threads of `readers` at the same time. Each key is there once.
    #[cfg(feature = "pipeline")]
    pub(crate) fn prefetch_on(
        &self,
        readers: &rayon::ThreadPool,
        keys: Vec<K>,
    ) -> Result<Prefetched<K, V, S>, S::Error>
    where
        S: Sync,
    {
        use rayon::prelude::*;

        let held = self.latest();
        // Those in memory take no longer than the threads would to share them.
        let (mut below, mut values) = (Vec::new(), HashMap::default());
        for key in keys {
            match self.in_memory(&key, &held) {
                Some(found) => drop(values.insert(key, found)),
                None => below.push(key),
            }
        }
        let read = |key: K| self.read(&key).map(|found| (key, found));
        let read = || below.into_par_iter().map(read).collect();
        let read: Result<Vec<_>, _> = readers.install(read);
        values.extend(read?);
        Ok(Prefetched::new(values, held))
    }

    fn find(&self, key: &K, held: &Snapshot<K, V, S>) -> Result<Found<V>, S::Error> {
        let found = self.in_memory(key, held);
        found.map_or_else(|| self.read(key), Ok)
    }

    /// None if only the store knows the latest value.
    fn in_memory(&self, key: &K, held: &Snapshot<K, V, S>) -> Option<Found<V>> {
        let known = self.shared.index.look(key, held.stamp());
        known.is_known().then(|| Found {
            value: known.into_option(),
            was_in_memory: true,
        })
    }

    fn read(&self, key: &K) -> Result<Found<V>, S::Error> {
        let value = self.shared.store.get(key)?;
        Ok(Found {
            value,
            was_in_memory: false,
        })
    }
}

impl<K, V, S> Prefetched<K, V, S>
where
    K: Ord + Hash + Clone,
    V: Value,
{
    fn new(values: HashMap<K, Found<V>, RandomState>, held: Snapshot<K, V, S>) -> Self {
        let read = values.values().filter(|found| !found.was_in_memory).count();
        Self { values, read, held }
    }

    /// What the store says of a key that is not in memory for who asks, if that is known here.
    fn below(&self, key: &K) -> Option<&Option<V>> {
        let found = self.values.get(key)?;
        // What was in memory has moved into the store, or it is still there, and who asks does not see it: they came before it,
        // or after it was reverted. Meanwhile nothing that came after it has moved.
        let is_of_store = !found.was_in_memory || {
            let index = &self.held.shared().index;
            !index.look(key, self.held.stamp()).is_known()
        };
        is_of_store.then_some(&found.value)
    }
}

impl<K, V, S> Snapshot<K, V, S> {
    /// This snapshot, which takes from there what would come from the store. If that is of another state, it is not looked at.
    #[must_use]
    pub fn with<'a>(&'a self, prefetched: &'a Prefetched<K, V, S>) -> Warm<'a, K, V, S> {
        let is_of_this = prefetched.held.is_of(self.shared());
        Warm {
            snapshot: self,
            prefetched: is_of_this.then_some(prefetched),
        }
    }
}

/// A [`Snapshot`] with what was [prefetched](VersionedState::prefetch).
pub struct Warm<'a, K, V, S> {
    snapshot: &'a Snapshot<K, V, S>,
    prefetched: Option<&'a Prefetched<K, V, S>>,
}

impl<K, V, S> Debug for Warm<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("snapshot", &self.snapshot)
            .field("prefetched", &self.prefetched)
            .finish()
    }
}

impl<K, V, S> State<K, V> for Warm<'_, K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    type Error = S::Error;

    fn get(&self, key: &K) -> Result<Option<V>, S::Error> {
        let shared: &Arc<_> = self.snapshot.shared();
        let known = shared.index.look(key, self.snapshot.stamp());
        if known.is_known() {
            return Ok(known.into_option());
        }
        match self.prefetched.and_then(|found| found.below(key)) {
            Some(value) => Ok(value.clone()),
            None => shared.store.get(key),
        }
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, S::Error> {
        self.snapshot.range(from, to, visit)
    }
}
