//! What has become of a key in the order of the block: what each transaction was told of it, and what there was when its turn came.

use std::borrow::Cow;

use super::{lane::Lane, log::Told};
use crate::{
    execute::Known, mutant::mutant, parallel::split::note::moved, state::State, value::Value,
    vm::Vm,
};

/// What a transaction did with a key.
pub(super) struct Event<'l, V: Value> {
    /// Its place among those that were dealt.
    pub(super) place: u32,
    pub(super) told: Told<'l, V::Amount>,
    /// What the key was for its lane.
    pub(super) then: Cow<'l, Known<V>>,
    /// What its lane has made of that with it, if it has changed it, and whether by putting or deleting it.
    pub(super) made: Option<(Cow<'l, Known<V>>, bool)>,
}

impl<V: Value> Event<'_, V> {
    /// Whether it would have been told the same if the key had been `now`.
    pub(super) fn holds(&self, now: &Known<V>) -> bool {
        self.told.holds(&self.then, now) || mutant!("believe_lanes")
    }

    /// Whether what it was told, or has left, depends on what the key was before it.
    pub(super) fn depends(&self) -> bool {
        let adds = matches!(self.made, Some((_, false)));
        adds || !matches!(self.told, Told::Nothing)
    }

    /// What a transaction does with a key when all before it are certain.
    fn certain(place: u32, made: Option<Known<V>>) -> Self {
        Self {
            place,
            told: Told::Nothing,
            then: Cow::Owned(Known::No),
            made: made.map(|made| (Cow::Owned(made), true)),
        }
    }

    /// What the key is after it if it is `now` before it; what its lane has made of it if nobody can say.
    fn made_of(&self, now: &Known<V>) -> Known<V> {
        match self.after(now) {
            After::Same => now.clone(),
            After::Made(made) | After::Unknown(made) => made.clone(),
            After::Moved(sum) => sum,
        }
    }

    /// What becomes of the key with it if it is `now` before it.
    pub(super) fn after(&self, now: &Known<V>) -> After<'_, V> {
        let Some((made, put)) = &self.made else {
            return After::Same;
        };
        if *put || *now == *self.then || mutant!("sum_of_one_lane") {
            return After::Made(made);
        }
        match moved(self.then.as_option(), now.as_option(), made) {
            Some(sum) => After::Moved(sum),
            None => After::Unknown(made),
        }
    }
}

/// What becomes of a key with a transaction.
pub(super) enum After<'e, V> {
    /// It is what it was.
    Same,
    /// What the lane has made of it.
    Made(&'e Known<V>),
    /// As much more or less than it was as in the lane.
    Moved(Known<V>),
    /// Nobody can say, so that it was told what is not so; for its lane it was this.
    Unknown(&'e Known<V>),
}

/// Adds to `events` what those of a lane did with the key of a slot of it. What the key was before all of them, if the lane knows.
pub(super) fn gather<'l, V: Vm, B: State<V::Key, V::Value>>(
    lane: &'l Lane<'_, V, B>,
    slot: usize,
    events: &mut Vec<Event<'l, V::Value>>,
) -> Option<&'l Known<V::Value>> {
    let (_, now, _) = lane.table.kept(slot);
    let mut first = now;
    for act in lane.log.acts(slot, now) {
        first = act.then;
        events.push(Event {
            place: act.place,
            told: act.told,
            then: Cow::Borrowed(act.then),
            made: act.made.map(|(made, put)| (Cow::Borrowed(made), put)),
        });
    }
    first.is_known().then_some(first)
}

/// See the module. It is only found out as far as somebody wants to know.
pub(super) struct Line<'l, V: Value> {
    /// What it was before the first one.
    start: Known<V>,
    /// In the order of the block, each with what the key is after it, if that is known.
    events: Vec<(Event<'l, V>, Known<V>)>,
    /// So many of these are known.
    known: usize,
    /// From this one on it is not known whether they were told what is so.
    stale: usize,
}

impl<'l, V: Value> Line<'l, V> {
    /// Of a key that was this before what is in `events`, which is sorted. Whoever was told what is not so is known.
    pub(super) fn new(start: Known<V>, events: Vec<Event<'l, V>>) -> Self {
        let events = events.into_iter();
        let events = events.map(|event| (event, Known::No));
        Self {
            start,
            events: events.collect(),
            known: 0,
            stale: usize::MAX,
        }
    }

    /// Finds out what it is before the event with this number.
    fn go_on(&mut self, to: usize) {
        while self.known < to {
            let (before, rest) = self.events.split_at_mut(self.known);
            let now = before.last().map_or(&self.start, |(_, now)| now);
            let (event, after) = &mut rest[0];
            *after = event.made_of(now);
            self.known += 1;
        }
    }

    /// The first transaction of which it is not known whether it was told what is so.
    pub(super) fn unsure(&self) -> Option<u32> {
        let (event, _) = self.events.get(self.stale)?;
        Some(event.place)
    }

    /// Finds out which is the first one that was told what is not so, if there is one before `end`.
    pub(super) fn search(&mut self, end: u32) -> Option<u32> {
        while let Some(place) = self.unsure().filter(|place| *place < end) {
            let at = self.stale;
            let now = self.now(at).clone();
            let holds = self.events[at].0.holds(&now);
            // Where somebody puts it, it is as it was, so that all who come after that were told what is so unless he is wrong.
            let is_put = matches!(self.events[at].0.made, Some((_, true)));
            self.stale = if is_put { usize::MAX } else { at + 1 };
            if !holds {
                return Some(place);
            }
        }
        None
    }

    /// The number of the first event from this transaction on.
    fn first_from(&self, place: u32) -> usize {
        self.events
            .partition_point(|(event, _)| event.place < place)
    }

    /// What it is before the event with this number.
    fn now(&mut self, at: usize) -> &Known<V> {
        self.go_on(at);
        let before = at.checked_sub(1).map(|last| &self.events[last].1);
        before.unwrap_or(&self.start)
    }

    /// What it is when the turn of a transaction comes.
    pub(super) fn before(&mut self, place: u32) -> &Known<V> {
        self.now(self.first_from(place))
    }

    /// The number of what a transaction did with it, if it did something.
    fn find(&self, place: u32) -> Option<usize> {
        let at = self.first_from(place);
        let it = self
            .events
            .get(at)
            .filter(|(event, _)| event.place == place);
        it.map(|_| at)
    }

    /// Whether a transaction was told what is so.
    pub(super) fn holds(&mut self, place: u32) -> bool {
        let Some(at) = self.find(place) else {
            return true;
        };
        let now = self.now(at).clone();
        self.events[at].0.holds(&now)
    }

    /// A transaction was executed again, when all before it were certain, and has made this of it, or leaves it as it is.
    pub(super) fn set(&mut self, place: u32, made: Option<Known<V>>) {
        let at = self.first_from(place);
        let now = self.now(at).clone();
        if self.find(place).is_none() {
            let nothing = Event::certain(place, None);
            self.events.insert(at, (nothing, Known::No));
        }
        let before = self.events[at].0.made_of(&now);
        let event = Event::certain(place, made);
        let after = event.made_of(&now);
        // If what it is before this one has changed, all behind it was told of what it was.
        if after != before || self.stale == at {
            self.stale = at + 1;
        }
        self.events[at] = (event, after);
        self.known = at + 1;
    }

    /// What it comes to, if anybody has changed it.
    pub(super) fn into_last(mut self) -> Option<Known<V>> {
        self.go_on(self.events.len());
        let changed = self.events.iter().any(|(event, _)| event.made.is_some());
        let last = self.events.into_iter().last().map(|(_, now)| now);
        last.filter(|_| changed)
    }
}
