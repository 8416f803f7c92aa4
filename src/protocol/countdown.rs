//! A transaction becomes ready when the last of its dependencies is done.

use crate::sync::{AtomicU32, Ordering};

/// ORDERING: see `Countdown::arrive`. Weaker, the last to arrive would not see what the others wrote: model `countdown` fails on this mutant.
const ARRIVE: Ordering = if cfg!(mutant = "relaxed_arrive") {
    Ordering::Relaxed
} else {
    Ordering::AcqRel
};

/// How many dependencies of a transaction are not done yet.
#[derive(Debug)]
pub struct Countdown(AtomicU32);

impl Countdown {
    /// A countdown from `count`.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self(AtomicU32::new(count))
    }

    /// Notes that one more is done. `true` for exactly one caller, the last: everything that those before it wrote is
    /// visible to it, and to whom it passes the transaction on.
    #[must_use]
    pub fn arrive(&self) -> bool {
        // ORDERING: AcqRel. The Release half publishes what this dependency wrote; all arrivals are one release sequence,
        // so the Acquire half of the last one sees what every one of them published.
        self.0.fetch_sub(1, ARRIVE) == 1
    }
}
