//! The only file that names the real primitives. Under `--cfg pleach_loom` the same names are loom's, so that the models in
//! `loom-tests` explore the code that ships.

#[cfg(not(pleach_loom))]
mod imp {
    pub(crate) use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, AtomicUsize, Ordering},
        },
        thread::{Builder, JoinHandle},
    };

    // Not poisoned by panics, and seen through by ThreadSanitizer, which std's are not.
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

    /// A cell that many threads may reach, with loom's way of access.
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with<R>(&self, look: impl FnOnce(*const T) -> R) -> R {
            look(self.0.get())
        }

        pub(crate) fn with_mut<R>(&self, change: impl FnOnce(*mut T) -> R) -> R {
            change(self.0.get())
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }
}

#[cfg(pleach_loom)]
mod imp {
    pub(crate) use loom::{
        cell::UnsafeCell,
        sync::{
            Arc, Condvar, Mutex, MutexGuard,
            atomic::{AtomicU32, AtomicUsize, Ordering},
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
}

pub(crate) use imp::*;
