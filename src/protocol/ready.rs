//! What is ready to run, who is idle, and when all is done.
//!
//! What can run from the start is a list that workers take from by one atomic step. What becomes ready later is kept by
//! the worker that made it so, and only what it cannot run itself goes through the lock here. So does who finds nothing to
//! do, and sleeps until there is something, or until nobody works any more: only who works can make anything ready.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, lock, wait};

/// The work of one block.
#[derive(Debug)]
pub struct Ready {
    /// How many of the tasks that could run from the start have been taken.
    taken: AtomicUsize,
    tasks: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Transactions that became ready and that nobody has taken, the lowest first.
    offered: BinaryHeap<Reverse<u32>>,
    /// Workers that have something to do.
    active: usize,
    idle: usize,
    /// No more work will come.
    over: bool,
}

/// Something to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// The task with this index, of those that could run from the start.
    Task(usize),
    /// A transaction that became ready.
    Transaction(u32),
}

/// The right to take work. Whoever has one is counted as working until [`Ready::next`] says that there is no more.
#[derive(Debug)]
pub struct Working(());

impl Ready {
    /// Work that begins with so many tasks.
    #[must_use]
    pub fn new(tasks: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            tasks,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }

    /// Begins to work, unless all is done.
    #[must_use]
    pub fn enter(&self) -> Option<Working> {
        let mut state = lock(&self.state);
        if state.over {
            return None;
        }
        state.active += 1;
        Some(Working(()))
    }

    /// The next thing to do, for a worker that has finished what it had. `None`, for all workers, when all is done.
    pub fn next(&self, working: Working) -> Option<(Working, Job)> {
        // ORDERING: Relaxed. It hands out numbers; what they stand for was there before the workers were.
        let task = self.taken.fetch_add(1, Ordering::Relaxed);
        if task < self.tasks {
            return Some((working, Job::Task(task)));
        }
        let mut state = lock(&self.state);
        loop {
            if state.over {
                return None;
            }
            if let Some(Reverse(transaction)) = state.offered.pop() {
                return Some((working, Job::Transaction(transaction)));
            }
            state.active -= 1;
            if state.active == 0 {
                // Whoever sleeps has found no task; nobody is left who could offer anything.
                state.over = true;
                if !cfg!(mutant = "silent_end") {
                    self.changed.notify_all();
                }
                return None;
            }
            state.idle += 1;
            state = wait(&self.changed, state);
            state.idle -= 1;
            state.active += 1;
        }
    }

    /// Offers transactions that the caller has made ready and will not run itself.
    pub fn offer(&self, _: &Working, transactions: &[u32]) {
        if transactions.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        state
            .offered
            .extend(transactions.iter().copied().map(Reverse));
        let wake = state.idle.min(transactions.len());
        drop(state);
        if !cfg!(mutant = "silent_offer") {
            for _ in 0..wake {
                self.changed.notify_one();
            }
        }
    }

    /// Ends the work as it is: whoever asks for more is told that there is none.
    pub fn stop(&self) {
        // ORDERING: Relaxed, as in `next`. Who takes a task a moment later does one more.
        self.taken.store(self.tasks, Ordering::Relaxed);
        lock(&self.state).over = true;
        self.changed.notify_all();
    }
}
