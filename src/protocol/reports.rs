//! What came of each piece of work, left by whoever did it for the one who goes through all of them in order, and for those who
//! wait for it.

use crate::{
    mutant::mutant,
    sync::{AtomicU32, Ordering, UnsafeCell},
};

/// A report for each of so many pieces of work.
///
/// Those who wait for one are in a list: the word of what they wait for names the last one, and each the one before. When
/// the wait is over a word is taken in one step, with all that are in its list, and nobody gets in any more.
#[derive(Debug)]
pub struct Reports<T> {
    /// What is known of each: close together, as those who wait look at many.
    words: Box<[Words]>,
    waiters: Box<[Waiter]>,
    slots: Box<[Slot<T>]>,
}

/// For each [`Until`] who waits so long last, plus one; or zero if nobody does; or [`OVER`].
#[derive(Debug, Default)]
struct Words([AtomicU32; 2]);

/// There is nothing more to wait for.
const OVER: u32 = u32::MAX;

/// Who waits for the same and came before, plus one, or zero. A piece of work waits for one thing at a time, and whoever has it has
/// its waiter.
#[derive(Debug, Default)]
pub struct Waiter(AtomicU32);

#[derive(Debug)]
struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: A report is written before its word says that it is there, by one thread, and taken afterwards, by one thread at a
// time: see `leave` and `take`. It moves from thread to thread, which `Send` allows.
unsafe impl<T: Send> Sync for Slot<T> {}

/// How long to wait for a piece of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// Until its report is left.
    Left,
    /// Until it is settled.
    Settled,
}

/// Those who have waited for something, which they need not any more.
#[derive(Debug)]
#[must_use = "nobody else will tell them"]
pub struct Woken(u32);

impl Woken {
    /// The next of them, if there is one, the last that came first. `waiter` finds that of each.
    pub fn next<'a>(&mut self, waiter: impl FnOnce(u32) -> &'a Waiter) -> Option<u32> {
        let who = self.0.checked_sub(1)?;
        // ORDERING: Relaxed. It was stored before the list had it, and whoever took the list has seen that: see `Reports::set`.
        self.0 = waiter(who).0.load(Ordering::Relaxed);
        Some(who)
    }
}

/// ORDERING: see `Reports::set`. Weaker, who takes a report or waits for it would not see what was done: model `reports` fails on
/// this mutant.
const SET: Ordering = if cfg!(mutant = "relaxed_report") {
    Ordering::Relaxed
} else {
    Ordering::AcqRel
};

/// ORDERING: see `Reports::wait`. Weaker, the list could be cut short for who takes it: model `reports` fails on this mutant.
const ENTER: Ordering = if cfg!(mutant = "relaxed_waiter") {
    Ordering::Relaxed
} else {
    Ordering::Release
};

impl<T> Reports<T> {
    /// So many, of which none is there.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            words: (0..count).map(|_| Words::default()).collect(),
            waiters: (0..count).map(|_| Waiter::default()).collect(),
            slots: (0..count).map(|_| Slot(UnsafeCell::new(None))).collect(),
        }
    }

    /// With which the piece of work with this number waits for another.
    #[must_use]
    pub fn waiter(&self, number: u32) -> &Waiter {
        &self.waiters[number as usize]
    }

    /// Leaves the report with this number. Gives those who have waited for it.
    ///
    /// # Safety
    ///
    /// It is left at most once.
    pub unsafe fn leave(&self, number: u32, report: T) -> Woken {
        let slot = &self.slots[number as usize];
        // SAFETY: By the contract nobody else writes it, and nobody looks before the word says that it is there.
        slot.0.with_mut(|place| unsafe { *place = Some(report) });
        self.set(number, Until::Left)
    }

    /// Says that the piece of work with this number is settled. Gives those who have waited for that.
    pub fn settle(&self, number: u32) -> Woken {
        self.set(number, Until::Settled)
    }

    fn word(&self, number: u32, until: Until) -> &AtomicU32 {
        &self.words[number as usize].0[until as usize]
    }

    fn set(&self, number: u32, over: Until) -> Woken {
        // ORDERING: Release. Pairs with the Acquire of `take`, `is_over` and `wait`: who sees the word sees the report, and all
        // that was done before it was left. Acquire: pairs with the Release of all those who have entered the list, one after
        // another, so whom each names is seen, and what they did before they waited.
        let before = self.word(number, over).swap(OVER, SET);
        Woken(if before == OVER { 0 } else { before })
    }

    /// Whether that is over. What was done before is seen then.
    #[must_use]
    pub fn is_over(&self, number: u32, until: Until) -> bool {
        // ORDERING: Acquire, see `set`.
        self.word(number, until).load(Ordering::Acquire) == OVER
    }

    /// Lets `who` wait, with its own `waiter`, who waits for nothing else. `false` if that is over: then what was done before is
    /// seen, and nobody will be told of it.
    #[must_use]
    pub fn wait(&self, number: u32, until: Until, who: u32, waiter: &Waiter) -> bool {
        let word = self.word(number, until);
        // ORDERING: Acquire, see `set`, here and where it fails below.
        let mut before = word.load(Ordering::Acquire);
        loop {
            if before == OVER && !mutant!("wait_for_the_left") {
                return false;
            }
            // ORDERING: Relaxed. Who takes the list sees it by what follows.
            waiter.0.store(before, Ordering::Relaxed);
            // ORDERING: Release. Pairs with the Acquire of `set`. It is one order of steps on the word: either this comes first,
            // and whoever ends the wait finds `who`, or that comes first, and is found here.
            match word.compare_exchange(before, who + 1, ENTER, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => before = now,
            }
        }
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
