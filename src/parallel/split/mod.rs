//! The block is split into stretches of transactions that follow each other, one for each worker, and what they leave is put together.
//!
//! | file | what |
//! | --- | --- |
//! | `stretch.rs` | executes a stretch, on a table of its own |
//! | `note.rs` | what a stretch was told of a key, and for which values it would be told the same |
//! | `base.rs` | the state that a stretch begins with |
//! | `merge.rs` | puts tables together |
//! | `settle.rs` | settles transactions in block order |
//!
//! A stretch is executed as the serial executor does it, but for the first one on a state that may turn out to be another one. So
//! it costs hardly more than serial execution, however small transactions are, where [optimism](super::optimistic) must have each of them
//! pay for its own. In return there is no half way: if a stretch was told anything that is not so, all of it is in vain. It is for blocks of
//! many small transactions that add to what others add to, but hardly look at what others write: payments that know their nonce.
//!
//! A few go first, so that little is lost where that does not hold. If these look at what they change, they may have been right only
//! because they are few: pairs of transactions that could meet are as many as the square of these. So twice as many go each time then, and
//! what is in vain in the end is about half of what went last.

mod base;
mod merge;
mod note;
mod settle;
mod stretch;

use std::ops::Range;

use super::{attempt::Input, crew, outlook::Outlook, runtime::Runtime};
use crate::{
    error::ExecuteError,
    execute::{Fold, Known, Overlay, Recorder, Rest},
    mutant::mutant,
    state::{Changes, State},
    sync::{AtomicUsize, Mutex, Ordering, lock},
    times::Spent,
    trace::span,
    value::Value,
    vm::Vm,
};
use base::Base;
use merge::Merged;
use stretch::Stretch;

/// So many transactions for each worker go first, or less: a share of the block.
const FIRST: usize = 256;
const SHARE: usize = 32;

/// If one in so many transactions changes a key that it has looked at, it is not believed that all the others are right because a few were.
const RISKY: usize = 16;

/// The keys are put together in so many parts for each worker.
const PARTS: usize = 4;

/// What has come of a block, or of the part of it that could be split.
pub(super) struct Ran<'a, 's, V: Vm, S> {
    pub(super) fold: Fold<'a, V>,
    pub(super) left: Left<'s, V, S>,
}

/// What is left to be done.
pub(super) enum Left<'s, V: Vm, S> {
    /// Nothing. The block has made these changes.
    Nothing(Changes<V::Key, V::Value>),
    /// The transactions that are not settled, on this.
    Some {
        overlay: Overlay<'s, V::Key, V::Value, S>,
        /// Whether that is so because a stretch was told what was not so, or scans a range, and not because of something that only the
        /// order of the block can settle.
        is_conflict: bool,
    },
}

type Amount<V> = <<V as Vm>::Value as Value>::Amount;

/// Changes in no particular order.
type Changed<V> = Vec<(<V as Vm>::Key, Option<<V as Vm>::Value>)>;

/// Executes the transactions that are not settled, as far as splitting them carries. `main` has what those before have left.
pub(super) fn run<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    (rest, input, outlook): (&Rest<'_, V>, &Input<'_, V, S>, &Outlook),
    mut fold: Fold<'a, V>,
    mut recorder: Option<&mut Recorder<V::Key>>,
    mut main: Overlay<'s, V::Key, V::Value, S>,
) -> Result<Ran<'a, 's, V, S>, ExecuteError> {
    let all = fold.transactions.len();
    // How many go next, unless it is all of them.
    let mut size = None;
    let mut is_risky = true;
    let is_conflict = loop {
        let begin = fold.settled();
        if fold.next().is_none() || fold.has_ended() || input.is_cancelled() {
            break false;
        }
        let left = all - begin;
        let workers = runtime.workers().get().min(left);
        let few = || (left / SHARE).clamp(workers, FIRST * workers);
        let next = *size.get_or_insert_with(few);
        let is_part = is_risky && left > 2 * next;
        let end = if is_part { begin + next } else { all };
        size = Some(2 * next);
        let round = Round {
            runtime,
            input,
            ranges: outlook.shares(begin..end, workers),
            is_last: end == all,
        };
        let Done {
            changed,
            met,
            is_settled,
            is_right,
            risks,
            merged,
        } = round.run(&main, &mut fold, &mut recorder);
        if !is_settled && !mutant!("keep_what_is_not_settled") {
            rest.replay(&fold, &mut main, begin)?;
            break false;
        }
        if fold.settled() == all {
            fold.statistics.keys = main.keys() + merged.keys;
            let changed = changed.into_iter().chain([merged.rest(main)]);
            return Ok(Ran {
                fold,
                left: Left::Nothing(Changes::from_parts(changed.collect())),
            });
        }
        for (key, value) in changed.into_iter().flatten() {
            main.adopt(&key, Known::of(value));
        }
        for key in met {
            main.meet(&key);
        }
        if !is_right || fold.settled() < end {
            break !is_right;
        }
        is_risky = risks * RISKY > end - begin;
    };
    Ok(Ran {
        fold,
        left: Left::Some {
            overlay: main,
            is_conflict,
        },
    })
}

/// Stretches that are executed side by side.
struct Round<'r, 'i, V: Vm, S> {
    runtime: &'r Runtime,
    input: &'r Input<'i, V, S>,
    ranges: Vec<Range<usize>>,
    is_last: bool,
}

/// What a round has come to.
struct Done<V: Vm> {
    /// What those transactions have changed that are settled, by stretches.
    changed: Vec<Changed<V>>,
    /// What else they have touched, unless that is all of the block.
    met: Vec<V::Key>,
    /// Whether the block keeps what they have left.
    is_settled: bool,
    /// Whether all stretches were told what is so, and none wanted to know more than it can be told.
    is_right: bool,
    /// How many keys stretches behind the first have looked at and changed, unless the block ends with them.
    risks: usize,
    merged: Merged<V>,
}

impl<V: Vm, S: State<V::Key, V::Value>> Round<'_, '_, V, S> {
    /// Executes the stretches, puts together what they have left, and settles their transactions, as far as all that holds.
    fn run(
        &self,
        main: &Overlay<'_, V::Key, V::Value, S>,
        fold: &mut Fold<'_, V>,
        recorder: &mut Option<&mut Recorder<V::Key>>,
    ) -> Done<V> {
        let Self {
            runtime,
            input,
            ranges,
            is_last,
        } = self;
        let count = ranges.len();
        // Nobody executes yet, so it is as short as can be: each forecast is asked for once.
        let mut bases = vec![Base::new(main)];
        for range in &ranges[..count - 1] {
            bases.push(bases[bases.len() - 1].after(input, range.clone()));
        }
        let broken = AtomicUsize::new(count);
        let spent = Mutex::new(Spent::default());
        let act = |done: &mut Vec<_>, number: usize| {
            span!("stretch", number = number);
            let range = ranges[number].clone();
            let (stretch, results, mine) =
                stretch::execute(input, &bases[number], range, (number, &broken));
            *lock(&spent) += mine;
            done.push((number, stretch, results));
        };
        let done = crew::share(runtime, count - 1, count, |_| Vec::new(), act);
        let mut done: Vec<_> = done.into_iter().flatten().collect();
        done.sort_unstable_by_key(|(number, ..)| *number);
        let done = done
            .into_iter()
            .map(|(_, stretch, results)| (stretch, results));
        let (mut stretches, mut results): (Vec<_>, Vec<_>) = done.unzip();
        fold.spent(*lock(&spent));
        if !mutant!("settle_past_the_gap") {
            // ORDERING: Relaxed. They are done, and the pool has handed over what they did.
            stretches.truncate(broken.load(Ordering::Relaxed) + 1);
        }

        let merged = merge::merge(runtime, (main, &bases), &stretches, PARTS * count);
        let has_scanned = stretches.iter().any(|stretch| stretch.has_scanned);
        let is_right = merged.valid == stretches.len() && !has_scanned;
        let is_all = *is_last && is_right && stretches.len() == count;
        let risks = if *is_last {
            0
        } else {
            stretches.iter().map(Stretch::risks).sum()
        };
        stretches.truncate(merged.valid);
        let wasted: usize = results
            .drain(merged.valid..)
            .map(|in_vain| in_vain.len())
            .sum();
        fold.statistics.attempts += wasted;
        fold.statistics.deceived += wasted;

        let tables = stretches.into_iter();
        let tables: Vec<_> = tables
            .map(|stretch| Mutex::new(Some(stretch.table)))
            .collect();
        let parts = tables.len() + 1;
        let settling = Mutex::new(Some((fold, recorder, results)));
        let is_settled = AtomicUsize::new(0);
        // The first part is to settle the transactions; then a table each.
        let act = |(changed, met): &mut (Vec<_>, Vec<_>), part: usize| {
            let Some(number) = part.checked_sub(1) else {
                if let Some((fold, recorder, results)) = lock(&settling).take() {
                    span!("settle");
                    let all = settle::settle(fold, recorder, results.into_iter(), || {
                        input.is_cancelled()
                    });
                    // ORDERING: Relaxed. It is looked at when the pool has handed over what was done.
                    is_settled.store(usize::from(all), Ordering::Relaxed);
                }
                return;
            };
            let table = lock(&tables[number]).take();
            let met = (!is_all).then_some(met);
            changed.extend(table.map(|table| merged.changes(number, table, met)));
        };
        let left = crew::share(runtime, parts - 1, parts, |_| Default::default(), act);
        let (changed, met): (Vec<_>, Vec<_>) = left.into_iter().unzip();
        Done {
            changed: changed.into_iter().flatten().collect(),
            met: met.into_iter().flatten().collect(),
            // ORDERING: Relaxed, as above.
            is_settled: is_settled.load(Ordering::Relaxed) == 1,
            is_right,
            risks,
            merged,
        }
    }
}
