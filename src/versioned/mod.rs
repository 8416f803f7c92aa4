//! State by block height: what a node holds between a block that was executed and one that is final.
//!
//! | file | what |
//! | --- | --- |
//! | `snapshot.rs` | the state at one height, for as long as somebody holds it |
//! | `fork.rs` | blocks beside the chain, until one is chosen |
//! | `store.rs` | what lies below: where old heights go |
//! | `chain.rs` | which heights there are, and who still reads them |
//! | `index.rs` | the versions of each key |
//!
//! Every block gets a stamp, a number that only grows and is never used again. A version of a key says from which stamp to which it
//! holds: blocks that were reverted end their versions, and others begin new ones, but nothing changes for a stamp that was
//! given out before. So a snapshot is one number, and readers and the writer need not wait for each other. It is multi-version
//! concurrency control (Reed 1978) with heights for timestamps and snapshot isolation (Berenson et al., SIGMOD 1995); there is
//! one writer, so nothing is ever written on top of something that its writer has not seen.

mod chain;
mod fork;
mod index;
mod snapshot;
mod store;

use std::{fmt::Debug, hash::Hash, sync::Arc};

use parking_lot::Mutex;

use crate::{
    state::{Changes, State},
    value::Value,
};
use chain::Chain;
pub use fork::{Fork, Orphaned};
use index::Index;
pub use snapshot::Snapshot;
pub use store::{MemoryStore, Store};

/// A state with a history: the heights above what a [`Store`] holds are in memory, each readable as it was.
///
/// Clones are the same state. One thread at a time writes (commits, reverts, adopts, prunes); others wait for it there. Readers
/// take [snapshots](Snapshot), which nothing changes any more.
///
/// # Examples
///
/// ```
/// use pleach::testkit::{Program, ProgramVm, Step};
/// use pleach::{Block, Executor, MemoryState, MemoryStore, SerialExecutor, State, VersionedState};
///
/// let state = VersionedState::new(MemoryStore::new(MemoryState::new()));
/// let genesis = state.latest();
///
/// let block = [Program::new([Step::Put(1, 7)])];
/// let outcome = SerialExecutor::new().execute(Block::new(&ProgramVm, &genesis, &block))?;
/// assert_eq!(state.commit(outcome.changes), 1);
///
/// assert_eq!(state.latest().get(&1)?, Some(7));
/// assert_eq!(genesis.get(&1)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct VersionedState<K, V, S> {
    shared: Arc<Shared<K, V, S>>,
}

/// What a block changed, each key once.
type Written<K, V> = Arc<Vec<(K, Option<V>)>>;

struct Shared<K, V, S> {
    store: S,
    index: Index<K, V>,
    chain: Mutex<Chain<K>>,
    /// Held by who writes.
    writing: Mutex<()>,
}

/// A height cannot be read, or gone back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeightError {
    /// No block of that height was committed yet.
    #[error("there is no height {height} yet: the latest is {latest}")]
    Unknown {
        /// The height that was asked for.
        height: u64,
        /// The latest height.
        latest: u64,
    },
    /// It was [pruned](VersionedState::prune).
    #[error("height {height} is no longer there: the first is {first}")]
    Pruned {
        /// The height that was asked for.
        height: u64,
        /// The first height that is left.
        first: u64,
    },
}

impl<K, V, S> Clone for VersionedState<K, V, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V, S> Debug for VersionedState<K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chain = self.shared.chain.lock();
        f.debug_struct("VersionedState")
            .field("first", &chain.first())
            .field("latest", &chain.latest())
            .finish_non_exhaustive()
    }
}

impl<K, V, S> VersionedState<K, V, S>
where
    K: Ord + Hash + Clone + Debug + Send + Sync,
    V: Value,
    S: Store<K, V>,
{
    /// The state that `store` holds, at the height that it says.
    #[must_use]
    pub fn new(store: S) -> Self {
        let height = store.height();
        Self {
            shared: Arc::new(Shared {
                store,
                index: Index::new(),
                chain: Mutex::new(Chain::new(height)),
                writing: Mutex::new(()),
            }),
        }
    }

    /// The height of the latest block. Takes O(1), as all that is not said to take longer.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.shared.chain.lock().latest()
    }

    /// The first height that can be read.
    #[must_use]
    pub fn first_height(&self) -> u64 {
        self.shared.chain.lock().first()
    }

    /// How many versions of keys are in memory, those of reverted blocks among them: what memory grows with. O(keys).
    #[must_use]
    pub fn versions(&self) -> usize {
        self.shared.index.versions()
    }

    /// The state after the latest block.
    #[must_use]
    pub fn latest(&self) -> Snapshot<K, V, S> {
        let (height, stamp) = self.shared.chain.lock().hold_latest();
        Snapshot::new(Arc::clone(&self.shared), height, stamp)
    }

    /// The state after the block of this height.
    ///
    /// # Errors
    ///
    /// If there is no such block, or not any more.
    pub fn at(&self, height: u64) -> Result<Snapshot<K, V, S>, HeightError> {
        let stamp = self.shared.chain.lock().hold(height)?;
        Ok(Snapshot::new(Arc::clone(&self.shared), height, stamp))
    }

    /// Adds a block that changed this, and gives its height. O(changes * log(keys in memory)).
    pub fn commit(&self, changes: Changes<K, V>) -> u64 {
        let _writing = self.shared.writing.lock();
        let from = self.height();
        self.switch(from, [Arc::new(changes.into_unordered())])
    }

    /// Goes back to a height: the blocks after it are gone, but for those who hold snapshots of them. O(what these changed).
    ///
    /// # Errors
    ///
    /// If there is no such block, or not any more.
    pub fn revert(&self, height: u64) -> Result<(), HeightError> {
        let _writing = self.shared.writing.lock();
        self.shared.chain.lock().stamp(height)?;
        self.switch(height, []);
        Ok(())
    }

    /// Makes a fork the chain: goes back to where it began, and adds its blocks. Who reads sees the chain as it was, or as it is
    /// afterwards, and nothing in between. Gives the new height. O(what the blocks of both have changed).
    ///
    /// # Errors
    ///
    /// If the block that the fork began on is itself no longer part of the chain, or pruned.
    pub fn adopt(&self, fork: &Fork<K, V, S>) -> Result<u64, Orphaned> {
        let _writing = self.shared.writing.lock();
        let (height, stamp) = fork.begins();
        let is_there = self.shared.chain.lock().stamp(height) == Ok(stamp);
        if !is_there || !fork.is_of(&self.shared) {
            return Err(Orphaned { height });
        }
        Ok(self.switch(height, fork.blocks()))
    }

    /// Moves the heights up to this one into the store, and forgets them: this is the first that can be read then. A snapshot
    /// from before stays as it is: as long as somebody holds one, what came after it stays in memory too, until something is
    /// pruned after that. O(what these heights changed).
    ///
    /// # Errors
    ///
    /// [`PruneError::Height`] if there is no such block yet; nothing if it was pruned before. [`PruneError::Store`] if the store cannot take
    /// them: then they stay where they are.
    pub fn prune(&self, height: u64) -> Result<(), PruneError<S::Error>> {
        let _writing = self.shared.writing.lock();
        self.shared.chain.lock().forget(height)?;
        self.bury();
        self.flush().map_err(PruneError::Store)
    }

    /// Goes back to a height, and adds blocks that changed this. The caller has the right to write.
    fn switch(&self, height: u64, blocks: impl IntoIterator<Item = Written<K, V>>) -> u64 {
        let Shared { index, chain, .. } = &*self.shared;
        // Nobody sees any of this yet: stamps that were given out before see what they saw.
        let (reverted, end) = chain.lock().prepare(height);
        for block in &reverted {
            index.end(block.stamp, end, &block.keys);
        }
        let blocks = blocks.into_iter().zip(end + 1..);
        let added = blocks.map(|(changes, stamp)| chain::Block {
            stamp,
            keys: index.begin(stamp, &changes),
        });
        let added: Vec<_> = added.collect();
        let latest = {
            let mut chain = chain.lock();
            chain.switch(height, end, reverted, added);
            chain.latest()
        };
        self.bury();
        latest
    }

    /// Forgets reverted blocks that nobody reads any more.
    fn bury(&self) {
        let Shared { index, chain, .. } = &*self.shared;
        let unread = chain.lock().unread();
        for (block, end) in unread {
            index.bury(block.stamp, end, &block.keys);
        }
    }

    /// Moves the heights that nobody asks for any more into the store.
    fn flush(&self) -> Result<(), S::Error> {
        let Shared {
            store,
            index,
            chain,
            ..
        } = &*self.shared;
        let due = chain.lock().due();
        let Some((height, stamp, blocks)) = due else {
            return Ok(());
        };
        let changes = index.latest(stamp, blocks.iter().flat_map(|block| &*block.keys));
        store.advance(height, changes)?;
        // What is in the store now is there for those who find nothing in the index.
        for block in &blocks {
            index.settle(stamp, &block.keys);
        }
        chain.lock().flushed(blocks.len());
        Ok(())
    }
}

/// Heights were not pruned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError<E> {
    /// There is no such height.
    #[error(transparent)]
    Height(#[from] HeightError),
    /// The store cannot take them.
    #[error("the store cannot take what is pruned")]
    Store(#[source] E),
}

impl<K, V, S> Shared<K, V, S>
where
    K: Ord + Hash + Clone,
    V: Clone,
    S: State<K, V>,
{
    /// What a stamp sees of a key.
    fn get(&self, key: &K, stamp: u64) -> Result<Option<V>, S::Error> {
        let known = self.index.look(key, stamp);
        if known.is_known() {
            return Ok(known.into_option());
        }
        self.store.get(key)
    }
}
