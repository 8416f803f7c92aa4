//! Runs the transactions of a plan, and has them settled in block order as they come.

use std::{
    collections::VecDeque,
    ops::{ControlFlow, Range},
    time::Instant,
};

use super::{
    attempt::{Input, Tools},
    crew,
    plan::Plan,
    runtime::Runtime,
    settling::{End, Hands, Settling, Shared},
};
use crate::{
    execute::{Fold, Known, Overlay, Recorder},
    mutant::mutant,
    protocol::{
        ready::{Job, Ready, Working},
        turn::Turn,
    },
    state::{Changes, State},
    sync::invariant,
    times::Spent,
    vm::Vm,
};

/// After so many transactions a worker settles what can be settled.
const MUCH: usize = if cfg!(pleach_loom) { 2 } else { 64 };

/// So many transactions at most are taken at a time: a few lines of what is known of them are then one thread's own.
const BATCH: usize = 16;

/// So many that cannot run yet are set aside, to be looked at again a little later. Often that is soon enough, and costs nobody else
/// anything; beyond that they are put on the lists of those that they wait for.
const ASIDE: usize = if cfg!(any(pleach_loom, pleach_shuttle)) {
    1
} else {
    16
};

/// Where few can run side by side, a worker takes no more than so many at a time, and sets no more aside: what it is ahead with holds
/// up the others.
const FEW: usize = 2;

/// There a worker that has set something aside looks so often whether it can run, before it goes on with what comes later: somebody
/// else is at what that waits for. If this was in vain it does not do so again before it has run something, and then half as often:
/// the other one may not have a core.
const LOOKS: usize = 200;
const FEW_LOOKS: usize = 64;

/// What running a plan has left.
pub(super) struct Ran<'a, V: Vm> {
    /// The settled transactions, which are all of them unless something came that the plan has not foreseen.
    pub(super) fold: Fold<'a, V>,
    /// How many of them have left exactly what the block keeps of them.
    pub(super) clean: usize,
    /// Why it went no further.
    pub(super) end: Option<End>,
    /// What they have made of each key that has free accesses.
    running: Vec<Known<V::Value>>,
}

/// Runs all transactions of a plan, unless somebody cancels, or one of them ends it.
pub(super) fn run<'a, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    plan: &Plan<V>,
    input: &Input<'_, V, S>,
    fold: Fold<'a, V>,
    recorder: Option<&mut Recorder<V::Key>>,
) -> Ran<'a, V> {
    let count = plan.transactions();
    // A worker that is given more than another one at the end should not be given much more.
    let workers = runtime.workers().get();
    let batch = (count / (8 * workers)).clamp(1, BATCH);
    let (batch, most_aside, looks) = if plan.is_chain_each(workers) {
        // Whoever ends a transaction goes on with the one that waits for it, and has its values at hand.
        (batch, 0, 0)
    } else if plan.is_deep() {
        (batch.min(FEW), FEW, LOOKS)
    } else {
        (batch, ASIDE, 0)
    };
    let shared = Shared {
        plan,
        input,
        ready: &Ready::new(count.div_ceil(batch)),
    };
    let settling = Turn::new(Settling::new(plan, fold, recorder));
    let spent = crew::run(
        runtime,
        count.saturating_sub(1),
        shared.ready,
        |_, working| {
            let worker = Worker {
                shared: &shared,
                settling: &settling,
                hands: Hands {
                    tools: Tools::new(input),
                    locals: Vec::new(),
                },
                batch,
                taken: 0..0,
                mine: VecDeque::new(),
                aside: VecDeque::new(),
                most_aside,
                most_looks: looks,
                looks,
                woken: Vec::new(),
                offers: Vec::new(),
                unsettled: 0,
                spent: Spent::default(),
            };
            worker.work(working)
        },
    );
    let Settling {
        mut fold,
        clean,
        running,
        end,
        ..
    } = settling.into_inner();
    fold.spent(spent);
    let has_cause = end.is_some() || clean == count || input.is_cancelled();
    invariant!(has_cause, "transactions are left and nothing stopped them");
    Ran {
        fold,
        clean,
        end,
        running,
    }
}

impl<'a, V: Vm> Ran<'a, V> {
    /// What all transactions together have changed, which are all clean.
    pub(super) fn into_changes(
        self,
        runtime: &Runtime,
        plan: &Plan<V>,
    ) -> (Fold<'a, V>, Changes<V::Key, V::Value>) {
        let Self { fold, running, .. } = self;
        let gather = |changed: &mut Vec<_>, part| {
            let written = plan.written(part);
            changed.extend(written.filter_map(|(key, number, last)| {
                let value = if plan.is_free_key(number) {
                    running[number as usize].clone()
                } else {
                    // SAFETY: All transactions have run, and each key has one last write, in one part.
                    unsafe { plan.slot(last).remove() }?
                };
                value.is_known().then(|| (key.clone(), value.into_option()))
            }));
        };
        let parts = plan.parts();
        let changed = crew::share(runtime, parts - 1, parts, |_| Vec::new(), gather);
        let changed = changed.into_iter().reduce(|mut all, more| {
            all.extend(more);
            all
        });
        (fold, Changes::from_unsorted(changed.unwrap_or_default()))
    }

    /// Lets another executor begin with what the clean transactions have left.
    pub(super) fn adopt<S: State<V::Key, V::Value>>(
        self,
        plan: &Plan<V>,
        overlay: &mut Overlay<'_, V::Key, V::Value, S>,
    ) -> Fold<'a, V> {
        for transaction in 0..self.clean as u32 {
            let (chunk, local) = plan.chunk(transaction);
            for (planned, value) in chunk
                .of(local)
                .iter()
                .zip(&chunk.values[chunk.range(local)])
            {
                if plan.is_free_key(chunk.link(planned).number) {
                    continue;
                }
                // SAFETY: It has run, and nobody runs any more.
                let left = unsafe { value.get() };
                if let Some(value) = left.filter(|value| value.is_known()) {
                    overlay.adopt(&planned.key, value.clone());
                }
            }
        }
        for part in 0..plan.parts() {
            for (key, number, _) in plan.written(part) {
                if let Some(value) = self.running.get(number as usize)
                    && value.is_known()
                {
                    overlay.adopt(key, value.clone());
                }
            }
        }
        self.fold
    }
}

struct Worker<'w, 'a, 'r, V: Vm, S> {
    shared: &'w Shared<'w, V, S>,
    settling: &'w Turn<Settling<'a, 'r, V>>,
    hands: Hands<V>,
    /// How many transactions are taken at a time.
    batch: usize,
    /// Those that it has taken, and not looked at.
    taken: Range<u32>,
    /// What this worker has made ready and nobody else has wanted.
    mine: VecDeque<u32>,
    /// What could not run when it was looked at last, and is on nobody's list.
    aside: VecDeque<u32>,
    /// How many may be set aside.
    most_aside: usize,
    /// How often to look at what is set aside, and how often to look now.
    most_looks: usize,
    looks: usize,
    /// What became ready by a commit.
    woken: Vec<u32>,
    offers: Vec<u32>,
    /// How many transactions it has run since it last settled.
    unsettled: usize,
    spent: Spent,
}

impl<V: Vm, S: State<V::Key, V::Value>> Worker<'_, '_, '_, V, S> {
    fn work(mut self, mut working: Working) -> Spent {
        let Shared { plan, ready, .. } = *self.shared;
        loop {
            if let Some(transaction) = self.next() {
                if self.transaction(transaction).is_break() {
                    self.mine.clear();
                    self.aside.clear();
                    self.taken = 0..0;
                }
                self.share(&working);
                continue;
            }
            let job = if let Some(job) = ready.poll(&working) {
                job
            } else if let Some(transaction) = self.aside.pop_front() {
                // Whoever sleeps has all that it cannot run on others' lists.
                if self.shared.plan.need_not_wait(transaction) {
                    self.mine.push_back(transaction);
                }
                continue;
            } else if self.unsettled > 0 && !mutant!("sleep_unsettled") {
                // Whoever sleeps has left nothing undone: somebody may wait for a commit.
                self.settle();
                continue;
            } else if let Some((still, job)) = ready.next(working) {
                working = still;
                job
            } else {
                return self.spent;
            };
            match job {
                Job::Transaction(transaction) => self.mine.push_back(transaction),
                Job::Task(task) => {
                    let first = task * self.batch;
                    let end = plan.transactions().min(first + self.batch);
                    self.taken = first as u32..end as u32;
                    if !cfg!(any(pleach_loom, pleach_shuttle)) {
                        plan.preload(self.taken.clone());
                    }
                }
            }
        }
    }

    /// What this worker has and had better do next.
    fn next(&mut self) -> Option<u32> {
        let plan = self.shared.plan;
        // What became ready holds up others, and so does what was set aside first.
        if let Some(transaction) = self.mine.pop_front() {
            return Some(transaction);
        }
        let can_run = |transaction: &u32| plan.holdup(*transaction).is_none();
        if self.aside.front().is_some_and(can_run) {
            return self.aside.pop_front();
        }
        self.taken.next().or_else(|| self.set_aside())
    }

    /// One of those that were set aside, if one can run, or can a moment later.
    fn set_aside(&mut self) -> Option<u32> {
        if self.aside.is_empty() {
            return None;
        }
        let plan = self.shared.plan;
        let can_run = |transaction: &u32| plan.holdup(*transaction).is_none();
        let place = loop {
            if let Some(place) = self.aside.iter().position(can_run) {
                break place;
            }
            if self.looks == 0 {
                return None;
            }
            self.looks -= 1;
            if self.looks == 0 {
                self.most_looks = FEW_LOOKS.max(self.most_looks / 2);
            }
            std::hint::spin_loop();
        };
        if self.looks < self.most_looks {
            self.most_looks = LOOKS.min(self.most_looks * 2);
        }
        self.aside.remove(place)
    }

    /// Offers half of what this worker has, if somebody wants it: the later ones, as the earlier ones hold up more.
    fn share(&mut self, working: &Working) {
        let ready = self.shared.ready;
        if !ready.is_wanted() {
            return;
        }
        let offered = usize::midpoint(self.mine.len(), self.taken.len());
        let of_taken = offered.min(self.taken.len());
        let kept = self.taken.end - of_taken as u32;
        self.offers.extend(kept..self.taken.end);
        self.taken.end = kept;
        let kept = self.mine.len() - (offered - of_taken);
        self.offers.extend(self.mine.drain(kept..));
        ready.offer(working, &self.offers);
        self.offers.clear();
    }

    /// Whether a transaction can run. If not, it is looked at again, or whoever ends what it waits for has it.
    fn can_run(&mut self, transaction: u32) -> bool {
        if self.shared.plan.holdup(transaction).is_none() {
            return true;
        }
        if self.aside.len() < self.most_aside {
            self.aside.push_back(transaction);
            return false;
        }
        self.shared.plan.need_not_wait(transaction)
    }

    /// Runs a transaction if it can, unless the block is over: then there is no use in going on.
    fn transaction(&mut self, transaction: u32) -> ControlFlow<()> {
        let Shared { plan, input, ready } = *self.shared;
        if input.is_cancelled() {
            ready.stop();
            return ControlFlow::Break(());
        }
        if !self.can_run(transaction) {
            return ControlFlow::Continue(());
        }
        let begun = input.is_timed.then(Instant::now);
        // SAFETY: It can run: those whose values it sees have left their reports, or are committed. Transactions are taken
        // once, and woken once by the one that they wait for.
        let report = unsafe { self.shared.attempt(transaction, None, &mut self.hands) };
        if let Some(begun) = begun {
            self.spent.executing += begun.elapsed();
        }
        let (chunk, local) = plan.chunk(transaction);
        // SAFETY: This thread alone runs the transaction for the first time, once.
        let woken = unsafe { chunk.reports.leave(local as u32, report) };
        plan.gather(woken, &mut self.woken);
        self.mine.extend(self.woken.drain(..));
        self.looks = self.most_looks;
        self.unsettled += 1;
        if self.unsettled >= MUCH || (plan.waits_for_commits() && ready.is_wanted()) {
            self.settle();
        }
        if ready.is_stopped() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Settles what can be settled, of whoever's transactions.
    fn settle(&mut self) {
        self.unsettled = 0;
        let begun = self.shared.input.is_timed.then(Instant::now);
        let (shared, hands, woken) = (self.shared, &mut self.hands, &mut self.woken);
        self.settling
            .take(|settling| settling.advance(shared, hands, woken));
        self.mine.extend(self.woken.drain(..));
        if let Some(begun) = begun {
            self.spent.committing += begun.elapsed();
        }
    }
}
