//! The second phase: transactions fill their placeholders.

use std::{
    convert::Infallible,
    hint, mem,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    thread,
};

use super::plan::{Announced, CHUNK, Chunk, Place};
use crate::{
    engines::Job,
    workloads::{Access, Key, Output, Workload},
};

/// So many transactions a thread takes at a time, and so many it sets aside before it waits for one.
const BATCH: usize = 16;

/// Who has waited so many times in a row lets another thread have its core, if there is one that waits.
const PATIENCE: u32 = 64;

const UNPROCESSED: u8 = 0;
const EXECUTING: u8 = 1;
const COMPLETE: u8 = 2;

/// A block that is being executed.
pub(super) struct Run<'a, W: Workload> {
    job: &'a Job<'a, W>,
    chunks: &'a [Chunk<W::Value>],
    states: Vec<AtomicU8>,
    outputs: Vec<OnceLock<Output>>,
    next: AtomicUsize,
    /// A transaction has panicked: nobody is to wait for it.
    has_panicked: AtomicBool,
}

/// What to do about a producer that another thread is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    SetAside,
    Wait,
}

impl<'a, W: Workload> Run<'a, W> {
    pub(super) fn new(job: &'a Job<'a, W>, chunks: &'a [Chunk<W::Value>]) -> Self {
        let count = job.block.len();
        Self {
            job,
            chunks,
            states: (0..count).map(|_| AtomicU8::new(UNPROCESSED)).collect(),
            outputs: (0..count).map(|_| OnceLock::new()).collect(),
            next: AtomicUsize::new(0),
            has_panicked: AtomicBool::new(false),
        }
    }

    /// What each worker does.
    pub(super) fn work(&self) {
        let on_panic = GiveUp(&self.has_panicked);
        let mut scratch = Vec::new();
        let mut aside = Vec::new();
        loop {
            // ORDERING: who gets a number has it alone; the states order what is done with it.
            let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let end = self.states.len().min(first.saturating_add(BATCH));
            let is_last = first >= end;
            let batch = first as u32..end as u32;
            aside.extend(batch.filter(|transaction| {
                !self.complete(*transaction, Patience::SetAside, &mut scratch)
            }));
            aside.retain(|transaction| {
                !self.complete(*transaction, Patience::SetAside, &mut scratch)
            });
            let keep = if is_last { 0 } else { BATCH };
            while aside.len() > keep {
                let done = self.complete(aside.remove(0), Patience::Wait, &mut scratch);
                if !done {
                    return;
                }
            }
            if is_last {
                break;
            }
        }
        mem::forget(on_panic);
    }

    /// Executes a transaction, and before it those that it needs. Whether it is complete: if not then another thread is at it, or
    /// at one that it needs; or there was a panic.
    ///
    /// Nobody waits in a circle: who waits has begun with nothing that is lower than what it waits for.
    fn complete(
        &self,
        transaction: u32,
        patience: Patience,
        scratch: &mut Vec<Option<W::Value>>,
    ) -> bool {
        let state = &self.states[transaction as usize];
        // ORDERING: acquires the versions of who has completed it; nothing is published by beginning.
        let begun =
            || state.compare_exchange(UNPROCESSED, EXECUTING, Ordering::Acquire, Ordering::Acquire);
        let mut waited = 0;
        loop {
            match begun() {
                Ok(_) => break,
                Err(COMPLETE) => return true,
                Err(_) if patience == Patience::SetAside => return false,
                // ORDERING: it only tells to stop.
                Err(_) if self.has_panicked.load(Ordering::Relaxed) => return false,
                Err(_) => {
                    waited += 1;
                    if waited % PATIENCE == 0 {
                        thread::yield_now();
                    } else {
                        hint::spin_loop();
                    }
                }
            }
        }
        for access in self.accesses(transaction) {
            let Some(before) = access.before() else {
                continue;
            };
            let producer = &self.states[before.transaction as usize];
            // ORDERING: acquires the versions of who has completed it.
            let is_ready = match producer.load(Ordering::Acquire) {
                COMPLETE => true,
                EXECUTING => self.complete(before.transaction, patience, scratch),
                // Below it, another thread is to be waited for.
                _ => self.complete(before.transaction, Patience::Wait, scratch),
            };
            if !is_ready {
                // ORDERING: nothing was done.
                state.store(UNPROCESSED, Ordering::Relaxed);
                return false;
            }
        }
        self.execute(transaction, scratch);
        // ORDERING: publishes the versions and the output.
        state.store(COMPLETE, Ordering::Release);
        true
    }

    /// Executes a transaction that has all that it needs.
    fn execute(&self, transaction: u32, scratch: &mut Vec<Option<W::Value>>) {
        let accesses = self.accesses(transaction);
        scratch.clear();
        scratch.resize(accesses.len(), None);
        let mut view = View {
            run: self,
            accesses,
            written: scratch,
            last: 0,
        };
        let program = &self.job.block[transaction as usize];
        let Ok(output) = self.job.execute_unless_cancelled(program, &mut view);
        let is_first = self.outputs[transaction as usize].set(output).is_ok();
        let chunk = self.chunk(transaction);
        for (access, written) in accesses.iter().zip(scratch) {
            let Some(version) = access.version else {
                continue;
            };
            let value = match written.take() {
                None => self.before(access),
                written => written,
            };
            let is_empty = chunk.placeholder(version).set(value).is_ok();
            debug_assert!(is_empty, "each version is made once");
        }
        debug_assert!(is_first, "each transaction is executed once");
    }

    fn chunk(&self, transaction: u32) -> &'a Chunk<W::Value> {
        &self.chunks[transaction as usize / CHUNK]
    }

    fn accesses(&self, transaction: u32) -> &'a [Announced] {
        self.chunk(transaction).of(transaction)
    }

    /// The version of a write that is complete.
    pub(super) fn version(&self, place: Place) -> Option<&W::Value> {
        let placeholder = self.chunk(place.transaction).placed(place);
        placeholder
            .get()
            .expect("its transaction is complete")
            .as_ref()
    }

    /// What an access finds.
    fn before(&self, access: &Announced) -> Option<W::Value> {
        match access.before() {
            Some(place) => self.version(place).cloned(),
            None => self.job.base.read(&access.key),
        }
    }

    pub(super) fn into_outputs(self) -> Vec<Output> {
        let outputs = self.outputs.into_iter().map(OnceLock::into_inner);
        outputs
            .map(|output| output.expect("all are complete"))
            .collect()
    }
}

/// Ends the block for all workers if one of them panics: the others would wait for its transaction for ever.
struct GiveUp<'a>(&'a AtomicBool);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        // ORDERING: it only tells to stop.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How a transaction sees the block.
struct View<'a, W: Workload> {
    run: &'a Run<'a, W>,
    accesses: &'a [Announced],
    /// What it wrote, by access.
    written: &'a mut Vec<Option<W::Value>>,
    /// Where it looked last: most go through their keys in the order in which they announced them.
    last: usize,
}

impl<W: Workload> View<'_, W> {
    fn find(&mut self, key: &Key) -> usize {
        let (before, after) = self.accesses.split_at(self.last);
        let is_it = |access: &Announced| access.key == *key;
        let found = match after.iter().position(is_it) {
            Some(at) => Some(self.last + at),
            None => before.iter().position(is_it),
        };
        self.last = found.expect("it was announced");
        self.last
    }
}

impl<W: Workload> Access<W::Value> for View<'_, W> {
    type Stop = Infallible;

    #[inline]
    fn get(&mut self, key: &Key) -> Result<Option<W::Value>, Infallible> {
        let at = self.find(key);
        let access = &self.accesses[at];
        if let Some(value) = &self.written[at] {
            return Ok(Some(value.clone()));
        }
        debug_assert!(access.reads, "it was announced");
        Ok(self.run.before(access))
    }

    #[inline]
    fn put(&mut self, key: &Key, value: W::Value) -> Result<(), Infallible> {
        let at = self.find(key);
        debug_assert!(self.accesses[at].version.is_some(), "it was announced");
        self.written[at] = Some(value);
        Ok(())
    }
}
