//! What if there were more cores: a tree, scheduled on any number of workers.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    num::NonZeroUsize,
};

use crate::{
    dependents::Dependents,
    tree::{Dtt, Source},
};

/// What is simulated, beside the tree and the costs. All times are in the unit of the costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Simulation {
    workers: NonZeroUsize,
    overhead: u64,
    stealing: u64,
}

impl Simulation {
    /// So many workers, and no overhead.
    pub const fn new(workers: NonZeroUsize) -> Self {
        Self {
            workers,
            overhead: 0,
            stealing: 0,
        }
    }

    /// What the engine spends on each transaction, on top of its cost. Default: nothing.
    pub const fn overhead(mut self, time: u64) -> Self {
        self.overhead = time;
        self
    }

    /// What a worker spends on taking a transaction that another worker has made ready. Default: nothing.
    pub const fn stealing(mut self, time: u64) -> Self {
        self.stealing = time;
        self
    }

    /// Schedules the transactions of `tree`, of which transaction `i` costs `costs[i]`, by the engine's own rule.
    ///
    /// A worker that has finished goes on with the lowest of the transactions that it has just made ready, and offers the
    /// others; if it made none ready it takes the lowest that is offered. Workers that finish at the same time choose in
    /// the order of their numbers. The same input always gives the same schedule. Costs that are missing are zero.
    ///
    /// O((transactions + edges) log transactions).
    #[must_use]
    pub fn run(self, tree: &Dtt, costs: &[u64]) -> Schedule {
        Run::new(self, tree, costs).finish()
    }
}

/// A transaction on a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Span {
    /// Which transaction.
    pub transaction: usize,
    /// Which worker.
    pub worker: usize,
    /// When the worker takes it.
    pub start: u64,
    /// When it is done.
    pub end: u64,
}

/// What a simulation comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    workers: usize,
    spans: Vec<Span>,
    makespan: u64,
    total: u64,
    critical_path: u64,
}

impl Schedule {
    /// When the last transaction is done.
    #[must_use]
    pub fn makespan(&self) -> u64 {
        self.makespan
    }

    /// What all transactions cost, without overhead: the time that a serial loop takes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The cost of the critical path, without overhead.
    #[must_use]
    pub fn critical_path(&self) -> u64 {
        self.critical_path
    }

    /// How many times as fast as a serial loop it is. One if there is nothing to do.
    #[must_use]
    pub fn speedup(&self) -> f64 {
        ratio(self.total, self.makespan)
    }

    /// The time that no schedule on so many workers beats: the critical path, or an equal share of all the work.
    #[must_use]
    pub fn bound(&self) -> u64 {
        self.critical_path
            .max(self.total.div_ceil(self.workers as u64))
    }

    /// How close it comes to the bound: one is as good as can be.
    #[must_use]
    pub fn efficiency(&self) -> f64 {
        ratio(self.bound(), self.makespan)
    }

    /// The timeline: what runs where and when, in the order in which workers take transactions.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }
}

fn ratio(of: u64, to: u64) -> f64 {
    if to == 0 {
        return 1.0;
    }
    of as f64 / to as f64
}

/// A simulation under way.
struct Run<'a> {
    simulation: Simulation,
    costs: &'a [u64],
    waiting: Waiting,
    /// Ready, with the worker that made it so, if any did.
    offered: BTreeSet<(u32, Option<usize>)>,
    /// Busy workers: when they finish, and with what.
    busy: BinaryHeap<Reverse<(u64, usize, u32)>>,
    idle: BTreeSet<usize>,
    schedule: Schedule,
}

impl<'a> Run<'a> {
    fn new(simulation: Simulation, tree: &Dtt, costs: &'a [u64]) -> Self {
        let waiting = Waiting::new(tree);
        let offered = waiting.ready().map(|index| (index, None)).collect();
        let cost = |index: usize| costs.get(index).copied().unwrap_or_default();
        let total = (0..tree.len()).map(cost).fold(0, u64::saturating_add);
        Self {
            simulation,
            costs,
            waiting,
            offered,
            busy: BinaryHeap::new(),
            // Never more workers than transactions: the others would not be seen.
            idle: (0..simulation.workers.get().min(tree.len())).collect(),
            schedule: Schedule {
                workers: simulation.workers.get(),
                spans: Vec::with_capacity(tree.len()),
                makespan: 0,
                total,
                critical_path: tree.critical_path(costs).cost,
            },
        }
    }

    fn finish(mut self) -> Schedule {
        let mut now = 0;
        let mut ready = Vec::new();
        loop {
            while let (Some(&worker), Some(&offer)) = (self.idle.first(), self.offered.first()) {
                self.offered.remove(&offer);
                let (transaction, maker) = offer;
                let stolen = maker.is_some_and(|maker| maker != worker);
                self.start(worker, transaction, now, stolen);
            }
            let Some(Reverse((time, worker, transaction))) = self.busy.pop() else {
                return self.schedule;
            };
            now = time;
            // Everybody who finishes now is heard before anybody takes what others offer.
            let mut done = vec![(worker, transaction)];
            while let Some(Reverse((also, _, _))) = self.busy.peek()
                && *also == now
            {
                let Reverse((_, worker, transaction)) = self.busy.pop().expect("it was just seen");
                done.push((worker, transaction));
            }
            for (worker, transaction) in done {
                ready.clear();
                self.waiting.done(transaction, &mut ready);
                ready.sort_unstable();
                let mut ready = ready.iter().copied();
                match ready.next() {
                    Some(child) => self.start(worker, child, now, false),
                    None => {
                        self.idle.insert(worker);
                    }
                }
                self.offered
                    .extend(ready.map(|index| (index, Some(worker))));
            }
        }
    }

    fn start(&mut self, worker: usize, transaction: u32, now: u64, stolen: bool) {
        let index = transaction as usize;
        let cost = self.costs.get(index).copied().unwrap_or_default();
        let stealing = if stolen { self.simulation.stealing } else { 0 };
        let end = now
            .saturating_add(cost)
            .saturating_add(self.simulation.overhead)
            .saturating_add(stealing);
        self.idle.remove(&worker);
        self.busy.push(Reverse((end, worker, transaction)));
        self.schedule.makespan = self.schedule.makespan.max(end);
        self.schedule.spans.push(Span {
            transaction: index,
            worker,
            start: now,
            end,
        });
    }
}

/// How many sources each transaction and each sum still waits for, and who waits for them.
struct Waiting {
    dependents: Dependents,
    transactions: Vec<u32>,
    sums: Vec<u32>,
}

impl Waiting {
    fn new(tree: &Dtt) -> Self {
        let transactions = (0..tree.len()).map(|index| tree.codes(index).len() as u32);
        let sums = (0..tree.sums()).map(|index| tree.sums.inputs(index).len() as u32);
        Self {
            dependents: tree.dependents(),
            transactions: transactions.collect(),
            sums: sums.collect(),
        }
    }

    /// The transactions that wait for nothing.
    fn ready(&self) -> impl Iterator<Item = u32> {
        let counts = self.transactions.iter().enumerate();
        counts
            .filter(|(_, count)| **count == 0)
            .map(|(index, _)| index as u32)
    }

    /// Notes that a transaction is done, and finds those that wait for nothing else.
    fn done(&mut self, transaction: u32, ready: &mut Vec<u32>) {
        let mut open = vec![Source::Transaction(transaction as usize)];
        while let Some(node) = open.pop() {
            for waiter in self.dependents.of(node) {
                let count = match waiter {
                    Source::Transaction(index) => &mut self.transactions[index],
                    Source::Sum(index) => &mut self.sums[index],
                };
                *count -= 1;
                match waiter {
                    _ if *count > 0 => {}
                    Source::Transaction(index) => ready.push(index as u32),
                    Source::Sum(_) => open.push(waiter),
                }
            }
        }
    }
}
