//! Where each transaction of an optimistic block stands, and who may do what with it.
//!
//! | phase | whose it is | what comes next |
//! | --- | --- | --- |
//! | ready | anybody's who begins | running |
//! | running | the worker's | done; again, if it was deceived; waiting |
//! | waiting | nobody's | ready, when the one that it waits for is done |
//! | done | nobody's | settled, in block order; recalled, if it was deceived |
//! | recalled | the one's who found out | ready |
//! | settled | | |
//!
//! An attempt is deceived when something that it has seen turns out different. Attempts have numbers, so that what was said
//! of one is not held against the next.

use crate::sync::{AtomicU32, Mutex, Ordering, lock};

/// The transactions of a block. `T` is what an attempt leaves.
#[derive(Debug)]
pub struct Lifecycle<T> {
    slots: Box<[Slot<T>]>,
}

#[derive(Debug)]
struct Slot<T> {
    /// The last attempt that was deceived while it ran: a hint for it to end soon.
    deceived: AtomicU32,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    phase: Phase,
    attempt: u32,
    is_deceived: bool,
    /// What is kept of the last attempt while nobody runs one.
    kept: T,
    /// Who waits for it.
    waiting: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Ready,
    Running,
    Waiting,
    Done,
    Recalled,
    Settling,
    Settled,
}

/// How long to wait for a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// Until an attempt at it has come to its end.
    Done,
    /// Until it is committed.
    Settled,
}

/// What becomes of an attempt that has come to its end.
#[derive(Debug)]
pub enum Finished<T> {
    /// It stands, as far as anybody knows. These waited for it and are ready now.
    Done(Vec<u32>),
    /// It was deceived: the same worker makes another one, of this number.
    Again(u32, T),
}

/// What was taken of a transaction that is to be committed.
#[derive(Debug)]
pub struct Taken<T> {
    /// How many attempts there were.
    pub attempts: u32,
    /// What the last one left.
    pub kept: T,
    /// Whether it is settled by that.
    pub is_settled: bool,
    /// Who waited for that and is ready now.
    pub woken: Vec<u32>,
}

impl<T: Default> Lifecycle<T> {
    /// So many transactions, all ready.
    #[must_use]
    pub fn new(transactions: usize) -> Self {
        let slots = (0..transactions).map(|_| Slot {
            deceived: AtomicU32::new(0),
            state: Mutex::new(State {
                phase: Phase::Ready,
                attempt: 0,
                is_deceived: false,
                kept: T::default(),
                waiting: Vec::new(),
            }),
        });
        Self {
            slots: slots.collect(),
        }
    }

    fn slot(&self, transaction: u32) -> &Slot<T> {
        &self.slots[transaction as usize]
    }

    /// Changes what is kept of a transaction that nobody has begun.
    pub fn prepare(&mut self, transaction: u32, change: impl FnOnce(&mut T)) {
        change(&mut lock(&self.slot(transaction).state).kept);
    }

    /// Begins an attempt: its number, and what the last one left. `None` if the transaction is not ready.
    pub fn begin(&self, transaction: u32) -> Option<(u32, T)> {
        let mut state = lock(&self.slot(transaction).state);
        if state.phase != Phase::Ready && !cfg!(mutant = "begin_anything") {
            return None;
        }
        state.phase = Phase::Running;
        Some(Self::attempt(&mut state))
    }

    fn attempt(state: &mut State<T>) -> (u32, T) {
        state.attempt += 1;
        state.is_deceived = false;
        (state.attempt, std::mem::take(&mut state.kept))
    }

    /// Whether an attempt is known to be deceived. A hint: it may be and this does not say so yet.
    #[must_use]
    pub fn is_deceived(&self, transaction: u32, attempt: u32) -> bool {
        // ORDERING: Relaxed. What counts is looked at under the lock, in `finish`.
        self.slot(transaction).deceived.load(Ordering::Relaxed) == attempt
    }

    /// Ends a running attempt.
    pub fn finish(&self, transaction: u32, kept: T) -> Finished<T> {
        let mut state = lock(&self.slot(transaction).state);
        debug_assert_eq!(state.phase, Phase::Running);
        state.kept = kept;
        if state.is_deceived && !cfg!(mutant = "finish_deceived") {
            let (attempt, kept) = Self::attempt(&mut state);
            return Finished::Again(attempt, kept);
        }
        state.phase = Phase::Done;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        Finished::Done(self.wake(waiting))
    }

    /// Gives up a running attempt that has to wait for another transaction. `false` if there is nothing to wait for any
    /// more: then it is ready, and nobody else knows of that.
    pub fn wait(&self, transaction: u32, kept: T, on: u32, until: Until) -> bool {
        debug_assert!(on < transaction);
        {
            let mut state = lock(&self.slot(transaction).state);
            if !cfg!(mutant = "wait_late") {
                state.phase = Phase::Waiting;
            }
            state.kept = kept;
        }
        // It waits already: who wakes it from now on finds it so.
        let mut other = lock(&self.slot(on).state);
        let is_over = match until {
            Until::Done => matches!(other.phase, Phase::Done | Phase::Settling | Phase::Settled),
            Until::Settled => other.phase == Phase::Settled,
        };
        if !is_over || cfg!(mutant = "wait_for_the_past") {
            other.waiting.push(transaction);
            if cfg!(mutant = "wait_late") {
                drop(other);
                lock(&self.slot(transaction).state).phase = Phase::Waiting;
            }
            return true;
        }
        drop(other);
        lock(&self.slot(transaction).state).phase = Phase::Ready;
        false
    }

    fn wake(&self, waiting: Vec<u32>) -> Vec<u32> {
        for transaction in &waiting {
            let mut state = lock(&self.slot(*transaction).state);
            debug_assert_eq!(state.phase, Phase::Waiting);
            state.phase = Phase::Ready;
        }
        waiting
    }

    /// Says that an attempt was deceived. If it had come to its end, the caller gets what it left, marks that as a guess, and
    /// then calls [`release`](Self::release).
    pub fn deceive(&self, transaction: u32, attempt: u32) -> Option<T> {
        let slot = self.slot(transaction);
        let mut state = lock(&slot.state);
        if state.attempt != attempt && !cfg!(mutant = "blame_any_attempt") {
            return None;
        }
        match state.phase {
            Phase::Running => {
                state.is_deceived = true;
                // ORDERING: Relaxed, a hint.
                slot.deceived.store(attempt, Ordering::Relaxed);
                None
            }
            Phase::Done => {
                state.phase = Phase::Recalled;
                Some(std::mem::take(&mut state.kept))
            }
            _ => None,
        }
    }

    /// Makes a transaction ready that was recalled.
    pub fn release(&self, transaction: u32, kept: T) {
        let mut state = lock(&self.slot(transaction).state);
        debug_assert_eq!(state.phase, Phase::Recalled);
        state.phase = Phase::Ready;
        state.kept = kept;
    }

    /// Takes what the last attempt at a transaction left, to commit it. `None` if it is not done. All before it are settled;
    /// and so is it now, if what it left is `final`. Otherwise [`settle`](Self::settle) or [`refuse`](Self::refuse) follows.
    pub fn take(&self, transaction: u32, is_final: impl Fn(&T) -> bool) -> Option<Taken<T>> {
        let mut state = lock(&self.slot(transaction).state);
        if state.phase != Phase::Done && !cfg!(mutant = "take_unfinished") {
            return None;
        }
        let is_settled = is_final(&state.kept);
        state.phase = if is_settled {
            Phase::Settled
        } else {
            Phase::Settling
        };
        let mut taken = Taken {
            attempts: state.attempt,
            kept: std::mem::take(&mut state.kept),
            is_settled,
            woken: Vec::new(),
        };
        if is_settled {
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            taken.woken = self.wake(waiting);
        }
        Some(taken)
    }

    /// Says that a transaction that was taken cannot be committed like that after all; [`release`](Self::release) follows.
    pub fn refuse(&self, transaction: u32) {
        lock(&self.slot(transaction).state).phase = Phase::Recalled;
    }

    /// Says that a transaction that was taken is committed. These waited for that and are ready now.
    pub fn settle(&self, transaction: u32) -> Vec<u32> {
        let mut state = lock(&self.slot(transaction).state);
        state.phase = Phase::Settled;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.wake(waiting)
    }
}
