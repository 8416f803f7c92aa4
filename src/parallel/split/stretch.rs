//! Executes a stretch of the block, on a table of its own.

use std::{
    iter,
    ops::{Bound, ControlFlow},
    time::Instant,
};

use pleach_dtt::AccessSet;

use super::{Amount, base::Base, log::Log, note::Note, shares::Shares};
use crate::{
    error::AccessKind,
    execute::{Asked, Attempt, Before, Lookup, Overlay, Trouble, View, add_known},
    parallel::{
        attempt::{Attempted, Input, Tools, Touched, declare},
        costs::Costs,
        outlook::Outlook,
        watch::Watch,
    },
    protocol::versions::Question,
    state::State,
    sync::{AtomicUsize, Ordering},
    times::Spent,
    value::{Bounds, Delta, Value},
    vm::{Interrupt, Vm},
};

/// What the transactions of a stretch came to: fewer than it has if something came that only the order of the block can settle.
pub(super) type Results<V> = Vec<(Attempt<V>, Touched<V>)>;

/// A stretch that was executed.
pub(super) struct Stretch<'b, V: Vm, B> {
    /// Its first transaction.
    pub(super) first: usize,
    /// Whether it ended because a transaction scans a range.
    pub(super) has_scanned: bool,
    /// What they have left.
    pub(super) table: Overlay<'b, V::Key, V::Value, B>,
    /// The hashes of the keys of that.
    pub(super) hashes: Vec<u32>,
    /// What they were told, by the slots of the table.
    pub(super) notes: Notes<V>,
    /// What each of them has touched and changed, if that is to be known.
    pub(super) log: Option<Log<V::Value>>,
    /// What they took, if it is the first one: the others were told what may not be so.
    pub(super) costs: Costs,
}

type Notes<V> = Vec<Note<Amount<V>>>;

impl<V: Vm, B> Stretch<'_, V, B> {
    /// How many keys it has looked at and changed: those that another one could as well. O(keys).
    pub(super) fn risks(&self) -> usize
    where
        B: State<V::Key, V::Value>,
    {
        let notes = self.notes.iter().enumerate();
        let risks = notes.filter(|(slot, note)| note.has_looked() && self.table.kept(*slot).2);
        risks.count()
    }

    /// What was told of the key of a slot.
    pub(super) fn note(&self, slot: usize) -> Note<Amount<V>> {
        self.notes.get(slot).copied().unwrap_or(Note::NONE)
    }
}

/// How the stretches of a round are executed.
pub(super) struct Plan<'r> {
    pub(super) shares: &'r Shares,
    /// The first transaction.
    pub(super) first: usize,
    /// The first transaction that has come to nothing that could be settled: those behind it need not be executed.
    pub(super) broken: &'r AtomicUsize,
    /// The class of each transaction.
    pub(super) outlook: &'r Outlook,
    /// Whether it is written down what transactions touch.
    pub(super) is_logged: bool,
}

/// Executes the transactions of a share, from the `first` on, until nobody has left any.
pub(super) fn execute<'b, 'm, 's, V: Vm, S: State<V::Key, V::Value>>(
    input: &Input<'_, V, S>,
    base: &'b Base<'m, 's, V, S>,
    plan: &Plan<'_>,
    (share, first): (usize, usize),
) -> (Stretch<'b, V, Base<'m, 's, V, S>>, Results<V>, Spent) {
    let begun = Instant::now();
    let Plan { shares, broken, .. } = plan;
    let is_first = first == plan.first;
    let mut spent = Spent::default();
    let count = shares.left(share);
    let mut table = base.table(count);
    let mut notes = Vec::with_capacity(KEYS * count.min(MANY));
    let mut results = Vec::with_capacity(count);
    let mut tools = Tools::new(input);
    let mut declared = AccessSet::new();
    let mut has_scanned = false;
    let mut log = (plan.is_logged && !is_first).then(Log::new);
    let mut watch = is_first.then(|| Watch::new(plan.outlook));
    let batches = iter::from_fn(|| Some(shares.take(share)).filter(|batch| !batch.is_empty()));
    for index in batches.flatten() {
        // If it does not come to its end. ORDERING: Relaxed. Who sees it late does more in vain.
        let breaks = || broken.fetch_min(index, Ordering::Relaxed);
        if input.is_cancelled() || broken.load(Ordering::Relaxed) < index {
            breaks();
            break;
        }
        let transaction = &input.transactions[index];
        let Some(exact) = declare(input, transaction, &mut declared) else {
            breaks();
            break;
        };
        let mut view = Asked(NotedView::<V, _> {
            view: table.view(exact.then_some(&mut declared)),
            notes: &mut notes,
            log: log.as_mut(),
            is_first,
        });
        let before = input.is_timed.then(Instant::now);
        let (returned, touched) = tools.execute(input.vm, transaction, &mut view);
        if let Some(before) = before {
            spent.executing += before.elapsed();
        }
        let trouble = table.take_trouble();
        has_scanned = matches!(trouble, Some(Trouble::RangeUnsupported));
        let attempted = Attempted::<V>::new(trouble, returned, input.on_undeclared);
        let Attempted::Done(attempt) = attempted else {
            table.discard();
            breaks();
            break;
        };
        if attempt.is_err() {
            table.discard();
        } else if is_first {
            table.commit();
        } else {
            table.commit_with(|slot, before| keep(&mut notes, log.as_mut(), slot, before));
        }
        if let Some(log) = &mut log {
            log.end();
        }
        results.push((attempt, touched));
        if let Some(watch) = &mut watch {
            watch.count(index, Some(index + 1), table.keys());
        }
    }
    spent.state_reads = table.take_state_reads();
    spent.all = begun.elapsed();
    let stretch = Stretch {
        first,
        has_scanned,
        hashes: table.hashes(),
        table,
        notes,
        log,
        costs: watch.map(|watch| watch.costs).unwrap_or_default(),
    };
    (stretch, results, spent)
}

/// About how many keys a transaction brings, and for how many of them there is room from the beginning. What is not used costs nothing.
const KEYS: usize = 6;
const MANY: usize = 1 << 14;

fn note<A: crate::value::Amount>(notes: &mut Vec<Note<A>>, slot: usize) -> &mut Note<A> {
    if notes.len() <= slot {
        notes.resize(slot + 1, Note::NONE);
    }
    &mut notes[slot]
}

/// Notes that a transaction has changed the key of a slot, which was so before.
#[inline]
fn keep<T: Value>(
    notes: &mut Vec<Note<T::Amount>>,
    log: Option<&mut Log<T>>,
    slot: usize,
    before: Before<T>,
) {
    let mut put = false;
    if before.put {
        put = std::mem::replace(&mut note(notes, slot).put, true);
    } else if let Some(note) = notes.get(slot) {
        put = note.put;
    }
    if let Some(log) = log {
        log.change(slot, before.value, before.changed, put);
    }
}

/// What a transaction of a stretch sees, which is noted.
struct NotedView<'o, 'a, V: Vm, B> {
    view: View<'o, 'a, V::Key, V::Value, B>,
    notes: &'o mut Notes<V>,
    log: Option<&'o mut Log<V::Value>>,
    /// What the first stretch is told is certain.
    is_first: bool,
}

impl<V: Vm, B: State<V::Key, V::Value>> NotedView<'_, '_, V, B> {
    /// The note on the key of a slot, unless what is said of that is certain, or the stretch's own.
    #[inline]
    fn note(&mut self, slot: usize) -> Option<&mut Note<Amount<V>>> {
        if self.is_first {
            return None;
        }
        let note = note(self.notes, slot);
        (!note.put && !self.view.has_put(slot)).then_some(note)
    }

    /// Notes the answer to a question.
    #[inline]
    fn tell(&mut self, slot: usize, question: Question<Amount<V>>, answer: bool) {
        if self.is_first {
            return;
        }
        let has_added = self.view.is_written(slot);
        let note = note(self.notes, slot);
        if !note.put && !self.view.has_put(slot) {
            note.ask(self.view.value(slot), question, answer, has_added);
        }
    }
}

impl<V: Vm, B: State<V::Key, V::Value>> Lookup<V::Key, V::Value> for NotedView<'_, '_, V, B> {
    /// The number of the slot.
    type Place = usize;

    #[inline]
    fn find(&mut self, access: AccessKind, key: &V::Key) -> Result<usize, Interrupt> {
        let slot = self.view.find(access, key)?;
        if let Some(log) = &mut self.log {
            log.touch(slot);
        }
        if access == AccessKind::Read
            && let Some(note) = self.note(slot)
        {
            note.look();
        }
        Ok(slot)
    }

    #[inline]
    fn value(&self, slot: usize) -> Option<&V::Value> {
        self.view.value(slot)
    }

    #[inline]
    fn set(&mut self, key: &V::Key, value: Option<V::Value>) -> Result<(), Interrupt> {
        self.view.set(key, value)
    }

    #[inline]
    fn set_sum(&mut self, slot: usize, sum: Option<V::Value>) {
        self.view.set_sum(slot, sum);
    }

    #[inline]
    fn ask(&mut self, slot: usize, question: Question<Amount<V>>) -> bool {
        let answer = question.ask(self.view.value(slot));
        self.tell(slot, question, answer);
        answer
    }

    #[inline]
    fn add(&mut self, slot: usize, delta: Delta<Amount<V>>, bounds: Bounds<Amount<V>>) -> bool {
        let question = Question::Add(delta, bounds);
        let answer = question.ask(self.view.value(slot));
        self.tell(slot, question, answer);
        answer && add_known(self, slot, delta, bounds)
    }

    fn scan(
        &mut self,
        from: Bound<&V::Key>,
        to: Bound<&V::Key>,
        visit: &mut dyn FnMut(&V::Key, &V::Value) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        // What the stretch begins with has no order, so that this ends it.
        self.view.scan(from, to, visit)
    }
}
