//! Executes those transactions of stretches again that were told what is not so, and lets the others stand.
//!
//! The merge has found the keys of which a stretch was told wrongly. What it did is taken back to before the first transaction that touches one
//! of them, and made again from there: a transaction that has touched none of these is as it was, and what it changed is put back, unseen; any
//! other is executed on what there really is by then. If it leaves something else than it had left before, and what was
//! told of that afterwards does not hold any more, that is one more key of the kind. So all that is kept is right, from the first to the last.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{
    merge::{Main, Merged, On},
    note::moved,
    stretch::Results,
};
use crate::{
    execute::{Attempt, Known},
    mutant::mutant,
    parallel::{
        again::{Again, again},
        attempt::{Input, Tools, Touched},
    },
    state::State,
    times::Spent,
    trace::span,
    vm::Vm,
};

type Map<K, T> = HashMap<K, T, RandomState>;

/// What is known better than by what stretches have left.
struct Fixed<T> {
    value: Known<T>,
    /// Whether the block has changed it.
    changed: bool,
}

/// See the module.
pub(super) struct Repair<'r, 'b, 'm, 's, V: Vm, S> {
    input: &'r Input<'r, V, S>,
    main: &'r Main<'s, V, S>,
    stretches: &'r mut [On<'b, 'm, 's, V, S>],
    /// What a slot of a stretch comes to, if that is not what it left.
    merged: Map<(usize, usize), Known<V::Value>>,
    /// What keys come to about which somebody was told wrongly, or that were changed otherwise than it seemed.
    fixed: Map<V::Key, Fixed<V::Value>>,
    /// How many transactions were executed again.
    again: usize,
    spent: Spent,
}

/// A stretch that is repaired.
struct Under<T> {
    number: usize,
    /// The slots that a transaction may not have touched if it is to stand.
    bad: Vec<bool>,
    /// What there is at the beginning, or would have to be: those executed again have made more or less of it.
    shifted: Map<usize, Known<T>>,
}

/// What becomes of a slot that somebody has changed otherwise than it seemed.
enum Turn<T> {
    /// It comes to the same.
    Same,
    /// What was told of it afterwards holds if there had been this at the beginning.
    Shifted(Known<T>),
    /// It does not.
    Bad(Fixed<T>),
}

/// Repairs stretches as far as that goes. Says how many transactions were executed again, and what was spent.
pub(super) fn repair<'s, V: Vm, S: State<V::Key, V::Value>>(
    input: &Input<'_, V, S>,
    main: &Main<'s, V, S>,
    (stretches, results): (&mut [On<'_, '_, 's, V, S>], &mut [Results<V>]),
    merged: &mut Merged<V>,
) -> (usize, Spent) {
    span!("repair");
    let begun = Instant::now();
    let mut repair = Repair {
        input,
        main,
        stretches,
        merged: merged.values().collect(),
        fixed: Map::default(),
        again: 0,
        spent: Spent::default(),
    };
    for (number, results) in results.iter_mut().enumerate().skip(1) {
        if number == merged.valid {
            break;
        }
        // What was fixed before it stays if it comes to nothing.
        let before = repair.copy();
        let bad = merged.bad_of(number);
        // A state that panics has its reasons, which the serial executor tells.
        let done = catch_unwind(AssertUnwindSafe(|| repair.stretch(number, &bad, results)));
        if !matches!(done, Ok(Some(()))) {
            repair.fixed = before;
            merged.valid = number;
            break;
        }
    }
    repair.spent.all = begun.elapsed();
    let counted = (repair.again, repair.spent);
    repair.tell(merged);
    counted
}

impl<V: Vm, S: State<V::Key, V::Value>> Repair<'_, '_, '_, '_, V, S> {
    fn copy(&self) -> Map<V::Key, Fixed<V::Value>> {
        let all = self.fixed.iter();
        let all = all.map(|(key, Fixed { value, changed })| {
            let (value, changed) = (value.clone(), *changed);
            (key.clone(), Fixed { value, changed })
        });
        all.collect()
    }

    /// Repairs the stretch with this number, of which these slots are bad. `None` if something comes that only the order of the block can
    /// settle.
    fn stretch(&mut self, number: usize, bad: &[usize], results: &mut Results<V>) -> Option<()> {
        let mut under = Under {
            number,
            bad: vec![false; self.stretches[number].table.keys()],
            shifted: Map::default(),
        };
        for slot in bad {
            let key = self.stretches[number].table.kept(*slot).0;
            under.bad[*slot] = !self.fixed.contains_key(key);
        }
        let fixed = self.fixed.iter();
        let dirty: Vec<usize> = fixed
            .filter_map(|(key, _)| self.slot(number, key))
            .collect();
        for slot in &dirty {
            let now = self.now(&under, *slot).ok()?;
            under.bad[*slot] = !self.holds(&under, *slot, &now)?;
        }
        if under.bad.contains(&true) {
            self.go_through(&mut under, results)?;
        }
        self.finish(&under, &dirty)
    }

    /// Goes through the transactions of a stretch from the first on that has touched something bad.
    fn go_through(&mut self, under: &mut Under<V::Value>, results: &mut Results<V>) -> Option<()> {
        let number = under.number;
        let is_bad = |this: &Self, under: &Under<_>, at| {
            let log = this.stretches[number].log.as_ref();
            log.is_some_and(|log| log.touched(at).any(|slot| under.bad[slot]))
        };
        let Some(first) = (0..results.len()).find(|at| is_bad(self, under, *at)) else {
            return Some(());
        };
        let stretch = &mut self.stretches[number];
        let log = stretch.log.as_mut()?;
        log.back(first, &mut stretch.table, &mut stretch.notes);
        let mut tools = Tools::new(self.input);
        for (at, result) in results.iter_mut().enumerate().skip(first) {
            if self.input.is_cancelled() {
                return None;
            }
            if is_bad(self, under, at) && !mutant!("let_it_stand") {
                *result = self.execute(under, at, &mut tools)?;
            }
            let stretch = &mut self.stretches[number];
            let log = stretch.log.as_mut()?;
            log.forth(at, &mut stretch.table, &mut stretch.notes);
        }
        Some(())
    }

    /// Executes a transaction again, and finds out what that means for those after it.
    fn execute(
        &mut self,
        under: &mut Under<V::Value>,
        at: usize,
        tools: &mut Tools<V>,
    ) -> Option<(Attempt<V>, Touched<V>)> {
        let Self { input, main, .. } = *self;
        self.again += 1;
        let number = under.number;
        let index = self.stretches[number].first + at;
        let mut spent = self.spent;
        let actual = Actual {
            repair: self,
            under,
        };
        let Again { came, left } = again(input, main, (&actual, index), tools, &mut spent)?;
        self.spent = spent;

        let mut made = Map::default();
        for (key, value, changed) in left {
            if let Some(slot) = self.slot(number, &key) {
                if changed {
                    made.insert(slot, value);
                }
                continue;
            }
            // Nobody else in this stretch has touched it.
            if changed {
                self.fixed.insert(key, Fixed { value, changed });
            } else if !self.fixed.contains_key(&key) {
                let fixed = self.found(number, &key)?;
                self.fixed.insert(key, fixed);
            }
        }
        for (slot, turn) in self.turns(under, at, made)? {
            match turn {
                Turn::Same => {}
                Turn::Shifted(now) => {
                    under.shifted.insert(slot, now);
                }
                Turn::Bad(fixed) => {
                    under.bad[slot] = true;
                    under.shifted.remove(&slot);
                    let key = self.stretches[number].table.kept(slot).0.clone();
                    self.fixed.insert(key, fixed);
                }
            }
        }
        Some(came)
    }

    /// What becomes of the slots that a transaction has changed, or had changed before. What it has `made` of them now is known.
    fn turns(
        &self,
        under: &Under<V::Value>,
        at: usize,
        mut made: Map<usize, Known<V::Value>>,
    ) -> Option<Vec<(usize, Turn<V::Value>)>> {
        let stretch = &self.stretches[under.number];
        let mut turns = Vec::new();
        for change in stretch.log.as_ref()?.changes(at) {
            let slot = change.slot;
            let (key, kept, was_changed) = stretch.table.kept(slot);
            let put = stretch.note(slot).put;
            let value = match made.remove(&slot) {
                Some(value) if under.bad[slot] => {
                    turns.push((slot, Turn::bad(value)));
                    continue;
                }
                Some(value) => value,
                None if under.bad[slot] => continue,
                None if was_changed => self.comes_to(under, slot, (kept, put)).ok()??,
                None if under.shifted.contains_key(&slot) => self.now(under, slot).ok()?,
                // If nobody else has changed it, the block has not.
                None => {
                    turns.push((slot, Turn::Bad(self.found(under.number, key)?)));
                    continue;
                }
            };
            let seemed = Some((&change.value, change.put));
            turns.push((slot, self.turn(under, slot, seemed, value)?));
        }
        for (slot, value) in made {
            let (_, kept, was_changed) = stretch.table.kept(slot);
            let turn = if under.bad[slot] {
                Turn::bad(value)
            } else {
                let seemed = was_changed.then(|| (kept, stretch.note(slot).put));
                self.turn(under, slot, seemed, value)?
            };
            turns.push((slot, turn));
        }
        Some(turns)
    }

    /// What becomes of a slot that has this value, and has `seemed` to come to what the stretch had made of it, if it had changed it.
    fn turn(
        &self,
        under: &Under<V::Value>,
        slot: usize,
        seemed: Option<(&Known<V::Value>, bool)>,
        value: Known<V::Value>,
    ) -> Option<Turn<V::Value>> {
        let now = match seemed {
            Some((made, put)) => {
                let seemed = self.comes_to(under, slot, (made, put)).ok()??;
                if seemed == value {
                    return Some(Turn::Same);
                }
                if put {
                    return Some(Turn::bad(value));
                }
                let now = self.now(under, slot).ok()?;
                let now = moved(seemed.as_option(), now.as_option(), &value);
                // A number of zero is not the same as none.
                let then = self.then(under, slot).ok()?;
                now.filter(|now| {
                    let again = moved(then.as_ref(), now.as_option(), made);
                    again.as_ref() == Some(&value)
                })
            }
            None => Some(value.clone()),
        };
        match now {
            Some(now) if self.holds(under, slot, &now)? => Some(Turn::Shifted(now)),
            _ => Some(Turn::bad(value)),
        }
    }

    /// Fixes what is different now that a stretch is repaired. What was fixed before has the slots that are `dirty`.
    fn finish(&mut self, under: &Under<V::Value>, dirty: &[usize]) -> Option<()> {
        let stretch = &self.stretches[under.number];
        let mut fixed = Vec::new();
        let shifted = under.shifted.keys();
        for slot in shifted
            .chain(dirty)
            .copied()
            .filter(|slot| !under.bad[*slot])
        {
            let (key, kept, changed) = stretch.table.kept(slot);
            let value = if changed {
                let put = stretch.note(slot).put;
                self.comes_to(under, slot, (kept, put)).ok()??
            } else if let Some(now) = under.shifted.get(&slot) {
                now.clone()
            } else {
                continue;
            };
            let changed = true;
            fixed.push((key.clone(), Fixed { value, changed }));
        }
        let bad = under.bad.iter().enumerate().filter(|(_, bad)| **bad);
        for (slot, _) in bad {
            let key = stretch.table.kept(slot).0;
            fixed.push((key.clone(), self.found(under.number, key)?));
        }
        self.fixed.extend(fixed);
        Some(())
    }

    /// Whether all that was told of a slot holds if there was this at the beginning.
    fn holds(&self, under: &Under<V::Value>, slot: usize, now: &Known<V::Value>) -> Option<bool> {
        let stretch = &self.stretches[under.number];
        let note = stretch.note(slot);
        if note.is_free() || mutant!("believe_the_repaired") {
            return Some(true);
        }
        let then = self.then(under, slot).ok()?;
        Some(note.holds(then.as_ref(), now.as_option()))
    }

    /// What a slot comes to that is not bad, of which a stretch has made this, by adds only unless it has put it.
    fn comes_to(
        &self,
        under: &Under<V::Value>,
        slot: usize,
        (made, put): (&Known<V::Value>, bool),
    ) -> Result<Option<Known<V::Value>>, S::Error> {
        if put {
            return Ok(Some(made.clone()));
        }
        let then = self.then(under, slot)?;
        let now = self.now(under, slot)?;
        Ok(moved(then.as_ref(), now.as_option(), made))
    }

    /// What a stretch was told that a slot begins with.
    fn then(&self, under: &Under<V::Value>, slot: usize) -> Result<Option<V::Value>, S::Error> {
        let table = &self.stretches[under.number].table;
        table.state().get(table.kept(slot).0)
    }

    /// What a slot begins with, or would have to.
    fn now(&self, under: &Under<V::Value>, slot: usize) -> Result<Known<V::Value>, S::Error> {
        if let Some(now) = under.shifted.get(&slot) {
            return Ok(now.clone());
        }
        let key = self.stretches[under.number].table.kept(slot).0;
        Ok(Known::of(self.before(under.number, key)?))
    }

    /// What all before this stretch have made of a key.
    fn before(&self, number: usize, key: &V::Key) -> Result<Option<V::Value>, S::Error> {
        if let Some(fixed) = self.fixed.get(key) {
            return Ok(fixed.value.as_option().cloned());
        }
        let hash = self.main.hash(key);
        for stretch in (0..number).rev() {
            let table = &self.stretches[stretch].table;
            if let Some(slot) = table.find_hashed(hash, || key)
                && let (_, kept, true) = table.kept(slot)
            {
                let value = self.merged.get(&(stretch, slot)).unwrap_or(kept);
                return Ok(value.as_option().cloned());
            }
        }
        self.stretches[0].table.state().before(hash, key)
    }

    /// The same, and whether the block has changed it.
    fn found(&self, number: usize, key: &V::Key) -> Option<Fixed<V::Value>> {
        let is_changed = || {
            let main = self.main.find_hashed(self.main.hash(key), || key);
            let in_main = main.is_some_and(|slot| self.main.kept(slot).2);
            in_main
                || (0..number).any(|stretch| {
                    let slot = self.slot(stretch, key);
                    slot.is_some_and(|slot| self.stretches[stretch].table.kept(slot).2)
                })
        };
        let fixed = self.fixed.get(key).map(|fixed| fixed.changed);
        let value = Known::of(self.before(number, key).ok()?);
        Some(Fixed {
            value,
            changed: fixed.unwrap_or_else(is_changed),
        })
    }

    /// Where the table of a stretch has a key.
    fn slot(&self, number: usize, key: &V::Key) -> Option<usize> {
        let table = &self.stretches[number].table;
        table.find_hashed(table.hash(key), || key)
    }

    /// Tells what keys come to that are fixed, and that stretches no longer do.
    fn tell(self, merged: &mut Merged<V>) {
        let keys: Vec<_> = self.fixed.keys().collect();
        for key in keys {
            let main = self.main.find_hashed(self.main.hash(key), || key);
            let slots = (0..merged.valid).filter_map(|it| Some((it, self.slot(it, key)?)));
            let slots: Vec<_> = slots.collect();
            merged.fix(main, &slots);
        }
        for (key, Fixed { value, changed }) in self.fixed {
            if changed {
                merged.changed.push((key, value.into_option()));
            } else {
                merged.met.push(key);
            }
        }
    }
}

/// What there really is when a transaction of a stretch is executed again.
struct Actual<'o, 'r, 'b, 'm, 's, V: Vm, S> {
    repair: &'o Repair<'r, 'b, 'm, 's, V, S>,
    under: &'o Under<V::Value>,
}

impl<V: Vm, S: State<V::Key, V::Value>> State<V::Key, V::Value>
    for Actual<'_, '_, '_, '_, '_, V, S>
{
    type Error = S::Error;

    fn get(&self, key: &V::Key) -> Result<Option<V::Value>, S::Error> {
        let Self { repair, under } = self;
        let slot = repair.slot(under.number, key);
        if let Some(slot) = slot.filter(|slot| !under.bad[*slot]) {
            let stretch = &repair.stretches[under.number];
            let (_, kept, changed) = stretch.table.kept(slot);
            if changed {
                let put = stretch.note(slot).put;
                let value = repair.comes_to(under, slot, (kept, put))?;
                let value = value.expect("what holds can be added to");
                return Ok(value.into_option());
            }
            return Ok(repair.now(under, slot)?.into_option());
        }
        repair.before(under.number, key)
    }
}

impl<T> Turn<T> {
    fn bad(value: Known<T>) -> Self {
        let changed = true;
        Turn::Bad(Fixed { value, changed })
    }
}
