//! What a transaction of a plan sees.

use std::{
    fmt::Debug,
    ops::{Bound, ControlFlow},
};

use pleach_dtt::Access;

use super::{
    made::Made,
    plan::{FEW, NONE, Plan, Planned},
};
use crate::{
    error::{AccessKind, Undeclared},
    execute::{Known, Lookup, Trouble, add_known},
    protocol::{
        handoff::Handoff,
        versions::{Change, Question, Terms},
    },
    state::State,
    sync::OnceLock,
    value::{Amount, Bounds, Delta, Value},
    vm::Interrupt,
};

/// What the transactions of a plan leave for each other.
pub(super) struct Memory<V> {
    /// For each access that may write, what it leaves: `Known::No` if that is still the parent state's. Empty where nobody has
    /// run, and where nobody waits for what a free access comes to.
    pub(super) values: Vec<Handoff<Known<V>>>,
    /// What the parent state holds for keys with free accesses, once somebody has asked; nothing at all if there are none.
    pub(super) bases: Vec<OnceLock<Option<V>>>,
}

impl<V> Memory<V> {
    /// Nothing yet, for this plan.
    pub(super) fn new<K, A>(plan: &Plan<K, A>) -> Self
    where
        K: Ord + std::hash::Hash + Clone,
        A: Amount,
    {
        let bases = if plan.has_free() {
            plan.keys.keys()
        } else {
            &[]
        };
        Self {
            values: plan.accesses.iter().map(|_| Handoff::new()).collect(),
            bases: bases.iter().map(|_| OnceLock::new()).collect(),
        }
    }
}

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
pub(super) struct PlannedView<'a, K, V: Value, S> {
    plan: &'a Plan<K, V::Amount>,
    memory: &'a Memory<V>,
    state: &'a S,
    /// What all transactions before it have made of keys with free accesses, if they are committed.
    running: Option<&'a [Known<V>]>,
    is_exact: bool,
    /// The first access of the transaction.
    first: usize,
    accesses: &'a [Planned],
    locals: &'a mut Vec<Made<V>>,
    pub(super) halt: Option<Halt>,
}

impl<'a, K: Ord + std::hash::Hash + Clone + Debug, V: Value, S: State<K, V>>
    PlannedView<'a, K, V, S>
{
    /// A view for a transaction that runs for the first time, or again, on the `running` values that those before it have left.
    ///
    /// # Safety
    ///
    /// What the accesses of the transaction see, but for free ones, was filled in before.
    pub(super) unsafe fn new(
        plan: &'a Plan<K, V::Amount>,
        memory: &'a Memory<V>,
        state: &'a S,
        transaction: u32,
        running: Option<&'a [Known<V>]>,
        locals: &'a mut Vec<Made<V>>,
    ) -> Self {
        let range = plan.range(transaction);
        let first = range.start;
        let accesses = &plan.accesses[range];
        locals.clear();
        locals.extend(accesses.iter().map(|_| Made::new()));
        Self {
            plan,
            memory,
            state,
            running,
            is_exact: plan.is_exact(transaction),
            first,
            accesses,
            locals,
            halt: None,
        }
    }

    /// What came of the free accesses.
    pub(super) fn told(&mut self) -> AllTold<V> {
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
    fn left(&mut self, kept: bool) -> impl Iterator<Item = (usize, Known<V>)> {
        let memory = self.memory;
        let locals = self.accesses.iter().zip(self.locals.drain(..));
        let leaving = (self.first..).zip(locals);
        let leaving = leaving.filter(|(_, (planned, _))| planned.leaves());
        leaving.map(move |(access, (planned, local))| {
            let value = if kept && local.pending.is_known() {
                local.pending
            } else {
                inherited(memory, *planned).cloned().unwrap_or(Known::No)
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
        let values = &self.memory.values;
        for (access, value) in self.left(kept) {
            // SAFETY: By the contract each of its accesses comes by here once; those who look at the value are told afterwards
            // that the transaction is done.
            unsafe { values[access].fill(value) };
        }
    }

    /// Whether the transaction, which has left its values before, would leave the same.
    pub(super) fn leaves_the_same(&mut self, kept: bool) -> bool {
        let values = &self.memory.values;
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
            declared
                || self.locals[place].put
                || (!self.is_exact && serves(self.accesses[place], kind))
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
    fn load(&mut self, place: usize, key: &K) -> Result<(), Interrupt> {
        let local = &self.locals[place];
        if local.pending.is_known() || local.found.is_known() {
            return Ok(());
        }
        let planned = self.accesses[place];
        let found = if planned.is_free() {
            self.estimate(self.first + place, planned.key, key)?
        } else {
            let inherited = inherited(self.memory, planned);
            match inherited.filter(|value| value.is_known()) {
                Some(value) => value.clone(),
                None => Known::of(self.parent(key)?),
            }
        };
        self.locals[place].found = found;
        Ok(())
    }

    /// What the parent state holds.
    fn parent(&mut self, key: &K) -> Result<Option<V>, Interrupt> {
        let value = self.state.get(key);
        value.map_err(|error| self.interrupt(Halt::Trouble(Trouble::State(Box::new(error)))))
    }

    /// What a free access works on: the value, if all before the transaction are committed, and what it probably is otherwise.
    #[inline(never)]
    fn estimate(&mut self, access: usize, number: u32, key: &K) -> Result<Known<V>, Interrupt> {
        let number = number as usize;
        if let Some(value) = self.running.map(|running| &running[number])
            && value.is_known()
        {
            return Ok(value.clone());
        }
        let base = &self.memory.bases[number];
        let base = if let Some(base) = base.get() {
            base
        } else {
            let value = self.parent(key)?;
            base.get_or_init(|| value)
        };
        let forecast = self.plan.forecast(access);
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
fn serves(planned: Planned, kind: AccessKind) -> bool {
    match kind {
        AccessKind::Read => !planned.is_free(),
        AccessKind::Check => true,
        AccessKind::Add => planned.writes(),
        AccessKind::Write => planned.leaves(),
        AccessKind::Range => false,
    }
}

/// The value that an access sees that is not free, if a transaction before it may have written it.
fn inherited<V: Sync>(memory: &Memory<V>, planned: Planned) -> Option<&Known<V>> {
    if planned.source == NONE {
        return None;
    }
    // SAFETY: By the contract of `PlannedView::new`, which alone leads here, this was filled in before.
    unsafe { memory.values[planned.source as usize].get() }
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
        self.locals[place].value()
    }

    #[inline]
    fn ask(&mut self, place: usize, question: Question<V::Amount>) -> bool {
        let local = &mut self.locals[place];
        if self.accesses[place].is_free() {
            local.tell(question)
        } else {
            local.ask(question)
        }
    }

    #[inline]
    fn add(&mut self, place: usize, delta: Delta<V::Amount>, bounds: Bounds<V::Amount>) -> bool {
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
    fn set(&mut self, key: &K, value: Option<V>) -> Result<(), Interrupt> {
        let place = self.place(AccessKind::Write, key)?;
        self.locals[place].put(value);
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
        Err(self.outside(|| Undeclared::range(from, to)))
    }
}
