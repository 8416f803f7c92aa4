//! Engines with their threads.

use std::{fmt, io, num::NonZeroUsize};

use pleach::{ParallelExecutor, Runtime, Strategy};

/// A way of executing a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A [plain revm loop](crate::plain).
    Plain,
    /// [`SerialExecutor`](pleach::SerialExecutor).
    Serial,
    /// [`Strategy::Auto`](pleach::Strategy::Auto).
    Auto,
    /// [`Strategy::Optimistic`](pleach::Strategy::Optimistic).
    Optimistic,
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Plain => "plain",
            Self::Serial => "serial",
            Self::Auto => "pleach-auto",
            Self::Optimistic => "pleach-optimistic",
        })
    }
}

/// What an engine is told about the block, which was recorded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// Nothing.
    None,
    /// Its tree.
    Tree,
    /// What each transaction touches.
    Accesses,
}

impl fmt::Display for Hints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::None => "none",
            Self::Tree => "tree",
            Self::Accesses => "accesses",
        })
    }
}

/// An engine, its threads, and what it is told.
#[derive(Debug)]
pub struct Entrant {
    pub(super) engine: Engine,
    pub(super) workers: NonZeroUsize,
    pub(super) hints: Hints,
    /// What the parallel ones execute with.
    pub(super) executor: Option<ParallelExecutor>,
}

impl Entrant {
    /// The plain loop, the serial executor, and the parallel ones with each of these numbers of workers and each of these hints.
    ///
    /// # Errors
    ///
    /// If the system gives no more threads.
    pub fn all(workers: &[NonZeroUsize], hints: &[Hints]) -> io::Result<Vec<Self>> {
        let alone = |engine| Self {
            engine,
            workers: NonZeroUsize::MIN,
            hints: Hints::None,
            executor: None,
        };
        let mut all = vec![alone(Engine::Plain), alone(Engine::Serial)];
        for &workers in workers {
            // One is idle while the other executes: they share the threads.
            let runtime = Runtime::builder().workers(workers).build()?;
            for (engine, strategy) in [
                (Engine::Auto, Strategy::Auto),
                (Engine::Optimistic, Strategy::Optimistic),
            ] {
                all.extend(hints.iter().map(|&hints| Self {
                    engine,
                    workers,
                    hints,
                    executor: Some(ParallelExecutor::new(&runtime).strategy(strategy)),
                }));
            }
        }
        Ok(all)
    }
}

impl fmt::Display for Entrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            engine,
            workers,
            hints,
            ..
        } = self;
        write!(formatter, "{engine}")?;
        if self.executor.is_some() {
            let plural = if workers.get() == 1 { "" } else { "s" };
            write!(formatter, ", {workers} worker{plural}, hints: {hints}")?;
        }
        Ok(())
    }
}
