//! What a caller holds of an event that it has handed in.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    clock::Clock,
    envelope::{Record, Slot},
    error::EventError,
    protocol::{
        answer::Answer,
        phase::{CallOff, Withdrawn},
    },
    sync::Arc,
};

/// The result of one event, to wait for ([`wait`](Self::wait)), to look for ([`try_take`](Self::try_take)) or to await: it is a
/// future that needs no particular runtime.
///
/// Dropping it changes nothing for the event. [`cancel`](Self::cancel) does.
///
/// A stage that comes to an event whose [deadline](crate::Submission::deadline) has passed fails it. While no stage comes to it, it is
/// the ticket that fails it: whoever waits does so when the deadline passes, and whoever looks or polls if it has passed. There is
/// no timer behind a ticket that is awaited: to be told in time while a stage does not get on, await it together with a timer of
/// your runtime, and look again when that is over.
///
/// ```
/// use std::time::Duration;
/// use seda_stages::{EventErrorKind, ManualClock, Pipeline, Settings, from_fn};
///
/// let clock = ManualClock::new();
/// let pipeline = Pipeline::builder()
///     .stage("double", Settings::new(), from_fn(|number: u32| Ok::<_, std::io::Error>(2 * number)))
///     .clock(clock.clone())
///     .stepped()
///     .build()?;
/// let ticket = pipeline.submit(4)?;
/// let late = pipeline.event(5).deadline(Duration::from_secs(1)).submit()?;
/// let ticket = ticket.try_take().unwrap_err();
/// assert!(pipeline.step());
/// assert_eq!(ticket.wait()?, 8);
///
/// clock.advance(Duration::from_secs(1));
/// let error = late.wait().unwrap_err();
/// assert!(matches!(error.kind(), EventErrorKind::Expired));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an event is handled without its ticket, but nobody learns what came of it"]
pub struct Ticket<T> {
    record: Arc<Record<Answer<Result<T, EventError>>>>,
    /// For an event that has a deadline.
    clock: Option<Arc<dyn Clock>>,
    number: u64,
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Ticket<T> {
    pub(crate) fn new(
        record: Arc<Record<Answer<Result<T, EventError>>>>,
        clock: &Arc<dyn Clock>,
        number: u64,
    ) -> Self {
        let has_deadline = record.deadline < u64::MAX;
        Self {
            clock: has_deadline.then(|| Arc::clone(clock)),
            record,
            number,
        }
    }

    /// The event's place in the order of submission, counted from zero.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether there is a result.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.record.slot.is_given()
    }

    /// Waits for the result.
    ///
    /// An event that still waits for a stage when its deadline passes fails at that moment.
    pub fn wait(self) -> Result<T, EventError> {
        while let Some(left) = self.until_deadline() {
            if let Some(result) = self.record.slot.wait_for(left) {
                return result;
            }
        }
        self.look_at_deadline();
        self.record.slot.wait()
    }

    /// Waits for the result, but no longer than so long, now and then a little less; then gives the ticket back.
    ///
    /// An event that still waits for a stage when its deadline passes fails at that moment.
    pub fn wait_for(self, time: Duration) -> Result<Result<T, EventError>, Self> {
        self.look_at_deadline();
        let until_deadline = self.until_deadline().map_or(time, |left| left.min(time));
        let mut result = self.record.slot.wait_for(until_deadline);
        if result.is_none() {
            self.look_at_deadline();
            result = self
                .record
                .slot
                .wait_for(time.saturating_sub(until_deadline));
        }
        result.ok_or(self)
    }

    /// The result if it is there, else the ticket.
    pub fn try_take(self) -> Result<Result<T, EventError>, Self> {
        self.look_at_deadline();
        self.record.slot.take().ok_or(self)
    }

    /// The time that is left, if there is a deadline and it has not passed.
    fn until_deadline(&self) -> Option<Duration> {
        let now = self.clock.as_ref()?.now();
        let left = Duration::from_nanos(self.record.deadline).saturating_sub(now);
        Some(left).filter(|left| !left.is_zero())
    }

    fn look_at_deadline(&self) {
        if self.clock.is_some() && self.until_deadline().is_none() {
            let _ = self.record.call_off(Withdrawn::Expired);
        }
    }

    /// Cancels the event. If it waits for a stage, it fails at once; if a stage has it, it fails when that is done, unless
    /// that was the last stage, or is [irrevocable](crate::Settings::irrevocable) and gives a result. Whether no further stage will
    /// begin with it, but for that one result.
    #[expect(clippy::must_use_candidate, reason = "who cancels need not care")]
    pub fn cancel(&self) -> bool {
        self.record.call_off(Withdrawn::Cancelled) != CallOff::TooLate
    }

    /// What cancels the event while somebody else waits for the ticket.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.record) as Arc<Record<dyn Slot>>)
    }
}

impl<T: Send + 'static> Future for Ticket<T> {
    type Output = Result<T, EventError>;

    /// # Panics
    ///
    /// Never; but a ticket that has given its result stays pending for ever.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.look_at_deadline();
        self.record.slot.poll(context.waker())
    }
}

/// Cancels one event; see [`Ticket::canceller`].
#[derive(Clone, Debug)]
pub struct Canceller(Arc<Record<dyn Slot>>);

impl Canceller {
    /// As [`Ticket::cancel`].
    #[expect(clippy::must_use_candidate, reason = "who cancels need not care")]
    pub fn cancel(&self) -> bool {
        self.0.call_off(Withdrawn::Cancelled) != CallOff::TooLate
    }
}
