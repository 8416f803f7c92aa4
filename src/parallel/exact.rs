//! Runs a plan.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    attempt::{Attempted, Input},
    plan::{Plan, Task},
    runtime::Runtime,
    view::{Local, PlannedView},
};
use crate::{
    execute::{Asked, Known},
    protocol::{
        handoff::Handoff,
        ready::{Job, Ready, Working},
    },
    state::State,
    vm::Vm,
};

/// What running a plan has left.
pub(super) struct Ran<V: Vm> {
    /// For each transaction; empty for those that were not run.
    pub(super) attempts: Vec<Handoff<Attempted<V>>>,
    /// For each write; empty for those of transactions that were not run.
    pub(super) values: Vec<Handoff<Known<V::Value>>>,
}

/// Runs all transactions of a plan, unless somebody cancels.
pub(super) fn run<V: Vm, S: State<V::Key, V::Value>>(
    runtime: &Runtime,
    plan: &Plan<V::Key>,
    input: &Input<'_, V, S>,
) -> Ran<V> {
    let ran = Ran {
        attempts: (0..plan.transactions()).map(|_| Handoff::new()).collect(),
        values: plan.accesses.iter().map(|_| Handoff::new()).collect(),
    };
    let ready = Ready::new(plan.tasks.len());
    let work = || {
        if let Some(working) = ready.enter() {
            Worker {
                plan,
                input,
                ran: &ran,
                ready: &ready,
                scratch: V::Scratch::default(),
                locals: Vec::new(),
                mine: VecDeque::new(),
                offers: Vec::new(),
            }
            .work(working);
        }
    };
    runtime.pool().run(plan.helpers(), &work);
    ran
}

struct Worker<'a, V: Vm, S> {
    plan: &'a Plan<V::Key>,
    input: &'a Input<'a, V, S>,
    ran: &'a Ran<V>,
    ready: &'a Ready,
    scratch: V::Scratch,
    locals: Vec<Local<V::Value>>,
    /// What this worker has made ready and nobody else has wanted.
    mine: VecDeque<u32>,
    offers: Vec<u32>,
}

impl<V: Vm, S: State<V::Key, V::Value>> Worker<'_, V, S> {
    fn work(&mut self, mut working: Working) {
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

    /// Runs a transaction, unless the block is cancelled: then there is no use in going on.
    fn transaction(&mut self, transaction: u32) -> ControlFlow<()> {
        if self.input.is_cancelled() {
            self.ready.stop();
            return ControlFlow::Break(());
        }
        // SAFETY: Transactions of a batch run in block order on one thread, after all others of their branches that are
        // before them. Others run when their countdowns are over, which every transaction whose values they see has
        // counted down afterwards. Tasks, and ends of countdowns, are there once.
        let mut view = Asked(unsafe {
            PlannedView::new(
                self.plan,
                &self.ran.values,
                self.input.state,
                transaction,
                &mut self.locals,
            )
        });
        let subject = &self.input.transactions[transaction as usize];
        let (vm, scratch) = (self.input.vm, &mut self.scratch);
        let returned = catch_unwind(AssertUnwindSafe(|| vm.execute(subject, &mut view, scratch)));
        if returned.is_err() {
            // A panic may have left anything there.
            self.scratch = V::Scratch::default();
        }
        let trouble = view.0.take_trouble();
        let attempted = Attempted::<V>::new(trouble, returned, self.input.on_undeclared);
        view.0.leave(attempted.leaves_changes());
        // SAFETY: This thread alone runs the transaction, and others look when all work is over.
        unsafe { self.ran.attempts[transaction as usize].fill(attempted) };
        ControlFlow::Continue(())
    }
}
