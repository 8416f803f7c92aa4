//! One thread at a time does what several have reason to do, and none of the reasons is lost.

use crossbeam_utils::CachePadded;

use crate::{
    mutant::mutant,
    sync::{AtomicUsize, Ordering, UnsafeCell},
};

/// ORDERING: see `Turn::take`. Weaker, who has the turn would not see why another one called: model `turn` fails on this
/// mutant.
const CALL: Ordering = if cfg!(mutant = "relaxed_call") {
    Ordering::Relaxed
} else {
    Ordering::AcqRel
};

/// What is done in turns, and whose turn it is.
#[derive(Debug)]
pub struct Turn<T> {
    /// How many have called since the turn was last given back.
    calls: CachePadded<AtomicUsize>,
    value: UnsafeCell<T>,
}

// SAFETY: Only who has the turn reaches the value, see `take`: it is passed from thread to thread, which `Send` allows.
unsafe impl<T: Send> Sync for Turn<T> {}

impl<T> Turn<T> {
    /// Nobody's turn.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self {
            calls: CachePadded::new(AtomicUsize::new(0)),
            value: UnsafeCell::new(value),
        }
    }

    /// Sees to it that `act` runs after this call began: here, or that of the thread whose turn it is. It never runs on two
    /// threads at once. If it panics, the turn is never given back.
    pub fn take(&self, mut act: impl FnMut(&mut T)) {
        // ORDERING: AcqRel. Release publishes the caller's reason to whoever has the turn; Acquire lets a new turn see what
        // the one before did.
        if self.calls.fetch_add(1, CALL) > 0 {
            return;
        }
        let mut seen = 1;
        loop {
            // SAFETY: The counter went from zero to one by this thread's call, and goes back to zero by this thread alone: in
            // between, all other callers return at once.
            self.value.with_mut(|value| act(unsafe { &mut *value }));
            if mutant!("no_second_look") {
                // ORDERING: Release, as below.
                self.calls.store(0, Ordering::Release);
                return;
            }
            // ORDERING: Release hands what was done to the next turn; Acquire sees the reasons of those who called in the
            // meantime.
            let back = self
                .calls
                .compare_exchange(seen, 0, CALL, Ordering::Acquire);
            match back {
                Ok(_) => return,
                Err(more) => seen = more,
            }
        }
    }

    /// What was done. Nobody takes turns any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}
