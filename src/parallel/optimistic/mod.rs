//! Optimistic execution: transactions run before it is certain what those before them leave.
//!
//! | file | what |
//! | --- | --- |
//! | `worker.rs` | runs transactions, and runs those again that were deceived |
//! | `commit.rs` | settles transactions in block order |
//! | `view.rs` | what a transaction sees |
//! | `scan.rs` | range scans |
//! | `locals.rs` | what the transaction at hand has touched so far |
//!
//! Each worker takes the next transaction of the block, or a lower one that has to run again. What it leaves is there for
//! others at once, as versions of keys (`protocol/versions.rs`). Whoever has looked at something that turns out different is
//! named by the change itself, so nothing is validated by looking again. Predictions of what transactions will write are
//! versions too, of which only their being there is known: who wants to see them waits.

mod commit;
mod locals;
mod scan;
mod view;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_utils::CachePadded;
use pleach_dtt::{Access, AccessSet, Trust};
use smallvec::SmallVec;

use super::{
    attempt::{Attempted, Input, Touched, forecast},
    crew,
    runtime::Runtime,
};
use crate::{
    execute::{Fold, Known, Overlay, Recorder},
    protocol::{
        keys::{Keys, Spare},
        latch::Latch,
        lifecycle::Lifecycle,
        ready::Ready,
        scans::Scans,
        turn::Turn,
        versions::{Terms, Versions},
    },
    state::State,
    sync::AtomicU32,
    trace::span,
    value::Value,
    vm::Vm,
};
use commit::Commit;
use worker::Worker;

/// The versions of a key, behind their latch.
type Cell<V> = Latch<Versions<V>>;

/// What an attempt leaves for the next one, and for the commit.
struct Kept<V: Vm> {
    /// How often the transaction was executed, to the end or not.
    runs: u32,
    /// How many nanoseconds one thread alone would have needed for the last of these, if that is measured.
    cost: u32,
    /// Which transaction to wait for before the first of these, as somebody has found out before.
    parent: Option<u32>,
    /// What the last of these has touched, if it is written down.
    touched: Touched<V>,
    /// What it came to, if it came to its end.
    attempted: Option<Attempted<V>>,
    /// The keys that have a version of the transaction, by number.
    written: SmallVec<[u32; 4]>,
    /// The keys whose values it wanted to see.
    looked: SmallVec<[u32; 4]>,
    /// What it was told of keys whose values it did not see.
    told: Vec<(u32, Terms<<V::Value as Value>::Amount>)>,
}

impl<V: Vm> Default for Kept<V> {
    fn default() -> Self {
        Self {
            runs: 0,
            cost: 0,
            parent: None,
            touched: None,
            attempted: None,
            written: SmallVec::new(),
            looked: SmallVec::new(),
            told: Vec::new(),
        }
    }
}

/// What all workers share.
struct Shared<'a, V: Vm, S> {
    input: &'a Input<'a, V, S>,
    /// The exact access sets, sorted, of those transactions that have one; nothing at all if none has.
    declared: Vec<Option<AccessSet<V::Key>>>,
    keys: Keys<V::Key, Cell<V::Value>>,
    lifecycle: Lifecycle<Kept<V>>,
    scans: Scans<V::Key>,
    ready: Ready,
    /// Whether it is measured how long attempts take.
    is_timed: bool,
    /// The first transaction that is executed here.
    first: u32,
    /// How many transactions of the block are committed.
    settled: CachePadded<AtomicU32>,
}

/// What has come of a block, or of the part of it that was worth it.
pub(super) struct Ran<'a, V: Vm> {
    /// The committed transactions.
    pub(super) fold: Fold<'a, V>,
    /// What they made of the keys that they changed.
    pub(super) changed: Vec<(V::Key, Known<V::Value>)>,
    /// See [`Outcome::conflicts`](crate::Outcome::conflicts).
    pub(super) conflicts: Vec<(V::Key, usize)>,
}

/// How many keys the caller is told of.
const WORST: usize = 16;

/// Runs a block from where `fold` is, as far as optimism carries. `overlay` has what the transactions before that have left. If
/// it `must_pay`, it goes on only as long as one thread would be slower.
pub(super) fn run<'a, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    input: &Input<'_, V, S>,
    fold: Fold<'a, V>,
    recorder: Option<&mut Recorder<V::Key>>,
    overlay: Overlay<'_, V::Key, V::Value, S>,
    must_pay: bool,
) -> Ran<'a, V> {
    let transactions = input.transactions.len();
    let first = fold.next().map_or(transactions, |(index, _)| index);
    let count = transactions - first;
    let workers = runtime.workers().get().min(count.max(1));
    let mut shared = Shared {
        input,
        declared: Vec::new(),
        keys: Keys::new(4 * count + overlay.keys()),
        lifecycle: Lifecycle::new(transactions),
        scans: Scans::new(workers),
        ready: Ready::new(count),
        is_timed: must_pay || input.is_timed,
        first: first as u32,
        settled: CachePadded::new(AtomicU32::new(first as u32)),
    };
    shared.adopt(overlay);
    shared.ready = Ready::new(shared.predict());
    let commit = Turn::new(Commit::new(fold, recorder, workers, must_pay));
    let spent = crew::run(runtime, workers - 1, &shared.ready, |number, working| {
        Worker::new(&shared, &commit, number).work(working)
    });
    let commit = commit.into_inner();
    let settled = commit.settled();
    let mut fold = commit.into_fold();
    fold.spent(spent);
    let mut conflicts = Vec::new();
    let mut keys = 0;
    span!("collect");
    let changed = shared.keys.into_entries().filter_map(|(key, cell)| {
        let versions = cell.into_inner();
        keys += 1;
        if versions.conflicts > 0 {
            conflicts.push((key.clone(), versions.conflicts as usize));
        }
        Some((key, versions.into_changed(settled)?))
    });
    let changed = changed.collect();
    conflicts.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    conflicts.truncate(WORST);
    fold.statistics.keys = keys;
    Ran {
        fold,
        changed,
        conflicts,
    }
}

impl<V: Vm, S> Shared<'_, V, S> {
    /// Begins with what the transactions before the first have left.
    fn adopt<T>(&mut self, overlay: Overlay<'_, V::Key, V::Value, T>)
    where
        T: State<V::Key, V::Value>,
    {
        let mut spare = Spare::default();
        let kept = overlay.into_kept();
        for (key, value, is_changed) in kept.filter(|(_, value, _)| value.is_known()) {
            let (number, entry, _) = self.keys.enter(self.keys.hash(&key), &key, &mut spare);
            entry.cell().lock().begin_with(value, is_changed);
            if is_changed {
                let key = |number| self.keys.key(number);
                self.scans.tell(0, &[number], key, |_, _| {});
            }
        }
    }

    /// Lets those wait that look at what others will write, as far as that is known: by what somebody has found out before, or
    /// by what the VM says. Gives how many transactions can be executed here: if the VM panics when it is asked, it does so in
    /// the serial executor too, which knows what to say.
    fn predict(&mut self) -> usize {
        span!("predict");
        let mut set = AccessSet::new();
        let mut spare = Spare::default();
        let input = self.input;
        let rest = input.transactions.iter().enumerate();
        let mut end = input.transactions.len();
        for (index, transaction) in rest.skip(self.first as usize) {
            let number = index as u32;
            set.clear();
            self.forecast(number, transaction, &mut spare);
            let asked = catch_unwind(AssertUnwindSafe(|| {
                input.vm.accesses(transaction, &mut set)
            }));
            let Ok(trust) = asked else {
                end = index;
                break;
            };
            match input.hints.predicted.get(index) {
                Some(hint) if trust != Trust::Exact => self.expect(number, hint, &mut spare),
                _ if trust == Trust::Unknown => {}
                _ => {
                    set.sort();
                    self.expect(number, &set, &mut spare);
                }
            }
            if trust == Trust::Exact {
                let count = input.transactions.len();
                self.declared.resize_with(count, || None);
                self.declared[index] = Some(std::mem::take(&mut set));
            }
        }
        let tree = input.hints.tree;
        if let Some(tree) = tree.filter(|tree| tree.len() == input.transactions.len()) {
            for number in self.first..tree.len() as u32 {
                let parent = tree.parent(number as usize).map(|parent| parent as u32);
                let parent = parent.filter(|parent| *parent >= self.first);
                self.lifecycle.prepare(number, |kept| kept.parent = parent);
            }
        }
        end - self.first as usize
    }

    /// Notes what a transaction will probably add to numbers.
    fn forecast(&mut self, number: u32, transaction: &V::Transaction, spare: &mut Spare) {
        let (keys, scans, lifecycle) = (&self.keys, &self.scans, &mut self.lifecycle);
        forecast(self.input.vm, transaction, |key, delta| {
            let (key, entry, _) = keys.enter(keys.hash(&key), &key, spare);
            let is_known = entry.cell().lock().is_known_to_scans();
            if !is_known && !cfg!(mutant = "silent_forecast") {
                // If it comes as it was forecast, nobody is named: who scans has to find it from the start.
                scans.tell(0, &[key], |key| keys.key(key), |_, _| {});
            }
            let mut versions = entry.cell().lock();
            versions.known_to_scans();
            versions.forecast(number, delta);
            drop(versions);
            lifecycle.prepare(number, |kept| kept.written.push(key));
        });
    }

    /// Notes what a transaction will probably look at and write.
    fn expect(&mut self, transaction: u32, set: &AccessSet<V::Key>, spare: &mut Spare) {
        for (key, access) in set.entries() {
            let hash = self.keys.hash(key);
            let (number, entry, _) = self.keys.enter(hash, key, spare);
            let puts = access.has(Access::WRITE);
            let writes = puts || access.has(Access::ADD);
            if writes {
                entry.cell().lock().guess(transaction, !puts);
            }
            let reads = access.has(Access::READ);
            self.lifecycle.prepare(transaction, |kept| {
                if writes {
                    kept.written.push(number);
                }
                if reads {
                    kept.looked.push(number);
                }
            });
        }
    }
}
