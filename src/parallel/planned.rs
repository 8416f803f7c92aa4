//! Runs the transactions of a plan, and has them settled in block order as they come.

use std::{collections::VecDeque, ops::ControlFlow, time::Instant};

use super::{
    attempt::{Input, Tools},
    crew,
    plan::{Plan, Task},
    runtime::Runtime,
    settling::{End, Hands, Settling, Shared},
    view::Memory,
};
use crate::{
    execute::{Fold, Known, Overlay, Recorder},
    mutant::mutant,
    protocol::{
        ready::{Job, Ready, Working},
        reports::Reports,
        turn::Turn,
    },
    state::{Changes, State},
    sync::invariant,
    times::Spent,
    value::Value,
    vm::Vm,
};

/// After so many transactions a worker settles what can be settled.
const MUCH: usize = if cfg!(pleach_loom) { 2 } else { 64 };

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
    memory: Memory<V::Value>,
}

/// Runs all transactions of a plan, unless somebody cancels, or one of them ends it.
pub(super) fn run<'a, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    plan: &Plan<V::Key, <V::Value as Value>::Amount>,
    input: &Input<'_, V, S>,
    fold: Fold<'a, V>,
    recorder: Option<&mut Recorder<V::Key>>,
) -> Ran<'a, V> {
    let memory = Memory::new(plan);
    let shared = Shared {
        plan,
        input,
        memory: &memory,
        reports: &Reports::new(plan.transactions()),
        ready: &Ready::new(plan.tasks.len()),
    };
    let settling = Turn::new(Settling::new(plan, fold, recorder));
    let spent = crew::run(runtime, plan.helpers(), shared.ready, |_, working| {
        let worker = Worker {
            shared: &shared,
            settling: &settling,
            hands: Hands {
                tools: Tools::new(input),
                locals: Vec::new(),
            },
            mine: VecDeque::new(),
            woken: Vec::new(),
            offers: Vec::new(),
            unsettled: 0,
            spent: Spent::default(),
        };
        worker.work(working)
    });
    let Settling {
        mut fold,
        clean,
        running,
        end,
        ..
    } = settling.into_inner();
    fold.spent(spent);
    let has_cause = end.is_some() || clean == plan.transactions() || input.is_cancelled();
    invariant!(has_cause, "transactions are left and nothing stopped them");
    Ran {
        fold,
        clean,
        end,
        running,
        memory,
    }
}

impl<'a, V: Vm> Ran<'a, V> {
    /// What all transactions together have changed, which are all clean.
    pub(super) fn into_changes(
        self,
        plan: &Plan<V::Key, <V::Value as Value>::Amount>,
    ) -> (Fold<'a, V>, Changes<V::Key, V::Value>) {
        let Self {
            fold,
            mut running,
            memory: Memory { mut values, .. },
            ..
        } = self;
        let keys = plan.keys.keys().iter().zip(&plan.last_writes).enumerate();
        let changed = keys.filter_map(|(number, (key, write))| {
            let value = if plan.is_free_key(number as u32) {
                std::mem::replace(&mut running[number], Known::No)
            } else {
                std::mem::take(values.get_mut(*write as usize)?).into_inner()?
            };
            value.is_known().then(|| (key.clone(), value.into_option()))
        });
        (fold, Changes::from_unsorted(changed.collect()))
    }

    /// Lets another executor begin with what the clean transactions have left.
    pub(super) fn adopt<S: State<V::Key, V::Value>>(
        self,
        plan: &Plan<V::Key, <V::Value as Value>::Amount>,
        overlay: &mut Overlay<'_, V::Key, V::Value, S>,
    ) -> Fold<'a, V> {
        let keys = plan.keys.keys();
        let end = self.clean.checked_sub(1);
        let end = end.map_or(0, |last| plan.range(last as u32).end);
        let written = plan.accesses[..end].iter().zip(self.memory.values);
        let written = written.filter(|(planned, _)| !plan.is_free_key(planned.key));
        for (planned, value) in written {
            if let Some(value) = value.into_inner().filter(Known::is_known) {
                overlay.adopt(&keys[planned.key as usize], value);
            }
        }
        for (key, value) in keys.iter().zip(self.running) {
            if value.is_known() {
                overlay.adopt(key, value);
            }
        }
        self.fold
    }
}

struct Worker<'w, 'a, 'r, V: Vm, S> {
    shared: &'w Shared<'w, V, S>,
    settling: &'w Turn<Settling<'a, 'r, V>>,
    hands: Hands<V>,
    /// What this worker has made ready and nobody else has wanted.
    mine: VecDeque<u32>,
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
            let job = if let Some(transaction) = self.mine.pop_front() {
                Job::Transaction(transaction)
            } else if let Some(job) = ready.poll(&working) {
                job
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
            let transaction = match job {
                Job::Transaction(transaction) => transaction,
                Job::Task(task) => match plan.tasks[task] {
                    Task::Root(transaction) => transaction,
                    Task::Batch(start, end) => {
                        let mut batch = plan.batched[start as usize..end as usize].iter();
                        // Nobody else looks at what those would have left that a cancelled block leaves out.
                        let _ = batch.try_for_each(|transaction| self.transaction(*transaction));
                        self.share(&working);
                        continue;
                    }
                },
            };
            self.follow(&working, transaction);
        }
    }

    /// Runs a transaction, and then all that it and they make ready, unless somebody else wants some of it.
    fn follow(&mut self, working: &Working, first: u32) {
        let plan = self.shared.plan;
        let mut next = Some(first);
        while let Some(transaction) = next.take() {
            if self.transaction(transaction).is_break() {
                self.mine.clear();
                return;
            }
            for waiting in plan.waiting(transaction) {
                if plan.countdowns[*waiting as usize].arrive() {
                    // The first goes on where its values are; they come in their order.
                    match next {
                        None => next = Some(*waiting),
                        Some(_) => self.mine.push_back(*waiting),
                    }
                }
            }
            self.share(working);
            next = next.or_else(|| self.mine.pop_front());
        }
    }

    /// Offers some of what this worker has made ready, if somebody wants it.
    fn share(&mut self, working: &Working) {
        let ready = self.shared.ready;
        if !self.mine.is_empty() && ready.is_wanted() {
            // At least half of them: the later ones, as the earlier ones hold up more.
            let kept = self.mine.len() / 2;
            self.offers.extend(self.mine.drain(kept..));
            ready.offer(working, &self.offers);
            self.offers.clear();
        }
    }

    /// Runs a transaction, unless the block is over: then there is no use in going on.
    fn transaction(&mut self, transaction: u32) -> ControlFlow<()> {
        let Shared {
            plan,
            input,
            reports,
            ready,
            ..
        } = *self.shared;
        if input.is_cancelled() {
            ready.stop();
            return ControlFlow::Break(());
        }
        let begun = input.is_timed.then(Instant::now);
        // SAFETY: Transactions of a batch run in block order on one thread, after all others of their branches that are
        // before them. Others run when their countdowns are over, which every transaction whose values they see has
        // counted down afterwards, or whoever committed it. Tasks, and ends of countdowns, are there once.
        let report = unsafe { self.shared.attempt(transaction, None, &mut self.hands) };
        if let Some(begun) = begun {
            self.spent.executing += begun.elapsed();
        }
        // SAFETY: This thread alone runs the transaction for the first time, once.
        unsafe { reports.leave(transaction as usize, report) };
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
