//! Runs a plan, and settles what comes of it in block order as it comes.

use std::{collections::VecDeque, ops::ControlFlow, time::Instant};

use super::{
    attempt::{Attempted, Input, Tools, Touched},
    crew,
    plan::{Plan, Task},
    runtime::Runtime,
    view::{Local, PlannedView},
};
use crate::{
    execute::{Asked, Fold, Known, Recorder, Settled},
    protocol::{
        handoff::Handoff,
        ready::{Job, Ready, Working},
        reports::Reports,
        turn::Turn,
    },
    state::State,
    times::Spent,
    vm::Vm,
};

/// After so many transactions a worker settles what can be settled.
const MUCH: usize = if cfg!(pleach_loom) { 1 } else { 64 };

/// What running a plan has left.
pub(super) struct Ran<'a, 'r, V: Vm> {
    /// The settled transactions, which are all of them unless something came that only the serial executor can settle.
    pub(super) settling: Settling<'a, 'r, V>,
    /// For each write; empty for those of transactions that were not run.
    pub(super) values: Vec<Handoff<Known<V::Value>>>,
}

/// The settled prefix of a block. One worker at a time has it.
pub(super) struct Settling<'a, 'r, V: Vm> {
    pub(super) fold: Fold<'a, V>,
    pub(super) recorder: Option<&'r mut Recorder<V::Key>>,
    /// How many transactions have left exactly what the block keeps of them.
    pub(super) clean: usize,
    is_over: bool,
}

/// What came of a transaction.
struct Report<V: Vm> {
    attempted: Attempted<V>,
    touched: Touched<V>,
}

/// Runs all transactions of a plan, unless somebody cancels, or one of them ends it.
pub(super) fn run<'a, 'r, V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    plan: &Plan<V::Key>,
    input: &Input<'_, V, S>,
    fold: Fold<'a, V>,
    recorder: Option<&'r mut Recorder<V::Key>>,
) -> Ran<'a, 'r, V> {
    let reports = Reports::new(plan.transactions());
    let values: Vec<_> = plan.accesses.iter().map(|_| Handoff::new()).collect();
    let ready = Ready::new(plan.tasks.len());
    let settling = Turn::new(Settling {
        fold,
        recorder,
        clean: 0,
        is_over: false,
    });
    let spent = crew::run(runtime, plan.helpers(), &ready, |_, working| {
        let worker = Worker {
            plan,
            input,
            reports: &reports,
            values: &values,
            settling: &settling,
            ready: &ready,
            tools: Tools::new(input),
            locals: Vec::new(),
            mine: VecDeque::new(),
            offers: Vec::new(),
            unsettled: 0,
            spent: Spent::default(),
        };
        worker.work(working)
    });
    let mut settling = settling.into_inner();
    settling.fold.spent(spent);
    Ran { settling, values }
}

impl<V: Vm> Settling<'_, '_, V> {
    /// Settles what can be settled. If that ends the block here, so does all work.
    fn advance(&mut self, reports: &Reports<Report<V>>, ready: &Ready) {
        while !self.is_over
            && let Some((index, transaction)) = self.fold.next()
        {
            // SAFETY: Only who has the turn comes here.
            let Some(report) = (unsafe { reports.take(index) }) else {
                return;
            };
            let Attempted::Done(attempt) = report.attempted else {
                return self.stop(ready);
            };
            if !self.fold.admit(index, transaction) {
                return self.stop(ready);
            }
            if let (Some(recorder), Some(touched)) = (&mut self.recorder, report.touched) {
                recorder.put(index, *touched);
            }
            self.fold.statistics.attempts += 1;
            let succeeded = attempt.is_ok();
            if self.fold.settle(index, transaction, attempt) == Settled::Discard && succeeded {
                return self.stop(ready);
            }
            self.clean = index + 1;
        }
        if self.fold.next().is_none() && self.clean < self.fold.transactions.len() {
            self.stop(ready);
        }
    }

    fn stop(&mut self, ready: &Ready) {
        self.is_over = true;
        ready.stop();
    }
}

struct Worker<'w, 'a, 'r, V: Vm, S> {
    plan: &'w Plan<V::Key>,
    input: &'w Input<'w, V, S>,
    reports: &'w Reports<Report<V>>,
    values: &'w [Handoff<Known<V::Value>>],
    settling: &'w Turn<Settling<'a, 'r, V>>,
    ready: &'w Ready,
    tools: Tools<V>,
    locals: Vec<Local<V::Value>>,
    /// What this worker has made ready and nobody else has wanted.
    mine: VecDeque<u32>,
    offers: Vec<u32>,
    /// How many transactions it has run since it last settled.
    unsettled: usize,
    spent: Spent,
}

impl<V: Vm, S: State<V::Key, V::Value>> Worker<'_, '_, '_, V, S> {
    fn work(mut self, mut working: Working) -> Spent {
        while let Some((still, job)) = self.ready.next(working) {
            working = still;
            let transaction = match job {
                Job::Transaction(transaction) => transaction,
                Job::Task(task) => match self.plan.tasks[task] {
                    Task::Root(transaction) => transaction,
                    Task::Batch(start, end) => {
                        let mut batch = self.plan.batched[start as usize..end as usize].iter();
                        // Nobody else looks at what those would have left that a cancelled block leaves out.
                        let _ = batch.try_for_each(|transaction| self.transaction(*transaction));
                        continue;
                    }
                },
            };
            self.follow(&working, transaction);
        }
        self.settle();
        self.spent
    }

    /// Runs a transaction, and then all that it and they make ready, unless somebody else wants some of it.
    fn follow(&mut self, working: &Working, first: u32) {
        let mut next = Some(first);
        while let Some(transaction) = next.take() {
            if self.transaction(transaction).is_break() {
                self.mine.clear();
                return;
            }
            for waiting in self.plan.waiting(transaction) {
                if self.plan.countdowns[*waiting as usize].arrive() {
                    // The first goes on where its values are; they come in their order.
                    match next {
                        None => next = Some(*waiting),
                        Some(_) => self.mine.push_back(*waiting),
                    }
                }
            }
            if !self.mine.is_empty() && self.ready.is_wanted() {
                // At least half of them: the later ones, as the earlier ones hold up more.
                let kept = self.mine.len() / 2;
                self.offers.extend(self.mine.drain(kept..));
                self.ready.offer(working, &self.offers);
                self.offers.clear();
            }
            next = next.or_else(|| self.mine.pop_front());
        }
    }

    /// Runs a transaction, unless the block is over: then there is no use in going on.
    fn transaction(&mut self, transaction: u32) -> ControlFlow<()> {
        if self.input.is_cancelled() {
            self.ready.stop();
            return ControlFlow::Break(());
        }
        let begun = self.input.is_timed.then(Instant::now);
        // SAFETY: Transactions of a batch run in block order on one thread, after all others of their branches that are
        // before them. Others run when their countdowns are over, which every transaction whose values they see has
        // counted down afterwards. Tasks, and ends of countdowns, are there once.
        let mut view = Asked(unsafe {
            PlannedView::new(
                self.plan,
                self.values,
                self.input.state,
                transaction,
                &mut self.locals,
            )
        });
        let subject = &self.input.transactions[transaction as usize];
        let (returned, touched) = self.tools.execute(self.input.vm, subject, &mut view);
        let trouble = view.0.take_trouble();
        let attempted = Attempted::<V>::new(trouble, returned, self.input.on_undeclared);
        view.0.leave(attempted.leaves_changes());
        if let Some(begun) = begun {
            self.spent.executing += begun.elapsed();
        }
        let report = Report { attempted, touched };
        // SAFETY: This thread alone runs the transaction, once.
        unsafe { self.reports.leave(transaction as usize, report) };
        self.unsettled += 1;
        if self.unsettled >= MUCH {
            self.settle();
        }
        if self.ready.is_stopped() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Settles what can be settled, of whoever's transactions.
    fn settle(&mut self) {
        self.unsettled = 0;
        let begun = self.input.is_timed.then(Instant::now);
        let (reports, ready) = (self.reports, self.ready);
        self.settling
            .take(|settling| settling.advance(reports, ready));
        if let Some(begun) = begun {
            self.spent.committing += begun.elapsed();
        }
    }
}
