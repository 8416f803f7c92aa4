//! What the tests share.

use std::{
    convert::Infallible,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use seda_stages::{ManualClock, Stage, Summary};

/// What cannot fail.
pub(crate) type Sure<T> = Result<T, Infallible>;

/// Passes an event on as it is.
#[expect(clippy::unnecessary_wraps, reason = "it is a handler")]
pub(crate) fn same<T>(event: T) -> Sure<T> {
    Ok(event)
}

/// Holds up whoever comes, until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Barrier(Arc<(Mutex<bool>, Condvar, AtomicUsize)>);

impl Barrier {
    pub(crate) fn pass(&self) {
        let (is_open, opened, arrived) = &*self.0;
        arrived.fetch_add(1, Ordering::SeqCst);
        let mut guard = is_open.lock().unwrap();
        while !*guard {
            guard = opened.wait(guard).unwrap();
        }
    }

    pub(crate) fn open(&self) {
        let (is_open, opened, _) = &*self.0;
        *is_open.lock().unwrap() = true;
        opened.notify_all();
    }

    /// How many have come.
    pub(crate) fn arrived(&self) -> usize {
        self.0.2.load(Ordering::SeqCst)
    }

    /// Waits until so many have come: if they never do, the test never ends.
    pub(crate) fn wait_for(&self, count: usize) {
        while self.arrived() < count {
            std::thread::yield_now();
        }
    }
}

/// Handlers that hold every event up.
pub(crate) fn hold(barrier: &Barrier) -> impl Fn() -> Holds + Send + Sync + use<> {
    let barrier = barrier.clone();
    move || Holds(barrier.clone())
}

pub(crate) struct Holds(Barrier);

impl Stage for Holds {
    type In = u32;
    type Out = u32;
    type Error = Infallible;

    fn handle(&mut self, event: u32) -> Sure<u32> {
        self.0.pass();
        Ok(event)
    }
}

/// Handlers that take so long, by a clock that only they move.
pub(crate) fn slow(clock: &ManualClock, time: Duration) -> impl Fn() -> Slow + Send + Sync + use<> {
    let clock = clock.clone();
    move || Slow(clock.clone(), time)
}

pub(crate) struct Slow(ManualClock, Duration);

impl Stage for Slow {
    type In = u32;
    type Out = u32;
    type Error = Infallible;

    fn handle(&mut self, event: u32) -> Sure<u32> {
        self.0.advance(self.1);
        Ok(event)
    }
}

/// Every accepted event is accounted for.
pub(crate) fn assert_complete(summary: Summary) {
    let sum = summary.completed + summary.failed + summary.cancelled + summary.expired;
    assert_eq!(summary.accepted, sum, "{summary:?}");
}
