//! The only file that names the real primitives. Under `--cfg pleach_loom` the same names are loom's, so that the models in
//! `loom-tests` explore the code that ships; under `--cfg pleach_shuttle` shuttle's, for `loom-tests/random`.

#[cfg(not(any(pleach_loom, pleach_shuttle)))]
mod imp {
    pub(crate) use std::{
        sync::atomic::{AtomicU32, AtomicU64, Ordering},
        thread::{Builder, JoinHandle},
    };

    // Not poisoned by panics, and a byte in size.
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }

    /// Waits for a change, of which nothing is said: look again.
    pub(crate) fn wait<'a, T>(
        condvar: &Condvar,
        mut guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        condvar.wait(&mut guard);
        guard
    }

    /// As [`wait`], but no longer than so long. Whether the time is over.
    pub(crate) fn wait_for<'a, T>(
        condvar: &Condvar,
        mut guard: MutexGuard<'a, T>,
        time: std::time::Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let is_over = condvar.wait_for(&mut guard, time).timed_out();
        (guard, is_over)
    }
}

#[cfg(any(pleach_loom, pleach_shuttle))]
mod imp {
    #[cfg(pleach_loom)]
    use loom as explorer;
    #[cfg(pleach_shuttle)]
    use shuttle as explorer;

    pub(crate) use explorer::{
        sync::{
            Condvar, Mutex, MutexGuard,
            atomic::{AtomicU32, AtomicU64, Ordering},
        },
        thread::{Builder, JoinHandle},
    };

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no model panics while it holds a lock")
    }

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar
            .wait(guard)
            .expect("no model panics while it holds a lock")
    }

    /// Time does not pass in models: no time is ever over.
    pub(crate) fn wait_for<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        _: std::time::Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        (wait(condvar, guard), false)
    }
}

// Nothing here takes an order between threads from a count of references, so models need not see it.
pub(crate) use std::sync::Arc;

pub(crate) use imp::*;
