//! One thread at a time does what several have reason to do, and none of the reasons is lost.

use crate::sync::{AtomicUsize, Ordering};

/// ORDERING: see `Turn::take`. Weaker, who has the turn would not see why another one called: model `turn` fails on this
/// mutant.
const CALL: Ordering = if cfg!(mutant = "relaxed_call") {
    Ordering::Relaxed
} else {
    Ordering::AcqRel
};

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Turn {
    /// How many have called since the turn was last given back.
    calls: AtomicUsize,
}

impl Turn {
    /// Nobody's.
    #[must_use]
    pub fn new() -> Self {
        Self {
            calls: AtomicUsize::new(0),
        }
    }

    /// Sees to it that `act` runs after this call began: here, or on the thread whose turn it is. It never runs on two
    /// threads at once.
    pub fn take(&self, mut act: impl FnMut()) {
        // ORDERING: AcqRel. Release publishes the caller's reason to whoever has the turn; Acquire lets a new turn see what
        // the one before did.
        if self.calls.fetch_add(1, CALL) > 0 {
            return;
        }
        let mut seen = 1;
        loop {
            act();
            if cfg!(mutant = "no_second_look") {
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
}
