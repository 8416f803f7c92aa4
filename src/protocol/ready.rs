//! What is ready to run, who is idle, and when all is done.
//!
//! What can run from the start is a list that workers take from by one atomic step. What becomes ready later is kept by
//! the worker that made it so, and goes through the lock here only if somebody wants it. Who finds nothing to do says so,
//! looks out for a moment, and then sleeps until there is something, or until nobody works any more: only who works can make
//! anything ready.

use std::{cmp::Reverse, collections::BinaryHeap};

use crossbeam_utils::CachePadded;

use crate::{
    mutant::mutant,
    sync::{AtomicUsize, Condvar, Mutex, Ordering, lock, wait},
};

/// The work of one block.
#[derive(Debug)]
pub struct Ready {
    /// How many of the tasks that could run from the start have been taken.
    taken: CachePadded<AtomicUsize>,
    tasks: usize,
    /// How many workers have nothing to do: a hint.
    wanting: AtomicUsize,
    /// How many transactions are offered: a hint.
    offers: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

/// How often a worker looks out before it sleeps: some microseconds. In models, sleeping at once is the harder case.
const LOOKS: usize = if cfg!(pleach_loom) { 0 } else { 64 };

/// More tasks than there ever are: so many are taken when the work is stopped.
const STOPPED: usize = usize::MAX / 2;

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
            taken: CachePadded::new(AtomicUsize::new(0)),
            tasks,
            wanting: AtomicUsize::new(0),
            offers: AtomicUsize::new(0),
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

    /// Something to do, if there is anything at once.
    #[must_use]
    pub fn poll(&self, _: &Working) -> Option<Job> {
        // What is offered holds others up.
        // ORDERING: Relaxed, a hint. Everything is looked at again under the lock.
        if self.offers.load(Ordering::Relaxed) == 0 {
            return self.task();
        }
        let mut state = lock(&self.state);
        if state.over {
            return None;
        }
        let offered = self.pop(&mut state);
        drop(state);
        offered.or_else(|| self.task())
    }

    /// The lowest transaction that is offered.
    fn pop(&self, state: &mut State) -> Option<Job> {
        let Reverse(transaction) = state.offered.pop()?;
        // ORDERING: Relaxed, a hint.
        self.offers.store(state.offered.len(), Ordering::Relaxed);
        Some(Job::Transaction(transaction))
    }

    /// The next thing to do, for a worker that has finished what it had. `None`, for all workers, when all is done.
    pub fn next(&self, working: Working) -> Option<(Working, Job)> {
        if let Some(job) = self.poll(&working) {
            return Some((working, job));
        }
        let mut state = lock(&self.state);
        let mut has_looked = false;
        loop {
            if state.over {
                return None;
            }
            if let Some(job) = self.pop(&mut state) {
                return Some((working, job));
            }
            if let Some(task) = self.task() {
                return Some((working, task));
            }
            if !has_looked && state.active > 1 {
                has_looked = true;
                drop(state);
                self.look_out();
                state = lock(&self.state);
                continue;
            }
            state.active -= 1;
            if state.active == 0 {
                // Whoever sleeps has found no task; nobody is left who could offer anything.
                state.over = true;
                if !mutant!("silent_end") {
                    self.changed.notify_all();
                }
                return None;
            }
            state.idle += 1;
            // ORDERING: Relaxed, a hint.
            self.wanting.fetch_add(1, Ordering::Relaxed);
            state = wait(&self.changed, state);
            self.wanting.fetch_sub(1, Ordering::Relaxed);
            state.idle -= 1;
            if !mutant!("wake_uncounted") {
                state.active += 1;
            }
        }
    }

    /// The next of the tasks that could run from the start.
    fn task(&self) -> Option<Job> {
        // ORDERING: Relaxed, both. They hand out numbers; what these stand for was there before the workers were. The first
        // look keeps the counter from growing for ever.
        if self.taken.load(Ordering::Relaxed) >= self.tasks {
            return None;
        }
        let task = self.taken.fetch_add(1, Ordering::Relaxed);
        (task < self.tasks).then_some(Job::Task(task))
    }

    /// Waits a moment for an offer, awake.
    fn look_out(&self) {
        // ORDERING: Relaxed, all of them hints.
        self.wanting.fetch_add(1, Ordering::Relaxed);
        for _ in 0..LOOKS {
            if self.offers.load(Ordering::Relaxed) > 0 {
                break;
            }
            std::hint::spin_loop();
        }
        self.wanting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether somebody has nothing to do: who has more than it can run should offer it.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        // ORDERING: Relaxed. Who misses it now sees it the next time, and has work of its own until then.
        self.wanting.load(Ordering::Relaxed) > 0
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
        // ORDERING: Relaxed, a hint.
        self.offers.store(state.offered.len(), Ordering::Relaxed);
        let wake = state.idle.min(transactions.len());
        drop(state);
        if !mutant!("silent_offer") {
            for _ in 0..wake {
                self.changed.notify_one();
            }
        }
    }

    /// Whether the work was [stopped](Self::stop): a hint to those who have something to do.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        // ORDERING: Relaxed. Who misses it does a little more.
        self.taken.load(Ordering::Relaxed) >= STOPPED
    }

    /// Ends the work as it is: whoever asks for more is told that there is none.
    pub fn stop(&self) {
        // ORDERING: Relaxed, as in `task`. Who takes a task a moment later does one more.
        self.taken.store(STOPPED, Ordering::Relaxed);
        lock(&self.state).over = true;
        self.changed.notify_all();
    }
}
