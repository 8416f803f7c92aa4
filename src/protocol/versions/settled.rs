//! What is certain of a key: the versions of committed transactions are part of its base, one after another.

use super::{Change, MANY, Reader, Terms, Versions};
use crate::{
    execute::{Known, number},
    mutant::mutant,
    value::Value,
};

impl<V: Value> Versions<V> {
    /// Makes the versions of transactions before `settled`, all of which are committed, part of the base.
    pub fn settle(&mut self, settled: u32) {
        let count = self.at(settled);
        let first = self.folded as usize;
        if first >= count {
            return;
        }
        // What was added since the last put, on what was put.
        let mut sum = None;
        for version in &mut self.list[first..count] {
            // It is what the transaction was committed with.
            match version.change.take() {
                Some(Change::Put(put)) => {
                    self.base = Known::of(put);
                    sum = None;
                }
                Some(Change::Add(delta)) => {
                    let before = sum.or_else(|| number(self.base.as_option()));
                    sum = before.and_then(|before| delta.apply(before)).or(sum);
                }
                None => continue,
            }
            self.is_changed = true;
        }
        if let Some(sum) = sum {
            self.base = Known::of(V::from_amount(sum));
        }
        self.folded = self.folded.max(count as u32);
        // What follows moves only now and then.
        let folded = self.folded as usize;
        if folded == self.list.len() || folded > MANY.max(self.list.len() / 2) {
            self.list.drain(..folded);
            self.folded = 0;
        }
    }

    /// Forgets what nobody needs any more, before there is more than has its place here: `settled` tells how many transactions
    /// are committed.
    pub fn tidy(&mut self, settled: impl FnOnce() -> u32) {
        let (versions, readers) = (self.list.len(), self.readers.len());
        if versions < self.list.inline_size() && readers < self.readers.inline_size() {
            return;
        }
        let settled = settled();
        if versions > 0 {
            self.settle(settled);
        }
        if readers > 0 {
            let count = self
                .readers
                .partition_point(|reader| reader.transaction < settled);
            // What follows moves only now and then.
            if count > self.readers.len() / 2 {
                self.readers.drain(..count);
            }
        }
    }

    /// Whether what `transaction` was told is so. All before it are committed.
    pub fn holds(&mut self, transaction: u32, terms: &Terms<V::Amount>) -> bool {
        self.settle(transaction);
        let holds = self.base.is_known() && terms.hold(self.base.as_option());
        if !holds {
            self.conflicts = self.conflicts.saturating_add(1);
        }
        holds
    }

    /// What `transaction` sees for certain, as all before it are committed: nobody has to be told if it changes. [`Known::No`] if that is what
    /// the parent state holds, which nobody has said yet.
    pub(crate) fn certain(&mut self, transaction: u32) -> Known<V> {
        self.settle(transaction);
        self.base.clone()
    }

    /// Makes what `transaction` has left part of the base at once, as all before it are committed, and so is it. Names those who have
    /// seen what is no longer so. Says whether something was foreseen there.
    pub(crate) fn leave(
        &mut self,
        transaction: u32,
        value: Known<V>,
        deceived: &mut Vec<Reader>,
    ) -> bool {
        self.settle(transaction);
        let mut at = self.at(transaction);
        let many = self.list.len() - at > MANY;
        let mut is_foreseen = false;
        if let Some(foreseen) = self.list.get_mut(at)
            && foreseen.transaction == transaction
        {
            is_foreseen = true;
            // Where many follow, it stays there and says nothing.
            if many {
                (foreseen.change, foreseen.is_guess, foreseen.adds) = (None, false, false);
                at += 1;
            } else {
                self.list.remove(at);
            }
        }
        let is_as_before = self.base == value;
        let affected = self.affected(transaction, at);
        if !affected.is_empty() && !is_as_before {
            self.conflicts = self.conflicts.saturating_add(affected.len() as u32);
            let named = self.readers.drain(affected);
            if !mutant!("silent_in_turn") {
                deceived.extend(named);
            }
        }
        self.base = value;
        self.is_changed = true;
        is_foreseen
    }

    /// What committed transactions made of it, if they did.
    pub(crate) fn take_changed(&mut self, settled: u32) -> Option<Known<V>> {
        self.settle(settled);
        let is_changed = std::mem::take(&mut self.is_changed);
        is_changed.then(|| std::mem::replace(&mut self.base, Known::No))
    }
}
