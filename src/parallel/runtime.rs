//! Threads that are kept from block to block.

use std::{any::type_name, io, num::NonZeroUsize, sync::Arc, thread};

use super::{
    costs::{Before, Costs, Experience},
    outlook::Outlook,
};
use crate::{protocol::pool::Pool, vm::Vm};

/// Threads that execute blocks.
///
/// They sleep while there is nothing to do. Several blocks may be executed at the same time, also on one runtime: the first
/// one gets the threads, others run on their callers'. Clones share the threads, which end with the last of them.
///
/// A runtime also keeps what transactions of a kind took, by the type of the VM and their [weight](crate::Vm::weight), and how many
/// [stretches](crate::Strategy::Split) had to execute again, so that [`Strategy::Auto`](crate::Strategy::Auto) need not find that out anew in
/// each block. That is a few hundred bytes for each of a few types of VMs, and changes nothing but the time.
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
    experience: Arc<Experience>,
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
            experience: Arc::default(),
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

    /// What blocks for this kind of VM have shown that its transactions take.
    pub(super) fn before<V: Vm>(&self) -> Before {
        if IS_FORGETFUL {
            return Before::default();
        }
        self.experience.of(type_name::<V>())
    }

    /// Learns what a block for this kind of VM has shown, whose transactions took this, or some of them, if they ran beside others afterwards.
    pub(super) fn learn<V: Vm>(&self, outlook: &Outlook, alone: Option<&Costs>) {
        if !IS_FORGETFUL {
            let all = outlook.shown();
            let costs = (alone.unwrap_or(all), all);
            self.experience
                .learn(type_name::<V>(), costs, outlook.again());
        }
    }
}

/// Whether nothing is kept from block to block, so that a schedule says all that a block depends on.
const IS_FORGETFUL: bool = cfg!(any(feature = "schedules", pleach_loom, pleach_shuttle));
