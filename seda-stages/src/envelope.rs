//! An event on its way, and where its result goes.

use std::{any::Any, fmt};

use crate::{
    error::{EventError, EventErrorKind},
    protocol::{
        answer::Answer,
        phase::{CallOff, Phase, Withdrawn},
        queue::Numbered,
    },
    sync::Arc,
};

/// An event, with what goes along with it.
#[derive(Debug)]
pub(crate) struct Envelope<T> {
    pub(crate) tag: Tag,
    pub(crate) value: T,
}

/// What goes along with an event from stage to stage.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) number: u64,
    /// When it came to where it is.
    pub(crate) since: u64,
    pub(crate) record: Arc<Record<dyn Slot>>,
}

impl<T> Numbered for Envelope<T> {
    fn number(&self) -> u64 {
        self.tag.number
    }
}

/// What an event's ticket and the event have in common. Times are in nanoseconds.
pub(crate) struct Record<S: ?Sized> {
    pub(crate) phase: Phase,
    /// When it was let in.
    pub(crate) submitted: u64,
    /// The largest number if there is none.
    pub(crate) deadline: u64,
    pub(crate) slot: S,
}

impl<S: ?Sized> fmt::Debug for Record<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("phase", &self.phase)
            .field("submitted", &self.submitted)
            .finish_non_exhaustive()
    }
}

impl<S: Slot + ?Sized> Record<S> {
    /// Calls the event off; whoever decides that answers.
    pub(crate) fn call_off(&self, why: Withdrawn) -> CallOff {
        let outcome = self.phase.call_off(why);
        if outcome == CallOff::Mine {
            self.slot.fail(EventError::new(None, why.into()));
        }
        outcome
    }
}

impl From<Withdrawn> for EventErrorKind {
    fn from(why: Withdrawn) -> Self {
        match why {
            Withdrawn::Cancelled => Self::Cancelled,
            Withdrawn::Expired => Self::Expired,
        }
    }
}

/// The answer of an event, for stages that do not know the type of results.
pub(crate) trait Slot: Send + Sync {
    fn fail(&self, error: EventError);

    /// `value` is an `Option` of the result, and is taken out.
    fn succeed(&self, value: &mut dyn Any);
}

impl<T: Send + 'static> Slot for Answer<Result<T, EventError>> {
    fn fail(&self, error: EventError) {
        self.give(Err(error));
    }

    fn succeed(&self, value: &mut dyn Any) {
        let value = value.downcast_mut::<Option<T>>().and_then(Option::take);
        self.give(Ok(value.expect("the last stage makes results of this type")));
    }
}
