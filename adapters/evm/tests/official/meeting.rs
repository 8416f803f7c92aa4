//! A state that brings two threads together.

use std::{
    sync::{Condvar, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};

use pleach::State;
use pleach_evm::{Key, StateError, StateUnder, Value};

/// A state at which the first thread that asks waits a little for a second one. The blocks of the tests are so small that they
/// would be over before another thread has woken up.
pub(super) struct Meeting<'s> {
    state: StateUnder<'s>,
    attendance: Mutex<Attendance>,
    arrived: Condvar,
}

enum Attendance {
    Nobody,
    One(ThreadId),
    Two,
    /// Nobody waits: it was for long enough, or there is no need.
    Over,
}

/// Nothing depends on it: it is merely how long it may take a thread to wake up.
const PATIENCE: Duration = Duration::from_micros(300);

impl<'s> Meeting<'s> {
    /// `state`, with a meeting or without.
    pub(super) fn new(state: StateUnder<'s>, takes_place: bool) -> Self {
        let attendance = if takes_place {
            Attendance::Nobody
        } else {
            Attendance::Over
        };
        Self {
            state,
            attendance: Mutex::new(attendance),
            arrived: Condvar::new(),
        }
    }

    fn attend(&self) {
        let thread = thread::current().id();
        let mut attendance = self.attendance.lock().expect("nobody panics with it");
        match *attendance {
            Attendance::Nobody => {
                *attendance = Attendance::One(thread);
                let is_alone = |attendance: &mut Attendance| matches!(attendance, Attendance::One(first) if *first == thread);
                let waited = self
                    .arrived
                    .wait_timeout_while(attendance, PATIENCE, is_alone);
                let (mut attendance, waited) = waited.expect("nobody panics with it");
                if waited.timed_out() {
                    *attendance = Attendance::Over;
                }
            }
            Attendance::One(first) if first != thread => {
                *attendance = Attendance::Two;
                self.arrived.notify_all();
            }
            Attendance::One(_) | Attendance::Two | Attendance::Over => {}
        }
    }

    /// Whether there were two.
    pub(super) fn took_place(&self) -> bool {
        let attendance = self.attendance.lock().expect("nobody panics with it");
        matches!(*attendance, Attendance::Two)
    }
}

impl State<Key, Value> for Meeting<'_> {
    type Error = StateError;

    fn get(&self, key: &Key) -> Result<Option<Value>, StateError> {
        self.attend();
        self.state.get(key)
    }
}
