//! Notes what transactions will probably do, before they run: by what somebody has found out before, or by what the VM says.
//!
//! That is done for some neighbours at a time, when the first of them is about to run: in the order of the block, or nearly, and
//! by the workers, while others run already. Nobody waits for what is foreseen of transactions before these.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pleach_dtt::{Access, AccessSet, Trust};
use smallvec::SmallVec;

use super::{Shared, mark};
use crate::{
    mutant::mutant,
    parallel::{attempt::forecast, outlook},
    protocol::{keys::Spare, latch::Latch},
    sync::{AtomicU32, AtomicUsize, OnceLock, Ordering},
    vm::Vm,
};

/// So many transactions are foreseen in one go. Blocks under random schedules are smaller; in models, others run enough.
const PART: usize = if cfg!(pleach_shuttle) { 2 } else { 32 };

/// Some neighbours.
struct Part {
    /// One if they are foreseen.
    is_done: AtomicU32,
    /// Who foresees them has it. That takes some microseconds, less than it would take to sleep.
    doing: Latch<()>,
}

/// What is foreseen.
pub(super) struct Foresight<K> {
    /// Which parts are.
    parts: Box<[Part]>,
    /// Where the VM panics when it is asked, if it does. The serial executor knows what to say of that.
    end: AtomicUsize,
    /// The exact access sets, sorted, of those transactions that have one; nothing at all if none has.
    declared: OnceLock<Box<[OnceLock<AccessSet<K>>]>>,
}

impl<K> Foresight<K> {
    /// Of so many transactions, none yet.
    pub(super) fn new(transactions: usize) -> Self {
        let parts = (0..transactions.div_ceil(PART)).map(|_| Part {
            is_done: AtomicU32::new(0),
            doing: Latch::new(()),
        });
        Self {
            parts: parts.collect(),
            end: AtomicUsize::new(transactions),
            declared: OnceLock::new(),
        }
    }

    /// Whether not all of so many transactions can be executed here.
    pub(super) fn ends_early(&self, transactions: usize) -> bool {
        // ORDERING: Relaxed. Nobody foresees anything any more.
        self.end.load(Ordering::Relaxed) < transactions
    }

    /// The access set of a transaction, sorted, if it is exact.
    pub(super) fn declared(&self, transaction: u32) -> Option<&AccessSet<K>> {
        self.declared.get()?[transaction as usize].get()
    }
}

/// What a worker needs to look ahead.
pub(super) struct Predicting<K> {
    number: usize,
    spare: Spare,
    set: AccessSet<K>,
    /// What the transaction at hand will write and look at, by number.
    written: SmallVec<[u32; 8]>,
    looked: SmallVec<[u32; 8]>,
}

impl<K: Ord> Predicting<K> {
    /// For the worker with this number.
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            spare: Spare::default(),
            set: AccessSet::new(),
            written: SmallVec::new(),
            looked: SmallVec::new(),
        }
    }
}

impl<V: Vm, S> Shared<'_, V, S> {
    /// Lets those wait that look at what `transaction` and its neighbours will write, as far as that is known. `false` if the
    /// transaction cannot be executed here.
    pub(super) fn look_ahead(&self, transaction: u32, predicting: &mut Predicting<V::Key>) -> bool {
        let foresight = &self.foresight;
        let transaction = transaction as usize;
        let number = transaction / PART;
        let part = &foresight.parts[number];
        // ORDERING: Acquire pairs with the Release below: who sees the flag sees what was foreseen.
        if part.is_done.load(Ordering::Acquire) == 0 {
            let _doing = part.doing.lock();
            // ORDERING: Relaxed. Who had the latch before has set it under it.
            if part.is_done.load(Ordering::Relaxed) == 0 {
                let start = (number * PART).max(self.first as usize);
                let end = self.input.transactions.len().min((number + 1) * PART);
                if let Some(panics) = (start..end).find(|index| !self.foresee(*index, predicting)) {
                    // ORDERING: Relaxed. Who asks about this part does so after that; what is executed of later ones is
                    // never committed.
                    foresight.end.fetch_min(panics, Ordering::Relaxed);
                }
                // ORDERING: Release, see above.
                part.is_done.store(1, Ordering::Release);
            }
        }
        // ORDERING: Relaxed, as above.
        transaction < foresight.end.load(Ordering::Relaxed)
    }

    /// Notes what a transaction will do. `false` if the VM panics.
    fn foresee(&self, index: usize, predicting: &mut Predicting<V::Key>) -> bool {
        let input = self.input;
        let (number, transaction) = (index as u32, &input.transactions[index]);
        self.forecast(number, transaction, predicting);
        let mut set = std::mem::take(&mut predicting.set);
        set.clear();
        let classes = if self.is_timed {
            // ORDERING: Relaxed, a hint.
            self.in_turn.load(Ordering::Relaxed)
        } else {
            0
        };
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let trust = input.vm.accesses(transaction, &mut set);
            (trust, outlook::is_in_turn(input.vm, transaction, classes))
        }));
        let Ok((trust, is_in_turn)) = asked else {
            return false;
        };
        match input.hints.predicted.get(index) {
            Some(hint) if trust != Trust::Exact => self.expect(number, hint, predicting),
            _ if trust == Trust::Unknown => {}
            _ => {
                set.sort();
                self.expect(number, &set, predicting);
            }
        }
        if trust == Trust::Exact {
            let all = self.foresight.declared.get_or_init(|| {
                let none = input.transactions.iter().map(|_| OnceLock::new());
                none.collect()
            });
            all[index].get_or_init(|| set);
        } else {
            predicting.set = set;
        }
        let tree = input.hints.tree;
        let tree = tree.filter(|tree| tree.len() == input.transactions.len());
        let parent = tree.and_then(|tree| tree.parent(index));
        let parent = parent.map(|parent| parent as u32);
        let parent = parent.filter(|parent| *parent >= self.first);
        let Predicting {
            written, looked, ..
        } = predicting;
        if parent.is_some() || !written.is_empty() || !looked.is_empty() {
            self.lifecycle.prepare(number, |kept| {
                kept.parent = parent;
                kept.written.extend(written.drain(..));
                kept.looked.extend(looked.drain(..));
            });
        }
        if is_in_turn {
            self.lifecycle.reserve(number);
        }
        true
    }

    /// Notes what a transaction will probably add to numbers.
    fn forecast(
        &self,
        number: u32,
        transaction: &V::Transaction,
        predicting: &mut Predicting<V::Key>,
    ) {
        let (keys, scans) = (&self.keys, &self.scans);
        forecast(self.input.vm, transaction, |key, delta| {
            let (key, entry, _) = keys.enter(keys.hash(&key), &key, &mut predicting.spare);
            mark::versioned(entry);
            let is_known = entry.cell().lock().is_known_to_scans();
            if !is_known && !mutant!("silent_forecast") {
                // If it comes as it was forecast, nobody is named: who scans has to find it from now on, and who has scanned is
                // noted.
                let note = |number, reader| keys.at(number).cell().lock().note(reader);
                scans.tell(predicting.number, &[key], |key| keys.key(key), note);
            }
            let mut versions = entry.cell().lock();
            versions.known_to_scans();
            versions.forecast(number, delta);
            drop(versions);
            predicting.written.push(key);
        });
    }

    /// Notes what a transaction will probably look at and write.
    fn expect(
        &self,
        transaction: u32,
        set: &AccessSet<V::Key>,
        predicting: &mut Predicting<V::Key>,
    ) {
        for (key, access) in set.entries() {
            let hash = self.keys.hash(key);
            let (number, entry, _) = self.keys.enter(hash, key, &mut predicting.spare);
            let puts = access.has(Access::WRITE);
            if puts || access.has(Access::ADD) {
                mark::versioned(entry);
                entry.cell().lock().guess(transaction, !puts);
                predicting.written.push(number);
            }
            if access.has(Access::READ) {
                predicting.looked.push(number);
            }
        }
    }
}
