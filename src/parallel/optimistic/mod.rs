//! Optimistic execution: transactions run before it is certain what those before them leave.
//!
//! | file | what |
//! | --- | --- |
//! | `predict.rs` | notes what transactions will probably do, before they run |
//! | `worker.rs` | runs transactions, and runs those again that were deceived |
//! | `hands.rs` | what a worker executes transactions with, beside others or in turn |
//! | `commit.rs` | settles transactions in block order |
//! | `view.rs` | what a transaction sees that runs beside others |
//! | `in_turn.rs` | what one sees that runs when all before it are committed |
//! | `scan.rs` | range scans |
//! | `locals.rs` | what the transaction at hand has touched so far |
//! | `mark.rs` | what is known of a key without having its latch |
//! | `collect.rs` | gathers what the block has changed |
//!
//! Each worker takes the next transaction of the block, or a lower one that has to run again. What it leaves is there for
//! others at once, as versions of keys (`protocol/versions.rs`), but for adds to what all add to (`mark.rs`). Whoever has looked
//! at something that turns out different is named by the change itself, so nothing is validated by looking again. Predictions of what transactions will write are
//! versions too, of which only their being there is known: who wants to see them waits.
//!
//! To execute a transaction beside others costs more than to execute it alone. Where a transaction is so cheap that this is most of it,
//! nobody takes it: whoever commits executes it in turn, on what is certain, and what it leaves is final.

mod collect;
mod commit;
mod hands;
mod in_turn;
mod locals;
mod mark;
mod predict;
mod scan;
mod view;
mod worker;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use super::{
    attempt::{Attempted, Input, Touched},
    crew,
    outlook::Outlook,
    runtime::Runtime,
};
use crate::{
    execute::{Fold, Overlay, Recorder},
    protocol::{
        keys::{self, Keys, Spare},
        latch::Latch,
        lifecycle::Lifecycle,
        ready::Ready,
        scans::Scans,
        turn::Turn,
        versions::{Terms, Versions},
    },
    state::State,
    sync::{AtomicU32, AtomicU64, AtomicUsize, invariant},
    value::{Delta, Value},
    vm::Vm,
};
use commit::Commit;
use predict::{Foresight, Predicting};
use worker::Worker;

/// The versions of a key, behind their latch.
type Cell<V> = Latch<Versions<V>>;

/// A key with its versions.
type Entry<K, V> = keys::Entry<K, Cell<V>>;

/// What an attempt leaves for the next one, and for the commit.
struct Kept<V: Vm> {
    /// How often the transaction was executed, to the end or not.
    runs: u32,
    /// Whether it has believed something that turned out wrong: it looks first from then on.
    was_wrong: bool,
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
    /// What it adds to keys that many add to and nobody looks at: nobody sees that before it is committed.
    held: SmallVec<[(u32, Delta<Amount<V>>); 1]>,
    /// The keys whose values it wanted to see.
    looked: SmallVec<[u32; 4]>,
    /// What it was told of keys whose values it did not see.
    told: Vec<(u32, Terms<Amount<V>>)>,
}

type Amount<V> = <<V as Vm>::Value as Value>::Amount;

impl<V: Vm> Default for Kept<V> {
    fn default() -> Self {
        Self {
            runs: 0,
            was_wrong: false,
            cost: 0,
            parent: None,
            touched: None,
            attempted: None,
            written: SmallVec::new(),
            held: SmallVec::new(),
            looked: SmallVec::new(),
            told: Vec::new(),
        }
    }
}

/// What all workers share.
struct Shared<'a, V: Vm, S> {
    input: &'a Input<'a, V, S>,
    foresight: Foresight<V::Key>,
    keys: Keys<V::Key, Cell<V::Value>>,
    lifecycle: Lifecycle<Kept<V>>,
    scans: Scans<V::Key>,
    ready: Ready,
    /// Whether it is measured how long attempts take.
    is_timed: bool,
    /// The first transaction that is executed here.
    first: u32,
    /// How many classes of transactions are executed in turn, the lightest ones, as far as is known by now.
    in_turn: AtomicUsize,
    /// How many transactions of the block are committed.
    settled: CachePadded<AtomicU32>,
    /// How many nanoseconds one thread alone would have needed for what each worker has executed, if that is measured.
    costs: Box<[CachePadded<AtomicU64>]>,
}

/// What has come of a block, or of the part of it that was worth it.
pub(super) struct Ran<'a, V: Vm> {
    /// The committed transactions.
    pub(super) fold: Fold<'a, V>,
    /// What they made of the keys that they changed.
    pub(super) changed: Vec<(V::Key, Option<V::Value>)>,
    /// See [`Outcome::conflicts`](crate::Outcome::conflicts).
    pub(super) conflicts: Vec<(V::Key, usize)>,
    /// What transactions took, if that was watched.
    pub(super) outlook: Option<Outlook>,
}

/// How many keys the caller is told of.
const WORST: usize = 16;

/// Runs a block from where `fold` is, as far as optimism carries. `overlay` has what the transactions before that have left. If
/// there is an `outlook`, it goes on only as long as one thread would be slower.
pub(super) fn run<'a, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    input: &Input<'_, V, S>,
    fold: Fold<'a, V>,
    recorder: Option<&mut Recorder<V::Key>>,
    overlay: Overlay<'_, V::Key, V::Value, S>,
    outlook: Option<Outlook>,
) -> Ran<'a, V> {
    let transactions = input.transactions.len();
    let first = fold.next().map_or(transactions, |(index, _)| index);
    let count = transactions - first;
    let workers = runtime.workers().get().min(count.max(1));
    if !cfg!(pleach_loom) {
        // It changes nothing but the time, and has a model of its own.
        runtime.pool().rouse(workers - 1);
    }
    let mut shared = Shared {
        input,
        foresight: Foresight::new(transactions),
        keys: Keys::new(4 * count + overlay.keys()),
        lifecycle: Lifecycle::new(transactions),
        scans: Scans::new(workers),
        ready: Ready::new(count),
        is_timed: outlook.is_some() || input.is_timed,
        first: first as u32,
        in_turn: AtomicUsize::new(
            outlook
                .as_ref()
                .map_or(0, |outlook| outlook.in_turn(workers)),
        ),
        settled: CachePadded::new(AtomicU32::new(first as u32)),
        costs: (0..workers)
            .map(|_| CachePadded::new(AtomicU64::new(0)))
            .collect(),
    };
    shared.adopt(overlay);
    if count > 0 {
        // While the others wake up, which all need it.
        shared.look_ahead(shared.first, &mut Predicting::new(0));
    }
    let commit = Turn::new(Commit::new(fold, recorder, workers, outlook));
    let spent = crew::run(runtime, workers - 1, &shared.ready, |number, working| {
        Worker::new(&shared, &commit, number).work(working)
    });
    let commit = commit.into_inner();
    // The rest would be executed serially: slower, and with the same outcome.
    let has_cause =
        commit.is_over() || input.is_cancelled() || shared.foresight.ends_early(transactions);
    invariant!(has_cause, "transactions are left and nothing stopped them");
    let settled = commit.settled();
    let (mut fold, outlook) = commit.into_parts();
    fold.spent(spent);
    let (changed, mut conflicts, keys) = collect::collect(runtime, shared.keys, settled);
    conflicts.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    conflicts.truncate(WORST);
    fold.statistics.keys = keys;
    Ran {
        fold,
        changed,
        conflicts,
        outlook,
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
            mark::loaded(entry, value.as_option().is_some());
            entry.cell().lock().begin_with(value, is_changed);
            if is_changed {
                let key = |number| self.keys.key(number);
                self.scans.tell(0, &[number], key, |_, _| {});
            }
        }
    }
}
