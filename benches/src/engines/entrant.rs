//! Engines with their threads.

use std::{fmt, io, num::NonZeroUsize};

use pleach::{ParallelExecutor, Runtime, Strategy};

use super::Engine;
use crate::block_stm::BlockStm;

/// An engine and its threads, which it keeps from block to block.
pub struct Entrant {
    pub(super) engine: Engine,
    pub(super) workers: NonZeroUsize,
    pub(super) how: How,
}

/// How it executes a block.
pub(super) enum How {
    PlainLoop,
    Serial,
    Parallel(ParallelExecutor),
    BlockStm(BlockStm),
}

impl Entrant {
    /// All engines, the plain loop first; those that can have several workers, with each of these numbers of them.
    ///
    /// # Errors
    ///
    /// If the system gives no more threads.
    pub fn all(workers: &[NonZeroUsize]) -> io::Result<Vec<Self>> {
        let one = NonZeroUsize::MIN;
        let entrant = |engine, workers, how| Self {
            engine,
            workers,
            how,
        };
        let mut all = vec![
            entrant(Engine::PlainLoop, one, How::PlainLoop),
            entrant(Engine::Serial, one, How::Serial),
        ];
        let mut optimistic = Vec::new();
        let mut auto = Vec::new();
        let mut block_stm = Vec::new();
        for &workers in workers {
            // One is idle while the other executes: they share the threads.
            let runtime = Runtime::builder().workers(workers).build()?;
            let parallel =
                |strategy| How::Parallel(ParallelExecutor::new(&runtime).strategy(strategy));
            let exact = parallel(Strategy::Exact);
            all.push(entrant(Engine::Exact, workers, exact));
            let unknown = parallel(Strategy::Optimistic);
            optimistic.push(entrant(Engine::Optimistic, workers, unknown));
            auto.push(entrant(Engine::Auto, workers, parallel(Strategy::Auto)));
            let stm = How::BlockStm(BlockStm::new(workers)?);
            block_stm.push(entrant(Engine::BlockStm, workers, stm));
        }
        all.append(&mut optimistic);
        all.append(&mut auto);
        all.append(&mut block_stm);
        Ok(all)
    }

    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// How many threads it executes a block on.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        self.workers
    }
}

impl fmt::Display for Entrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            engine, workers, ..
        } = self;
        match engine {
            Engine::PlainLoop | Engine::Serial => write!(formatter, "{engine}"),
            _ if workers.get() == 1 => write!(formatter, "{engine}, 1 worker"),
            _ => write!(formatter, "{engine}, {workers} workers"),
        }
    }
}
