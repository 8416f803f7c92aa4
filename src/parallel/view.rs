//! What a transaction of a plan sees.

use std::{
    fmt::Debug,
    ops::{Bound, ControlFlow},
};

use pleach_dtt::Access;

use super::plan::{FEW, NONE, Plan, Planned};
use crate::{
    error::{AccessKind, Undeclared},
    execute::{Known, Lookup, Trouble},
    protocol::handoff::Handoff,
    state::State,
    value::Value,
    vm::Interrupt,
};

/// What a transaction did with a key so far.
pub(super) struct Local<V> {
    /// What it found, once it has looked.
    found: Known<V>,
    /// What it made of it.
    pending: Known<V>,
    /// Whether it has put or deleted it, and so knows it: not only added to it.
    put: bool,
}

/// The values that writes leave, one for each access: `Known::No` if it is still the parent state's.
pub(super) type Values<V> = [Handoff<Known<V>>];

/// A view for one transaction. All that its accesses see is there already: whoever runs it sees to that.
pub(super) struct PlannedView<'a, K, V, S> {
    plan: &'a Plan<K>,
    values: &'a Values<V>,
    state: &'a S,
    /// The first access of the transaction.
    first: usize,
    accesses: &'a [Planned],
    locals: &'a mut Vec<Local<V>>,
    trouble: Option<Trouble>,
}

impl<'a, K: Ord + std::hash::Hash + Clone + Debug, V: Value, S: State<K, V>>
    PlannedView<'a, K, V, S>
{
    /// # Safety
    ///
    /// What the accesses of the transaction see was filled in before, and nobody else runs this transaction.
    pub(super) unsafe fn new(
        plan: &'a Plan<K>,
        values: &'a Values<V>,
        state: &'a S,
        transaction: u32,
        locals: &'a mut Vec<Local<V>>,
    ) -> Self {
        let range = plan.range(transaction);
        let first = range.start;
        let accesses = &plan.accesses[range];
        locals.clear();
        locals.extend(accesses.iter().map(|_| Local {
            found: Known::No,
            pending: Known::No,
            put: false,
        }));
        Self {
            plan,
            values,
            state,
            first,
            accesses,
            locals,
            trouble: None,
        }
    }

    /// Why the view interrupted the transaction, if it did.
    pub(super) fn take_trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Leaves the transaction's values for those after it: what it made of its keys if they are to be `kept`, and what it
    /// found otherwise.
    pub(super) fn leave(self, kept: bool) {
        for (place, (planned, local)) in self.accesses.iter().zip(self.locals.drain(..)).enumerate()
        {
            if !planned.writes() {
                continue;
            }
            let value = if kept && local.pending.is_known() {
                local.pending
            } else {
                inherited(self.values, *planned)
                    .cloned()
                    .unwrap_or(Known::No)
            };
            // SAFETY: By the contract of `new`, this thread alone runs the transaction, and each of its accesses comes by
            // here once. Those who look at the value are told afterwards that the transaction is done.
            unsafe { self.values[self.first + place].fill(value) };
        }
    }

    fn interrupt(&mut self, trouble: Trouble) -> Interrupt {
        // The first reason counts if a VM goes on after an interrupt.
        self.trouble.get_or_insert(trouble);
        Interrupt::new()
    }

    fn undeclared(&mut self, access: AccessKind, key: String) -> Interrupt {
        self.interrupt(Trouble::Undeclared(Undeclared { access, key }))
    }

    /// The place of `key` among the accesses, if it may be used so.
    #[inline]
    fn place(&mut self, kind: AccessKind, key: &K) -> Result<usize, Interrupt> {
        let keys = self.plan.keys.keys();
        let of = |planned: &Planned| &keys[planned.key as usize];
        let place = if self.accesses.len() <= FEW {
            self.accesses.iter().position(|planned| of(planned) == key)
        } else {
            let found = self
                .accesses
                .binary_search_by(|planned| of(planned).cmp(key));
            found.ok()
        };
        let allowed = place.is_some_and(|place| {
            let access = self.accesses[place].access;
            let declared = match kind {
                AccessKind::Read => access.has(Access::READ),
                AccessKind::Check => access.has(Access::CHECK) || access.has(Access::READ),
                AccessKind::Write => access.has(Access::WRITE),
                AccessKind::Add => access.has(Access::ADD) || access.has(Access::UPDATE),
                AccessKind::Range => false,
            };
            declared || self.locals[place].put
        });
        match place {
            Some(place) if allowed => Ok(place),
            _ => Err(self.undeclared(kind, format!("{key:?}"))),
        }
    }

    /// Finds the value of an access that nobody has looked at yet.
    fn load(&mut self, place: usize, key: &K) -> Result<(), Interrupt> {
        let local = &self.locals[place];
        if local.pending.is_known() || local.found.is_known() {
            return Ok(());
        }
        let inherited = inherited(self.values, self.accesses[place]);
        let found = match inherited.filter(|value| value.is_known()) {
            Some(value) => value.clone(),
            None => match self.state.get(key) {
                Ok(value) => Known::of(value),
                Err(error) => return Err(self.interrupt(Trouble::State(Box::new(error)))),
            },
        };
        self.locals[place].found = found;
        Ok(())
    }
}

/// The value that an access sees, if a transaction before it may have written it.
fn inherited<V: Sync>(values: &Values<V>, planned: Planned) -> Option<&Known<V>> {
    if planned.source == NONE {
        return None;
    }
    // SAFETY: By the contract of `PlannedView::new`, which alone leads here, this was filled in before.
    unsafe { values[planned.source as usize].get() }
}

impl<K, V, S> Lookup<K, V> for PlannedView<'_, K, V, S>
where
    K: Ord + std::hash::Hash + Clone + Debug,
    V: Value,
    S: State<K, V>,
{
    /// The place among the accesses of the transaction.
    type Place = usize;

    #[inline]
    fn find(&mut self, access: AccessKind, key: &K) -> Result<usize, Interrupt> {
        let place = self.place(access, key)?;
        self.load(place, key)?;
        Ok(place)
    }

    #[inline]
    fn value(&self, place: usize) -> Option<&V> {
        let local = &self.locals[place];
        if local.pending.is_known() {
            local.pending.as_option()
        } else {
            local.found.as_option()
        }
    }

    #[inline]
    fn set(&mut self, key: &K, value: Option<V>) -> Result<(), Interrupt> {
        let place = self.place(AccessKind::Write, key)?;
        let local = &mut self.locals[place];
        local.pending = Known::of(value);
        local.put = true;
        Ok(())
    }

    #[inline]
    fn set_sum(&mut self, place: usize, sum: Option<V>) {
        self.locals[place].pending = Known::of(sum);
    }

    fn scan(
        &mut self,
        from: Bound<&K>,
        to: Bound<&K>,
        _: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        // A set with a range has no plan.
        Err(self.interrupt(Trouble::Undeclared(Undeclared::range(from, to))))
    }
}
