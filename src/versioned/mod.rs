//! State by block height: what a node holds between a block that was executed and one that is final.
//!
//! | file | what |
//! | --- | --- |
//! | `snapshot.rs` | the state at one height, for as long as somebody holds it |
//! | `prefetch.rs` | what a block will read from the store, before it does |
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
mod prefetch;
mod snapshot;
mod store;

use std::{collections::HashMap, fmt::Debug, hash::Hash, sync::Arc};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::{
    state::{Changes, State},
    value::Value,
};
use chain::Chain;
pub use fork::{Fork, Orphaned};
use index::Index;
pub use prefetch::{Prefetched, Warm};
pub use snapshot::Snapshot;
pub use store::{MemoryStore, Store, Writes};

/// A state with a history: the heights above what a [`Store`] holds are in memory, each readable as it was.
///
/// Clones are the same state. One thread at a time writes (commits, reverts, adopts); others wait for it there, but not for
/// the store: what happens in memory is [persisted](Self::persist) and [pruned](Self::prune) beside it. Readers take
/// [snapshots](Snapshot), which nothing changes any more.
///
/// A block is safe when [`persist`](Self::persist) has returned its height. If the process ends before, it finds the last state
/// that was persisted when it [opens](Self::open) the store again: all of it, at the height that it had.
///
/// # Examples
///
/// ```
/// use pleach::testkit::{Program, ProgramVm, Step};
/// use pleach::{Block, Executor, MemoryState, MemoryStore, SerialExecutor, State, VersionedState};
///
/// let state = VersionedState::open(MemoryStore::new(MemoryState::new()))?;
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

/// In the chain, and in forks that may become part of it.
type Written<K, V> = Arc<Writes<K, V>>;

struct Shared<K, V, S> {
    store: S,
    index: Index<K, V>,
    chain: Mutex<Chain<K, V>>,
    /// Held by who writes.
    writing: Mutex<()>,
    /// Held by who changes the store, before `writing`: the last height that it has, or has a record of.
    storing: Mutex<u64>,
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
    /// The state that `store` holds, and the heights above that are recorded there. O(what these changed).
    ///
    /// # Errors
    ///
    /// If the record cannot be read.
    pub fn open(store: S) -> Result<Self, S::Error> {
        let height = store.height();
        let recorded = store.recorded()?;
        let latest = height + recorded.len() as u64;
        let state = Self {
            shared: Arc::new(Shared {
                store,
                index: Index::new(),
                chain: Mutex::new(Chain::new(height)),
                writing: Mutex::new(()),
                storing: Mutex::new(latest),
            }),
        };
        state.switch(height, recorded.into_iter().map(Arc::new));
        let mut chain = state.shared.chain.lock();
        let _as_it_was_found = chain.unrecorded();
        chain.record();
        drop(chain);
        Ok(state)
    }

    /// What lies below: what it holds is behind [`first_height`](Self::first_height), or as far.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.shared.store
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
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::testkit::histories::changes;
    /// use pleach::{MemoryState, MemoryStore, State, VersionedState};
    ///
    /// let state = VersionedState::open(MemoryStore::new(MemoryState::<u8, u64>::new()))?;
    /// for height in 1..=3 {
    ///     state.commit(changes(&[(7, Some(height))]));
    /// }
    /// let second = state.at(2)?;
    /// state.revert(1)?;
    /// assert_eq!(second.get(&7)?, Some(2));
    /// assert_eq!(state.at(2).unwrap_err().to_string(), "there is no height 2 yet: the latest is 1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(&self, height: u64) -> Result<Snapshot<K, V, S>, HeightError> {
        let stamp = self.shared.chain.lock().hold(height)?;
        Ok(Snapshot::new(Arc::clone(&self.shared), height, stamp))
    }

    /// How many heights the store should have taken by now, and has not, because it was not asked or has failed: those above its record,
    /// and those that are pruned and not held by anybody. They are in memory until it takes them. O(heights that are pruned).
    #[must_use]
    pub fn owed(&self) -> u64 {
        self.shared.chain.lock().owed()
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
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::testkit::histories::changes;
    /// use pleach::{MemoryState, MemoryStore, State, VersionedState};
    ///
    /// let state = VersionedState::open(MemoryStore::new(MemoryState::<u8, u64>::new()))?;
    /// state.commit(changes(&[(7, Some(1))]));
    /// state.commit(changes(&[(7, Some(2))]));
    /// state.revert(1)?;
    /// assert_eq!((state.height(), state.latest().get(&7)?), (1, Some(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::testkit::histories::changes;
    /// use pleach::{MemoryState, MemoryStore, State, VersionedState};
    ///
    /// let state = VersionedState::open(MemoryStore::new(MemoryState::<u8, u64>::new()))?;
    /// state.commit(changes(&[(7, Some(1))]));
    /// let other = state.at(0)?.fork(changes(&[(7, Some(10))])).fork(changes(&[(8, Some(20))]));
    /// assert_eq!(state.adopt(&other)?, 2);
    /// assert_eq!(state.latest().get(&7)?, Some(10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn adopt(&self, fork: &Fork<K, V, S>) -> Result<u64, Orphaned> {
        let _writing = self.shared.writing.lock();
        let (height, stamp) = fork.begins();
        let is_there = self.shared.chain.lock().stamp(height) == Ok(stamp);
        if !is_there || !fork.is_of(&self.shared) {
            return Err(Orphaned { height });
        }
        Ok(self.switch(height, fork.blocks()))
    }

    /// Records in the store what happened since it was last called, and gives the height that is safe then: at least the one of
    /// the last [`commit`](Self::commit) that had returned before. Several blocks are written together, so who is slower than
    /// blocks come catches up. Others commit meanwhile. O(what these blocks changed).
    ///
    /// # Errors
    ///
    /// If the store cannot take them. Then the record is as it was, and this can be called again.
    pub fn persist(&self) -> Result<u64, S::Error> {
        self.record(&mut self.shared.storing.lock())
    }

    /// [Persists](Self::persist), moves the heights up to this one into the store, and forgets them: this is the first that can be
    /// read then. A snapshot from before stays as it is: as long as somebody holds one, what came after it stays in memory too,
    /// until something is pruned after that. So it is with what is to be forgotten while somebody scans a range: nobody waits for
    /// that. O(what these heights changed).
    ///
    /// # Errors
    ///
    /// [`PruneError::Height`] if there is no such block yet; nothing if it was pruned before. [`PruneError::Store`] if the store cannot take
    /// them: then they stay where they are.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::testkit::histories::changes;
    /// use pleach::{MemoryState, MemoryStore, State, VersionedState};
    ///
    /// let state = VersionedState::open(MemoryStore::new(MemoryState::<u8, u64>::new()))?;
    /// state.commit(changes(&[(7, Some(1))]));
    /// state.commit(changes(&[(7, Some(2))]));
    /// state.prune(1)?;
    /// assert_eq!((state.first_height(), state.store().get(&7)?), (1, Some(1)));
    /// assert!(state.at(0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prune(&self, height: u64) -> Result<(), PruneError<S::Error>> {
        let mut storing = self.shared.storing.lock();
        {
            let _writing = self.shared.writing.lock();
            self.shared.chain.lock().forget(height)?;
            self.bury();
        }
        self.record(&mut storing).map_err(PruneError::Store)?;
        self.flush().map_err(PruneError::Store)
    }

    /// Goes back to a height, and adds blocks that changed this. The caller has the right to write.
    fn switch(&self, height: u64, blocks: impl IntoIterator<Item = Written<K, V>>) -> u64 {
        let Shared { index, chain, .. } = &*self.shared;
        // Nobody sees any of this yet: stamps that were given out before see what they saw.
        let (reverted, end) = chain.lock().above(height);
        for block in &reverted {
            index.end(block.stamp, end, &block.written);
        }
        let blocks = blocks.into_iter().zip(end + 1..);
        let added = blocks.map(|(written, stamp)| {
            index.begin(stamp, &written);
            chain::Block { stamp, written }
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
            index.bury(block.stamp, end, &block.written);
        }
    }

    /// Makes the record of the store what the chain is. The caller has the right to change the store.
    fn record(&self, top: &mut u64) -> Result<u64, S::Error> {
        let Shared {
            store,
            chain,
            writing,
            ..
        } = &*self.shared;
        let (from, blocks) = {
            // A block that is being committed is part of it, or comes after all of this.
            let _writing = writing.lock();
            chain.lock().unrecorded()
        };
        let latest = from + blocks.len() as u64;
        if blocks.is_empty() && *top == from {
            return Ok(latest);
        }
        let written: Vec<_> = blocks.iter().map(|block| &block.written[..]).collect();
        let undo = Undo { chain, from };
        store.record(from, &written)?;
        // It owns nothing that would be lost.
        std::mem::forget(undo);
        chain.lock().record();
        *top = latest;
        Ok(latest)
    }

    /// Moves the heights that nobody asks for any more into the store. The caller has the right to change it.
    fn flush(&self) -> Result<(), S::Error> {
        let Shared { store, chain, .. } = &*self.shared;
        if !self.settle() {
            return Ok(());
        }
        // None of these is ever reverted: they can no longer be asked for, or are the first that can be.
        let (height, blocks) = chain.lock().due();
        if blocks.is_empty() {
            return Ok(());
        }
        store.advance(height, merged(&blocks))?;
        chain.lock().moved(blocks.len());
        self.settle();
        Ok(())
    }

    /// Forgets what is in the store now: it is there for those who find nothing in the index. Or leaves that for the next time, if
    /// somebody scans, who may take as long as they like, and commit meanwhile. The caller has the right to change the store.
    fn settle(&self) -> bool {
        let Shared {
            index,
            chain,
            writing,
            ..
        } = &*self.shared;
        let _writing = writing.lock();
        let Some(unscanned) = index.unscanned() else {
            return false;
        };
        let blocks = chain.lock().unsettled();
        if let Some(last) = blocks.last() {
            for block in &blocks {
                index.settle(&unscanned, last.stamp, &block.written);
            }
            chain.lock().settled();
        }
        true
    }
}

/// Until a record is there, it may turn out not to be: by an error, or a panic.
struct Undo<'a, K, V> {
    chain: &'a Mutex<Chain<K, V>>,
    from: u64,
}

impl<K, V> Drop for Undo<'_, K, V> {
    fn drop(&mut self) {
        self.chain.lock().unrecord(self.from);
    }
}

/// What blocks have changed, each key once, with what the last one made of it.
fn merged<K: Hash + Eq + Clone, V: Clone>(blocks: &[chain::Block<K, V>]) -> Writes<K, V> {
    if let [block] = blocks {
        return block.written.to_vec();
    }
    let changes = blocks.iter().flat_map(|block| &*block.written);
    let latest: HashMap<_, _, RandomState> = changes.map(|(key, value)| (key, value)).collect();
    let latest = latest.into_iter();
    latest
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
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
