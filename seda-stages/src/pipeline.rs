//! The pipeline as its user has it: hand in events, look, end.

use std::{
    fmt,
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use crate::{
    builder::Builder,
    clock::nanoseconds,
    core::Core,
    envelope::{Envelope, Record, Slot, Tag},
    error::{Refusal, Refused},
    metrics::{Snapshot, Summary},
    node::Accept,
    protocol::{
        answer::Answer,
        board::{self, Patience},
        phase::Phase,
    },
    sync::Arc,
    ticket::Ticket,
    timeline::Timeline,
};

/// A running pipeline: events of type `In` go in, results of type `Out` come out.
///
/// It is `Send` and `Sync`, whatever its events are, and can be shared between threads by reference or in an `Arc`. Dropping it
/// [aborts](Self::abort) it, and waits until the handlers that run are done; so it must not be dropped by one of its own
/// handlers. A handler that hands in events itself should not wait for room, which it may be holding.
pub struct Pipeline<In, Out> {
    core: Arc<Core>,
    entry: Arc<dyn Accept<In>>,
    is_stepped: bool,
    /// How often controllers want to be asked.
    look: Option<Duration>,
    results: std::marker::PhantomData<fn() -> Out>,
}

impl<In, Out> fmt::Debug for Pipeline<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("name", &self.core.name)
            .field("summary", &self.core.summary())
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Pipeline<T, T> {
    /// A pipeline without stages, to add some.
    ///
    /// ```
    /// use seda_stages::{Pipeline, Settings, from_fn};
    ///
    /// let length = from_fn(|text: &'static str| Ok::<_, std::io::Error>(text.len()));
    /// let square = from_fn(|length: usize| Ok::<_, std::io::Error>(length * length));
    /// let pipeline = Pipeline::builder()
    ///     .stage("length", Settings::new(), length)
    ///     .stage("square", Settings::new().in_order(), square)
    ///     .workers(2)
    ///     .build()?;
    /// let tickets = ["one", "three"].map(|text| pipeline.submit(text).unwrap());
    /// assert_eq!(tickets.map(|ticket| ticket.wait().unwrap()), [9, 25]);
    /// assert_eq!(pipeline.drain().completed, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder<T, T> {
        Builder::new()
    }
}

impl<In: Send + 'static, Out: Send + 'static> Pipeline<In, Out> {
    pub(crate) fn new(
        core: Arc<Core>,
        entry: Arc<dyn Accept<In>>,
        is_stepped: bool,
        look: Option<Duration>,
    ) -> Self {
        Self {
            core,
            entry,
            is_stepped,
            look,
            results: std::marker::PhantomData,
        }
    }

    /// An event, to be handed in with what else belongs to it.
    pub fn event(&self, event: In) -> Submission<'_, In, Out> {
        Submission {
            pipeline: self,
            event,
            deadline: u64::MAX,
        }
    }

    /// Hands an event in, and waits until there is room for it. It is refused only if the pipeline is closed.
    pub fn submit(&self, event: In) -> Result<Ticket<Out>, Refused<In>> {
        self.event(event).submit()
    }

    /// Hands an event in if there is room for it; if not, gives it back at once.
    pub fn try_submit(&self, event: In) -> Result<Ticket<Out>, Refused<In>> {
        self.event(event).try_submit()
    }

    /// As [`submit`](Self::submit), but waits asynchronously, on any runtime.
    pub fn submit_async(
        &self,
        event: In,
    ) -> impl Future<Output = Result<Ticket<Out>, Refused<In>>> {
        self.event(event).submit_async()
    }

    /// Cancels all events that have been accepted up to now. Those that wait fail at once; those that a stage has, when it
    /// is done with them, unless that was the last stage or is [irrevocable](crate::Settings::irrevocable). Their places are free
    /// again when the stages meet them.
    pub fn cancel_all(&self) {
        let cancelled_before = self.core.board.cancel_all();
        self.core.sweep(cancelled_before);
    }

    /// Accepts no more events. Those inside go on.
    pub fn close(&self) {
        self.core.board.close();
    }

    /// Closes the pipeline, waits until all accepted events have left, and tells what became of them. Its threads have
    /// ended then.
    ///
    /// It must not be called by a handler, which it would wait for.
    #[expect(
        clippy::must_use_candidate,
        reason = "what became of events can be asked for later, too"
    )]
    pub fn drain(&self) -> Summary {
        self.close();
        while self.is_stepped && self.step() {}
        self.core.board.wait_until_over();
        self.core.join();
        self.core.report();
        self.core.summary()
    }

    /// Closes the pipeline, cancels all events, waits until the handlers that run are done, and tells what became of all
    /// events. Its threads have ended then.
    ///
    /// It must not be called by a handler, which it would wait for.
    #[expect(
        clippy::must_use_candidate,
        reason = "what became of events can be asked for later, too"
    )]
    pub fn abort(&self) -> Summary {
        self.close();
        self.cancel_all();
        self.drain()
    }

    /// In a [stepped](Builder::stepped) pipeline: handles one batch, of the last stage that has something to do, on this
    /// thread. False if there is nothing to do. In others, this thread helps out.
    #[expect(
        clippy::must_use_candidate,
        reason = "one step may be all that is wanted"
    )]
    pub fn step(&self) -> bool {
        self.core.step()
    }

    /// What the pipeline has measured.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.core.snapshot()
    }

    /// The last batches, if the pipeline was built to remember them.
    #[must_use]
    pub fn timeline(&self) -> Option<Timeline> {
        self.core.timeline()
    }
}

impl<In, Out> Drop for Pipeline<In, Out> {
    fn drop(&mut self) {
        self.core.board.close();
        if self.core.board.is_over() {
            self.core.join();
            return;
        }
        self.core.sweep(self.core.board.cancel_all());
        if self.is_stepped {
            while self.core.step() {}
        }
        self.core.board.wait_until_over();
        self.core.join();
    }
}

/// An event that is about to be handed in; see [`Pipeline::event`].
#[must_use = "it is not handed in yet"]
pub struct Submission<'a, In, Out> {
    pipeline: &'a Pipeline<In, Out>,
    event: In,
    deadline: u64,
}

impl<In, Out> fmt::Debug for Submission<'_, In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").finish_non_exhaustive()
    }
}

/// What is made of an event before there is room for it.
struct Prepared<In, Out> {
    event: Option<In>,
    record: Arc<Record<Answer<Result<Out, crate::EventError>>>>,
}

impl<'a, In: Send + 'static, Out: Send + 'static> Submission<'a, In, Out> {
    /// The event is worthless when this time has passed from now: no stage begins with it then, and it fails as
    /// [`Expired`](crate::EventErrorKind::Expired). Default: never.
    ///
    /// While the event waits for a stage that does not get on, that is noticed by whoever waits or looks for its ticket.
    pub fn deadline(mut self, time: Duration) -> Self {
        let now = self.pipeline.core.clock.now();
        self.deadline = nanoseconds(now.saturating_add(time));
        self
    }

    fn prepare(self) -> (&'a Pipeline<In, Out>, Prepared<In, Out>) {
        let record = Record {
            phase: Phase::new(),
            submitted: 0,
            deadline: self.deadline,
            slot: Answer::new(),
        };
        let prepared = Prepared {
            event: Some(self.event),
            record: Arc::new(record),
        };
        (self.pipeline, prepared)
    }

    /// As [`Pipeline::try_submit`].
    pub fn try_submit(self) -> Result<Ticket<Out>, Refused<In>> {
        let (pipeline, mut prepared) = self.prepare();
        let entered = pipeline.core.board.enter(Patience::None, |number| {
            prepared.enter(pipeline, number);
        });
        prepared.finish(pipeline, entered)
    }

    /// As [`Pipeline::submit`], but it waits no longer than the deadline allows, and is refused then as
    /// [`Expired`](Refusal::Expired).
    pub fn submit(self) -> Result<Ticket<Out>, Refused<In>> {
        let (pipeline, mut prepared) = self.prepare();
        let core = &pipeline.core;
        let deadline = prepared.record.deadline;
        loop {
            let left = deadline.saturating_sub(nanoseconds(core.clock.now()));
            let patience = if pipeline.is_stepped {
                Patience::None
            } else if deadline == u64::MAX && pipeline.look.is_none() {
                Patience::Endless
            } else {
                let left = Duration::from_nanos(left);
                Patience::For(pipeline.look.map_or(left, |look| left.min(look)))
            };
            let enter = |number| prepared.enter(pipeline, number);
            match core.board.enter(patience, enter) {
                Err(board::Refusal::Closed) => {
                    return prepared.finish(pipeline, Err(board::Refusal::Closed));
                }
                Err(why) if left == 0 => {
                    return Err(prepared.refused(pipeline, why, Refusal::Expired));
                }
                Err(_) if pipeline.is_stepped => {
                    if !core.step() {
                        return prepared.finish(pipeline, Err(board::Refusal::Full));
                    }
                }
                Err(_) => core.control_all(),
                Ok(number) => return prepared.finish(pipeline, Ok(number)),
            }
        }
    }

    /// As [`Pipeline::submit_async`]. The deadline is looked at whenever there may be room.
    pub async fn submit_async(self) -> Result<Ticket<Out>, Refused<In>> {
        let (pipeline, mut prepared) = self.prepare();
        let core = &pipeline.core;
        let mut caller = Caller {
            board: &core.board,
            number: None,
        };
        let entered = poll_fn(|context| {
            let enter = |number| prepared.enter(pipeline, number);
            let waker = context.waker();
            let entered = core.board.enter_or_call(&mut caller.number, waker, enter);
            match entered {
                Err(board::Refusal::Full | board::Refusal::Overload)
                    if nanoseconds(core.clock.now()) < prepared.record.deadline =>
                {
                    Poll::Pending
                }
                other => Poll::Ready(other),
            }
        })
        .await;
        match entered {
            Err(why) if why != board::Refusal::Closed => {
                Err(prepared.refused(pipeline, why, Refusal::Expired))
            }
            other => prepared.finish(pipeline, other),
        }
    }
}

/// Who waits asynchronously for room, and may give up.
struct Caller<'a> {
    board: &'a board::Board,
    number: Option<u64>,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.board.forget(number);
        }
    }
}

impl<In: Send + 'static, Out: Send + 'static> Prepared<In, Out> {
    /// Joins the first queue, under this number. Now the response time begins: however long the caller has waited for room, it
    /// does not become longer because too many are inside.
    fn enter(&mut self, pipeline: &Pipeline<In, Out>, number: u64) {
        let now = nanoseconds(pipeline.core.clock.now());
        let record = Arc::get_mut(&mut self.record).expect("nobody else has it yet");
        record.submitted = now;
        let value = self.event.take().expect("it enters once");
        let tag = Tag {
            number,
            since: now,
            record: Arc::clone(&self.record) as Arc<Record<dyn Slot>>,
        };
        pipeline.entry.enter(Envelope { tag, value });
    }

    fn finish(
        self,
        pipeline: &Pipeline<In, Out>,
        entered: Result<u64, board::Refusal>,
    ) -> Result<Ticket<Out>, Refused<In>> {
        let core = &pipeline.core;
        match entered {
            Ok(number) => {
                core.reports.accepted();
                core.control(0, self.record.submitted);
                Ok(Ticket::new(self.record, &core.clock, number))
            }
            Err(why) => {
                let reason = match why {
                    board::Refusal::Full => Refusal::Full,
                    board::Refusal::Overload => Refusal::Overloaded,
                    board::Refusal::Closed => Refusal::Closed,
                };
                Err(self.refused(pipeline, why, reason))
            }
        }
    }

    fn refused(
        self,
        pipeline: &Pipeline<In, Out>,
        why: board::Refusal,
        reason: Refusal,
    ) -> Refused<In> {
        pipeline.core.board.count_refused(why);
        pipeline.core.reports.refused();
        let event = self.event.expect("it has not entered");
        Refused { event, reason }
    }
}
