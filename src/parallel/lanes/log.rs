//! What the transactions of a lane were told and have changed, so that it can be seen afterwards whether that is what they would have been
//! told in the order of the block.
//!
//! All that a transaction has touched is one entry each, in the order in which they ran. Those of one slot of the lane's table are
//! chained, from the last to the first, so that what a key was before each of them is found by going back from what it is now.

use crate::{
    execute::{Before, Known},
    parallel::split::note::Note,
    protocol::versions::Question,
    value::{Amount, Value},
};

/// See the module.
pub(super) struct Log<V: Value> {
    touches: Vec<Touch>,
    notes: Vec<Note<V::Amount>>,
    changes: Vec<Change<V>>,
    /// The last entry of each slot, and one more; zero if there is none.
    last: Vec<u32>,
    /// How far the entries of each transaction go.
    ends: Vec<u32>,
    /// The place in the block of each transaction, and of the one at hand.
    places: Vec<u32>,
    /// The slots that somebody has touched after one who is behind him in the block.
    twisted: Vec<u32>,
}

/// What a transaction was told of a key, and whether it has changed it.
struct Touch {
    slot: u32,
    /// How many transactions of the lane ran before it.
    at: u32,
    /// The entry of the same slot before this one, as in `last`.
    before: u32,
    told: u32,
    /// The number of the change, and one more; zero if there is none.
    change: u32,
}

/// What else [`Touch::told`] is: the number of a note from here on.
const NOTHING: u32 = 0;
const ALL: u32 = 1;
const NOTES: u32 = 2;

/// What a key was before a transaction has changed it, and whether it was put or deleted, not only added to.
struct Change<V> {
    before: Known<V>,
    put: bool,
}

/// What somebody was told of a value.
#[derive(Clone, Copy)]
pub(super) enum Told<'l, A> {
    /// Nothing that depends on it.
    Nothing,
    /// What it is.
    All,
    /// What would have been so of other numbers as well.
    Some(&'l Note<A>),
}

impl<A: Amount> Told<'_, A> {
    /// Whether all would have been the same if it had been `now`, instead of `then`.
    pub(super) fn holds<V: Value<Amount = A>>(&self, then: &Known<V>, now: &Known<V>) -> bool {
        match self {
            Told::Nothing => true,
            Told::All => then == now,
            Told::Some(note) => note.holds(then.as_option(), now.as_option()),
        }
    }
}

/// What a transaction of a lane did with a key.
pub(super) struct Act<'l, V: Value> {
    /// Its place in the block.
    pub(super) place: u32,
    pub(super) told: Told<'l, V::Amount>,
    /// What it was by then, if somebody knows.
    pub(super) then: &'l Known<V>,
    /// What the transaction made of it, if it changed it, and whether by putting or deleting it.
    pub(super) made: Option<(&'l Known<V>, bool)>,
}

impl<V: Value> Log<V> {
    /// For about so many transactions.
    pub(super) fn new(transactions: usize) -> Self {
        /// About how many keys a transaction touches, and for how many of them there is room from the beginning.
        const KEYS: usize = 8;
        const MANY: usize = 1 << 16;
        Self {
            touches: Vec::with_capacity((KEYS * transactions).min(MANY)),
            notes: Vec::new(),
            changes: Vec::with_capacity((KEYS / 2 * transactions).min(MANY)),
            last: Vec::new(),
            ends: Vec::with_capacity(transactions),
            places: Vec::with_capacity(transactions),
            twisted: Vec::new(),
        }
    }

    /// The transaction with this place is next.
    #[inline]
    pub(super) fn begin(&mut self, place: u32) {
        self.places.push(place);
    }

    /// The places of all transactions, in the order in which they ran.
    pub(super) fn places(&self) -> &[u32] {
        &self.places
    }

    /// The slots that were not touched in the order of the block. Some may be there several times.
    pub(super) fn twisted(&self) -> impl Iterator<Item = usize> {
        self.twisted.iter().map(|slot| *slot as usize)
    }

    /// The entry of the transaction at hand for a slot.
    #[inline]
    fn touch(&mut self, slot: usize) -> &mut Touch {
        let at = self.ends.len() as u32;
        if self.last.len() <= slot {
            self.last.resize(slot + 1, 0);
        }
        let last = &mut self.last[slot];
        let before = last
            .checked_sub(1)
            .map(|last| self.touches[last as usize].at);
        if before != Some(at) {
            if before.is_some_and(|it| self.places[it as usize] > self.places[at as usize]) {
                self.twisted.push(slot as u32);
            }
            self.touches.push(Touch {
                slot: slot as u32,
                at,
                before: *last,
                told: NOTHING,
                change: 0,
            });
            *last = self.touches.len() as u32;
        }
        &mut self.touches[*last as usize - 1]
    }

    /// The transaction at hand was shown the value.
    #[inline]
    pub(super) fn look(&mut self, slot: usize) {
        self.touch(slot).told = ALL;
    }

    /// It was asked this of `value`. If it has `added` to that, what it was told of other things than numbers says nothing.
    pub(super) fn ask(
        &mut self,
        slot: usize,
        value: Option<&V>,
        (question, answer): (Question<V::Amount>, bool),
        has_added: bool,
    ) {
        let notes = self.notes.len() as u32;
        let touch = self.touch(slot);
        let number = match touch.told {
            ALL => return,
            NOTHING => {
                touch.told = NOTES + notes;
                self.notes.push(Note::NONE);
                notes
            }
            told => told - NOTES,
        };
        let note = &mut self.notes[number as usize];
        note.ask(value, question, answer, has_added);
    }

    /// It has changed this, which was so before.
    #[inline]
    pub(super) fn change(&mut self, slot: usize, before: Before<V>) {
        let Before { value, put, .. } = before;
        self.changes.push(Change { before: value, put });
        let number = self.changes.len() as u32;
        self.touch(slot).change = number;
    }

    /// It is over.
    #[inline]
    pub(super) fn end(&mut self) {
        self.ends.push(self.touches.len() as u32);
    }

    /// Which slots a transaction has touched, each once, whether it was told something of it, and whether it has changed it.
    pub(super) fn touched(&self, at: usize) -> impl Iterator<Item = (usize, bool, bool)> {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let touches = &self.touches[begin as usize..self.ends[at] as usize];
        let all = touches.iter();
        all.map(|it| (it.slot as usize, it.told != NOTHING, it.change > 0))
    }

    /// What transactions did with a slot that is `now` what it says, from the last one on.
    pub(super) fn acts<'l>(
        &'l self,
        slot: usize,
        now: &'l Known<V>,
    ) -> impl Iterator<Item = Act<'l, V>> {
        let mut next = self.last.get(slot).copied().unwrap_or(0);
        let mut value = now;
        std::iter::from_fn(move || {
            let touch = &self.touches[next.checked_sub(1)? as usize];
            next = touch.before;
            let change = touch.change.checked_sub(1);
            let made = change.map(|number| (value, self.changes[number as usize].put));
            if let Some(number) = change {
                value = &self.changes[number as usize].before;
            }
            let told = match touch.told {
                NOTHING => Told::Nothing,
                ALL => Told::All,
                number => Told::Some(&self.notes[(number - NOTES) as usize]),
            };
            Some(Act {
                place: self.places[touch.at as usize],
                told,
                then: value,
                made,
            })
        })
    }
}
