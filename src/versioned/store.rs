//! What lies below the heights in memory.

use std::{
    convert::Infallible,
    fmt::Debug,
    ops::{Bound, ControlFlow},
};

use parking_lot::RwLock;

use crate::state::{MemoryState, RangeSupport, State};

/// What a block changed, each key once: `None` is absent.
pub type Writes<K, V> = Vec<(K, Option<V>)>;

/// A state that takes heights when they are [pruned](super::VersionedState::prune) and, if it is durable, keeps a record of those
/// above until then.
///
/// Unlike other states it changes, but only in what nobody reads there: a key that changes is read from memory until
/// [`advance`](Self::advance) has returned. The other methods are called by one thread at a time.
/// [`testkit::histories`](crate::testkit::histories) tests a store.
pub trait Store<K, V>: State<K, V> + Send {
    /// The height that it holds.
    fn height(&self) -> u64;

    /// Brings it to `height` by these changes, each key once: all of them or, if there is an error, none.
    ///
    /// Others read at the same time. A scan that has begun may see what was before or what is afterwards.
    ///
    /// # Errors
    ///
    /// If it cannot. It may be asked again.
    fn advance(&self, height: u64, changes: Writes<K, V>) -> Result<(), Self::Error>;

    /// Records what the chain is above `height`, instead of what was recorded above it before: all of it or, if there is an
    /// error, nothing. When it returns, a durable store has it on disk. `height` is what the store [holds](Self::height), or up to
    /// where it has a record. [`advance`](Self::advance) ends the record of the heights that it brings.
    ///
    /// The default keeps no record, as a store does that ends with its process.
    ///
    /// # Errors
    ///
    /// If it cannot. It may be asked again.
    fn record(&self, height: u64, blocks: &[&[(K, Option<V>)]]) -> Result<(), Self::Error> {
        let _ = (height, blocks);
        Ok(())
    }

    /// What each block changed that is recorded above the height that the store holds, the first one first.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn recorded(&self) -> Result<Vec<Writes<K, V>>, Self::Error> {
        Ok(Vec::new())
    }
}

/// A [`Store`] in memory.
///
/// # Examples
///
/// ```
/// use pleach::{MemoryState, MemoryStore, State, Store};
///
/// let state: MemoryState<_, _> = [("alice", 5_u64)].into_iter().collect();
/// let store = MemoryStore::new(state);
/// store.advance(1, vec![("alice", None), ("bob", Some(5))])?;
/// assert_eq!((store.height(), store.get(&"bob")?), (1, Some(5)));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Debug)]
pub struct MemoryStore<K, V>(RwLock<(u64, MemoryState<K, V>)>);

impl<K, V> MemoryStore<K, V> {
    /// A store that holds this, at height 0.
    #[must_use]
    pub const fn new(state: MemoryState<K, V>) -> Self {
        Self(RwLock::new((0, state)))
    }
}

impl<K, V> State<K, V> for MemoryStore<K, V>
where
    K: Ord + Send + Sync,
    V: Clone + Send + Sync,
{
    type Error = Infallible;

    fn get(&self, key: &K) -> Result<Option<V>, Infallible> {
        // A scan of the same thread may be under way, and a writer wait.
        let (_, state) = &*self.0.read_recursive();
        state.get(key)
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Infallible> {
        let (_, state) = &*self.0.read_recursive();
        state.range(from, to, visit)
    }
}

impl<K, V> Store<K, V> for MemoryStore<K, V>
where
    K: Ord + Send + Sync,
    V: Clone + Send + Sync,
{
    fn height(&self) -> u64 {
        self.0.read_recursive().0
    }

    fn advance(&self, height: u64, changes: Writes<K, V>) -> Result<(), Infallible> {
        let (at, state) = &mut *self.0.write();
        for (key, value) in changes {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        *at = height;
        Ok(())
    }
}
