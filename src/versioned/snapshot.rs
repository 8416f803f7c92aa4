//! The state at one height.

use std::{
    error::Error,
    fmt::{self, Debug},
    hash::Hash,
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use super::{Fork, Shared, store::Store};
use crate::{
    execute::{Trouble, merge},
    state::{Changes, RangeSupport, State, is_empty_range},
    value::Value,
};

/// The state as the block of one height left it, until it is dropped: whatever is committed, reverted or pruned meanwhile.
///
/// It is a [`State`], so blocks can be executed on it. Clones share it. A read takes O(log versions of the key) if
/// the key was changed above the [`Store`], and what the store takes otherwise.
pub struct Snapshot<K, V, S> {
    shared: Arc<Shared<K, V, S>>,
    height: u64,
    stamp: u64,
}

impl<K, V, S> Snapshot<K, V, S> {
    /// What is `held` for it already.
    pub(super) fn new(shared: Arc<Shared<K, V, S>>, height: u64, stamp: u64) -> Self {
        Self {
            shared,
            height,
            stamp,
        }
    }

    /// The height of the block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.height
    }

    pub(super) fn stamp(&self) -> u64 {
        self.stamp
    }

    pub(super) fn shared(&self) -> &Arc<Shared<K, V, S>> {
        &self.shared
    }

    pub(super) fn is_of(&self, shared: &Arc<Shared<K, V, S>>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }
}

impl<K, V, S> Snapshot<K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    /// A block on top of this one, beside those of the chain.
    #[must_use]
    pub fn fork(&self, changes: Changes<K, V>) -> Fork<K, V, S> {
        Fork::new(self.clone(), changes)
    }
}

impl<K, V, S> Clone for Snapshot<K, V, S> {
    fn clone(&self) -> Self {
        self.shared.chain.lock().hold_stamp(self.stamp);
        Self::new(Arc::clone(&self.shared), self.height, self.stamp)
    }
}

impl<K, V, S> Drop for Snapshot<K, V, S> {
    fn drop(&mut self) {
        self.shared.chain.lock().release(self.stamp);
    }
}

impl<K, V, S> Debug for Snapshot<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

impl<K, V, S> State<K, V> for Snapshot<K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    type Error = S::Error;

    fn get(&self, key: &K) -> Result<Option<V>, S::Error> {
        self.shared.get(key, self.stamp)
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, S::Error> {
        if is_empty_range(from, to) {
            return Ok(RangeSupport::Visited);
        }
        let index = &self.shared.index;
        let _nothing_moves = index.scan();
        let mut next = index.next((from, to));
        let versions = std::iter::from_fn(|| {
            let key = next.take()?;
            let rest = (Bound::Excluded(&key), to);
            if !is_empty_range(rest.0, rest.1) {
                next = index.next(rest);
            }
            let known = index.look(&key, self.stamp);
            Some((key, known))
        });
        outcome(merge(&self.shared.store, (from, to), versions, visit))
    }
}

/// What a scan comes to: what goes wrong is the state's own.
pub(super) fn outcome<E: Error + 'static>(merged: Result<(), Trouble>) -> Result<RangeSupport, E> {
    match merged {
        Ok(()) => Ok(RangeSupport::Visited),
        Err(Trouble::State(error)) => {
            let error = error.downcast().unwrap_or_else(|error| {
                unreachable!("the state below has one kind of error, not {error}")
            });
            Err(*error)
        }
        Err(_) => Ok(RangeSupport::Unsupported),
    }
}
