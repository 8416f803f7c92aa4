//! The only file that names the real primitives. Under `--cfg pleach_loom` the same names are loom's, and under `--cfg
//! pleach_shuttle` shuttle's, so that what is in `loom-tests` explores the code that ships. With the feature `schedules` they are
//! the real ones with a step before each, at which a seed may decide who goes on.

/// What must hold whoever runs when, also where the outcome is right without it. It is looked at in tests, in models, and with the
/// feature `schedules`; elsewhere it costs nothing.
macro_rules! invariant {
    ($holds:expr, $otherwise:literal) => {
        if cfg!(any(debug_assertions, feature = "schedules")) {
            assert!($holds, $otherwise);
        }
    };
}
pub(crate) use invariant;

#[cfg(all(feature = "schedules", not(any(pleach_loom, pleach_shuttle))))]
use crate::schedules::sync as imp;

#[cfg(not(any(feature = "schedules", pleach_loom, pleach_shuttle)))]
mod imp {
    pub(crate) use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
        },
        thread::{Builder, JoinHandle},
    };

    // Not poisoned by panics, and seen through by ThreadSanitizer, which std's are not.
    pub(crate) use once_cell::sync::OnceCell as OnceLock;
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

    /// Waits a moment before something is looked at again; after some looks, lets other threads run.
    pub(crate) fn look_again(looks: &mut u32) {
        *looks += 1;
        if *looks < 32 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

#[cfg(pleach_loom)]
mod imp {
    pub(crate) use loom::{
        cell::UnsafeCell,
        sync::{
            Arc, Condvar, Mutex, MutexGuard,
            atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
        },
        thread::{Builder, JoinHandle},
    };

    pub(crate) fn look_again(_: &mut u32) {
        loom::thread::yield_now();
    }
}

/// Schedules at random: `loom-tests/random`.
#[cfg(pleach_shuttle)]
mod imp {
    pub(crate) use shuttle::{
        sync::{
            Arc, Condvar, Mutex, MutexGuard,
            atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
        },
        thread::{Builder, JoinHandle},
    };

    pub(crate) fn look_again(_: &mut u32) {
        shuttle::thread::yield_now();
    }
}

#[cfg(not(pleach_loom))]
mod cell {
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

/// What neither loom nor shuttle have, or have otherwise; threads that may be scheduled must not sleep in it either.
#[cfg(any(feature = "schedules", pleach_loom, pleach_shuttle))]
mod stand_in {
    #[cfg(not(any(pleach_loom, pleach_shuttle)))]
    use super::lock;
    use super::{AtomicUsize, Mutex, Ordering, UnsafeCell};
    #[cfg(any(pleach_loom, pleach_shuttle))]
    use super::{Condvar, MutexGuard};

    /// Stands in for std's, which loom does not have: the same contract, by a lock and a flag.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        is_full: AtomicUsize,
        filling: Mutex<()>,
        value: UnsafeCell<Option<T>>,
    }

    // SAFETY: The value is written once, under the lock, before the flag says so; then it is only read.
    unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                is_full: AtomicUsize::new(0),
                filling: Mutex::new(()),
                value: UnsafeCell::new(None),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            // ORDERING: Acquire pairs with the Release in `get_or_init`: who sees the flag sees the value.
            let is_full = self.is_full.load(Ordering::Acquire) == 1;
            // SAFETY: It was written before the flag, and never is again.
            is_full.then(|| self.value.with(|value| unsafe { (*value).as_ref() }))?
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if self.get().is_none() {
                let guard = lock(&self.filling);
                if self.get().is_none() {
                    let fresh = make();
                    // SAFETY: The lock keeps other writers out, and the flag readers.
                    self.value.with_mut(|value| unsafe { *value = Some(fresh) });
                    // ORDERING: Release, see `get`.
                    self.is_full.store(1, Ordering::Release);
                }
                drop(guard);
            }
            self.get().expect("it was just filled")
        }

        pub(crate) fn into_inner(self) -> Option<T> {
            self.value.into_inner()
        }
    }

    #[cfg(any(pleach_loom, pleach_shuttle))]
    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no model panics while it holds a lock")
    }

    #[cfg(any(pleach_loom, pleach_shuttle))]
    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar
            .wait(guard)
            .expect("no model panics while it holds a lock")
    }
}

#[cfg(any(not(feature = "schedules"), pleach_loom, pleach_shuttle))]
pub(crate) use std::time::Instant as Moment;

#[cfg(not(pleach_loom))]
pub(crate) use cell::UnsafeCell;
pub(crate) use imp::*;
#[cfg(any(feature = "schedules", pleach_loom, pleach_shuttle))]
pub(crate) use stand_in::*;
