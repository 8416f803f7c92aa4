//! What users write: a handler of events.

use std::collections::VecDeque;

use crate::{
    envelope::{Envelope, Tag},
    error::BoxError,
};

/// Handles the events of one stage.
///
/// A pipeline makes as many handlers as run at a time, and keeps them: each belongs to one thread at a time and may keep
/// what it likes between events. After a panic it is thrown away, and a new one takes its place; see
/// [`Restart`](crate::Restart).
///
/// ```
/// use seda_stages::{Batch, Pipeline, Settings, Stage};
///
/// /// Adds up, and writes once for a whole batch.
/// struct Journal { written: Vec<u64> }
///
/// impl Stage for Journal {
///     type In = u64;
///     type Out = usize;
///     type Error = std::convert::Infallible;
///
///     fn handle(&mut self, event: u64) -> Result<usize, Self::Error> {
///         self.written.push(event);
///         Ok(self.written.len())
///     }
///
///     fn handle_batch(&mut self, batch: &mut Batch<u64, usize, Self::Error>) {
///         let mut events = Vec::new();
///         while let Some(event) = batch.take() {
///             events.push(event);
///         }
///         self.written.extend(&events); // all at once
///         for _ in events {
///             batch.answer(Ok(self.written.len()));
///         }
///     }
/// }
///
/// let settings = Settings::new().in_order().batch(16);
/// let pipeline = Pipeline::builder().stage("journal", settings, || Journal { written: Vec::new() }).build()?;
/// let ticket = pipeline.submit(7)?;
/// assert!(ticket.wait()? > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Stage: Send + 'static {
    /// What it handles.
    type In: Send + 'static;
    /// What it makes of it, for the next stage or the ticket.
    type Out: Send + 'static;
    /// Why it may fail. The event's ticket gets it, in an [`EventError`](crate::EventError) that names the stage.
    type Error: Into<BoxError> + Send + 'static;

    /// Handles one event.
    fn handle(&mut self, event: Self::In) -> Result<Self::Out, Self::Error>;

    /// Handles some events. Unless it is written otherwise, one after the other by [`handle`](Self::handle).
    ///
    /// Each event that is taken has to be answered. After a panic, those that were taken and not answered fail, and the
    /// others are handled by a new handler. Events that are left in the batch are handed in again; if none is taken, they
    /// fail as unanswered.
    fn handle_batch(&mut self, batch: &mut Batch<Self::In, Self::Out, Self::Error>) {
        while let Some(event) = batch.take() {
            let result = self.handle(event);
            batch.answer(result);
        }
    }
}

/// Some events for one handler, and its answers.
#[derive(Debug)]
pub struct Batch<In, Out, Error> {
    pub(crate) events: VecDeque<Envelope<In>>,
    pub(crate) taken: VecDeque<Tag>,
    pub(crate) answers: Vec<(Tag, Result<Out, Error>)>,
}

impl<In, Out, Error> Batch<In, Out, Error> {
    pub(crate) fn new() -> Self {
        Self {
            events: VecDeque::new(),
            taken: VecDeque::new(),
            answers: Vec::new(),
        }
    }

    /// How many events have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether all events have been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Takes the next event. In a stage that is in order, these come in the order of submission.
    pub fn take(&mut self) -> Option<In> {
        let Envelope { tag, value } = self.events.pop_front()?;
        self.taken.push_back(tag);
        Some(value)
    }

    /// Answers the event that was taken first of those that have no answer yet.
    ///
    /// # Panics
    ///
    /// If all that were taken have been answered. Like any panic of a handler, that concerns its events alone.
    pub fn answer(&mut self, result: Result<Out, Error>) {
        let tag = self.taken.pop_front();
        let tag = tag.expect("an answer belongs to an event that was taken");
        self.answers.push((tag, result));
    }

    /// Whether the event that would be answered next has been cancelled by its ticket meanwhile: a handler that takes long
    /// may stop, and answer as it likes.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let next = self.taken.front();
        next.is_some_and(|tag| tag.record.phase.is_called_off())
    }
}

/// Makes handlers out of a function. It is cloned for each.
///
/// ```
/// use seda_stages::{Pipeline, Settings, from_fn};
///
/// let parse = from_fn(|text: String| text.parse::<u32>());
/// let double = from_fn(|number: u32| number.checked_mul(2).ok_or("too large"));
/// let pipeline = Pipeline::builder()
///     .stage("parse", Settings::new(), parse)
///     .stage("double", Settings::new(), double)
///     .build()?;
/// assert_eq!(pipeline.submit("21".to_owned())?.wait()?, 42);
/// let error = pipeline.submit("x".to_owned())?.wait().unwrap_err();
/// assert_eq!(error.stage(), Some("parse"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_fn<F, In, Out, Error>(
    function: F,
) -> impl Fn() -> FnStage<F, In, Out, Error> + Clone + Send + Sync
where
    F: FnMut(In) -> Result<Out, Error> + Clone + Send + Sync + 'static,
    In: Send + 'static,
    Out: Send + 'static,
    Error: Into<BoxError> + Send + 'static,
{
    move || FnStage {
        function: function.clone(),
        types: std::marker::PhantomData,
    }
}

/// A function as a [`Stage`]; see [`from_fn`].
pub struct FnStage<F, In, Out, Error> {
    function: F,
    types: std::marker::PhantomData<fn(In) -> Result<Out, Error>>,
}

impl<F, In, Out, Error> std::fmt::Debug for FnStage<F, In, Out, Error> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FnStage").finish_non_exhaustive()
    }
}

impl<F, In, Out, Error> Stage for FnStage<F, In, Out, Error>
where
    F: FnMut(In) -> Result<Out, Error> + Send + 'static,
    In: Send + 'static,
    Out: Send + 'static,
    Error: Into<BoxError> + Send + 'static,
{
    type In = In;
    type Out = Out;
    type Error = Error;

    fn handle(&mut self, event: In) -> Result<Out, Error> {
        (self.function)(event)
    }
}
