//! Executes those transactions again that were told what is not so.
//!
//! In the order of the block: when the turn of one comes, all before it are certain. If it was told what is so by then, it stands. Otherwise it is
//! executed on what there really is; and whoever was told of what it leaves otherwise than before may have been told what is not so. Each is executed
//! again once at most, as that concerns only those behind it.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{
    check::{At, On},
    lane::Came,
    line::{Event, Line, gather},
};
use crate::{
    execute::{Known, Overlay},
    mutant::mutant,
    parallel::{
        again::{Again, again},
        attempt::{Input, Tools},
        split::base::Base,
    },
    state::State,
    sync::{Mutex, lock},
    times::Spent,
    trace::span,
    vm::Vm,
};

type Map<K, T> = HashMap<K, T, RandomState>;

/// If more than one in so many transactions, and more than a few, turn out to be wrong, somebody else had better go on.
const MANY: usize = 4;
const FEW: usize = 16;

/// What has become of the keys that somebody has asked about, or left otherwise, and that somebody changes.
struct Lines<'r, V: Vm> {
    numbers: Map<V::Key, usize>,
    all: Vec<Line<'r, V::Value>>,
    /// Those lines of which not all is known to be right, with the first transaction of which that is so.
    unsure: BTreeSet<(u32, usize)>,
}

/// What is executed again, and on what.
pub(super) struct What<'r, 'b, 'm, 's, V: Vm, S> {
    pub(super) input: &'r Input<'r, V, S>,
    /// The transaction with the place zero.
    pub(super) first: usize,
    pub(super) main: &'r Overlay<'s, V::Key, V::Value, S>,
    pub(super) base: &'r Base<'m, 's, V, S>,
    pub(super) lanes: &'r [On<'b, 'm, 's, V, S>],
    /// Which lane has executed each, and which of its transactions it was.
    pub(super) by: &'r [(u32, u32)],
}

/// See the module.
struct Mend<'r, 'b, 'm, 's, V: Vm, S> {
    what: What<'r, 'b, 'm, 's, V, S>,
    lines: Mutex<Lines<'r, V>>,
    spent: Spent,
}

/// What has come of it.
pub(super) struct Mended<V: Vm> {
    /// What keys come to that somebody has left otherwise, or asked about; if these transactions change them.
    pub(super) values: Map<V::Key, Option<Known<V::Value>>>,
    /// How many transactions were executed again.
    pub(super) again: usize,
    pub(super) spent: Spent,
    /// The first one that nobody has executed on what there really is: it has come to nothing that could be settled, or there were too many. What
    /// keys come to is only known if there is none.
    pub(super) broken: Option<usize>,
    pub(super) are_many: bool,
}

/// Executes those again that were told what is not so, of which some are known to be `wrong`. `results` has what those of each lane came to.
pub(super) fn mend<V: Vm, S: State<V::Key, V::Value>>(
    what: What<'_, '_, '_, '_, V, S>,
    wrong: impl IntoIterator<Item = u32>,
    results: &mut [Vec<Came<V>>],
) -> Mended<V> {
    span!("mend");
    let begun = Instant::now();
    let mut mend = Mend {
        what,
        lines: Mutex::new(Lines {
            numbers: Map::default(),
            all: Vec::new(),
            unsure: BTreeSet::new(),
        }),
        spent: Spent::default(),
    };
    let mut tools = Tools::new(mend.what.input);
    let mut wrong: BTreeSet<u32> = wrong.into_iter().collect();
    let most = FEW.max(mend.what.by.len() / MANY);
    let (mut again, mut broken) = (0, None);
    let mut last = None;
    while let Some(place) = mend.next(&mut wrong, last) {
        last = Some(place);
        let (lane, at) = mend.what.by[place as usize];
        let it = &mut results[lane as usize][at as usize];
        // A state that panics has its reasons, which the serial executor tells.
        let stands = catch_unwind(AssertUnwindSafe(|| {
            if it.is_some() && mend.stands(place)? {
                return Some(());
            }
            again += 1;
            *it = mend.execute(place, &mut tools);
            it.is_some().then_some(())
        }));
        if mend.what.input.is_cancelled() || again > most || !matches!(stands, Ok(Some(()))) {
            broken = Some(place as usize);
            break;
        }
    }
    let Lines { numbers, all, .. } = &mut *lock(&mend.lines);
    let last: Vec<_> = all.drain(..).map(Line::into_last).collect();
    let values = numbers.drain();
    mend.spent.all = begun.elapsed();
    Mended {
        values: values
            .map(|(key, line)| (key, last[line].clone()))
            .collect(),
        again,
        spent: mend.spent,
        broken,
        are_many: again > most,
    }
}

/// Where lanes have a key.
pub(super) fn slots<'k, V: Vm, S: State<V::Key, V::Value>>(
    main: &Overlay<'_, V::Key, V::Value, S>,
    lanes: &'k [On<'_, '_, '_, V, S>],
    key: &'k V::Key,
) -> impl Iterator<Item = At> + 'k {
    let hash = main.hash(key);
    let lanes = lanes.iter().enumerate();
    lanes.filter_map(move |(number, lane)| Some((number, lane.table.find_hashed(hash, || key)?)))
}

impl<V: Vm> Mended<V> {
    /// Nobody was told what is not so.
    pub(super) fn nothing() -> Self {
        Self {
            values: Map::default(),
            again: 0,
            spent: Spent::default(),
            broken: None,
            are_many: false,
        }
    }
}

impl<'r, V: Vm, S: State<V::Key, V::Value>> Mend<'r, '_, '_, '_, V, S> {
    /// What was before the lanes.
    fn base(&self, key: &V::Key) -> Result<Option<V::Value>, S::Error> {
        self.what.base.before(self.what.main.hash(key), key)
    }

    /// Acts on what has become of a key. `None` if nobody changes it, unless somebody `puts` it, or no longer does so.
    fn with_line<T>(
        &self,
        key: &V::Key,
        puts: Option<bool>,
        act: impl FnOnce(&mut Line<'r, V::Value>) -> T,
    ) -> Result<Option<T>, S::Error> {
        let known = lock(&self.lines).numbers.get(key).copied();
        let number = match known {
            Some(number) => number,
            None => match self.line(key, puts)? {
                Some(line) => {
                    let mut lines = lock(&self.lines);
                    let number = lines.all.len();
                    lines.all.push(line);
                    lines.numbers.insert(key.clone(), number);
                    number
                }
                None => return Ok(None),
            },
        };
        let Lines { all, unsure, .. } = &mut *lock(&self.lines);
        let line = &mut all[number];
        let before = line.unsure();
        let done = act(line);
        let after = line.unsure();
        if before != after {
            before.map(|place| unsure.remove(&(place, number)));
            unsure.extend(after.map(|place| (place, number)));
        }
        Ok(Some(done))
    }

    /// What has become of a key, as above.
    fn line(
        &self,
        key: &V::Key,
        puts: Option<bool>,
    ) -> Result<Option<Line<'r, V::Value>>, S::Error> {
        let lanes = self.what.lanes;
        let is_changed = |(lane, slot): At| lanes[lane].table.kept(slot).2;
        if puts.is_none() && !slots(self.what.main, lanes, key).any(is_changed) {
            return Ok(None);
        }
        let mut events = Vec::new();
        let mut start = None;
        for (lane, slot) in slots(self.what.main, lanes, key) {
            let first = gather(&lanes[lane], slot, &mut events);
            start = start.or(first);
        }
        events.sort_unstable_by_key(|event| event.place);
        let start = match start {
            Some(start) => start.clone(),
            // As serially, nobody asks for what is only put.
            None if puts == Some(true) && !events.iter().any(Event::depends) => Known::No,
            None => Known::of(self.base(key)?),
        };
        Ok(Some(Line::new(start, events)))
    }

    /// Whether a transaction was told what is so. `None` if nobody can say.
    fn stands(&self, place: u32) -> Option<bool> {
        if mutant!("let_it_stand_in_lanes") {
            return Some(true);
        }
        let (lane, at) = self.what.by[place as usize];
        let lane = &self.what.lanes[lane as usize];
        for (slot, is_told, _) in lane.log.touched(at as usize) {
            let key = lane.table.kept(slot).0;
            if is_told {
                let holds = self.with_line(key, None, |line| line.holds(place));
                if holds.ok()? == Some(false) {
                    return Some(false);
                }
            }
        }
        Some(true)
    }

    /// The first of those who may have been told what is not so, of which some are known, behind the last one.
    fn next(&self, wrong: &mut BTreeSet<u32>, last: Option<u32>) -> Option<u32> {
        let Lines { all, unsure, .. } = &mut *lock(&self.lines);
        while let Some((place, number)) = unsure.first().copied() {
            let end = wrong.first().copied().unwrap_or(u32::MAX);
            if place >= end {
                break;
            }
            unsure.pop_first();
            let found = all[number].search(end);
            // Whatever it was told, the last one has been executed again since.
            wrong.extend(found.filter(|place| Some(*place) > last));
            unsure.extend(all[number].unsure().map(|place| (place, number)));
        }
        wrong.pop_first()
    }

    /// Executes a transaction again.
    fn execute(&mut self, place: u32, tools: &mut Tools<V>) -> Came<V> {
        let What {
            input, main, first, ..
        } = self.what;
        let mut spent = self.spent;
        let on = (&Actual { mend: self, place }, first + place as usize);
        let Again { came, left } = again(input, main, on, tools, &mut spent)?;
        self.spent = spent;
        let left = left.into_iter().filter(|(_, _, changed)| *changed);
        let mut made: Map<V::Key, Option<Known<V::Value>>> =
            left.map(|(key, value, _)| (key, Some(value))).collect();

        let (lane, at) = self.what.by[place as usize];
        let lane = &self.what.lanes[lane as usize];
        for (slot, _, changed) in lane.log.touched(at as usize) {
            if changed {
                made.entry_ref(lane.table.kept(slot).0).or_insert(None);
            }
        }
        for (key, made) in made {
            if !mutant!("believe_the_mended") {
                let puts = Some(made.is_some());
                self.with_line(&key, puts, |line| line.set(place, made))
                    .ok()?;
            }
        }
        Some(came)
    }
}

/// What there really is when the turn of a transaction comes.
struct Actual<'o, 'r, 'b, 'm, 's, V: Vm, S> {
    mend: &'o Mend<'r, 'b, 'm, 's, V, S>,
    place: u32,
}

impl<V: Vm, S: State<V::Key, V::Value>> State<V::Key, V::Value>
    for Actual<'_, '_, '_, '_, '_, V, S>
{
    type Error = S::Error;

    fn get(&self, key: &V::Key) -> Result<Option<V::Value>, S::Error> {
        let Self { mend, place } = self;
        let now = mend.with_line(key, None, |line| line.before(*place).clone())?;
        match now {
            Some(now) => Ok(now.into_option()),
            None => mend.base(key),
        }
    }
}
