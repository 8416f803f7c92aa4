//! What the store says of some keys, read before it is needed.

use std::{
    collections::HashMap,
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
    values: HashMap<K, Option<V>, RandomState>,
    /// While a snapshot is held, nothing that came after it moves into the store.
    held: Snapshot<K, V, S>,
}

impl<K, V, S> Prefetched<K, V, S> {
    /// How many values were read from the store. The others are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the store was not asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl<K, V, S> Debug for Prefetched<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetched")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl<K, V, S> VersionedState<K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    /// Reads these keys from the store, but for those whose latest values are in memory. A store on a disk is slow, and several
    /// threads can ask it at the same time, while blocks before the one that needs them execute.
    ///
    /// Snapshots that are taken later read them [with](Snapshot::with) it, whatever is committed, reverted or pruned meanwhile. As
    /// long as it is there, the blocks that come after stay in memory.
    ///
    /// # Errors
    ///
    /// If the store cannot say.
    pub fn prefetch(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Prefetched<K, V, S>, S::Error> {
        let held = self.latest();
        let mut values = HashMap::default();
        for key in keys {
            if self.is_below(&key, &held) && !values.contains_key(&key) {
                let value = self.shared.store.get(&key)?;
                values.insert(key, value);
            }
        }
        Ok(Prefetched { values, held })
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
        let below = keys.into_iter().filter(|key| self.is_below(key, &held));
        let below: Vec<_> = below.collect();
        let read = |key: K| self.shared.store.get(&key).map(|value| (key, value));
        // A store that is worth it takes longer for a read than a thread does to find the next one.
        let values: Result<Vec<_>, _> =
            readers.install(|| below.into_par_iter().map(read).collect());
        let values = values?.into_iter().collect();
        Ok(Prefetched { values, held })
    }

    /// Whether only the store knows the latest value.
    fn is_below(&self, key: &K, held: &Snapshot<K, V, S>) -> bool {
        !self.shared.index.look(key, held.stamp()).is_known()
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
        let prefetched = self.prefetched.and_then(|found| found.values.get(key));
        match prefetched {
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
