//! Where each transaction of an optimistic block stands, and who may do what with it.
//!
//! | phase | whose it is | what comes next |
//! | --- | --- | --- |
//! | ready | anybody's who begins | running; reserved, if it is to be executed in turn |
//! | running | the worker's | done; waiting; deceived, if something that it has seen turns out different |
//! | deceived | the worker's | running, once more |
//! | waiting | nobody's | ready, when the one that it waits for is done |
//! | reserved | the one's who commits | running, once all before it are settled; from there settled at once |
//! | done | nobody's | settled, in block order; recalled, if something that it has seen turns out different |
//! | recalled | the one's who found out | ready |
//! | settled | the one's who commits | recalled, if it was told something that is not so |
//!
//! A word holds the phase and the number of the attempt, so that what was said of one attempt is not held against the next.
//! Whoever a transaction belongs to has what its last attempt has left, too.

use crate::{
    mutant::mutant,
    sync::{AtomicU32, Mutex, Ordering, UnsafeCell, invariant, lock},
};

/// Who waits for a transaction, and how long.
type Waiting = Mutex<Vec<(u32, Until)>>;

/// The transactions of a block. `T` is what an attempt leaves.
#[derive(Debug)]
pub struct Lifecycle<T> {
    slots: Box<[Slot<T>]>,
    waiting: Box<[Waiting]>,
}

/// In cache lines of its own: its neighbours run on other threads.
#[derive(Debug)]
#[repr(align(64))]
struct Slot<T> {
    /// The number of the attempt, whether somebody may wait, and the phase.
    word: AtomicU32,
    kept: UnsafeCell<T>,
}

// SAFETY: What is kept belongs to one thread at a time, by the phase: see the table above. It moves from thread to thread,
// which `Send` allows.
unsafe impl<T: Send> Sync for Slot<T> {}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Ready,
    Running,
    Deceived,
    Waiting,
    Done,
    Recalled,
    Settled,
    Reserved,
}

/// What a slot's word says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Word(u32);

impl Word {
    const WAITED_FOR: u32 = 8;

    fn new(attempt: u32, phase: Phase) -> Self {
        Self(attempt << 4 | phase as u32)
    }

    fn phase(self) -> Phase {
        const PHASES: [Phase; 8] = [
            Phase::Ready,
            Phase::Running,
            Phase::Deceived,
            Phase::Waiting,
            Phase::Done,
            Phase::Recalled,
            Phase::Settled,
            Phase::Reserved,
        ];
        PHASES[(self.0 & 7) as usize]
    }

    fn attempt(self) -> u32 {
        self.0 >> 4
    }

    fn is_waited_for(self) -> bool {
        self.0 & Self::WAITED_FOR != 0
    }

    fn is_over(self, until: Until) -> bool {
        match until {
            Until::Done => matches!(self.phase(), Phase::Done | Phase::Settled),
            Until::Settled => self.phase() == Phase::Settled,
        }
    }

    /// The same in another phase.
    fn to(self, phase: Phase) -> Self {
        Self(self.0 & !7 | phase as u32)
    }
}

/// How long to wait for a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// Until an attempt at it has come to its end.
    Done,
    /// Until it is committed.
    Settled,
}

/// What becomes of an attempt that has come to its end.
#[derive(Debug)]
pub enum Finished<T> {
    /// It stands, as far as anybody knows. These waited for it and are ready now.
    Done(Vec<u32>),
    /// It was deceived: the same worker makes another one, of this number.
    Again(u32, T),
}

/// What was taken of a transaction that is to be committed.
#[derive(Debug)]
pub struct Taken<T> {
    /// What the last one left.
    pub kept: T,
    /// Who waited for that and is ready now.
    pub woken: Vec<u32>,
    /// Whether it was reserved, so that nobody has executed it: it runs now, and [`settle_reserved`](Lifecycle::settle_reserved) follows.
    pub is_reserved: bool,
}

/// ORDERING: see `Slot::change`. Weaker, who gets a transaction would not see what was left of it: model `lifecycle` fails on
/// this mutant.
const CHANGE: Ordering = if cfg!(mutant = "relaxed_change") {
    Ordering::Relaxed
} else {
    Ordering::AcqRel
};

impl<T: Default> Slot<T> {
    /// Moves to another word, if `next` says so; gives the one before.
    fn change(&self, next: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        // ORDERING: Acquire here and below: who gets a transaction sees what was kept of it by the one who had it before. The
        // Release half of the exchange publishes that.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let next = next(Word(word))?;
            let changed = self
                .word
                .compare_exchange(word, next.0, CHANGE, Ordering::Acquire);
            match changed {
                Ok(_) => return Some(Word(word)),
                Err(other) => word = other,
            }
        }
    }

    /// Moves from one phase to another.
    fn step(&self, from: Phase, to: Phase) -> Option<Word> {
        self.change(|word| (word.phase() == from).then(|| word.to(to)))
    }

    /// Takes what is kept.
    ///
    /// # Safety
    ///
    /// The transaction belongs to the caller.
    unsafe fn take(&self) -> T {
        // SAFETY: By the contract nobody else reaches it now.
        self.kept
            .with_mut(|kept| std::mem::take(unsafe { &mut *kept }))
    }

    /// Leaves something for whoever the transaction belongs to next.
    ///
    /// # Safety
    ///
    /// The transaction belongs to the caller.
    unsafe fn leave(&self, left: T) {
        // SAFETY: By the contract nobody else reaches it now.
        self.kept.with_mut(|kept| unsafe { *kept = left });
    }
}

impl<T: Default> Lifecycle<T> {
    /// So many transactions, all ready.
    #[must_use]
    pub fn new(transactions: usize) -> Self {
        let slots = (0..transactions).map(|_| Slot {
            word: AtomicU32::new(Word::new(0, Phase::Ready).0),
            kept: UnsafeCell::new(T::default()),
        });
        let waiting = (0..transactions).map(|_| Mutex::new(Vec::new()));
        Self {
            slots: slots.collect(),
            waiting: waiting.collect(),
        }
    }

    fn slot(&self, transaction: u32) -> &Slot<T> {
        &self.slots[transaction as usize]
    }

    /// Changes what is kept of a transaction that nobody has begun, or else does nothing.
    pub fn prepare(&self, transaction: u32, change: impl FnOnce(&mut T)) {
        let slot = self.slot(transaction);
        if slot.step(Phase::Ready, Phase::Running).is_some() {
            // SAFETY: It was ready, and this thread alone has made it running.
            slot.kept.with_mut(|kept| change(unsafe { &mut *kept }));
            slot.step(Phase::Running, Phase::Ready);
        }
    }

    /// Keeps a transaction that nobody has begun for who commits: nobody else can begin it.
    pub fn reserve(&self, transaction: u32) {
        self.slot(transaction).step(Phase::Ready, Phase::Reserved);
    }

    /// Whether a transaction is kept for who commits.
    #[must_use]
    pub fn is_reserved(&self, transaction: u32) -> bool {
        // ORDERING: Relaxed. What is reserved stays so until all before it are settled, and who asks wants to see to that.
        Word(self.slot(transaction).word.load(Ordering::Relaxed)).phase() == Phase::Reserved
    }

    /// Ends the attempt at a transaction that was reserved and [taken](Self::take): what it has left is there for all, and it is settled.
    /// Gives those who waited for it and are ready now.
    pub fn settle_reserved(&self, transaction: u32) -> Vec<u32> {
        let next = |word: Word| Some(Word(word.to(Phase::Settled).0 & !Word::WAITED_FOR));
        let before = self.slot(transaction).change(next);
        let before = before.expect("there is always a next word");
        if mutant!("settle_silently") {
            return Vec::new();
        }
        self.wake(transaction, before, Until::Settled)
    }

    /// Begins an attempt: its number, and what the last one left. `None` if the transaction is not ready.
    pub fn begin(&self, transaction: u32) -> Option<(u32, T)> {
        let slot = self.slot(transaction);
        let before = slot.change(|word| {
            let is_ready = word.phase() == Phase::Ready || mutant!("begin_anything");
            is_ready.then(|| Word(word.0 + 16).to(Phase::Running))
        })?;
        // SAFETY: It was ready, and this thread alone has made it running.
        Some((before.attempt() + 1, unsafe { slot.take() }))
    }

    /// Whether an attempt is known to be deceived. A hint: it may be and this does not say so yet.
    #[must_use]
    pub fn is_deceived(&self, transaction: u32) -> bool {
        // ORDERING: Relaxed. What counts is looked at again in `finish`.
        let word = Word(self.slot(transaction).word.load(Ordering::Relaxed));
        word.phase() == Phase::Deceived
    }

    /// Ends a running attempt.
    pub fn finish(&self, transaction: u32, kept: T) -> Finished<T> {
        let slot = self.slot(transaction);
        // SAFETY: It runs on this thread.
        unsafe { slot.leave(kept) };
        let before = slot.change(|word| {
            let is_deceived = word.phase() == Phase::Deceived && !mutant!("finish_deceived");
            Some(if is_deceived {
                Word(word.0 + 16).to(Phase::Running)
            } else {
                // The mark stays: some wait until it is committed.
                word.to(Phase::Done)
            })
        });
        let before = before.expect("there is always a next word");
        if before.phase() == Phase::Deceived && !mutant!("finish_deceived") {
            // SAFETY: It still runs on this thread.
            return Finished::Again(before.attempt() + 1, unsafe { slot.take() });
        }
        Finished::Done(self.wake(transaction, before, Until::Done))
    }

    /// Gives up a running attempt that has to wait for another transaction. `false` if there is nothing to wait for any
    /// more: then it is ready, and nobody else knows of that.
    pub fn wait(&self, transaction: u32, kept: T, on: u32, until: Until) -> bool {
        invariant!(on < transaction, "it waits for one before it");
        let slot = self.slot(transaction);
        // SAFETY: It runs on this thread.
        unsafe { slot.leave(kept) };
        let give_up = || slot.change(|word| Some(word.to(Phase::Waiting)));
        if !mutant!("wait_late") {
            give_up();
        }
        // It waits already: who wakes it from now on finds it so.
        let other = self.slot(on);
        let mut waiting = lock(&self.waiting[on as usize]);
        // ORDERING: AcqRel, as all changes of the word: if the other one is over, what it left is seen.
        let word = Word(other.word.fetch_or(Word::WAITED_FOR, Ordering::AcqRel));
        if !word.is_over(until) || mutant!("wait_for_the_past") {
            waiting.push((transaction, until));
            drop(waiting);
            if mutant!("wait_late") {
                give_up();
            }
            return true;
        }
        drop(waiting);
        slot.step(Phase::Waiting, Phase::Ready);
        false
    }

    /// Whether nobody has to wait for a transaction any more. A hint.
    pub(crate) fn is_over(&self, transaction: u32, until: Until) -> bool {
        // ORDERING: Relaxed. Who wants to see what it left asks again.
        Word(self.slot(transaction).word.load(Ordering::Relaxed)).is_over(until)
    }

    /// Wakes those who have waited for a transaction until it is `over` so far, by what its word said before that.
    fn wake(&self, transaction: u32, before: Word, over: Until) -> Vec<u32> {
        if !before.is_waited_for() {
            return Vec::new();
        }
        // Who has set the mark has this lock until it is in the list.
        let mut waiting = lock(&self.waiting[transaction as usize]);
        let woken = waiting.extract_if(.., |(_, until)| over == Until::Settled || *until == over);
        let woken: Vec<u32> = woken.map(|(transaction, _)| transaction).collect();
        drop(waiting);
        for transaction in &woken {
            let woken = self.slot(*transaction).step(Phase::Waiting, Phase::Ready);
            invariant!(woken.is_some(), "only this wakes it");
        }
        woken
    }

    /// Says that an attempt was deceived. If it had come to its end, the caller gets what it left, marks that as a guess, and
    /// then calls [`release`](Self::release).
    pub fn deceive(&self, transaction: u32, attempt: u32) -> Option<T> {
        let slot = self.slot(transaction);
        let before = slot.change(|word| {
            if word.attempt() != attempt && !mutant!("blame_any_attempt") {
                return None;
            }
            match word.phase() {
                Phase::Running if !mutant!("recall_running") => Some(word.to(Phase::Deceived)),
                Phase::Running | Phase::Done => Some(word.to(Phase::Recalled)),
                _ => None,
            }
        })?;
        invariant!(
            before.attempt() == attempt,
            "what was said of one attempt is held against another"
        );
        // SAFETY: It was done, so nobody's, and this thread alone has recalled it.
        (before.phase() == Phase::Done || mutant!("recall_running")).then(|| unsafe { slot.take() })
    }

    /// Makes a transaction ready that the caller has recalled.
    pub fn release(&self, transaction: u32, kept: T) {
        let slot = self.slot(transaction);
        // SAFETY: The caller has recalled it.
        unsafe { slot.leave(kept) };
        slot.step(Phase::Recalled, Phase::Ready);
    }

    /// Takes what the last attempt at a transaction left, to commit it: with that it is settled. If it is reserved, it begins to run
    /// instead. `None` if it is neither done nor reserved. All before it are settled. One thread at a time commits.
    #[inline]
    pub fn take(&self, transaction: u32) -> Option<Taken<T>> {
        let slot = self.slot(transaction);
        let before = slot.change(|word| {
            if word.phase() == Phase::Reserved {
                return Some(word.to(Phase::Running));
            }
            let is_done = word.phase() == Phase::Done || mutant!("take_unfinished");
            is_done.then(|| Word(word.to(Phase::Settled).0 & !Word::WAITED_FOR))
        })?;
        let is_reserved = before.phase() == Phase::Reserved;
        Some(Taken {
            // SAFETY: It was done or reserved, so nobody's, and this thread alone has settled or begun it.
            kept: unsafe { slot.take() },
            woken: if is_reserved {
                Vec::new()
            } else {
                self.wake(transaction, before, Until::Settled)
            },
            is_reserved,
        })
    }

    /// Says that a transaction that the caller has taken cannot be committed like that after all;
    /// [`release`](Self::release) follows.
    pub fn refuse(&self, transaction: u32) {
        self.slot(transaction).step(Phase::Settled, Phase::Recalled);
    }
}
