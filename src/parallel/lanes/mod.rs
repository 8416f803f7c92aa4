//! The block is split into lanes, one for each worker, of transactions that probably depend on each other, and what they leave is put together.
//!
//! | file | what |
//! | --- | --- |
//! | `groups.rs` | which transactions probably depend on each other |
//! | `deal.rs` | who executes which of them |
//! | `lane.rs` | executes a lane, on a table of its own |
//! | `log.rs` | what its transactions were told and have changed |
//! | `line.rs` | what has become of a key in the order of the block |
//! | `check.rs` | finds out who was told what is not so |
//! | `mend.rs` | executes those again |
//! | `sum.rs` | what keys come to then |
//!
//! As in [stretches](super::split) a transaction costs hardly more than serially, as no worker sees what others write while they run. But
//! its lane is not what follows each other in the block: those that probably depend on each other are executed by one worker, one after another,
//! wherever in the block they are. So each was told what is so unless it depends on somebody of whom nobody had said that. What it was told is
//! written down, one by one, and if lanes have touched the same key, compared with what it would have been told in the order of the block.
//! Who was told something else is executed again, by one thread.

mod check;
mod deal;
mod groups;
mod lane;
mod line;
mod log;
mod mend;
mod sum;

use std::cmp::Reverse;

use super::{
    attempt::Input,
    crew,
    outlook::Outlook,
    runtime::Runtime,
    split::{Changed, Left, Ran, base::Base, settle},
};
use crate::{
    error::ExecuteError,
    execute::{Fold, Overlay, Recorder, Rest},
    mutant::mutant,
    state::{Changes, State},
    sync::{AtomicUsize, Mutex, Ordering, lock},
    times::Spent,
    trace::span,
    vm::Vm,
};
use check::On;
use deal::Deal;
use lane::Came;
use mend::{Mended, What};
use sum::{Sum, Table};

/// The keys are put together in so many parts for each worker.
const PARTS: usize = 4;

/// Which transactions probably depend on each other, of those that are not settled.
pub(super) struct Groups {
    /// The group of each.
    of: Vec<u32>,
    /// What each probably takes.
    costs: Vec<f64>,
}

impl Groups {
    /// Of transactions from the `first` on. `None` if nobody says anything of that, or if it is not good `enough` that the dearest group takes such a
    /// part of all.
    pub(super) fn new<V: Vm, S>(
        input: &Input<'_, V, S>,
        first: usize,
        (outlook, workers): (&Outlook, usize),
        enough: impl Fn(f64) -> bool,
    ) -> Option<Self> {
        let costs: Vec<_> = (first..input.transactions.len())
            .map(outlook.costs())
            .collect();
        let of = groups::groups(input, first, (&costs, workers), enough)?;
        Some(Self { of, costs })
    }

    /// Each transaction is a group.
    pub(super) fn none(transactions: usize) -> Self {
        Self {
            of: (0..transactions as u32).collect(),
            costs: vec![1.0; transactions],
        }
    }
}

/// Whether a tree came with the block, which is not a chain, going by some transactions.
pub(super) fn has_tree<V: Vm, S>(input: &Input<'_, V, S>) -> bool {
    groups::tree(input).is_some() && !groups::are_one(input)
}

/// Executes all transactions that are not settled, of which each has a group, if that settles all of them. `main` has what those before have left.
pub(super) fn run<'a, 's, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    (rest, input, outlook): (&Rest<'_, V>, &Input<'_, V, S>, &mut Outlook),
    groups: &Groups,
    mut fold: Fold<'a, V>,
    mut recorder: Option<&mut Recorder<V::Key>>,
    mut main: Overlay<'s, V::Key, V::Value, S>,
) -> Result<Ran<'a, 's, V, S>, ExecuteError> {
    let first = fold.settled();
    let count = groups.of.len();
    if count == 0 || fold.has_ended() || input.is_cancelled() {
        return Ok(Ran::left(fold, main, false));
    }
    let workers = runtime.workers().get().min(count);
    let base = Base::new(&main);
    let deal = Deal::new(&groups.of, &groups.costs, workers);
    let how = (&deal, first, workers);
    let (lanes, mut results, busy) = execute(runtime, input, &base, how, outlook);
    fold.spent(busy);
    for lane in &lanes {
        outlook.add(&lane.costs);
    }
    let dealt: usize = lanes.iter().map(|lane| lane.log.places().len()).sum();
    if dealt < count {
        // It was cancelled.
        drop(lanes);
        return Ok(Ran::left(fold, main, false));
    }

    let mut checked = check::check(runtime, &main, &base, &lanes, PARTS * workers);
    // Which lane has executed each, and which of its transactions it was.
    let mut by = vec![(0, 0); count];
    for (number, (lane, results)) in lanes.iter().zip(&results).enumerate() {
        for (at, (place, result)) in lane.log.places().iter().zip(results).enumerate() {
            by[*place as usize] = (number as u32, at as u32);
            checked.wrong.extend(result.is_none().then_some(*place));
        }
    }
    let mut mended = Mended::nothing();
    if !checked.wrong.is_empty() && !mutant!("believe_lanes") {
        let what = What {
            input,
            first,
            main: &main,
            base: &base,
            lanes: &lanes,
            by: &by,
        };
        let wrong = std::mem::take(&mut checked.wrong);
        mended = mend::mend(what, wrong, &mut results);
        fold.spent(mended.spent);
    }
    by.truncate(mended.broken.unwrap_or(count));
    fold.statistics.attempts += mended.again;
    fold.statistics.deceived += mended.again;
    let mend_time = mended.spent.all.as_secs_f64();

    let sum = Sum::new(&main, &lanes, checked, mended.values);
    let tables = lanes.into_iter().map(|lane| lane.table);
    let came = by
        .iter()
        .map_while(|(lane, at)| results[*lane as usize][*at as usize].take());
    let settle = |fold: &mut Fold<'a, V>| {
        span!("settle");
        let before = fold.settled();
        let all = settle::settle(fold, &mut recorder, came, || input.is_cancelled());
        fold.statistics.lanes += fold.settled() - before;
        all
    };
    let (is_settled, changed) = beside(runtime, (&mut fold, settle), sum.tables(tables));
    let is_all = is_settled && fold.settled() == first + count;
    if groups::tree(input).is_some() && !input.is_cancelled() {
        // If not all of it stands, it was all in vain, or might as well have been.
        let part = mend_time / busy.all.as_secs_f64().max(f64::MIN_POSITIVE);
        outlook.show_mended(if is_all { part } else { 1.0 });
    }
    if !is_all {
        rest.replay(&fold, &mut main, first)?;
        return Ok(Ran::left(fold, main, mended.are_many));
    }
    fold.statistics.keys = main.keys() + sum.keys;
    let changed = changed.into_iter().chain(sum.rest(main));
    Ok(Ran {
        fold,
        left: Left::Nothing(Changes::from_parts(changed.collect())),
    })
}

/// Lanes that were executed, what the transactions of each came to, and what was spent.
type Executed<'b, 'm, 's, V, S> = (Vec<On<'b, 'm, 's, V, S>>, Vec<Vec<Came<V>>>, Spent);

/// Executes lanes on what they begin with. The one that has touched most is the first: what others have touched is looked up there.
fn execute<'b, 'm, 's, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    input: &Input<'_, V, S>,
    base: &'b Base<'m, 's, V, S>,
    (deal, first, workers): (&Deal<'_>, usize, usize),
    outlook: &Outlook,
) -> Executed<'b, 'm, 's, V, S> {
    let spent = Mutex::new(Spent::default());
    let act = |done: &mut Vec<_>, worker: usize| {
        span!("lane", worker = worker);
        let (lane, came, mine) = lane::execute(input, base, (deal, first, worker), outlook);
        *lock(&spent) += mine;
        done.extend((!lane.log.places().is_empty()).then_some((lane, came)));
    };
    let done = crew::share(runtime, workers - 1, workers, |_| Vec::new(), act);
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_by_key(|(lane, _)| Reverse(lane.table.keys()));
    let (lanes, results) = done.into_iter().unzip();
    (lanes, results, *lock(&spent))
}

/// Settles transactions, while others find out what tables have changed.
fn beside<'a, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    (fold, settle): (
        &mut Fold<'a, V>,
        impl FnOnce(&mut Fold<'a, V>) -> bool + Send,
    ),
    tables: Vec<Table<'_, V, S>>,
) -> (bool, Vec<Changed<V>>) {
    let tables: Vec<_> = tables
        .into_iter()
        .map(|table| Mutex::new(Some(table)))
        .collect();
    let parts = tables.len() + 1;
    let settling = Mutex::new(Some((fold, settle)));
    let is_settled = AtomicUsize::new(0);
    // The first part is to settle the transactions; then a table each.
    let act = |changed: &mut Vec<_>, part: usize| {
        if let Some(number) = part.checked_sub(1) {
            let table = lock(&tables[number]).take();
            changed.extend(table.map(Table::changes));
        } else if let Some((fold, settle)) = lock(&settling).take() {
            // ORDERING: Relaxed. It is looked at when the pool has handed over what was done.
            is_settled.store(usize::from(settle(fold)), Ordering::Relaxed);
        }
    };
    let changed = crew::share(runtime, tables.len(), parts, |_| Vec::new(), act);
    // ORDERING: Relaxed, as above.
    let is_settled = is_settled.load(Ordering::Relaxed) == 1;
    (is_settled, changed.into_iter().flatten().collect())
}

#[cfg(all(test, not(any(pleach_loom, pleach_shuttle))))]
mod tests;
