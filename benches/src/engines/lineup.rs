//! The table of engines, and engines with their threads.

use std::{fmt, io, num::NonZeroUsize, str::FromStr, sync::Arc};

use pleach::{ParallelExecutor, Runtime};

use super::{Engine, block_stm::BlockStm, bohm::Bohm, executors, plain::PlainLoop};
use crate::{pool::Pool, workloads::Workload};

/// What the table has for an engine.
pub(super) trait Entry {
    /// How it is called.
    const NAME: &'static str;
    /// Whether it can have several workers.
    const IS_PARALLEL: bool = true;
    /// What executes Ethereum blocks for it, if it can do that without being told what transactions touch: that is only known when
    /// they have been executed.
    const ON_BLOCKS: Option<fn(&Threads) -> OnBlocks> = None;

    /// The engine itself, for one workload.
    fn engine<W: Workload>(threads: &Threads) -> Box<dyn Engine<W>>;
}

/// What executes Ethereum blocks.
pub(crate) enum OnBlocks {
    /// The plain revm loop.
    Plain,
    /// [`SerialExecutor`](pleach::SerialExecutor).
    Serial,
    /// An executor with its threads.
    Parallel(ParallelExecutor),
}

macro_rules! engines {
    ($($(#[$about:meta])* $name:ident: $entry:ty,)+) => {
        /// A way of executing a block.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Name {
            $($(#[$about])* $name,)+
        }

        impl Name {
            /// All of them.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// How it is called.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => <$entry>::NAME,)+
                }
            }

            /// Whether it can have several workers.
            #[must_use]
            pub const fn is_parallel(self) -> bool {
                match self {
                    $(Self::$name => <$entry>::IS_PARALLEL,)+
                }
            }

            const fn on_blocks(self) -> Option<fn(&Threads) -> OnBlocks> {
                match self {
                    $(Self::$name => <$entry>::ON_BLOCKS,)+
                }
            }

            fn engine<W: Workload>(self, threads: &Threads) -> Box<dyn Engine<W>> {
                match self {
                    $(Self::$name => <$entry>::engine(threads),)+
                }
            }
        }
    };
}

// The plain loop is always first.
engines! {
    /// The loop over a hash map, which it changes in place.
    Plain: PlainLoop,
    /// [`SerialExecutor`](pleach::SerialExecutor).
    Serial: executors::Serial,
    /// [`BlockStm`](crate::block_stm::BlockStm), which is told nothing beforehand.
    BlockStm: BlockStm,
    /// [`Bohm`](crate::bohm::Bohm), which is told what transactions touch.
    Bohm: Bohm,
    /// [`Strategy::Exact`](pleach::Strategy::Exact), which is told what transactions touch.
    PleachExact: executors::Exact,
    /// [`Strategy::Optimistic`](pleach::Strategy::Optimistic), which is told nothing.
    PleachOptimistic: executors::Optimistic,
    /// [`Strategy::Auto`](pleach::Strategy::Auto), which is told nothing.
    PleachAuto: executors::Auto,
}

impl Name {
    /// Whether it can execute Ethereum blocks.
    #[must_use]
    pub const fn executes_blocks(self) -> bool {
        self.on_blocks().is_some()
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
    threads: Threads,
}

/// The threads of all engines with as many workers: while one executes, the others are idle.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    pub(super) runtime: Runtime,
    pub(super) pool: Arc<Pool>,
}

impl Threads {
    fn new(workers: NonZeroUsize) -> io::Result<Self> {
        Ok(Self {
            runtime: Runtime::builder().workers(workers).build()?,
            pool: Arc::new(Pool::new(workers)?),
        })
    }
}

/// The plain loop first, then each of the other engines with each number of workers, if it can have several.
///
/// # Errors
///
/// If the system gives no more threads.
pub fn lineup(names: &[Name], workers: &[NonZeroUsize]) -> io::Result<Vec<Entrant>> {
    let threads = workers.iter().map(|workers| Threads::new(*workers));
    let threads: Vec<_> = threads.collect::<io::Result<_>>()?;
    let none = Threads::new(NonZeroUsize::MIN)?;
    let alone = |name| Entrant {
        name,
        workers: NonZeroUsize::MIN,
        threads: none.clone(),
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
            threads: threads.clone(),
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
        self.name.engine(&self.threads)
    }

    /// What executes Ethereum blocks for it, if it can.
    pub(crate) fn on_blocks(&self) -> Option<OnBlocks> {
        Some(self.name.on_blocks()?(&self.threads))
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
