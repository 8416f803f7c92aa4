//! Optimistic execution: transactions run before it is certain what those before them leave.
//!
//! | file | what |
//! | --- | --- |
//! | `worker.rs` | runs transactions, and runs those again that were deceived |
//! | `commit.rs` | settles transactions in block order |
//! | `view.rs` | what a transaction sees |
//! | `locals.rs` | what the transaction at hand has touched so far |
//!
//! Each worker takes the next transaction of the block, or a lower one that has to run again. What it leaves is there for
//! others at once, as versions of keys (`protocol/versions.rs`). Whoever has looked at something that turns out different is
//! named by the change itself, so nothing is validated by looking again. Predictions of what transactions will write are
//! versions too, of which only their being there is known: who wants to see them waits.

mod commit;
mod locals;
mod view;
mod worker;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crossbeam_utils::CachePadded;
use pleach_dtt::{Access, AccessSet, Trust};
use smallvec::SmallVec;

use super::{
    attempt::{Attempted, Input},
    runtime::Runtime,
};
use crate::{
    execute::{Fold, Known},
    protocol::{
        keys::{Keys, Spare},
        latch::Latch,
        lifecycle::Lifecycle,
        ready::Ready,
        scans::Scans,
        turn::Turn,
        versions::{Check, Versions},
    },
    state::State,
    sync::{AtomicU32, AtomicUsize, Mutex, Ordering, lock},
    value::Value,
    vm::Vm,
};
use commit::Commit;
use worker::Worker;

/// The versions of a key, behind their latch.
type Cell<V> = Latch<Versions<V>>;

/// What an attempt leaves for the next one, and for the commit.
struct Kept<V: Vm> {
    /// What it came to, if it came to its end.
    attempted: Option<Attempted<V>>,
    /// The keys that have a version of the transaction, by number.
    written: SmallVec<[u32; 4]>,
    /// The keys whose values it wanted to see.
    looked: SmallVec<[u32; 4]>,
    /// What it was told of keys whose values it did not see.
    checks: Vec<(u32, Check<<V::Value as Value>::Amount>)>,
}

impl<V: Vm> Default for Kept<V> {
    fn default() -> Self {
        Self {
            attempted: None,
            written: SmallVec::new(),
            looked: SmallVec::new(),
            checks: Vec::new(),
        }
    }
}

/// What all workers share.
struct Shared<'a, V: Vm, S> {
    input: &'a Input<'a, V, S>,
    /// The exact access sets, sorted, of those transactions that have one; nothing at all if none has.
    declared: Vec<Option<AccessSet<V::Key>>>,
    keys: Keys<V::Key, Cell<V::Value>>,
    lifecycle: Lifecycle<Kept<V>>,
    scans: Scans<V::Key>,
    ready: Ready,
    /// How many transactions are committed, from the first on.
    settled: CachePadded<AtomicU32>,
    /// How many workers have begun.
    workers: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What has come of a block, or of the part of it that was worth it.
pub(super) struct Ran<'a, V: Vm> {
    /// The committed transactions.
    pub(super) fold: Fold<'a, V>,
    /// What they made of the keys that they changed.
    pub(super) changed: Vec<(V::Key, Known<V::Value>)>,
}

/// Runs a block as far as optimism carries.
pub(super) fn run<'a, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    input: &Input<'_, V, S>,
    fold: Fold<'a, V>,
) -> Ran<'a, V> {
    let count = input.transactions.len();
    let workers = runtime.workers().get().min(count.max(1));
    let mut shared = Shared {
        input,
        declared: Vec::new(),
        keys: Keys::new(4 * count),
        lifecycle: Lifecycle::new(count),
        scans: Scans::new(workers),
        ready: Ready::new(count),
        settled: CachePadded::new(AtomicU32::new(0)),
        workers: AtomicUsize::new(0),
        panic: Mutex::new(None),
    };
    shared.predict();
    let commit = Turn::new(Commit::new(fold, workers));
    let work = || {
        if let Some(working) = shared.ready.enter() {
            // ORDERING: Relaxed. It hands out numbers.
            let number = shared.workers.fetch_add(1, Ordering::Relaxed);
            let work = || Worker::new(&shared, &commit, number).work(working);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                // Not the VM's: a rule's, or that of the caller's function for what is committed.
                lock(&shared.panic).get_or_insert(panic);
                if !cfg!(mutant = "panic_unnoticed") {
                    shared.ready.stop();
                }
            }
        }
    };
    runtime.pool().run(workers - 1, &work);
    if let Some(panic) = lock(&shared.panic).take() {
        resume_unwind(panic);
    }
    let commit = commit.into_inner();
    let settled = commit.settled();
    let changed = shared
        .keys
        .into_entries()
        .filter_map(|(key, cell)| Some((key, cell.into_inner().into_changed(settled)?)));
    Ran {
        changed: changed.collect(),
        fold: commit.into_fold(),
    }
}

impl<V: Vm, S> Shared<'_, V, S> {
    /// Asks the VM what the transactions will touch, and lets those wait that look at what others will write.
    fn predict(&mut self) {
        let mut set = AccessSet::new();
        let mut spare = Spare::default();
        let count = self.input.transactions.len();
        for (index, transaction) in self.input.transactions.iter().enumerate() {
            set.clear();
            let vm = self.input.vm;
            // If it panics here, it does so when the transaction runs, too.
            let asked = catch_unwind(AssertUnwindSafe(|| vm.accesses(transaction, &mut set)));
            let trust = asked.unwrap_or(Trust::Unknown);
            if trust == Trust::Unknown {
                continue;
            }
            set.sort();
            let index = index as u32;
            for (key, access) in set.entries() {
                let hash = self.keys.hash(key);
                let (number, entry, _) = self.keys.enter(hash, key, &mut spare);
                let writes = access.has(Access::WRITE);
                if writes || access.has(Access::ADD) {
                    entry.cell().lock().guess(index, !writes);
                }
                let writes = writes || access.has(Access::ADD);
                let reads = access.has(Access::READ);
                self.lifecycle.prepare(index, |kept| {
                    if writes {
                        kept.written.push(number);
                    }
                    if reads {
                        kept.looked.push(number);
                    }
                });
            }
            if trust == Trust::Exact {
                self.declared.resize_with(count, || None);
                self.declared[index as usize] = Some(std::mem::take(&mut set));
            }
        }
    }
}
