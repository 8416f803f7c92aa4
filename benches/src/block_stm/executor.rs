//! What a worker does, and how a block is given to all of them.

use std::{hint, io, mem, num::NonZeroUsize, sync::Arc, thread};

use super::{
    Access, Blocked, Program, Version,
    memory::{Memory, Read, ReadDescriptor, ReadSet, WriteSet},
    scheduler::{Scheduler, Task},
};
use crate::pool::Pool;

/// A worker that found no task so many times in a row lets another thread have its core, if there is one that waits.
const PATIENCE: u32 = 64;

/// Executes blocks on threads that it keeps.
#[derive(Debug)]
pub struct BlockStm(Arc<Pool>);

/// What a block comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<K, V, O> {
    /// What each transaction gave.
    pub outputs: Vec<O>,
    /// The last value of each location that was written, in no order.
    pub changes: Vec<(K, V)>,
}

impl BlockStm {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// If the system gives no more threads.
    pub fn new(workers: NonZeroUsize) -> io::Result<Self> {
        Ok(Self::on(Arc::new(Pool::new(workers)?)))
    }

    /// With threads that are there.
    #[must_use]
    pub fn on(pool: Arc<Pool>) -> Self {
        Self(pool)
    }

    /// Executes a block on top of a state, with the outcome of executing its transactions one after another.
    ///
    /// # Panics
    ///
    /// If a transaction does, or if there are 2^32 transactions or more.
    pub fn execute<P: Program>(
        &self,
        program: &P,
        state: impl Fn(&P::Key) -> Option<P::Value> + Sync,
        block: &[P::Transaction],
    ) -> Outcome<P::Key, P::Value, P::Output> {
        assert!(u32::try_from(block.len()).is_ok());
        let run = Run {
            program,
            state,
            block,
            memory: Memory::new(block.len()),
            scheduler: Scheduler::new(block.len()),
        };
        self.0.on_all(|_| run.work());
        let (outputs, changes) = run.memory.snapshot();
        Outcome { outputs, changes }
    }
}

/// A block that is being executed.
struct Run<'a, P: Program, S> {
    program: &'a P,
    state: S,
    block: &'a [P::Transaction],
    memory: Memory<P::Key, P::Value, P::Output>,
    scheduler: Scheduler,
}

impl<P: Program, S: Fn(&P::Key) -> Option<P::Value> + Sync> Run<'_, P, S> {
    /// The loop of each worker.
    fn work(&self) {
        let on_panic = GiveUp(&self.scheduler);
        let mut task = None;
        let mut idle = 0;
        while !self.scheduler.done() {
            task = match task {
                Some(Task::Execute(version)) => self.try_execute(version),
                Some(Task::Validate(version)) => self.needs_reexecution(version),
                None => self.scheduler.next_task(),
            };
            if task.is_some() {
                idle = 0;
            } else {
                idle += 1;
                if idle % PATIENCE == 0 {
                    thread::yield_now();
                } else {
                    hint::spin_loop();
                }
            }
        }
        mem::forget(on_panic);
    }

    fn try_execute(&self, version: Version) -> Option<Task> {
        loop {
            let mut view = View {
                run: self,
                transaction: version.transaction,
                read_set: ReadSet::new(),
                write_set: WriteSet::new(),
            };
            let transaction = &self.block[version.transaction as usize];
            match self.program.execute(transaction, &mut view) {
                Ok(output) => {
                    let View {
                        read_set,
                        write_set,
                        ..
                    } = view;
                    let wrote_new_location =
                        self.memory.record(version, read_set, write_set, output);
                    return self.scheduler.finish_execution(version, wrote_new_location);
                }
                Err(blocked) => {
                    if self.scheduler.add_dependency(version.transaction, blocked) {
                        return None;
                    }
                }
            }
        }
    }

    fn needs_reexecution(&self, version: Version) -> Option<Task> {
        let valid = self.memory.validate_read_set(version.transaction);
        let aborted = !valid && self.scheduler.try_validation_abort(version);
        if aborted {
            self.memory.convert_writes_to_estimates(version.transaction);
        }
        self.scheduler
            .finish_validation(version.transaction, aborted)
    }
}

/// Ends the block for all workers if one of them panics: the others would wait for its task for ever.
struct GiveUp<'a>(&'a Scheduler);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// How one incarnation sees the block.
struct View<'a, P: Program, S> {
    run: &'a Run<'a, P, S>,
    transaction: u32,
    read_set: ReadSet<P::Key>,
    write_set: WriteSet<P::Key, P::Value>,
}

impl<P: Program, S: Fn(&P::Key) -> Option<P::Value>> Access<P::Key, P::Value> for View<'_, P, S> {
    #[inline]
    fn read(&mut self, key: &P::Key) -> Result<Option<P::Value>, Blocked> {
        let mut written = self.write_set.iter();
        if let Some((_, value)) = written.find(|(place, _)| place.key() == key) {
            return Ok(Some(value.clone()));
        }
        let place = self.run.memory.place(key.clone());
        let (version, value) = match self.run.memory.read(&place, self.transaction)? {
            Read::NotFound => (None, (self.run.state)(key)),
            Read::Found { version, value } => (Some(version), Some(value)),
        };
        self.read_set.push(ReadDescriptor::new(place, version));
        Ok(value)
    }

    #[inline]
    fn write(&mut self, key: P::Key, value: P::Value) {
        let mut written = self.write_set.iter_mut();
        if let Some((_, old)) = written.find(|(place, _)| *place.key() == key) {
            *old = value;
        } else {
            let place = self.run.memory.place(key);
            self.write_set.push((place, value));
        }
    }
}
