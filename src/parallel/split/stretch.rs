//! Executes a stretch of the block, on a table of its own.

use std::{
    ops::{Bound, ControlFlow, Range},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use pleach_dtt::{AccessSet, Trust};

use super::{Amount, base::Base, note::Note};
use crate::{
    error::AccessKind,
    execute::{Asked, Attempt, Lookup, Overlay, Trouble, View, add_known},
    parallel::attempt::{Attempted, Input, Tools, Touched},
    protocol::versions::Question,
    state::State,
    sync::{AtomicUsize, Ordering},
    times::Spent,
    value::{Bounds, Delta},
    vm::{Interrupt, Vm},
};

/// What the transactions of a stretch came to: fewer than it has if something came that only the order of the block can settle.
pub(super) type Results<V> = Vec<(Attempt<V>, Touched<V>)>;

/// A stretch that was executed.
pub(super) struct Stretch<'b, V: Vm, B> {
    /// Whether it ended because a transaction scans a range.
    pub(super) has_scanned: bool,
    /// What they have left.
    pub(super) table: Overlay<'b, V::Key, V::Value, B>,
    /// The hashes of the keys of that.
    pub(super) hashes: Vec<u32>,
    /// What they were told, by the slots of the table.
    notes: Notes<V>,
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

/// Executes the transactions of a stretch, which has this `number`, unless one before it, as far as `broken` says, does not come to its end.
pub(super) fn execute<'b, 'm, 's, V: Vm, S: State<V::Key, V::Value>>(
    input: &Input<'_, V, S>,
    base: &'b Base<'m, 's, V, S>,
    range: Range<usize>,
    (number, broken): (usize, &AtomicUsize),
) -> (Stretch<'b, V, Base<'m, 's, V, S>>, Results<V>, Spent) {
    let begun = Instant::now();
    let mut spent = Spent::default();
    let mut table = base.table(range.len());
    let mut notes = Vec::with_capacity(KEYS * range.len().min(MANY));
    let mut results = Vec::with_capacity(range.len());
    let mut tools = Tools::new(input);
    let mut declared = AccessSet::new();
    let mut has_scanned = false;
    for transaction in &input.transactions[range.clone()] {
        // ORDERING: Relaxed. Who sees it late does more in vain.
        if input.is_cancelled() || broken.load(Ordering::Relaxed) < number {
            break;
        }
        // If the VM panics, it does so in the serial executor too, which knows what to say.
        let exact = catch_unwind(AssertUnwindSafe(|| {
            declared.clear();
            let exact = input.vm.accesses(transaction, &mut declared) == Trust::Exact;
            if exact {
                declared.sort();
            }
            exact
        }));
        let Ok(exact) = exact else {
            break;
        };
        let mut view = Asked(NotedView::<V, _> {
            view: table.view(exact.then_some(&mut declared)),
            notes: &mut notes,
            is_first: number == 0,
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
            break;
        };
        if attempt.is_ok() {
            if number > 0 {
                for slot in table.puts() {
                    note(&mut notes, slot).put = true;
                }
            }
            table.commit();
        } else {
            table.discard();
        }
        results.push((attempt, touched));
    }
    if results.len() < range.len() {
        // ORDERING: Relaxed, as above.
        broken.fetch_min(number, Ordering::Relaxed);
    }
    spent.state_reads = table.take_state_reads();
    spent.all = begun.elapsed();
    let stretch = Stretch {
        has_scanned,
        hashes: table.hashes(),
        table,
        notes,
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

/// What a transaction of a stretch sees, which is noted.
struct NotedView<'o, 'a, V: Vm, B> {
    view: View<'o, 'a, V::Key, V::Value, B>,
    notes: &'o mut Notes<V>,
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
