//! The events before a stage. Where order is asked for, an event joins the queue only when all before it have joined or left.

use std::collections::VecDeque;

use crate::{
    order::{Arrival, Gate},
    sync::{Mutex, lock},
};

/// What has a place in the order of submission.
pub trait Numbered {
    /// The place, counted from zero.
    fn number(&self) -> u64;
}

/// How many events it may hold is the board's to say.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    events: VecDeque<T>,
    gate: Option<Gate<T>>,
}

impl<T: Numbered> Queue<T> {
    /// An empty queue, which restores the order or not.
    #[must_use]
    pub fn new(restores_order: bool) -> Self {
        Self {
            state: Mutex::new(State {
                events: VecDeque::new(),
                gate: restores_order.then(Gate::new),
            }),
        }
    }

    /// Adds one at the end, to a queue that does not restore the order.
    pub fn push(&self, event: T) {
        let mut state = lock(&self.state);
        debug_assert!(state.gate.is_none(), "submission is in order anyway");
        state.events.push_back(event);
    }

    /// Adds events, and tells of numbers whose events have left before. Gives back how many can be taken now that could
    /// not before, and leaves in `gone` those numbers that it is done with.
    pub fn put(&self, events: &mut Vec<T>, gone: &mut Vec<u64>) -> usize {
        let mut state = lock(&self.state);
        let State { events: all, gate } = &mut *state;
        let before = all.len();
        let Some(gate) = gate else {
            all.extend(events.drain(..));
            return all.len() - before;
        };
        let told = std::mem::take(gone);
        let mut pass = |number, arrival| match arrival {
            Arrival::Event(event) => all.push_back(event),
            Arrival::Gone => gone.push(number),
        };
        for event in events.drain(..) {
            gate.arrive(event.number(), Arrival::Event(event), &mut pass);
        }
        for number in told {
            if !cfg!(mutant = "forget_the_gone") {
                gate.arrive(number, Arrival::Gone, &mut pass);
            }
        }
        all.len() - before
    }

    /// Takes so many, which are there because the board has promised them.
    pub fn take(&self, count: usize, into: &mut impl Extend<T>) {
        let mut state = lock(&self.state);
        debug_assert!(state.events.len() >= count, "promised events are there");
        let count = count.min(state.events.len());
        into.extend(state.events.drain(..count));
    }

    /// Looks at all events, those that wait for their turn among them.
    pub fn look(&self, look: impl FnMut(&T)) {
        let state = lock(&self.state);
        let early = state.gate.iter().flat_map(Gate::waiting);
        state.events.iter().chain(early).for_each(look);
    }

    /// How many wait for their turn, and do not count as in the queue.
    #[must_use]
    pub fn early(&self) -> usize {
        let state = lock(&self.state);
        state.gate.iter().flat_map(Gate::waiting).count()
    }
}
