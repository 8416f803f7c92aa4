//! Finds out who was told what is not so, and what keys come to that several lanes have touched.
//!
//! What one lane alone has touched, in the order of the block, is what it says. Of any other key that somebody has changed, all that was done with
//! it is gone through in the order of the block. The keys are in parts by their hashes, one for whoever comes; nothing is changed meanwhile.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use foldhash::fast::RandomState;
use hashbrown::{HashSet, HashTable};

use super::{
    lane::Lane,
    line::{After, Event, gather},
};
use crate::{
    execute::{Known, Overlay, spread},
    parallel::{
        crew,
        runtime::Runtime,
        split::{base::Base, merge::part_of},
    },
    state::State,
    trace::span,
    value::Value,
    vm::Vm,
};

pub(super) type On<'b, 'm, 's, V, S> = Lane<'b, V, Base<'m, 's, V, S>>;

/// Where a lane has a key: the number of the lane, and of the slot.
pub(super) type At = (usize, usize);

/// What was found out.
pub(super) struct Checked<T> {
    /// How many keys were touched that nobody had before.
    pub(super) keys: usize,
    /// Those who may have been told what is not so, by their places.
    pub(super) wrong: Vec<u32>,
    /// What keys come to of which lanes do not say it, each with a slot that it has.
    pub(super) values: Vec<(At, Known<T>)>,
    /// All slots of these keys.
    pub(super) slots: Vec<At>,
    /// The slots of what was before the lanes whose keys they have changed.
    pub(super) main: Vec<usize>,
}

impl<T> Checked<T> {
    fn new() -> Self {
        Self {
            keys: 0,
            wrong: Vec::new(),
            values: Vec::new(),
            slots: Vec::new(),
            main: Vec::new(),
        }
    }
}

/// Checks lanes. `main` has what was before them, and they begin with `base`.
pub(super) fn check<V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    main: &Overlay<'_, V::Key, V::Value, S>,
    base: &Base<'_, '_, V, S>,
    lanes: &[On<'_, '_, '_, V, S>],
    parts: usize,
) -> Checked<V::Value> {
    span!("check");
    let act = |done: &mut Vec<_>, number| {
        done.push(part(main, base, lanes, (number, parts)));
    };
    let done = crew::share(runtime, lanes.len() - 1, parts, |_| Vec::new(), act);
    let mut all = Checked::new();
    for part in done.into_iter().flatten() {
        all.keys += part.keys;
        all.wrong.extend(part.wrong);
        all.values.extend(part.values);
        all.slots.extend(part.slots);
        all.main.extend(part.main);
    }
    all
}

/// A key that was touched by several lanes, or not in the order of the block.
struct Met {
    hash: u32,
    /// Where it was found first, and the last place in `more` where it was found after that.
    first: At,
    more: Option<usize>,
    is_changed: bool,
}

/// Checks one of so many parts of the keys.
fn part<V: Vm, S: State<V::Key, V::Value>>(
    main: &Overlay<'_, V::Key, V::Value, S>,
    base: &Base<'_, '_, V, S>,
    lanes: &[On<'_, '_, '_, V, S>],
    (number, parts): (usize, usize),
) -> Checked<V::Value> {
    let mut part = Checked::new();
    let has_main = main.keys() > 0;
    let mut met: Vec<Met> = Vec::new();
    let mut by_key: HashTable<usize> = HashTable::new();
    // Where keys were found, each with where the same one was found before.
    let mut more: Vec<(At, Option<usize>)> = Vec::new();
    for (this, lane) in lanes.iter().enumerate() {
        let is_last = this + 1 == lanes.len();
        let hashes = lane.hashes.iter().copied().enumerate();
        for (slot, hash) in hashes.filter(|(_, hash)| part_of(*hash, parts) == number) {
            let key = || lane.table.kept(slot).0;
            let is_changed = || lane.table.kept(slot).2;
            let in_main = has_main.then(|| main.find_hashed(hash, key)).flatten();
            part.main.extend(in_main.filter(|_| is_changed()));
            if this == 0 {
                part.keys += usize::from(in_main.is_none());
                continue;
            }
            let is_it =
                |it: &Met| it.hash == hash && lanes[it.first.0].table.kept(it.first.1).0 == key();
            if let Some(known) = by_key.find(spread(hash), |it| is_it(&met[*it])) {
                let known = &mut met[*known];
                more.push(((this, slot), known.more));
                known.more = Some(more.len() - 1);
                known.is_changed |= is_changed();
                continue;
            }
            // Of those of the first lane, its own table says where they are.
            let first = lanes[0].table.find_hashed(hash, key);
            part.keys += usize::from(first.is_none() && in_main.is_none());
            if first.is_none() && is_last {
                continue;
            }
            let changed_first = first.is_some_and(|slot| lanes[0].table.kept(slot).2);
            more.extend(first.map(|_| ((this, slot), None)));
            if !is_last {
                let hash_of = |it: &usize| spread(met[*it].hash);
                by_key.insert_unique(spread(hash), met.len(), hash_of);
            }
            met.push(Met {
                hash,
                first: first.map_or((this, slot), |slot| (0, slot)),
                more: first.map(|_| more.len() - 1),
                is_changed: is_changed() || changed_first,
            });
        }
    }
    for it in met.iter().filter(|it| it.is_changed && it.more.is_some()) {
        let begin = part.slots.len();
        part.slots.push(it.first);
        let mut next = it.more;
        while let Some(place) = next {
            part.slots.push(more[place].0);
            next = more[place].1;
        }
        go_through(base, lanes, (it.hash, begin), &mut part);
    }
    // What only one lane has touched, but not in the order of the block.
    let known: HashSet<At, RandomState> = part.slots.iter().copied().collect();
    for (this, lane) in lanes.iter().enumerate() {
        let twisted = lane.log.twisted();
        let here = twisted.filter(|slot| part_of(lane.hashes[*slot], parts) == number);
        let here = here.filter(|slot| lane.table.kept(*slot).2 && !known.contains(&(this, *slot)));
        let mut here: Vec<_> = here.collect();
        here.sort_unstable();
        here.dedup();
        for slot in here {
            let begin = part.slots.len();
            part.slots.push((this, slot));
            go_through(base, lanes, (lane.hashes[slot], begin), &mut part);
        }
    }
    part
}

/// Goes through all that was done with a key, which has the slots from `begin` on.
fn go_through<V: Vm, S: State<V::Key, V::Value>>(
    base: &Base<'_, '_, V, S>,
    lanes: &[On<'_, '_, '_, V, S>],
    (hash, begin): (u32, usize),
    part: &mut Checked<V::Value>,
) {
    let mut events = Vec::new();
    let mut start = None;
    for (lane, slot) in &part.slots[begin..] {
        let first = gather(&lanes[*lane], *slot, &mut events);
        start = start.or(first);
    }
    events.sort_unstable_by_key(|event| event.place);
    let first = part.slots[begin];
    let key = lanes[first.0].table.kept(first.1).0;
    let start = match start {
        Some(start) => Cow::Borrowed(start),
        None if needs(&events) => {
            // A state that fails or panics has its reasons, which whoever executes the transaction again is told.
            let value = catch_unwind(AssertUnwindSafe(|| base.before(hash, key)));
            if let Ok(Ok(value)) = value {
                Cow::Owned(Known::of(value))
            } else {
                part.wrong.extend(events.iter().map(|event| event.place));
                Cow::Owned(Known::No)
            }
        }
        None => Cow::Owned(Known::No),
    };
    let mut now = start;
    for event in &events {
        if !event.holds(&now) {
            part.wrong.push(event.place);
        }
        match event.after(&now) {
            After::Same => {}
            After::Made(made) => now = Cow::Borrowed(made),
            After::Moved(sum) => now = Cow::Owned(sum),
            After::Unknown(made) => {
                part.wrong.push(event.place);
                now = Cow::Borrowed(made);
            }
        }
    }
    part.values.push((first, now.into_owned()));
}

/// Whether what the key was before all that was done with it matters.
fn needs<V: Value>(events: &[Event<'_, V>]) -> bool {
    let before_put = events
        .iter()
        .position(|event| matches!(event.made, Some((_, true))));
    let before_put = before_put.map_or(events, |put| &events[..=put]);
    before_put.iter().any(Event::depends)
}
