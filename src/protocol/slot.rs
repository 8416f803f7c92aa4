//! A value that one thread leaves, and a flag that says so.

use crate::sync::{AtomicU32, Ordering, UnsafeCell};

/// A cell that is filled once, and then looked at by others. The flag is beside the value: who has looked whether it is there has
/// the value at hand.
#[derive(Debug)]
pub struct Slot<T> {
    is_filled: AtomicU32,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: The value is written before the flag is set, by one thread, see `fill`, and looked at afterwards, see `get`; or taken by who
// shares it with nobody any more, see `remove`. Then threads only move a `T` in and out, which is `Send`; `get` asks for `Sync`.
unsafe impl<T: Send> Sync for Slot<T> {}

/// ORDERING: see `Slot::fill`. Weaker, who sees the flag would not see the value: model `slot` fails on this mutant.
const FILL: Ordering = if cfg!(mutant = "relaxed_slot") {
    Ordering::Relaxed
} else {
    Ordering::Release
};

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slot<T> {
    /// An empty slot.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_filled: AtomicU32::new(0),
            value: UnsafeCell::new(None),
        }
    }

    /// Fills the slot.
    ///
    /// # Safety
    ///
    /// It is called at most once in the life of the slot.
    pub unsafe fn fill(&self, value: T) {
        // SAFETY: By the contract nobody else writes it, and nobody looks before the flag is set.
        self.value.with_mut(|place| unsafe { *place = Some(value) });
        // ORDERING: Release. Pairs with the Acquire in `is_filled`: who sees the flag sees the value.
        self.is_filled.store(1, FILL);
    }

    /// Whether it is filled: then the value can be seen.
    #[must_use]
    #[inline]
    pub fn is_filled(&self) -> bool {
        // ORDERING: Acquire, see `fill`.
        self.is_filled.load(Ordering::Acquire) != 0
    }

    /// Brings the slot closer, and says something that means nothing.
    #[inline]
    pub(crate) fn preload(&self) -> u32 {
        // ORDERING: Relaxed. Nothing depends on it.
        self.is_filled.load(Ordering::Relaxed)
    }

    /// The value that it was filled with, or `None` if it never is.
    ///
    /// # Safety
    ///
    /// If it is ever filled, that happens before this call (in the sense of the memory model): the caller has found that it
    /// [is](Self::is_filled), or was told by somebody.
    #[inline]
    pub unsafe fn get(&self) -> Option<&T>
    where
        T: Sync,
    {
        // SAFETY: By the contract nobody changes the value any more, as long as it is borrowed.
        self.value.with(|place| unsafe { (*place).as_ref() })
    }

    /// Takes the value.
    ///
    /// # Safety
    ///
    /// Whoever fills the slot, or looks at it, has done so before this call. Nobody else takes the value at the same time.
    pub unsafe fn remove(&self) -> Option<T> {
        // SAFETY: By the contract nobody else reaches the value now.
        self.value.with_mut(|place| unsafe { (*place).take() })
    }
}
