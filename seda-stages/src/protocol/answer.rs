//! A result that somebody may wait for, look at or await.

use std::{
    task::{Poll, Waker},
    time::Duration,
};

use crate::sync::{Condvar, Mutex, lock, wait, wait_for};

/// Given once, taken once.
#[derive(Debug)]
pub struct Answer<T> {
    state: Mutex<State<T>>,
    given: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    has_waiter: bool,
}

impl<T> Answer<T> {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                value: None,
                waker: None,
                has_waiter: false,
            }),
            given: Condvar::new(),
        }
    }

    /// Gives it. Whoever waits is woken.
    pub fn give(&self, value: T) {
        let mut state = lock(&self.state);
        state.value = Some(value);
        let waker = state.waker.take();
        let has_waiter = state.has_waiter;
        drop(state);
        if has_waiter && !cfg!(mutant = "silent_answer") {
            self.given.notify_all();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_given(&self) -> bool {
        lock(&self.state).value.is_some()
    }

    /// Takes it, if it is there.
    pub fn take(&self) -> Option<T> {
        lock(&self.state).value.take()
    }

    /// Takes it when it is there.
    pub fn wait(&self) -> T {
        let mut state = lock(&self.state);
        loop {
            if let Some(value) = state.value.take() {
                return value;
            }
            state.has_waiter = true;
            state = wait(&self.given, state);
        }
    }

    /// As [`wait`](Self::wait), but no longer than so long; now and then it may end a little early.
    pub fn wait_for(&self, time: Duration) -> Option<T> {
        let mut state = lock(&self.state);
        if state.value.is_none() {
            state.has_waiter = true;
            (state, _) = wait_for(&self.given, state, time);
        }
        state.value.take()
    }

    /// Takes it if it is there; if not, the waker is called when it is.
    pub fn poll(&self, waker: &Waker) -> Poll<T> {
        if cfg!(mutant = "look_then_register") {
            if let Some(value) = self.take() {
                return Poll::Ready(value);
            }
            lock(&self.state).waker = Some(waker.clone());
            return Poll::Pending;
        }
        let mut state = lock(&self.state);
        if let Some(value) = state.value.take() {
            return Poll::Ready(value);
        }
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Poll::Pending
    }
}
