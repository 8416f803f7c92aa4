//! What can go wrong: with an event, with handing one in, with building a pipeline.

use std::{error::Error, fmt, io, sync::Arc};

/// An error of a type that the pipeline does not know.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// An event has left the pipeline without a result.
#[derive(Debug)]
pub struct EventError {
    stage: Option<Arc<str>>,
    kind: EventErrorKind,
}

impl EventError {
    pub(crate) fn new(stage: Option<Arc<str>>, kind: EventErrorKind) -> Self {
        Self { stage, kind }
    }

    /// The stage that had the event or would have been next; `None` if it was called off from outside.
    #[must_use]
    pub fn stage(&self) -> Option<&str> {
        self.stage.as_deref()
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &EventErrorKind {
        &self.kind
    }

    /// What happened, to keep.
    #[must_use]
    pub fn into_kind(self) -> EventErrorKind {
        self.kind
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stage) = &self.stage {
            write!(f, "stage {stage}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl Error for EventError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// Why an event has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventErrorKind {
    /// The handler returned this error.
    #[error("failed")]
    Failed(#[source] BoxError),
    /// The handler panicked, with this message.
    #[error("panicked: {0}")]
    Panicked(String),
    /// The handler returned without answering.
    #[error("no answer")]
    Unanswered,
    /// The handlers of the stage have panicked more often than its [`Restart`](crate::Restart) allows; it handles nothing
    /// any more.
    #[error("stopped after too many panics")]
    Stopped,
    /// The deadline passed before a stage began with the event.
    #[error("the deadline has passed")]
    Expired,
    /// The event was cancelled, alone or with all others. No stage begins with it any more.
    #[error("cancelled")]
    Cancelled,
}

/// An event that was not accepted, given back with the reason.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused<T> {
    /// The event, as it was handed in.
    pub event: T,
    /// Why.
    pub reason: Refusal,
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Refused");
        debug.field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<T> Error for Refused<T> {}

/// Why an event was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The queue of the first stage is full, or the pipeline holds as many events as it may.
    #[error("the pipeline is full")]
    Full,
    /// More events at a time would take longer than the admission controller's target.
    #[error("the pipeline is overloaded")]
    Overloaded,
    /// It was full until the event's deadline had passed.
    #[error("the deadline has passed")]
    Expired,
    /// The pipeline has been drained or aborted, or is about to be.
    #[error("the pipeline is closed")]
    Closed,
}

/// A pipeline could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It has no stage.
    #[error("a pipeline needs a stage")]
    NoStage,
    /// Two stages have the same name.
    #[error("two stages are called {0}")]
    NameTwice(String),
    /// Something that must be at least one is zero.
    #[error("{what} of {of} must be at least one")]
    Zero {
        /// The stage, or "the pipeline".
        of: String,
        /// What is zero.
        what: &'static str,
    },
    /// There is no worker, and the pipeline is not [stepped](crate::Builder::stepped).
    #[error("a pipeline that is not stepped needs a worker")]
    NoWorker,
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[source] io::Error),
}
