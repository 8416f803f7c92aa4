//! Has stretches executed side by side, and puts together what they leave.

use std::{ops::Range, sync::OnceLock};

use super::{
    Changed,
    base::Base,
    merge::{self, Merged, On},
    repair, settle,
    shares::{Shares, Stolen},
    stretch::{self, Plan, Results, Stretch},
};
use crate::{
    execute::{Fold, Overlay, Recorder},
    mutant::mutant,
    parallel::{attempt::Input, costs::Costs, crew, outlook::Outlook, runtime::Runtime},
    state::State,
    sync::{AtomicUsize, Mutex, Ordering, lock},
    times::Spent,
    trace::span,
    vm::Vm,
};

/// The keys are put together in so many parts for each worker.
const PARTS: usize = 4;

/// Stretches that are executed side by side.
pub(super) struct Round<'r, 'i, V: Vm, S> {
    pub(super) runtime: &'r Runtime,
    pub(super) input: &'r Input<'i, V, S>,
    pub(super) shares: Shares,
    pub(super) outlook: &'r Outlook,
    pub(super) workers: usize,
    pub(super) is_last: bool,
    /// Whether stretches that were told what is not so are repaired.
    pub(super) is_risky: bool,
}

/// What a round has come to.
pub(super) struct Done<V: Vm> {
    /// What those transactions have changed that are settled, by stretches.
    pub(super) changed: Vec<Changed<V>>,
    /// What else they have touched, unless that is all of the block.
    pub(super) met: Vec<V::Key>,
    /// Whether the block keeps what they have left.
    pub(super) is_settled: bool,
    /// Whether all stretches were told what is so, and none wanted to know more than it can be told.
    pub(super) is_right: bool,
    /// How many keys stretches behind the first have looked at and changed, unless the block ends with them.
    pub(super) risks: usize,
    /// How many transactions were executed again.
    pub(super) again: usize,
    pub(super) merged: Merged<V>,
    /// What transactions of the first stretch took.
    pub(super) costs: Costs,
}

impl<V: Vm, S: State<V::Key, V::Value>> Round<'_, '_, V, S> {
    /// Executes the stretches, puts together what they have left, and settles their transactions, as far as all that holds.
    pub(super) fn run(
        &self,
        main: &Overlay<'_, V::Key, V::Value, S>,
        fold: &mut Fold<'_, V>,
        recorder: &mut Option<&mut Recorder<V::Key>>,
    ) -> Done<V> {
        let Self {
            runtime,
            input,
            shares,
            workers,
            is_last,
            is_risky,
            ..
        } = self;
        let bases = (0..shares.most()).map(|_| OnceLock::new());
        let bases: Bases<'_, '_, V, S> = bases.collect();
        let (mut stretches, mut results, broken) = self.execute(main, &bases, fold);
        if !mutant!("settle_past_the_gap") {
            let before = stretches.partition_point(|stretch| stretch.first <= broken);
            stretches.truncate(before);
        }

        let costs = stretches.first().map(|first| first.costs);
        let mut merged = merge::merge(runtime, main, &stretches, PARTS * workers);
        let mut again = 0;
        let has_bad = merged.has_bad();
        if has_bad {
            if *is_risky {
                let all = (&mut stretches[..], &mut results[..]);
                let (count, spent) = repair::repair(input, main, all, &mut merged);
                again = count;
                fold.spent(spent);
            } else {
                merged.leave_bad();
            }
        }
        let has_scanned = stretches.iter().any(|stretch| stretch.has_scanned);
        let is_right = merged.valid == stretches.len() && !has_scanned;
        let is_all = *is_last && is_right && broken == usize::MAX;
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
        fold.statistics.attempts += wasted + again;
        fold.statistics.deceived += wasted + again;

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
                    let before = fold.settled();
                    let results = results.into_iter().flatten();
                    let all = settle::settle(fold, recorder, results, || input.is_cancelled());
                    fold.statistics.split += fold.settled() - before;
                    // ORDERING: Relaxed. It is looked at when the pool has handed over what was done.
                    is_settled.store(usize::from(all), Ordering::Relaxed);
                }
                return;
            };
            let table = lock(&tables[number]).take();
            let met = (!is_all).then_some(met);
            changed.extend(table.map(|table| merged.changes(number, table, met)));
        };
        let left = crew::share(runtime, workers - 1, parts, |_| Default::default(), act);
        let (changed, met): (Vec<_>, Vec<_>) = left.into_iter().unzip();
        Done {
            changed: changed.into_iter().flatten().collect(),
            met: met.into_iter().flatten().collect(),
            // ORDERING: Relaxed, as above.
            is_settled: is_settled.load(Ordering::Relaxed) == 1,
            is_right: is_right && (broken == usize::MAX || !has_bad),
            risks,
            again,
            merged,
            costs: costs.unwrap_or_default(),
        }
    }

    /// Executes the stretches: what they leave, what their transactions came to, and the first transaction that has come to nothing that
    /// could be settled.
    fn execute<'b, 'm, 's>(
        &self,
        main: &'m Overlay<'s, V::Key, V::Value, S>,
        bases: &'b Bases<'m, 's, V, S>,
        fold: &mut Fold<'_, V>,
    ) -> (Vec<On<'b, 'm, 's, V, S>>, Vec<Results<V>>, usize) {
        let Self { input, shares, .. } = self;
        // Nobody executes yet, so it is as short as can be: each forecast is asked for once.
        let ranges = shares.ranges();
        let mut before: Option<(&Base<'_, '_, V, S>, Range<usize>)> = None;
        for (place, range) in bases.iter().zip(&ranges) {
            let base = match before {
                Some((base, range)) => base.after(input, range),
                None => Base::new(main),
            };
            before = Some((place.get_or_init(|| base), range.clone()));
        }
        let broken = AtomicUsize::new(usize::MAX);
        let plan = Plan {
            shares,
            first: fold.settled(),
            broken: &broken,
            outlook: self.outlook,
            is_logged: self.is_risky,
        };
        let spent = Mutex::new(Spent::default());
        let execute = |done: &mut Vec<_>, share: usize, first| {
            span!("stretch", first = first);
            let base = bases[share].get();
            let base = base.expect("who makes a share says how it begins");
            let (stretch, results, mine) = stretch::execute(input, base, &plan, (share, first));
            *lock(&spent) += mine;
            done.push((stretch, results));
        };
        // Who is late finds all shares given, and takes over.
        let act = |done: &mut Vec<_>, _: usize| {
            while let Some(share) = shares.give(ranges.len()) {
                execute(done, share, ranges[share].start);
            }
            // ORDERING: Relaxed. What is taken over in vain is in vain.
            let is_over = || input.is_cancelled() || broken.load(Ordering::Relaxed) < usize::MAX;
            while !is_over()
                && let Some(Stolen { share, of, before }) = shares.steal()
            {
                let first = before.end;
                let of = bases[of].get().expect("what was begun has one");
                bases[share].get_or_init(|| of.after(input, before));
                execute(done, share, first);
            }
        };
        let (helpers, parts) = (self.workers - 1, self.workers);
        let done = crew::share(self.runtime, helpers, parts, |_| Vec::new(), act);
        let mut done: Vec<_> = done.into_iter().flatten().collect();
        done.sort_unstable_by_key(|(stretch, _)| stretch.first);
        let (stretches, results) = done.into_iter().unzip();
        fold.spent(*lock(&spent));
        // ORDERING: Relaxed. They are done, and the pool has handed over what they did.
        (stretches, results, broken.load(Ordering::Relaxed))
    }
}

/// What stretches begin with, by the numbers of their shares.
type Bases<'m, 's, V, S> = Vec<OnceLock<Base<'m, 's, V, S>>>;
