//! What a transaction sees while others that come before it may not have run yet.

use std::ops::{Bound, ControlFlow};

use pleach_dtt::AccessSet;

use super::{Shared, locals::Locals, mark};
use crate::{
    error::{AccessKind, Undeclared},
    execute::{Known, Trouble, allows},
    protocol::{
        keys::Spare,
        lifecycle::Until,
        versions::{Found, Question, Reader},
    },
    state::{State, is_empty_range},
    sync::Ordering,
    value::{Bounds, Delta, Value},
    view::{StateView, sealed::Sealed},
    vm::{Interrupt, Vm},
};

/// Why a view interrupted an attempt.
pub(super) enum Halt {
    /// It would do so serially too, if it saw the same.
    Trouble(Trouble),
    /// Something that the attempt has seen is no longer so.
    Deceived,
    /// What it wants to see is not there yet.
    Pending(u32, Until),
}

/// A view for one attempt.
pub(super) struct OptimisticView<'w, 'a, V: Vm, S> {
    pub(super) shared: &'a Shared<'a, V, S>,
    pub(super) reader: Reader,
    pub(super) locals: &'w mut Locals<'a, V::Key, V::Value>,
    pub(super) spare: &'w mut Spare,
    /// The sorted access set, if it is exact.
    pub(super) declared: Option<&'a AccessSet<V::Key>>,
    /// Whether it may believe that all can be added.
    pub(super) is_bold: bool,
    pub(super) state_reads: &'w mut usize,
    pub(super) halt: Option<Halt>,
}

impl<V: Vm, S: State<V::Key, V::Value>> OptimisticView<'_, '_, V, S> {
    pub(super) fn interrupt(&mut self, halt: Halt) -> Interrupt {
        // The first reason counts if a VM goes on after an interrupt.
        self.halt.get_or_insert(halt);
        Interrupt::new()
    }

    /// The place of `key`, if it may be touched so.
    pub(super) fn place(&mut self, kind: AccessKind, key: &V::Key) -> Result<usize, Interrupt> {
        if self.shared.lifecycle.is_deceived(self.reader.transaction) {
            return Err(self.interrupt(Halt::Deceived));
        }
        let place = self.touch(key);
        let is_own = kind != AccessKind::Write && self.locals.get(place).made.put;
        match self.declared {
            Some(declared) if !is_own && !allows(declared, kind, key) => {
                let key = format!("{key:?}");
                let undeclared = Undeclared { access: kind, key };
                Err(self.interrupt(Halt::Trouble(Trouble::Undeclared(undeclared))))
            }
            _ => Ok(place),
        }
    }

    /// Sees to it that the value is known: as it is if the transaction `looks` at it, and as it probably is otherwise.
    pub(super) fn load(
        &mut self,
        place: usize,
        key: &V::Key,
        looks: bool,
    ) -> Result<(), Interrupt> {
        let local = self.locals.get_mut(place);
        if local.made.put || local.looks || (!looks && local.made.found.is_known()) {
            return Ok(());
        }
        local.looks = looks;
        let entry = local.entry;
        let Reader {
            transaction,
            attempt,
        } = self.reader;
        // Nobody else has touched it, most likely: then there is nothing to wait for, and nobody has loaded it.
        let is_new = std::mem::take(&mut local.is_new);
        if looks && !is_new && mark::is_collecting(entry) {
            mark::looked(entry);
            // ORDERING: Acquire, so that what was added by those before is there.
            let settled = self.shared.settled.load(Ordering::Acquire);
            if settled < transaction {
                let on = transaction - 1;
                return Err(self.interrupt(Halt::Pending(on, Until::Settled)));
            }
        }
        let mut parent = if is_new {
            Some(self.parent(key)?)
        } else {
            None
        };
        let found = loop {
            let mut versions = entry.cell().lock();
            // ORDERING: Acquire, so that what is forgotten by this is there already.
            versions.tidy(|| self.shared.settled.load(Ordering::Acquire));
            if let Some(value) = parent.take() {
                versions.load(value.as_ref());
                mark::loaded(entry, value.is_some());
            }
            self.locals.get_mut(place).is_known = versions.is_known_to_scans();
            let found = if looks {
                versions.look(transaction, attempt)
            } else {
                versions.glance(transaction)
            };
            drop(versions);
            if found != Found::Parent {
                break found;
            }
            parent = Some(self.parent(key)?);
        };
        match found {
            Found::Value(value) => self.found(place, value),
            Found::Pending(on, until) => Err(self.interrupt(Halt::Pending(on, until))),
            Found::Parent => unreachable!("the loop ends with something else"),
        }
    }

    /// The place of `key` among what the transaction has touched.
    #[expect(
        clippy::inline_always,
        reason = "each access comes by here, from one place but for scans"
    )]
    #[inline(always)]
    pub(super) fn touch(&mut self, key: &V::Key) -> usize {
        let keys = &self.shared.keys;
        let mut hash = None;
        let found = self
            .locals
            .find(key, || *hash.get_or_insert_with(|| keys.hash(key)));
        if let Some(place) = found {
            return place;
        }
        let hash = hash.unwrap_or_else(|| keys.hash(key));
        self.locals.push(hash, keys.enter(hash, key, self.spare))
    }

    /// What the parent state holds.
    pub(super) fn parent(&mut self, key: &V::Key) -> Result<Option<V::Value>, Interrupt> {
        *self.state_reads += 1;
        self.shared.input.state.get(key).map_err(|error| {
            let trouble = Trouble::State(Box::new(error));
            self.interrupt(Halt::Trouble(trouble))
        })
    }

    /// Takes over what was found.
    fn found(&mut self, place: usize, value: Option<V::Value>) -> Result<(), Interrupt> {
        let local = self.locals.get_mut(place);
        if local.looks {
            // It has asked before it looked: what it was told must be true of what it sees now, and if that changes, it hears
            // of it.
            let terms = local.made.terms.take();
            if terms.is_some_and(|terms| !terms.hold(value.as_ref())) {
                return Err(self.retry());
            }
        }
        let made = &mut local.made;
        made.found = Known::of(value);
        made.pending = Known::No;
        if let Some(own) = made.own.take() {
            made.add(own);
        }
        Ok(())
    }

    /// Gives the attempt up: it has seen two things that were never so at once.
    fn retry(&mut self) -> Interrupt {
        let Reader {
            transaction,
            attempt,
        } = self.reader;
        let kept = self.shared.lifecycle.deceive(transaction, attempt);
        debug_assert!(kept.is_none());
        self.interrupt(Halt::Deceived)
    }

    fn ask(
        &mut self,
        place: usize,
        key: &V::Key,
        question: Question<<V::Value as Value>::Amount>,
    ) -> Result<bool, Interrupt> {
        self.load(place, key, false)?;
        let local = self.locals.get(place);
        let mut answer = local.made.ask(question);
        if !answer && !local.made.put && mark::is_collecting(local.entry) {
            // What others hold may be all that is missing.
            self.load(place, key, true)?;
            answer = self.locals.get(place).made.ask(question);
        }
        let local = self.locals.get_mut(place);
        // What it has put, or looks at, needs no asking again.
        if !local.made.put && !local.looks {
            local.made.tell(question, answer);
        }
        Ok(answer)
    }

    pub(super) fn write(&mut self, key: &V::Key, value: Option<V::Value>) -> Result<(), Interrupt> {
        let place = self.place(AccessKind::Write, key)?;
        self.locals.get_mut(place).made.put(value);
        self.locals.note_written(place);
        Ok(())
    }
}

impl<V: Vm, S> Sealed for OptimisticView<'_, '_, V, S> {}

impl<V, S> StateView<V::Key, V::Value> for OptimisticView<'_, '_, V, S>
where
    V: Vm,
    S: State<V::Key, V::Value>,
{
    fn get(&mut self, key: &V::Key) -> Result<Option<V::Value>, Interrupt> {
        let place = self.place(AccessKind::Read, key)?;
        self.load(place, key, true)?;
        Ok(self.locals.get(place).made.value().cloned())
    }

    fn contains(&mut self, key: &V::Key) -> Result<bool, Interrupt> {
        let place = self.place(AccessKind::Check, key)?;
        let local = self.locals.get_mut(place);
        if local.made.is_untouched()
            && let Some(is_there) = mark::parents(local.entry)
        {
            local.made.believe(is_there);
            return Ok(is_there);
        }
        self.ask(place, key, Question::Contains)
    }

    fn at_least(
        &mut self,
        key: &V::Key,
        amount: <V::Value as Value>::Amount,
    ) -> Result<bool, Interrupt> {
        let place = self.place(AccessKind::Check, key)?;
        self.ask(place, key, Question::AtLeast(amount))
    }

    fn put(&mut self, key: &V::Key, value: V::Value) -> Result<(), Interrupt> {
        self.write(key, Some(value))
    }

    fn delete(&mut self, key: &V::Key) -> Result<(), Interrupt> {
        self.write(key, None)
    }

    fn add_within(
        &mut self,
        key: &V::Key,
        delta: Delta<<V::Value as Value>::Amount>,
        bounds: Bounds<<V::Value as Value>::Amount>,
    ) -> Result<bool, Interrupt> {
        let place = self.place(AccessKind::Add, key)?;
        let local = self.locals.get_mut(place);
        let is_bold = self.is_bold && bounds == Bounds::ALL && matches!(delta, Delta::Plus(_));
        if is_bold && local.made.is_unseen() && mark::is_loaded(local.entry) {
            local.made.add_boldly(delta, bounds);
            self.locals.note_written(place);
            return Ok(true);
        }
        let answer = self.ask(place, key, Question::Add(delta, bounds))?;
        if answer {
            self.locals.get_mut(place).made.add(delta);
            self.locals.note_written(place);
        }
        Ok(answer)
    }

    fn range(
        &mut self,
        from: Bound<&V::Key>,
        to: Bound<&V::Key>,
        visit: &mut dyn FnMut(&V::Key, &V::Value) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        if let Some(declared) = self.declared
            && !declared.allows_range((from, to))
        {
            let undeclared = Undeclared::range(from, to);
            return Err(self.interrupt(Halt::Trouble(Trouble::Undeclared(undeclared))));
        }
        if is_empty_range(from, to) {
            return Ok(());
        }
        self.scan((from, to), visit)
    }
}
