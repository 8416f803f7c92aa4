//! Blocks beside the chain.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    hash::Hash,
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use super::{
    Shared, Written,
    snapshot::{Snapshot, outcome},
    store::Store,
};
use crate::{
    execute::{Known, merge},
    state::{Changes, RangeSupport, State, is_empty_range},
    value::Value,
};

/// Some blocks on top of one of the chain, that are not part of it: several children of one block can be executed and kept
/// until one is [adopted](super::VersionedState::adopt); the others end when they are dropped.
///
/// It is a [`State`]: the one after its last block. A read takes O(log changes of the fork) more than one of the
/// [`Snapshot`] below.
///
/// # Examples
///
/// ```
/// use pleach::testkit::histories::changes;
/// use pleach::{MemoryState, MemoryStore, State, VersionedState};
///
/// let state = VersionedState::open(MemoryStore::new(MemoryState::<u8, u64>::new()))?;
/// state.commit(changes(&[(7, Some(1))]));
/// let (one, two) = (state.latest().fork(changes(&[(7, Some(2))])), state.latest().fork(changes(&[(7, None)])));
/// assert_eq!((one.get(&7)?, two.get(&7)?), (Some(2), None));
/// assert_eq!((one.height(), state.height()), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fork<K, V, S> {
    base: Snapshot<K, V, S>,
    /// What each block changed, the first one first.
    blocks: Vec<Written<K, V>>,
    /// What they come to.
    changed: BTreeMap<K, Known<V>>,
}

/// A fork began on a block that is no longer part of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the block of height {height} that the fork began on is no longer part of the chain")]
pub struct Orphaned {
    /// The height of that block.
    pub height: u64,
}

impl<K, V, S> Fork<K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    pub(super) fn new(base: Snapshot<K, V, S>, changes: Changes<K, V>) -> Self {
        let fork = Self {
            base,
            blocks: Vec::new(),
            changed: BTreeMap::new(),
        };
        fork.fork(changes)
    }

    /// A block on top of this one. Takes O(changes of the whole fork).
    #[must_use]
    pub fn fork(&self, changes: Changes<K, V>) -> Self {
        let changes = changes.into_unordered();
        let mut all = self.changed.clone();
        let known = changes
            .iter()
            .map(|(key, value)| (key.clone(), Known::of(value.clone())));
        all.extend(known);
        let mut blocks = self.blocks.clone();
        blocks.push(Arc::new(changes));
        Self {
            base: self.base.clone(),
            blocks,
            changed: all,
        }
    }

    /// The height of its last block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.base.height() + self.blocks.len() as u64
    }

    /// The height and the stamp of the block that it is on top of.
    pub(super) fn begins(&self) -> (u64, u64) {
        (self.base.height(), self.base.stamp())
    }

    pub(super) fn is_of(&self, shared: &Arc<Shared<K, V, S>>) -> bool {
        self.base.is_of(shared)
    }

    /// What each of its blocks changed.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Written<K, V>> {
        self.blocks.iter().cloned()
    }
}

impl<K, V, S> Debug for Fork<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fork")
            .field("base", &self.base)
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

impl<K, V, S> State<K, V> for Fork<K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    type Error = S::Error;

    fn get(&self, key: &K) -> Result<Option<V>, S::Error> {
        match self.changed.get(key) {
            Some(known) => Ok(known.as_option().cloned()),
            None => self.base.get(key),
        }
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
        let changed = self.changed.range::<K, _>((from, to));
        let changed = changed.map(|(key, known)| (key.clone(), known.clone()));
        outcome(merge(&self.base, (from, to), changed, visit))
    }
}
