//! Settings of a pipeline, and its stages.

use std::{
    convert::Infallible,
    fmt::{self, Debug},
    io,
    num::NonZeroUsize,
    sync::Arc,
};

use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};
use seda_stages::{Admission, BuildError, Settings, from_fn};

use super::{
    Pipeline,
    node::Node,
    stages::{self, Execute, Fetched, Names, Persist},
    storing::Storing,
};
use crate::{
    cancel::CancelToken,
    parallel::ParallelExecutor,
    versioned::{Store, VersionedState},
};

/// A pipeline that is not built yet: [`Pipeline::builder`].
///
/// # Examples
///
/// For a node on a disk: the chain can go back 128 blocks, eight threads read ahead, and as many blocks are let in as are final in time.
///
/// ```
/// use std::time::Duration;
/// use pleach::pipeline::{Builder, Node, Pipeline, seda_stages::ResponseTarget};
/// use pleach::{MemoryStore, ParallelExecutor, Runtime, VersionedState};
///
/// fn build<N: Node>(
///     node: N,
///     state: VersionedState<N::Key, N::Value, MemoryStore<N::Key, N::Value>>,
///     latest: N::Id,
/// ) -> Result<Pipeline<N, MemoryStore<N::Key, N::Value>>, Box<dyn std::error::Error>> {
///     let executor = ParallelExecutor::new(&Runtime::builder().build()?);
///     let builder = Pipeline::builder(node, state, latest, executor).kept(128).queue(32).readers(8);
///     let target = ResponseTarget::p99(Duration::from_millis(200))?;
///     Ok(builder.admission(target).build()?)
/// }
/// ```
#[must_use = "it does nothing until it is built"]
pub struct Builder<N: Node, S> {
    node: N,
    state: VersionedState<N::Key, N::Value, S>,
    latest: N::Id,
    ancestors: Vec<N::Id>,
    executor: ParallelExecutor,
    kept: u64,
    queue: usize,
    readers: usize,
    workers: Option<usize>,
    together: usize,
    timeline: Option<usize>,
    admission: Option<Box<dyn Admission>>,
}

impl<N: Node, S> Pipeline<N, S> {
    /// Settings. `latest` is the name of the block that `state` ends with.
    pub fn builder(
        node: N,
        state: VersionedState<N::Key, N::Value, S>,
        latest: N::Id,
        executor: ParallelExecutor,
    ) -> Builder<N, S> {
        Builder {
            node,
            state,
            latest,
            ancestors: Vec::new(),
            executor,
            kept: 64,
            queue: 16,
            readers: 0,
            workers: None,
            together: 16,
            timeline: None,
            admission: None,
        }
    }
}

impl<N, S> Builder<N, S>
where
    N: Node,
    S: Store<N::Key, N::Value> + Sync + 'static,
{
    /// The names of the blocks before the latest, that one's parent first, for a node that goes on with a chain from before: so that
    /// it can [go back](Pipeline::revert) to these too. Those of heights that the state no longer has are not needed, and make no
    /// difference. Default: none, so what was there before the pipeline is [unknown](super::Failed::Unknown) to it.
    pub fn ancestors(mut self, names: impl IntoIterator<Item = N::Id>) -> Self {
        self.ancestors = names.into_iter().collect();
        self
    }

    /// How many heights stay in memory above what the store holds: so far back can the chain go. Default: 64.
    ///
    /// If the store fails, what it has not taken stays in memory too, until it is as many heights again, and those that are on their way:
    /// then blocks are refused as [`StoreBehind`](super::Failed::StoreBehind) before they are executed, until it takes some.
    pub fn kept(mut self, heights: u64) -> Self {
        self.kept = heights;
        self
    }

    /// How many blocks may wait before each stage. Default: 16.
    pub fn queue(mut self, blocks: usize) -> Self {
        self.queue = blocks;
        self
    }

    /// Threads that read the [keys](Node::keys) of coming blocks from the store, those of a block on all of them. They wait most of
    /// the time, so there may be more of them than cores. Default: 0, blocks are executed on what the store says then.
    pub fn readers(mut self, threads: usize) -> Self {
        self.readers = threads;
        self
    }

    /// Threads that decode and check, and execute together with those of the executor. Default: as many as there are cores.
    pub fn workers(mut self, threads: NonZeroUsize) -> Self {
        self.workers = Some(threads.get());
        self
    }

    /// How many blocks are written together at most, when the store is slower than they come. Default: 16.
    pub fn together(mut self, blocks: NonZeroUsize) -> Self {
        self.together = blocks.get();
        self
    }

    /// Remembers the last batches for [`seda_stages::Pipeline::timeline`], so many of them. Default: none.
    pub fn timeline(mut self, batches: usize) -> Self {
        self.timeline = Some(batches);
        self
    }

    /// Who says how many blocks of those that are offered are let in, such as a [`seda_stages::ResponseTarget`]. Default: all.
    pub fn admission(mut self, controller: impl Admission + 'static) -> Self {
        self.admission = Some(Box::new(controller));
        self
    }

    /// Begins.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or there are not enough threads.
    pub fn build(self) -> Result<Pipeline<N, S>, BuildError> {
        let (node, state, cancel) = (Arc::new(self.node), self.state, CancelToken::new());
        let settings = || Settings::new().queue(self.queue);
        let decode = {
            let node = Arc::clone(&node);
            from_fn(move |event| stages::decode(&*node, event))
        };
        let check = {
            let node = Arc::clone(&node);
            from_fn(move |event| stages::check(&*node, event))
        };
        let analyse = {
            let (node, executor) = (Arc::clone(&node), self.executor.clone());
            from_fn(move |event| Ok::<_, Infallible>(stages::analyse(&*node, &executor, event)))
        };
        let readers = readers(self.readers)?;
        let fetching = match &readers {
            Some(_) => settings().own_threads().concurrency(FETCHED),
            None => settings(),
        };
        let prefetch = {
            let (node, state) = (Arc::clone(&node), state.clone());
            from_fn(move |event| {
                Ok::<_, Infallible>(match &readers {
                    Some(readers) => stages::prefetch(&*node, &state, readers, event),
                    None => Fetched::cold(event),
                })
            })
        };
        let before = self.kept.min(state.height() - state.first_height());
        let before = self.ancestors.into_iter().take(before as usize);
        let names = Arc::new(Mutex::new(Names::new(self.latest, before)));
        let storing = Arc::new(Storing::new(node, state, self.kept));
        // Those that are executed and not recorded, and as many that are recorded and on their way out of memory.
        let in_flight = self.queue.saturating_add(self.together).saturating_mul(2);
        let execute = {
            let (storing, cancel) = (Arc::clone(&storing), cancel.clone());
            let most_owed = self.kept.saturating_add(in_flight as u64);
            let executor = self.executor;
            move || Execute {
                storing: Arc::clone(&storing),
                executor: executor.clone(),
                cancel: cancel.clone(),
                names: Arc::clone(&names),
                most_owed,
            }
        };
        let persist = {
            let storing = Arc::clone(&storing);
            move || Persist(Arc::clone(&storing))
        };
        let persisting = settings().in_order().own_threads().batch(self.together);
        let mut builder = seda_stages::Pipeline::builder()
            .stage("decode", settings(), decode)
            .stage("check", settings(), check)
            .stage("analyse", settings(), analyse)
            .stage("prefetch", fetching, prefetch)
            .stage("execute", settings().in_order().irrevocable(), execute)
            .stage("persist", persisting, persist)
            .name("pleach");
        if let Some(workers) = self.workers {
            builder = builder.workers(workers);
        }
        if let Some(batches) = self.timeline {
            builder = builder.timeline(batches);
        }
        if let Some(admission) = self.admission {
            builder = builder.admission(admission);
        }
        Ok(Pipeline {
            stages: builder.build()?,
            storing,
            cancel,
        })
    }
}

/// The keys of so many blocks are read at the same time, so that readers who find no more to do in one go on with the next.
const FETCHED: usize = 2;

fn readers(threads: usize) -> Result<Option<Arc<ThreadPool>>, BuildError> {
    if threads == 0 {
        return Ok(None);
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("pleach-reader-{index}"))
        .build();
    pool.map(|pool| Some(Arc::new(pool)))
        .map_err(|error| BuildError::Thread(io::Error::other(error)))
}

impl<N: Node, S> Debug for Builder<N, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("kept", &self.kept)
            .field("queue", &self.queue)
            .field("readers", &self.readers)
            .field("workers", &self.workers)
            .field("together", &self.together)
            .finish_non_exhaustive()
    }
}
