//! The results behind the last stage. Where order is asked for, one thread at a time gives them out.

use crate::{
    protocol::queue::{Numbered, Queue},
    sync::{Mutex, lock},
};

/// Results that nobody has been told yet.
#[derive(Debug)]
pub struct Outlet<T> {
    results: Queue<T>,
    turn: Mutex<Turn>,
    in_order: bool,
}

#[derive(Debug, Default)]
struct Turn {
    /// Results that have joined the queue and that nobody has taken.
    ready: usize,
    is_taken: bool,
}

/// The right to give out results. Whoever has it goes on until [`Outlet::more`] takes it back.
#[derive(Debug)]
pub struct Giving(());

impl<T: Numbered> Outlet<T> {
    /// Nothing yet. Results are given out in the order of their numbers, or in any.
    #[must_use]
    pub fn new(in_order: bool) -> Self {
        Self {
            results: Queue::new(in_order),
            turn: Mutex::new(Turn::default()),
            in_order,
        }
    }

    /// Adds results; see [`Queue::put`].
    pub fn put(&self, results: &mut Vec<T>, gone: &mut Vec<u64>) {
        let ready = self.results.put(results, gone);
        if ready > 0 {
            lock(&self.turn).ready += ready;
        }
    }

    /// Takes what is there, unless another thread gives out what is there.
    #[must_use]
    pub fn begin(&self, into: &mut Vec<T>) -> Option<Giving> {
        let mut turn = lock(&self.turn);
        if turn.ready == 0 || (turn.is_taken && !cfg!(mutant = "give_at_once")) {
            return None;
        }
        turn.is_taken = self.in_order;
        let ready = std::mem::take(&mut turn.ready);
        self.results.take(ready, into);
        Some(Giving(()))
    }

    /// Takes what has come meanwhile. `None` if there is nothing: others may begin then.
    #[must_use]
    pub fn more(&self, giving: Giving, into: &mut Vec<T>) -> Option<Giving> {
        if !self.in_order {
            return None;
        }
        let mut turn = lock(&self.turn);
        if turn.ready == 0 || cfg!(mutant = "give_once") {
            turn.is_taken = false;
            return None;
        }
        let ready = std::mem::take(&mut turn.ready);
        self.results.take(ready, into);
        Some(giving)
    }

    /// How many results wait for their turn.
    #[must_use]
    pub fn early(&self) -> usize {
        self.results.early()
    }
}
