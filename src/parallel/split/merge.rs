//! Puts together what stretches have left.
//!
//! Each has begun with what all before the round had left, so what one of them has changed and a later one has touched is looked at: whether
//! the later one was told what is so, and what its adds come to. The keys are in parts by their hashes, one for whoever comes; nothing is
//! changed meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hashbrown::HashTable;

use super::{Changed, base::Base, note::Note, stretch::Stretch};
use crate::{
    execute::{Known, Overlay, spread},
    mutant::mutant,
    parallel::{crew, runtime::Runtime},
    state::State,
    trace::span,
    value::Value,
    vm::Vm,
};

/// What was found out.
pub(super) struct Merged<V: Vm> {
    /// So many stretches, from the first on, were told what is so.
    pub(super) valid: usize,
    /// How many keys they have touched that nobody had before the round, if all of them count.
    pub(super) keys: usize,
    /// What keys have changed to, and which were touched, that no stretch says: only if some were repaired.
    pub(super) changed: Changed<V>,
    pub(super) met: Vec<V::Key>,
    replaced: Vec<Vec<Replaced<V::Value>>>,
    /// The slots of what was before the round whose keys they have changed.
    main: Vec<usize>,
    /// The numbers of stretches and of their slots of which they were told what is not so.
    bad: Vec<(usize, usize)>,
}

/// What a slot comes to that is not what its stretch has left.
struct Replaced<T> {
    /// The numbers of the stretch and of the slot.
    at: (usize, usize),
    /// Which stretch has made it so: nothing of that counts if it was told what is not so.
    by: usize,
    /// `Known::No` if a later slot says what the key comes to.
    value: Known<T>,
}

/// One part of the keys.
struct Part<T> {
    valid: usize,
    keys: usize,
    replaced: Vec<Replaced<T>>,
    main: Vec<usize>,
    bad: Vec<(usize, usize)>,
}

/// The last slot that says what a key comes to, and which replacement says it instead, if one does.
#[derive(Clone, Copy)]
struct Last {
    hash: u32,
    at: (usize, usize),
    replaced: Option<usize>,
}

pub(super) type On<'b, 'm, 's, V, S> = Stretch<'b, V, Base<'m, 's, V, S>>;

/// What was before the round.
pub(super) type Main<'s, V, S> = Overlay<'s, <V as Vm>::Key, <V as Vm>::Value, S>;

/// Puts stretches together that follow each other. `main` has what was before the round.
pub(super) fn merge<V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    main: &Main<'_, V, S>,
    stretches: &[On<'_, '_, '_, V, S>],
    parts: usize,
) -> Merged<V> {
    span!("merge");
    let act = |done: &mut Vec<Part<V::Value>>, number| {
        done.push(part(main, stretches, (number, parts)));
    };
    let helpers = stretches.len() - 1;
    let done = crew::share(runtime, helpers, parts, |_| Vec::new(), act);
    let mut merged = Merged {
        valid: stretches.len(),
        keys: 0,
        changed: Vec::new(),
        met: Vec::new(),
        replaced: Vec::new(),
        main: Vec::new(),
        bad: Vec::new(),
    };
    for part in done.into_iter().flatten() {
        merged.valid = merged.valid.min(part.valid);
        merged.keys += part.keys;
        merged.main.extend(part.main);
        merged.replaced.push(part.replaced);
        merged.bad.extend(part.bad);
    }
    merged
}

/// Goes through one of so many parts of the keys.
fn part<V: Vm, S: State<V::Key, V::Value>>(
    main: &Main<'_, V, S>,
    stretches: &[On<'_, '_, '_, V, S>],
    (number, parts): (usize, usize),
) -> Part<V::Value> {
    let mut part = Part {
        valid: stretches.len(),
        keys: 0,
        replaced: Vec::new(),
        main: Vec::new(),
        bad: Vec::new(),
    };
    let has_main = main.keys() > 0;
    // Of those of the first stretch, its own table says where they are.
    let mut later: HashTable<Last> = HashTable::new();
    for (this, stretch) in stretches.iter().enumerate() {
        let base = stretch.table.state();
        let hashes = stretch.hashes.iter().copied().enumerate();
        for (slot, hash) in hashes.filter(|(_, hash)| part_of(*hash, parts) == number) {
            // Most keys are nowhere else, and need not be looked at.
            let key = || stretch.table.kept(slot).0;
            let changed = || stretch.table.kept(slot).2;
            let table_of = |last: &Last| &stretches[last.at.0].table;
            let is_it =
                |last: &Last| last.hash == hash && table_of(last).kept(last.at.1).0 == key();
            let last = match later.find(spread(hash), is_it) {
                None if this > 0 => {
                    let slot = stretches[0].table.find_hashed(hash, key);
                    slot.map(|slot| Last::of(hash, (0, slot)))
                }
                last => last.copied(),
            };
            let in_main = if has_main {
                main.find_hashed(hash, key)
            } else {
                None
            };
            part.keys += usize::from(last.is_none() && in_main.is_none());
            part.main.extend(in_main.filter(|_| changed()));
            if this == 0 {
                continue;
            }
            let changed_last = last.filter(|last| table_of(last).kept(last.at.1).2);
            let mut now = Last::of(hash, (this, slot));
            if changed_last.is_some() || base.foreseen(hash, key).is_some() {
                let (key, made, changed) = stretch.table.kept(slot);
                let before = changed_last.map(|last| match last.replaced {
                    Some(place) => &part.replaced[place].value,
                    None => table_of(&last).kept(last.at.1).1,
                });
                let told = (stretch.note(slot), changed.then_some(made));
                // A state that panics has its reasons, which the serial executor tells.
                let value =
                    catch_unwind(AssertUnwindSafe(|| again(base, (hash, key), before, told)));
                let Ok(value) = value else {
                    part.valid = this;
                    return part;
                };
                let value = value.unwrap_or_else(|| {
                    part.bad.push((this, slot));
                    Known::No
                });
                if changed && value.is_known() {
                    now.replaced = Some(part.replaced.len());
                    part.replace(now, this, value);
                }
                if changed && let Some(last) = changed_last {
                    part.replace(last, this, Known::No);
                }
            }
            if this + 1 < stretches.len() {
                let entry = later.entry(spread(hash), is_it, |last| spread(last.hash));
                let mut entry = entry.or_insert(last.unwrap_or(now));
                if changed() {
                    *entry.get_mut() = now;
                }
            }
        }
    }
    part
}

/// In which of so many parts a key is. That says nothing of where tables have it, which go by other bits.
pub(in crate::parallel) fn part_of(hash: u32, parts: usize) -> usize {
    (hash.wrapping_mul(0x9e37_79b1) >> 16) as usize % parts
}

impl Last {
    fn of(hash: u32, at: (usize, usize)) -> Self {
        Self {
            hash,
            at,
            replaced: None,
        }
    }
}

impl<T: Value> Part<T> {
    fn replace(&mut self, Last { at, .. }: Last, by: usize, value: Known<T>) {
        self.replaced.push(Replaced { at, by, value });
    }
}

/// What a key comes to that a stretch has touched, which does not begin with what the stretch was told: nothing is known if that is what the
/// stretch says. `None` if that was told what is not so, or nobody can say.
fn again<V: Vm<Value = T>, S: State<V::Key, T>, T: Value>(
    base: &Base<'_, '_, V, S>,
    (hash, key): (u32, &V::Key),
    before: Option<&Known<T>>,
    (note, made): (Note<T::Amount>, Option<&Known<T>>),
) -> Option<Known<T>> {
    // As serial execution, it does not ask for what nobody wants to see.
    if note.is_free() && (made.is_none() || note.put) {
        return Some(Known::No);
    }
    let told = base.get(key).ok()?;
    let before = match before {
        Some(known) => known.as_option().cloned(),
        None => base.before(hash, key).ok()?,
    };
    if !note.holds(told.as_ref(), before.as_ref()) && !mutant!("believe_stretches") {
        return None;
    }
    match made {
        Some(made) if !note.put && !mutant!("sum_of_one_stretch") => {
            note.leaves(told.as_ref(), before.as_ref(), made)
        }
        _ => Some(Known::No),
    }
}

impl<V: Vm> Merged<V> {
    /// Whether a stretch that counts was told of a key what is not so.
    pub(super) fn has_bad(&self) -> bool {
        self.bad.iter().any(|(stretch, _)| *stretch < self.valid)
    }

    /// Leaves out all stretches from the first on that was told what is not so.
    pub(super) fn leave_bad(&mut self) {
        let first = self.bad.iter().map(|(stretch, _)| *stretch).min();
        self.valid = first.map_or(self.valid, |first| first.min(self.valid));
    }

    /// The slots of this stretch of which it was told what is not so.
    pub(super) fn bad_of(&self, stretch: usize) -> Vec<usize> {
        let bad = self.bad.iter().filter(|(of, _)| *of == stretch);
        bad.map(|(_, slot)| *slot).collect()
    }

    /// What slots come to that is not what their stretch has left.
    pub(super) fn values(&self) -> impl Iterator<Item = ((usize, usize), Known<V::Value>)> {
        let replaced = self.replaced.iter().flatten();
        let known = replaced.filter(|it| it.value.is_known());
        known.map(|it| (it.at, it.value.clone()))
    }

    /// Somebody else says what a key comes to, which has these slots.
    pub(super) fn fix(&mut self, main: Option<usize>, slots: &[(usize, usize)]) {
        if main.is_none() && slots.is_empty() {
            self.keys += 1;
        }
        self.main.extend(main);
        let replaced = slots.iter().map(|at| Replaced {
            at: *at,
            by: 0,
            value: Known::No,
        });
        self.replaced.push(replaced.collect());
    }

    /// What the stretch with this number has changed, as far as no later one says what the key comes to. The other keys that it has
    /// touched are `met`, if somebody wants to know.
    pub(super) fn changes<S: State<V::Key, V::Value>>(
        &self,
        number: usize,
        mut table: Overlay<'_, V::Key, V::Value, S>,
        met: Option<&mut Vec<V::Key>>,
    ) -> Changed<V> {
        let replaced = self.replaced.iter().flatten();
        let here = replaced.filter(|it| it.at.0 == number && it.by < self.valid);
        for Replaced { at, value, .. } in here {
            table.replace(at.1, value.clone());
        }
        changed::<V, _>(table, met)
    }

    /// What was changed before the round, and by no stretch. Only if all of them were told what is so.
    pub(super) fn rest<S: State<V::Key, V::Value>>(
        &self,
        mut main: Overlay<'_, V::Key, V::Value, S>,
    ) -> Changed<V> {
        for slot in &self.main {
            main.replace(*slot, Known::No);
        }
        changed::<V, _>(main, None)
    }
}

fn changed<V: Vm, S: State<V::Key, V::Value>>(
    table: Overlay<'_, V::Key, V::Value, S>,
    mut met: Option<&mut Vec<V::Key>>,
) -> Changed<V> {
    let mut changes = Vec::with_capacity(table.keys());
    table.into_kept().for_each(|(key, value, changed)| {
        if changed {
            changes.push((key, value.into_option()));
        } else if let Some(met) = &mut met {
            met.push(key);
        }
    });
    changes
}
