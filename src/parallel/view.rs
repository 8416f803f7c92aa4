//! What a transaction of a plan sees.

use std::ops::{Bound, ControlFlow};

use pleach_dtt::Access;

use super::{
    made::Made,
    plan::{Chunk, FEW, Plan, Planned},
};
use crate::{
    error::{AccessKind, Undeclared},
    execute::{Known, Lookup, Trouble, add_known},
    protocol::versions::{Change, Question, Terms},
    state::State,
    value::{Bounds, Delta, Value},
    vm::{Interrupt, Vm},
};

/// What came of a free access.
pub(super) struct Told<A> {
    /// The place among the accesses of the transaction.
    pub(super) place: u32,
    /// What has to hold of the key.
    pub(super) terms: Terms<A>,
    /// What the transaction adds to it.
    pub(super) own: Option<Delta<A>>,
}

/// What a transaction was told by its free accesses.
pub(super) type AllTold<V> = Vec<Told<<V as Value>::Amount>>;

/// Why a view interrupted a transaction.
pub(super) enum Halt {
    /// It would do so serially too, if it saw the same.
    Trouble(Trouble),
    /// The predicted set does not have what the transaction wants.
    Left,
}

/// A view for one transaction. What its accesses see is there already, whoever runs it sees to that; but for free ones, which
/// work on estimates until the transaction is committed.
pub(super) struct PlannedView<'a, V: Vm, S> {
    plan: &'a Plan<V>,
    state: &'a S,
    /// What all transactions before it have made of keys with free accesses, if they are committed.
    running: Option<&'a [Known<V::Value>]>,
    is_exact: bool,
    chunk: &'a Chunk<V>,
    /// The first access of the transaction.
    first: usize,
    accesses: &'a [Planned<V::Key>],
    locals: &'a mut Vec<Made<V::Value>>,
    /// Where it found a key last: most keys are touched in the order in which they were declared.
    last: usize,
    pub(super) halt: Option<Halt>,
}

impl<'a, V: Vm, S: State<V::Key, V::Value>> PlannedView<'a, V, S> {
    /// A view for a transaction that runs for the first time, or again, on the `running` values that those before it have left.
    ///
    /// # Safety
    ///
    /// What the accesses of the transaction see, but for free ones, was filled in before.
    pub(super) unsafe fn new(
        plan: &'a Plan<V>,
        state: &'a S,
        transaction: u32,
        running: Option<&'a [Known<V::Value>]>,
        locals: &'a mut Vec<Made<V::Value>>,
    ) -> Self {
        let (chunk, local) = plan.chunk(transaction);
        let range = chunk.range(local);
        let first = range.start;
        let accesses = &chunk.accesses[range];
        locals.clear();
        locals.extend(accesses.iter().map(|_| Made::new()));
        Self {
            plan,
            state,
            running,
            is_exact: chunk.is_exact(local),
            chunk,
            first,
            accesses,
            locals,
            last: 0,
            halt: None,
        }
    }

    /// What came of the free accesses.
    pub(super) fn told(&mut self) -> AllTold<V::Value> {
        let told = self.locals.iter_mut().enumerate();
        let told = told.filter_map(|(place, local)| {
            Some(Told {
                place: place as u32,
                terms: local.terms.take()?,
                own: local.own,
            })
        });
        told.collect()
    }

    /// The transaction's values for those after it, each with the number of its access: what it made of its keys if they are to
    /// be `kept`, and what it found otherwise.
    #[inline]
    fn left(&mut self, kept: bool) -> impl Iterator<Item = (usize, Known<V::Value>)> {
        let (plan, chunk) = (self.plan, self.chunk);
        let locals = self.accesses.iter().zip(self.locals.drain(..));
        let leaving = (self.first..).zip(locals);
        let leaving = leaving.filter(|(_, (planned, _))| planned.leaves());
        leaving.map(move |(access, (planned, local))| {
            let value = if kept && local.pending.is_known() {
                local.pending
            } else {
                inherited(plan, chunk, planned)
                    .cloned()
                    .unwrap_or(Known::No)
            };
            (access, value)
        })
    }

    /// Leaves the transaction's values for those after it.
    ///
    /// # Safety
    ///
    /// It is called once for a transaction, before anybody is told that it has run.
    pub(super) unsafe fn leave(&mut self, kept: bool) {
        let values = &self.chunk.values;
        for (access, value) in self.left(kept) {
            // SAFETY: By the contract each of its accesses comes by here once; those who look at the value are told afterwards
            // that the transaction is done.
            unsafe { values[access].fill(value) };
        }
    }

    /// Whether the transaction, which has left its values before, would leave the same.
    pub(super) fn leaves_the_same(&mut self, kept: bool) -> bool {
        let values = &self.chunk.values;
        self.left(kept).all(|(access, value)| {
            // SAFETY: Who asks this sees that the transaction has left its values.
            unsafe { values[access].get() == Some(&value) }
        })
    }

    fn interrupt(&mut self, halt: Halt) -> Interrupt {
        // The first reason counts if a VM goes on after an interrupt.
        self.halt.get_or_insert(halt);
        Interrupt::new()
    }

    /// The transaction wants something that its set does not have.
    #[cold]
    fn outside(&mut self, undeclared: impl FnOnce() -> Undeclared) -> Interrupt {
        self.interrupt(if self.is_exact {
            Halt::Trouble(Trouble::Undeclared(undeclared()))
        } else {
            Halt::Left
        })
    }

    /// The place of `key` among the accesses, if it may be used so.
    #[inline]
    fn place(&mut self, kind: AccessKind, key: &V::Key) -> Result<usize, Interrupt> {
        let is_it = |planned: &Planned<V::Key>| planned.key == *key;
        let place = if self.accesses.len() <= FEW {
            let (before, after) = self.accesses.split_at(self.last);
            let after = after.iter().position(is_it).map(|place| self.last + place);
            after.or_else(|| before.iter().position(is_it))
        } else {
            let found = self
                .accesses
                .binary_search_by(|planned| planned.key.cmp(key));
            found.ok()
        };
        self.last = place.unwrap_or(0);
        let allowed = place.is_some_and(|place| {
            let access = self.accesses[place].access;
            let declared = match kind {
                AccessKind::Read => access.has(Access::READ),
                AccessKind::Check => access.has(Access::CHECK) || access.has(Access::READ),
                AccessKind::Write => access.has(Access::WRITE),
                AccessKind::Add => access.has(Access::ADD) || access.has(Access::UPDATE),
                AccessKind::Range => false,
            };
            declared
                || self.locals[place].put
                || (!self.is_exact && serves(&self.accesses[place], kind))
        });
        match place {
            Some(place) if allowed => Ok(place),
            _ => Err(self.outside(|| Undeclared {
                access: kind,
                key: format!("{key:?}"),
            })),
        }
    }

    /// Finds the value of an access that nobody has looked at yet.
    fn load(&mut self, place: usize, key: &V::Key) -> Result<(), Interrupt> {
        let local = &self.locals[place];
        if local.pending.is_known() || local.found.is_known() {
            return Ok(());
        }
        let planned = &self.accesses[place];
        let found = if planned.is_free() {
            self.estimate(self.first + place, self.chunk.link(planned).number, key)?
        } else {
            let inherited = inherited(self.plan, self.chunk, planned);
            match inherited.filter(|value| value.is_known()) {
                Some(value) => value.clone(),
                None => Known::of(self.parent(key)?),
            }
        };
        self.locals[place].found = found;
        Ok(())
    }

    /// What the parent state holds.
    fn parent(&mut self, key: &V::Key) -> Result<Option<V::Value>, Interrupt> {
        let value = self.state.get(key);
        value.map_err(|error| self.interrupt(Halt::Trouble(Trouble::State(Box::new(error)))))
    }

    /// What a free access works on: the value, if all before the transaction are committed, and what it probably is otherwise.
    #[inline(never)]
    fn estimate(
        &mut self,
        access: usize,
        number: u32,
        key: &V::Key,
    ) -> Result<Known<V::Value>, Interrupt> {
        let number = number as usize;
        if let Some(value) = self.running.map(|running| &running[number])
            && value.is_known()
        {
            return Ok(value.clone());
        }
        let base = &self.plan.bases[number];
        let base = if let Some(base) = base.get() {
            base
        } else {
            let value = self.parent(key)?;
            base.get_or_init(|| value)
        };
        let forecast = self.chunk.forecast(access);
        let forecast = forecast.filter(|_| self.running.is_none());
        let sum = forecast.map(|delta| Change::Add(delta).apply(base.as_ref()));
        Ok(match sum.filter(Known::is_known) {
            Some(sum) => sum,
            None => Known::of(base.clone()),
        })
    }
}

/// Whether an access of a predicted set is good for this, said or not: whoever waits for a value may look at it, and whoever
/// leaves one may leave any.
fn serves<K>(planned: &Planned<K>, kind: AccessKind) -> bool {
    match kind {
        AccessKind::Read => !planned.is_free(),
        AccessKind::Check => true,
        AccessKind::Add => planned.writes(),
        AccessKind::Write => planned.leaves(),
        AccessKind::Range => false,
    }
}

/// The value that an access sees that is not free, if a transaction before it may have written it.
#[inline]
fn inherited<'a, V: Vm>(
    plan: &'a Plan<V>,
    chunk: &Chunk<V>,
    planned: &Planned<V::Key>,
) -> Option<&'a Known<V::Value>> {
    let source = chunk.link(planned).source?;
    // SAFETY: By the contract of `PlannedView::new`, which alone leads here, this was filled in before.
    unsafe { plan.slot(source).get() }
}

impl<V, S> Lookup<V::Key, V::Value> for PlannedView<'_, V, S>
where
    V: Vm,
    S: State<V::Key, V::Value>,
{
    /// The place among the accesses of the transaction.
    type Place = usize;

    #[inline]
    fn find(&mut self, access: AccessKind, key: &V::Key) -> Result<usize, Interrupt> {
        let place = self.place(access, key)?;
        self.load(place, key)?;
        Ok(place)
    }

    #[inline]
    fn value(&self, place: usize) -> Option<&V::Value> {
        self.locals[place].value()
    }

    #[inline]
    fn ask(&mut self, place: usize, question: Question<<V::Value as Value>::Amount>) -> bool {
        let local = &mut self.locals[place];
        if self.accesses[place].is_free() {
            let answer = local.ask(question);
            local.tell(question, answer);
            answer
        } else {
            local.ask(question)
        }
    }

    #[inline]
    fn add(
        &mut self,
        place: usize,
        delta: Delta<<V::Value as Value>::Amount>,
        bounds: Bounds<<V::Value as Value>::Amount>,
    ) -> bool {
        if !self.accesses[place].is_free() {
            return add_known(self, place, delta, bounds);
        }
        let answer = self.ask(place, Question::Add(delta, bounds));
        if answer {
            self.locals[place].add(delta);
        }
        answer
    }

    #[inline]
    fn set(&mut self, key: &V::Key, value: Option<V::Value>) -> Result<(), Interrupt> {
        let place = self.place(AccessKind::Write, key)?;
        self.locals[place].put(value);
        Ok(())
    }

    #[inline]
    fn set_sum(&mut self, place: usize, sum: Option<V::Value>) {
        self.locals[place].pending = Known::of(sum);
    }

    fn scan(
        &mut self,
        from: Bound<&V::Key>,
        to: Bound<&V::Key>,
        _: &mut dyn FnMut(&V::Key, &V::Value) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        // A set with a range has no plan.
        Err(self.outside(|| Undeclared::range(from, to)))
    }
}
