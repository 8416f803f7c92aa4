//! What came of each piece of work, left by whoever did it for the one who goes through all of them in order.

use crate::sync::{AtomicU32, Ordering, UnsafeCell};

/// A report for each of so many pieces of work.
#[derive(Debug)]
pub struct Reports<T> {
    slots: Box<[Slot<T>]>,
}

#[derive(Debug)]
struct Slot<T> {
    /// One if the report is there.
    is_there: AtomicU32,
    report: UnsafeCell<Option<T>>,
}

// SAFETY: A report is written before the flag says that it is there, by one thread, and taken afterwards, by one thread at a
// time: see `leave` and `take`. It moves from thread to thread, which `Send` allows.
unsafe impl<T: Send> Sync for Slot<T> {}

/// ORDERING: see `Reports::leave`. Weaker, who takes a report would not see it: model `reports` fails on this mutant.
const LEAVE: Ordering = if cfg!(mutant = "relaxed_report") {
    Ordering::Relaxed
} else {
    Ordering::Release
};

impl<T> Reports<T> {
    /// So many, of which none is there.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let slots = (0..count).map(|_| Slot {
            is_there: AtomicU32::new(0),
            report: UnsafeCell::new(None),
        });
        Self {
            slots: slots.collect(),
        }
    }

    /// Leaves the report with this number.
    ///
    /// # Safety
    ///
    /// It is left at most once.
    pub unsafe fn leave(&self, number: usize, report: T) {
        let slot = &self.slots[number];
        // SAFETY: By the contract nobody else writes it, and nobody looks before the flag is set.
        slot.report
            .with_mut(|place| unsafe { *place = Some(report) });
        // ORDERING: Release. Pairs with the Acquire in `take`: who sees the flag sees the report.
        slot.is_there.store(1, LEAVE);
    }

    /// Takes the report with this number, if it is there.
    ///
    /// # Safety
    ///
    /// One thread at a time takes reports, and sees what those before it took.
    pub unsafe fn take(&self, number: usize) -> Option<T> {
        let slot = self.slots.get(number)?;
        // ORDERING: Acquire, see `leave`.
        if slot.is_there.load(Ordering::Acquire) == 0 {
            return None;
        }
        // SAFETY: It was left, which nobody does twice, and by the contract nobody else takes it.
        slot.report.with_mut(|place| unsafe { (*place).take() })
    }
}
