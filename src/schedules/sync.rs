//! The primitives of `sync.rs` for threads that may be scheduled: std's, and a step before each use.

use std::{
    io, thread,
    time::{Duration, Instant},
};

pub(crate) use std::sync::{Arc, atomic::Ordering};

use parking_lot::Condvar as Inner;
pub(crate) use parking_lot::{Mutex, MutexGuard};

use super::{
    Control,
    control::{Event, mine, step},
};

macro_rules! atomic {
    ($name:ident, $number:ty) => {
        /// An atomic number with a step before each access.
        #[derive(Debug, Default)]
        pub(crate) struct $name(std::sync::atomic::$name);

        #[allow(dead_code, reason = "not all are used of every width")]
        impl $name {
            pub(crate) const fn new(number: $number) -> Self {
                Self(std::sync::atomic::$name::new(number))
            }

            #[inline]
            pub(crate) fn load(&self, order: Ordering) -> $number {
                step();
                self.0.load(order)
            }

            #[inline]
            pub(crate) fn store(&self, number: $number, order: Ordering) {
                step();
                self.0.store(number, order);
            }

            #[inline]
            pub(crate) fn fetch_add(&self, number: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_add(number, order)
            }

            #[inline]
            pub(crate) fn fetch_sub(&self, number: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_sub(number, order)
            }

            #[inline]
            pub(crate) fn fetch_or(&self, number: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_or(number, order)
            }

            #[inline]
            pub(crate) fn fetch_min(&self, number: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_min(number, order)
            }

            #[inline]
            pub(crate) fn swap(&self, number: $number, order: Ordering) -> $number {
                step();
                self.0.swap(number, order)
            }

            #[inline]
            pub(crate) fn compare_exchange(
                &self,
                current: $number,
                new: $number,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$number, $number> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }
        }
    };
}

atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let Some((control, me)) = mine() else {
        return mutex.lock();
    };
    step();
    loop {
        if let Some(guard) = mutex.try_lock() {
            return guard;
        }
        control.yield_to_others(me);
    }
}

/// A condition variable whose sleepers a schedule knows.
#[derive(Debug, Default)]
pub(crate) struct Condvar(Inner);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(Inner::new())
    }

    fn event(&self) -> Event {
        Event::Notified(std::ptr::from_ref(self).addr())
    }

    pub(crate) fn notify_one(&self) {
        if let Some((control, _)) = mine() {
            step();
            control.wake(self.event(), false);
        } else {
            self.0.notify_one();
        }
    }

    pub(crate) fn notify_all(&self) {
        if let Some((control, _)) = mine() {
            step();
            control.wake(self.event(), true);
        } else {
            self.0.notify_all();
        }
    }
}

/// Waits for a change, of which nothing is said: look again.
pub(crate) fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    let Some((control, me)) = mine() else {
        condvar.0.wait(&mut guard);
        return guard;
    };
    let mutex = MutexGuard::mutex(&guard);
    // Nobody else runs in between.
    drop(guard);
    control.sleep(me, condvar.event());
    lock(mutex)
}

/// Waits a moment before something is looked at again; after some looks, lets other threads run.
pub(crate) fn look_again(looks: &mut u32) {
    if let Some((control, me)) = mine() {
        control.yield_to_others(me);
        return;
    }
    *looks += 1;
    if *looks < 32 {
        std::hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

/// A clock that goes by steps where a schedule decides, so that what depends on time is the same in each run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    Real(Instant),
    Steps(u64),
}

impl Moment {
    /// So long a step takes on that clock.
    const STEP: Duration = Duration::from_nanos(100);

    pub(crate) fn now() -> Self {
        mine().map_or_else(
            || Self::Real(Instant::now()),
            |(control, _)| Self::Steps(control.time()),
        )
    }

    pub(crate) fn elapsed(&self) -> Duration {
        match (self, Self::now()) {
            (Self::Real(since), _) => since.elapsed(),
            (Self::Steps(since), Self::Steps(now)) => {
                let steps = u32::try_from(now - since).unwrap_or(u32::MAX);
                Self::STEP.saturating_mul(steps)
            }
            (Self::Steps(_), Self::Real(_)) => Duration::ZERO,
        }
    }
}

/// Starts threads that belong to the schedule of the one who starts them.
#[derive(Debug)]
pub(crate) struct Builder(thread::Builder);

impl Builder {
    pub(crate) fn new() -> Self {
        Self(thread::Builder::new())
    }

    pub(crate) fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    pub(crate) fn spawn(self, call: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        let Some((control, _)) = mine() else {
            let handle = self.0.spawn(call)?;
            return Ok(JoinHandle {
                handle,
                number: None,
            });
        };
        let number = control.add();
        let handle = self.0.spawn(move || control.live(number, call))?;
        Ok(JoinHandle {
            handle,
            number: Some(number),
        })
    }
}

/// A thread that can be waited for.
#[derive(Debug)]
pub(crate) struct JoinHandle<T> {
    handle: thread::JoinHandle<T>,
    number: Option<usize>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn join(self) -> thread::Result<T> {
        if let (Some((control, me)), Some(number)) = (mine(), self.number) {
            Control::await_end(&control, me, number);
        }
        self.handle.join()
    }
}
