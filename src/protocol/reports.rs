//! What came of each piece of work, left by whoever did it for the one who goes through all of them in order, and for those who
//! wait for it.

use std::collections::BTreeMap;

use crate::{
    mutant::mutant,
    sync::{AtomicU32, Mutex, Ordering, UnsafeCell, invariant, lock},
};

/// A report for each of so many pieces of work.
#[derive(Debug)]
pub struct Reports<T> {
    /// What is known of each: close together, as those who wait look at many.
    words: Box<[AtomicU32]>,
    slots: Box<[Slot<T>]>,
    /// Who waits for what.
    waiting: Mutex<BTreeMap<(u32, Until), Vec<u32>>>,
}

#[derive(Debug)]
struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: A report is written before its word says that it is there, by one thread, and taken afterwards, by one thread at a
// time: see `leave` and `take`. It moves from thread to thread, which `Send` allows.
unsafe impl<T: Send> Sync for Slot<T> {}

/// How long to wait for a piece of work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Until {
    /// Until its report is left.
    Left,
    /// Until it is settled.
    Settled,
}

impl Until {
    /// The bit of a word that says so.
    fn is_over(self) -> u32 {
        match self {
            Until::Left => 1,
            Until::Settled => 2,
        }
    }

    /// The bit that says that somebody waits so long.
    fn is_waited_for(self) -> u32 {
        self.is_over() << 2
    }
}

/// ORDERING: see `Reports::set`. Weaker, who takes a report or waits for it would not see what was done: model `reports` fails on
/// this mutant.
const SET: Ordering = if cfg!(mutant = "relaxed_report") {
    Ordering::Relaxed
} else {
    Ordering::AcqRel
};

impl<T> Reports<T> {
    /// So many, of which none is there.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            words: (0..count).map(|_| AtomicU32::new(0)).collect(),
            slots: (0..count).map(|_| Slot(UnsafeCell::new(None))).collect(),
            waiting: Mutex::new(BTreeMap::new()),
        }
    }

    /// Leaves the report with this number. Gives those who have waited for it.
    ///
    /// # Safety
    ///
    /// It is left at most once.
    pub unsafe fn leave(&self, number: u32, report: T) -> Vec<u32> {
        let slot = &self.slots[number as usize];
        // SAFETY: By the contract nobody else writes it, and nobody looks before the word says that it is there.
        slot.0.with_mut(|place| unsafe { *place = Some(report) });
        self.set(number, Until::Left)
    }

    /// Says that the piece of work with this number is settled. Gives those who have waited for that.
    pub fn settle(&self, number: u32) -> Vec<u32> {
        self.set(number, Until::Settled)
    }

    fn set(&self, number: u32, over: Until) -> Vec<u32> {
        // ORDERING: Release. Pairs with the Acquire of `take`, `is_over` and `wait`: who sees the bit sees the report, and all
        // that was done before it was left. Acquire is not needed for the list of those who wait, which is behind a lock.
        let before = self.words[number as usize].fetch_or(over.is_over(), SET);
        if before & over.is_waited_for() == 0 {
            return Vec::new();
        }
        // Who has set that bit has the lock until it is in the list.
        let woken = lock(&self.waiting).remove(&(number, over));
        invariant!(woken.is_some(), "somebody said that it waits");
        woken.unwrap_or_default()
    }

    /// Whether that is over. What was done before is seen then.
    #[must_use]
    pub fn is_over(&self, number: u32, until: Until) -> bool {
        // ORDERING: Acquire, see `set`.
        self.words[number as usize].load(Ordering::Acquire) & until.is_over() != 0
    }

    /// Lets `who` wait. `false` if that is over: then what was done before is seen, and nobody will be told of it.
    #[must_use]
    pub fn wait(&self, number: u32, until: Until, who: u32) -> bool {
        let mut waiting = lock(&self.waiting);
        // ORDERING: Acquire, see `set`. It is one order of steps on the word: either this comes first, and whoever ends the wait
        // finds the bit, or that comes first, and is found here.
        let before = self.words[number as usize].fetch_or(until.is_waited_for(), Ordering::Acquire);
        if before & until.is_over() != 0 && !mutant!("wait_for_the_left") {
            return false;
        }
        waiting.entry((number, until)).or_default().push(who);
        true
    }

    /// Takes the report with this number, if it is there.
    ///
    /// # Safety
    ///
    /// One thread at a time takes reports, and sees what those before it took.
    pub unsafe fn take(&self, number: u32) -> Option<T> {
        if !self.is_over(number, Until::Left) {
            return None;
        }
        let slot = &self.slots[number as usize];
        // SAFETY: It was left, which nobody does twice, and by the contract nobody else takes it.
        slot.0.with_mut(|place| unsafe { (*place).take() })
    }
}
