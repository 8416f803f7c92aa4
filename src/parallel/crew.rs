//! The workers of one block: each begins, works until there is no more, and says what it has spent. And what they share
//! before and after that, where nothing depends on anything.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Instant,
};

use super::runtime::Runtime;
use crate::{
    mutant::mutant,
    protocol::ready::{Ready, Working},
    sync::{AtomicUsize, Mutex, Ordering, lock},
    times::Spent,
    trace::span,
};

/// Has the caller and up to so many helpers work at what is `ready`, each with a number of its own. They say what they have
/// spent, but for the time in all.
///
/// # Panics
///
/// If `work` panics: that is not a VM's fault, but a rule's, or that of the caller's function for what is committed.
pub(super) fn run(
    runtime: &Runtime,
    helpers: usize,
    ready: &Ready,
    work: impl Fn(usize, Working) -> Spent + Sync,
) -> Spent {
    let numbers = AtomicUsize::new(0);
    let spent = Mutex::new(Spent::default());
    let panic: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
    let begin = || {
        let Some(working) = ready.enter() else {
            return;
        };
        // ORDERING: Relaxed. It hands out numbers.
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        span!("work", worker = number);
        let begun = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| work(number, working))) {
            Ok(mut mine) => {
                mine.all = begun.elapsed();
                *lock(&spent) += mine;
            }
            Err(cause) => {
                lock(&panic).get_or_insert(cause);
                if !mutant!("panic_unnoticed") {
                    ready.stop();
                }
            }
        }
    };
    runtime.pool().run(helpers, &begin);
    if let Some(cause) = lock(&panic).take() {
        resume_unwind(cause);
    }
    lock(&spent).to_owned()
}

/// Has the caller and up to so many helpers act on so many parts, each once. They `begin` with something of their own, by their number, and
/// leave it.
///
/// # Panics
///
/// As [`run`]. Parts that nobody has begun then may be left out.
pub(super) fn share<T: Send>(
    runtime: &Runtime,
    helpers: usize,
    parts: usize,
    begin: impl Fn(usize) -> T + Sync,
    act: impl Fn(&mut T, usize) + Sync,
) -> Vec<T> {
    let (numbers, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let left = Mutex::new(Vec::new());
    // ORDERING: Relaxed, both. They hand out numbers; what was done is handed over by the end of the pool's run.
    let next = || {
        let part = taken.fetch_add(1, Ordering::Relaxed);
        (part < parts).then_some(part)
    };
    let panic: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
    let work = || {
        let Some(first) = next() else {
            return;
        };
        let done = catch_unwind(AssertUnwindSafe(|| {
            // ORDERING: Relaxed, as above.
            let mut mine = begin(numbers.fetch_add(1, Ordering::Relaxed));
            let mut part = Some(first);
            while let Some(this) = part {
                act(&mut mine, this);
                part = next();
            }
            mine
        }));
        match done {
            Ok(mine) => lock(&left).push(mine),
            Err(cause) => {
                lock(&panic).get_or_insert(cause);
            }
        }
    };
    runtime.pool().run(helpers, &work);
    if let Some(cause) = lock(&panic).take() {
        resume_unwind(cause);
    }
    std::mem::take(&mut *lock(&left))
}
