//! How a stage is run.

use std::{fmt, time::Duration};

use crate::control::Controller;

/// How a stage is run: its queue, its handlers, its order.
///
/// ```
/// use std::time::Duration;
/// use seda_stages::{QueueThreads, Restart, Settings, SmallestBatch};
///
/// let _check = Settings::new().queue(64).batch(SmallestBatch::up_to(32)).order_restored();
/// let _write = Settings::new().in_order().restart(Restart::AtMost(3));
/// let _fetch = Settings::new().own_threads().concurrency(QueueThreads::new(1, 16).idle(Duration::from_secs(5)));
/// ```
#[derive(Debug)]
pub struct Settings {
    pub(crate) queue: usize,
    pub(crate) batch: Knob,
    pub(crate) concurrency: Option<Knob>,
    pub(crate) order: Order,
    pub(crate) threads: Threads,
    pub(crate) restart: Restart,
    pub(crate) is_irrevocable: bool,
    pub(crate) control_every: Duration,
}

/// The order in which events go through a stage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Order {
    /// They are handled side by side, and leave as they are done.
    #[default]
    Any,
    /// They are handled side by side, and leave in the order in which they were submitted.
    Restored,
    /// They are handled one batch after the other, in the order in which they were submitted.
    Strict,
}

/// On which threads the handlers of a stage run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Threads {
    /// On the pool that all stages share.
    #[default]
    Shared,
    /// On threads of the stage's own, one for each handler: for handlers that block.
    Own,
}

/// What happens when a handler has panicked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Restart {
    /// A new handler takes its place.
    #[default]
    Always,
    /// A new handler takes its place, so many times in all; after that, every event that comes to the stage fails as
    /// [`Stopped`](crate::EventErrorKind::Stopped).
    AtMost(u64),
}

/// A number that is fixed, or that a controller sets.
pub struct Knob {
    pub(crate) start: usize,
    pub(crate) controller: Option<Box<dyn Controller>>,
}

impl Knob {
    /// A controller of your own, and what it starts with.
    pub fn controlled(start: usize, controller: impl Controller + 'static) -> Self {
        Self {
            start,
            controller: Some(Box::new(controller)),
        }
    }
}

impl From<usize> for Knob {
    /// A number that stays as it is.
    fn from(start: usize) -> Self {
        Self {
            start,
            controller: None,
        }
    }
}

impl fmt::Debug for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Knob")
            .field("start", &self.start)
            .field("is_controlled", &self.controller.is_some())
            .finish()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// A queue of 256, one event at a time for each of the pool's workers, in any order.
    #[must_use]
    pub fn new() -> Self {
        Self {
            queue: 256,
            batch: 1.into(),
            concurrency: None,
            order: Order::Any,
            threads: Threads::Shared,
            restart: Restart::Always,
            is_irrevocable: false,
            control_every: Duration::from_millis(100),
        }
    }

    /// How many events may wait before the stage. Default: 256.
    ///
    /// When it is full, the stage before stops, and at last whoever submits waits or is refused. Where order is restored,
    /// a late event can let many in at once that have waited for it: then the queue holds more for a while, but never more
    /// than are allowed in the whole pipeline.
    #[must_use]
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events;
        self
    }

    /// How many events a handler gets at a time, at most: a number, or a controller such as
    /// [`SmallestBatch`](crate::SmallestBatch). Default: 1.
    ///
    /// Larger batches cost less an event. When other workers have nothing to do, they get their share of what waits first.
    #[must_use]
    pub fn batch(mut self, events: impl Into<Knob>) -> Self {
        self.batch = events.into();
        self
    }

    /// How many handlers may run at a time: a number, or a controller such as [`QueueThreads`](crate::QueueThreads).
    /// Default: as many as there are workers in the pool, or one if the stage has its own threads. A stage that is
    /// [in order](Self::in_order) has one in any case.
    #[must_use]
    pub fn concurrency(mut self, handlers: impl Into<Knob>) -> Self {
        self.concurrency = Some(handlers.into());
        self
    }

    /// In which order events go through the stage. Default: any.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Events are handled side by side and leave in the order of submission: [`Order::Restored`].
    #[must_use]
    pub fn order_restored(self) -> Self {
        self.order(Order::Restored)
    }

    /// Events are handled one batch after the other, in the order of submission: [`Order::Strict`].
    #[must_use]
    pub fn in_order(self) -> Self {
        self.order(Order::Strict)
    }

    /// On which threads the handlers run. Default: the shared pool.
    #[must_use]
    pub fn threads(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    /// The handlers block, so they get threads of their own: [`Threads::Own`]. A stage has as many as it had handlers at most; those
    /// that its controller has taken away sleep.
    #[must_use]
    pub fn own_threads(self) -> Self {
        self.threads(Threads::Own)
    }

    /// What happens after a panic. Default: a new handler takes over, always.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// What the stage does is not undone: an event that it has answered with a result goes on to the end, whoever cancels it
    /// and however late it is. Ending with [`abort`](crate::Pipeline::abort) waits for it.
    #[must_use]
    pub fn irrevocable(mut self) -> Self {
        self.is_irrevocable = true;
        self
    }

    /// How often the controllers of the stage are asked. Default: every 100 ms.
    #[must_use]
    pub fn control_every(mut self, time: Duration) -> Self {
        self.control_every = time;
        self
    }
}
