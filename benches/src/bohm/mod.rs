//! BOHM, to measure against: J. Faleiro, D. Abadi, "Rethinking Serializable Multiversion Concurrency Control", VLDB 2015
//! (PVLDB 8(11)).
//!
//! | file | what it holds | in the paper |
//! | --- | --- | --- |
//! | `plan.rs` | a placeholder for each write, and what each read will read | concurrency control, section 3.2 |
//! | `run.rs` | transactions fill the placeholders | execution, section 3.3 |
//!
//! What a transaction will read and write is known beforehand. In a first phase, each thread owns a part of the keys, and
//! goes through all transactions in the order of the block: each write of a key of its gets a placeholder for a version, each
//! read a reference to the placeholder before it. So which versions are read is settled without looking at any value. In the
//! second phase transactions run in any order: who needs a version that is not there yet executes its producer first, and if
//! another thread is at it, goes on with something else and comes back.
//!
//! As in the paper, nothing is ever validated or executed again, and adds are reads and writes. What is chosen here is what
//! the paper leaves open, or what a block on its own asks for:
//!
//! * there is one batch: the block;
//! * keys are hashed, in parallel, before threads go through those that they own;
//! * versions are found by index: a transaction's accesses are in one array, in which it looks from where it last found one;
//! * threads take few transactions at a time instead of every n-th, so that slow ones are no bottleneck;
//! * a thread that came upon an unprocessed producer, and below it upon one that another thread is at, waits for that: coming
//!   back would walk the same chain again;
//! * a transaction that leaves out a write that it announced copies the version before.

mod plan;
mod run;

use std::{
    hash::BuildHasher,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use foldhash::fast::RandomState;

use crate::{
    engines::Job,
    pool::Pool,
    workloads::{Key, Output, Workload},
};
use plan::{CHUNK, Chunk};
use run::Run;

/// Executes blocks on threads that it keeps.
#[derive(Debug)]
pub struct Bohm(Arc<Pool>);

/// What a block comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<V> {
    /// What each transaction gave.
    pub outputs: Vec<Output>,
    /// The last version of each key that somebody announced to write, in no order; nothing if the key is still absent.
    pub changes: Vec<(Key, Option<V>)>,
}

impl Bohm {
    /// With threads that are there.
    #[must_use]
    pub fn on(pool: Arc<Pool>) -> Self {
        Self(pool)
    }

    /// Executes a block, with the outcome of executing its transactions one after another.
    ///
    /// # Panics
    ///
    /// If a transaction does, or if it touches what it has not announced, or if there are 2^32 transactions or more.
    pub fn execute<W: Workload>(&self, job: &Job<'_, W>) -> Outcome<W::Value> {
        assert!(u32::try_from(job.block.len()).is_ok());
        let workers = self.0.workers().get();
        let hasher = RandomState::default();
        let chunks: Vec<OnceLock<Chunk<W::Value>>> = (0..job.block.len().div_ceil(CHUNK))
            .map(|_| OnceLock::new())
            .collect();
        let next = AtomicUsize::new(0);
        self.0.on_all(|_| {
            loop {
                // ORDERING: who gets a number has it alone; what is done with it is ordered by `chunks`.
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = chunks.get(index) else {
                    break;
                };
                let hash = |key: &Key| hasher.hash_one(key);
                let announced = Chunk::announce(job, index, hash);
                assert!(chunk.set(announced).is_ok(), "each chunk is made once");
            }
        });
        let chunks = chunks.into_iter().map(OnceLock::into_inner);
        let chunks: Vec<_> = chunks.map(|chunk| chunk.expect("all were made")).collect();
        let lasts: Vec<OnceLock<Vec<(Key, plan::Place)>>> =
            (0..workers).map(|_| OnceLock::new()).collect();
        self.0.on_all(|worker| {
            let last = plan::place(&chunks, worker, workers);
            assert!(lasts[worker].set(last).is_ok(), "each part has one owner");
        });
        let run = Run::new(job, &chunks);
        let changes: Vec<OnceLock<Vec<_>>> = (0..workers).map(|_| OnceLock::new()).collect();
        self.0.on_all(|_| run.work());
        self.0.on_all(|worker| {
            let last = lasts[worker].get().into_iter().flatten();
            let value = last.map(|(key, place)| (*key, run.version(*place).cloned()));
            assert!(
                changes[worker].set(value.collect()).is_ok(),
                "each part has one owner"
            );
        });
        Outcome {
            outputs: run.into_outputs(),
            changes: changes
                .into_iter()
                .filter_map(OnceLock::into_inner)
                .flatten()
                .collect(),
        }
    }
}
