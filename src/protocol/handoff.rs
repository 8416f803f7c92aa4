//! A value that one thread leaves for others.

use crate::sync::UnsafeCell;

/// A cell that is filled once, by one thread, and then looked at by others. It does not say when it is filled: other
/// protocols do, a [report](super::reports::Reports) or the end of all work.
#[derive(Debug)]
pub struct Handoff<T>(UnsafeCell<Option<T>>);

// SAFETY: The cell is shared by the rules of `fill` and `get`, whose callers see to it that nobody looks before it was
// filled and nobody fills it twice. Then threads only move a `T` in, which is `Send`; `get` asks for `Sync` beside that.
unsafe impl<T: Send> Sync for Handoff<T> {}

impl<T> Default for Handoff<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Handoff<T> {
    /// An empty cell.
    #[must_use]
    pub fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Fills the cell.
    ///
    /// # Safety
    ///
    /// It is called at most once in the life of the cell, and [`get`](Self::get) on no other thread before that has
    /// happened.
    pub unsafe fn fill(&self, value: T) {
        // SAFETY: By the contract nobody else reaches the cell now.
        self.0.with_mut(|cell| unsafe { *cell = Some(value) });
    }

    /// What the cell was filled with, or `None` if it never is.
    ///
    /// # Safety
    ///
    /// If it is ever filled, that happens before this call (in the sense of the memory model).
    pub unsafe fn get(&self) -> Option<&T>
    where
        T: Sync,
    {
        // SAFETY: By the contract nobody changes the cell any more, as long as it is borrowed.
        self.0.with(|cell| unsafe { (*cell).as_ref() })
    }

    /// Takes what the cell was filled with. Nobody shares it any more.
    pub fn take(&mut self) -> Option<T> {
        // SAFETY: It is borrowed for as long as this takes.
        self.0.with_mut(|cell| unsafe { (*cell).take() })
    }
}
