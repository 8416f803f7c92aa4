//! Names of engines, and engines with their threads.

use std::{fmt, io, num::NonZeroUsize, str::FromStr, sync::Arc};

use pleach::{ParallelExecutor, Runtime, Strategy};

use super::{
    Engine, block_stm::BlockStm, bohm::Bohm, executors::Parallel, executors::Serial, plain::Plain,
};
use crate::{pool::Pool, workloads::Workload};

/// A way of executing a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Name {
    /// The loop over a hash map, which it changes in place.
    Plain,
    /// [`SerialExecutor`](pleach::SerialExecutor).
    Serial,
    /// [`BlockStm`](crate::block_stm::BlockStm), which is told nothing beforehand.
    BlockStm,
    /// [`Bohm`](crate::bohm::Bohm), which is told what transactions touch.
    Bohm,
    /// [`Strategy::Exact`], which is told what transactions touch.
    PleachExact,
    /// [`Strategy::Optimistic`], which is told nothing.
    PleachOptimistic,
    /// [`Strategy::Auto`], which is told nothing.
    PleachAuto,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::Serial,
        Self::BlockStm,
        Self::Bohm,
        Self::PleachExact,
        Self::PleachOptimistic,
        Self::PleachAuto,
    ];

    /// How it is called.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Serial => "serial",
            Self::BlockStm => "block-stm",
            Self::Bohm => "bohm",
            Self::PleachExact => "pleach-exact",
            Self::PleachOptimistic => "pleach-optimistic",
            Self::PleachAuto => "pleach-auto",
        }
    }

    /// Whether it can have several workers.
    #[must_use]
    pub const fn is_parallel(self) -> bool {
        !matches!(self, Self::Plain | Self::Serial)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|name| name.text() == text);
        found.ok_or_else(|| format!("there is no engine `{text}`"))
    }
}

/// An engine by name, and its threads, which it keeps from block to block.
#[derive(Clone, Debug)]
pub struct Entrant {
    name: Name,
    workers: NonZeroUsize,
    threads: Option<Threads>,
}

/// The threads of all engines with as many workers: while one executes, the others are idle.
#[derive(Clone, Debug)]
struct Threads {
    runtime: Runtime,
    pool: Arc<Pool>,
}

/// The plain loop first, then each of the other engines with each number of workers, if it can have several.
///
/// # Errors
///
/// If the system gives no more threads.
pub fn lineup(names: &[Name], workers: &[NonZeroUsize]) -> io::Result<Vec<Entrant>> {
    let threads = workers.iter().map(|&workers| {
        Ok(Threads {
            runtime: Runtime::builder().workers(workers).build()?,
            pool: Arc::new(Pool::new(workers)?),
        })
    });
    let threads: Vec<Threads> = threads.collect::<io::Result<_>>()?;
    let alone = |name| Entrant {
        name,
        workers: NonZeroUsize::MIN,
        threads: None,
    };
    let mut entrants = vec![alone(Name::Plain)];
    for &name in names.iter().filter(|name| **name != Name::Plain) {
        if !name.is_parallel() {
            entrants.push(alone(name));
            continue;
        }
        let with = workers.iter().zip(&threads);
        entrants.extend(with.map(|(workers, threads)| Entrant {
            name,
            workers: *workers,
            threads: Some(threads.clone()),
        }));
    }
    Ok(entrants)
}

impl Entrant {
    /// Which engine it is.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// How many threads it executes a block on.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    /// The engine itself, for one workload.
    #[must_use]
    pub fn engine<W: Workload>(&self) -> Box<dyn Engine<W>> {
        match (self.name, &self.threads, self.executor()) {
            (Name::BlockStm, Some(threads), _) => Box::new(BlockStm::new(&threads.pool)),
            (Name::Bohm, Some(threads), _) => Box::new(Bohm::new(&threads.pool)),
            (name, _, Some(executor)) => {
                Box::new(Parallel::new(executor, name == Name::PleachExact))
            }
            (Name::Serial, ..) => Box::new(Serial),
            _ => Box::new(Plain::default()),
        }
    }

    /// What Pleach executes blocks with, if this is one of its parallel engines.
    #[must_use]
    pub fn executor(&self) -> Option<ParallelExecutor> {
        let strategy = match self.name {
            Name::PleachExact => Strategy::Exact,
            Name::PleachOptimistic => Strategy::Optimistic,
            Name::PleachAuto => Strategy::Auto,
            Name::Plain | Name::Serial | Name::BlockStm | Name::Bohm => return None,
        };
        let executor = ParallelExecutor::new(&self.threads.as_ref()?.runtime);
        Some(executor.strategy(strategy))
    }
}

impl fmt::Display for Entrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, workers, .. } = self;
        match workers.get() {
            _ if !name.is_parallel() => write!(formatter, "{name}"),
            1 => write!(formatter, "{name}, 1 worker"),
            workers => write!(formatter, "{name}, {workers} workers"),
        }
    }
}
