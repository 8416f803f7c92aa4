//! A lock for some nanoseconds: taken by one atomic step, given back by a plain store.
//!
//! Who finds it taken looks again for a moment, and then lets other threads run in between: whoever has it may have been put to
//! sleep by the system. It is for what takes less time than going to sleep would.

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicU32, Ordering, UnsafeCell, look_again};

/// ORDERING: see `Latch::lock`. Weaker, who has the latch next would not see what was written under it: model `latch` fails on
/// this mutant.
const UNLOCK: Ordering = if cfg!(mutant = "relaxed_unlock") {
    Ordering::Relaxed
} else {
    Ordering::Release
};

/// A value behind a latch.
#[derive(Debug)]
pub struct Latch<T> {
    is_taken: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: Only who has the latch reaches the value, one thread after another, which `Send` allows.
unsafe impl<T: Send> Sync for Latch<T> {}

impl<T: Default> Default for Latch<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Latch<T> {
    /// A value that nobody has locked.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self {
            is_taken: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until nobody else has the value. Whoever has it should be about to give it back.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        let mut looks = 0;
        // ORDERING: Acquire pairs with the Release of who gave it back. A failure says nothing, so Relaxed.
        while self
            .is_taken
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            look_again(&mut looks);
        }
        Guard(self)
    }

    /// Uses the value. Nobody shares it any more.
    pub fn with_mut<R>(&mut self, act: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: It is borrowed for as long as this takes.
        self.value.with_mut(|value| act(unsafe { &mut *value }))
    }
}

/// The right to use a value, until it is dropped.
#[derive(Debug)]
pub struct Guard<'a, T>(&'a Latch<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The guard exists, so nobody else has the value.
        self.0.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above, and the guard is borrowed for as long as the value is.
        self.0.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // ORDERING: Release publishes what was done to the value. No read-modify-write: nobody else writes here meanwhile
        // but by steps that fail.
        self.0.is_taken.store(0, UNLOCK);
    }
}
