//! What the transaction at hand makes of one key, for views that do not know every value for certain.

use crate::{
    execute::{Known, number},
    protocol::versions::{Change, Check, Question, Terms, together},
    value::{Amount, Bounds, Delta, Value},
};

/// What a transaction did with a key so far.
pub(super) struct Made<V: Value> {
    /// What it found, once it has looked or asked.
    pub(super) found: Known<V>,
    /// What it has added to what it found; in turn, only that it has.
    pub(super) own: Option<Delta<V::Amount>>,
    /// What it made of it.
    pub(super) pending: Known<V>,
    /// Whether it has put or deleted it, and so knows it whatever was there.
    pub(super) put: bool,
    /// What it was told of it, if what it has found is no more than probable.
    pub(super) terms: Option<Terms<V::Amount>>,
}

impl<V: Value> Made<V> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            found: Known::No,
            own: None,
            pending: Known::No,
            put: false,
            terms: None,
        }
    }

    /// The value that the transaction sees.
    #[inline]
    pub(super) fn value(&self) -> Option<&V> {
        if self.pending.is_known() {
            self.pending.as_option()
        } else {
            self.found.as_option()
        }
    }

    /// Whether it makes anything of the key.
    pub(super) fn is_written(&self) -> bool {
        self.put || self.own.is_some()
    }

    /// What it makes of the key, if it does anything.
    pub(super) fn change(&mut self) -> Option<Change<V>> {
        if self.put {
            let pending = std::mem::replace(&mut self.pending, Known::No);
            return Some(Change::Put(pending.into_option()));
        }
        self.own.map(Change::Add)
    }

    /// What it made of the key, of which it knew for certain what was there: `Known::No` if it did nothing.
    pub(super) fn take_pending(&mut self) -> Known<V> {
        if self.is_written() {
            std::mem::replace(&mut self.pending, Known::No)
        } else {
            Known::No
        }
    }

    /// The answer to a question.
    #[inline]
    pub(super) fn ask(&self, question: Question<V::Amount>) -> bool {
        question.ask(self.value())
    }

    /// Notes the answer to a question that is to be asked again.
    pub(super) fn tell(&mut self, question: Question<V::Amount>, answer: bool) {
        let check = Check {
            own: self.own,
            question,
            answer,
        };
        let found = number(self.found.as_option());
        self.terms.get_or_insert_default().add(check, found);
    }

    /// Says that there is a value or none, which is to be asked again.
    pub(super) fn believe(&mut self, is_there: bool) {
        let check = Check {
            own: None,
            question: Question::Contains,
            answer: is_there,
        };
        self.terms.get_or_insert_default().add(check, None);
    }

    /// Adds to a number that was not looked at, which is to be asked again: it is believed that it can be.
    pub(super) fn add_boldly(&mut self, delta: Delta<V::Amount>, bounds: Bounds<V::Amount>) {
        let check = Check {
            own: self.own,
            question: Question::Add(delta, bounds),
            answer: true,
        };
        let found = Some(V::Amount::ZERO);
        self.terms.get_or_insert_default().add(check, found);
        self.own = Some(together(self.own, delta));
    }

    /// Whether nothing was made of it yet, but for questions.
    pub(super) fn is_untouched(&self) -> bool {
        self.is_unseen() && self.own.is_none()
    }

    /// What it has added boldly, if that is all.
    pub(super) fn bold(&self) -> Option<Delta<V::Amount>> {
        self.own.filter(|_| self.is_unseen())
    }

    /// Whether it was neither looked at nor put.
    pub(super) fn is_unseen(&self) -> bool {
        !self.put && !self.found.is_known()
    }

    /// Puts a value, or none.
    #[inline]
    pub(super) fn put(&mut self, value: Option<V>) {
        self.pending = Known::of(value);
        self.put = true;
    }

    /// Adds to the value, to which that can be added.
    pub(super) fn add(&mut self, delta: Delta<V::Amount>) {
        let sum = Change::Add(delta).apply(self.value());
        self.pending = Known::of(sum.into_option());
        if !self.put {
            self.own = Some(together(self.own, delta));
        }
    }
}
