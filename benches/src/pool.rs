//! Threads of the engines that Pleach is measured against.

use std::{io, num::NonZeroUsize};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Threads that are kept.
#[derive(Debug)]
pub struct Pool {
    /// All workers but the first, which is the thread that calls. One worker needs no other.
    others: Option<ThreadPool>,
    workers: NonZeroUsize,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// If the system gives no more.
    pub fn new(workers: NonZeroUsize) -> io::Result<Self> {
        let others = match workers.get() - 1 {
            0 => None,
            others => Some(
                ThreadPoolBuilder::new()
                    .num_threads(others)
                    .build()
                    .map_err(io::Error::other)?,
            ),
        };
        Ok(Self { others, workers })
    }

    /// How many threads there are.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    /// Has each worker do this, with its number, and waits until all have.
    ///
    /// # Panics
    ///
    /// If one of them does.
    pub fn on_all(&self, work: impl Fn(usize) + Sync) {
        match &self.others {
            None => work(0),
            Some(others) => others.in_place_scope(|scope| {
                scope.spawn_broadcast(|_, context| work(context.index() + 1));
                work(0);
            }),
        }
    }
}
