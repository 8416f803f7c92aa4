//! Threads that are kept from block to block.

use std::{io, num::NonZeroUsize, sync::Arc, thread};

use crate::protocol::pool::Pool;

/// Threads that execute blocks.
///
/// They sleep while there is nothing to do. Several blocks may be executed at the same time, also on one runtime: the first
/// one gets the threads, others run on their callers'. Clones share the threads, which end with the last of them.
///
/// # Examples
///
/// ```
/// use pleach::Runtime;
///
/// let runtime = Runtime::builder().workers(2.try_into()?).build()?;
/// assert_eq!(runtime.workers().get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Runtime {
    pool: Arc<Pool>,
}

/// Settings of a [`Runtime`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RuntimeBuilder {
    workers: Option<NonZeroUsize>,
    #[cfg(feature = "pinning")]
    is_pinned: bool,
}

impl RuntimeBuilder {
    /// How many threads execute a block, the caller's among them: with one, no thread is started. Default: the number of
    /// available cores.
    pub const fn workers(mut self, count: NonZeroUsize) -> Self {
        self.workers = Some(count);
        self
    }

    /// Keeps each thread on a core of its own, as far as there are so many: the first one on the second core, and so on. The
    /// caller's own thread stays as it is. Default: the system places threads where it likes.
    ///
    /// It helps where the machine does nothing else, and harms where it does: two runtimes that are pinned share the same
    /// cores. Where the system cannot do it, nothing happens.
    #[cfg(feature = "pinning")]
    pub const fn pinned(mut self) -> Self {
        self.is_pinned = true;
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// If the system gives no more threads.
    pub fn build(self) -> io::Result<Runtime> {
        let workers = match self.workers {
            Some(workers) => workers,
            None => thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        Ok(Runtime {
            pool: Arc::new(Pool::new(workers.get() - 1, self.begin())?),
        })
    }

    /// What each thread does first.
    #[cfg(feature = "pinning")]
    fn begin(&self) -> impl Fn(usize) + Clone + Send + 'static {
        let cores = if self.is_pinned {
            core_affinity::get_core_ids().unwrap_or_default()
        } else {
            Vec::new()
        };
        move |number| {
            if let Some(core) = cores.get(number + 1) {
                core_affinity::set_for_current(*core);
            }
        }
    }

    /// What each thread does first.
    #[cfg(not(feature = "pinning"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn begin(&self) -> impl Fn(usize) + Clone + Send + 'static {
        |_| {}
    }
}

impl Runtime {
    /// Settings, to be changed before it is built.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// How many threads execute a block, the caller's among them.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        NonZeroUsize::MIN.saturating_add(self.pool.threads())
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}
