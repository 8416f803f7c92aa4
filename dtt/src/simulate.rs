//! What if there were more cores: a tree, scheduled on any number of workers.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    num::NonZeroUsize,
};

use crate::tree::{Code, Dtt, Source};

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
    transactions: usize,
    counts: Vec<u32>,
    /// Where those end that wait for each.
    ends: Vec<u32>,
    waiters: Vec<u32>,
}

impl Waiting {
    fn new(tree: &Dtt) -> Self {
        let transactions = tree.len();
        let number = |code: Code| match code.source() {
            Source::Transaction(index) => index,
            Source::Sum(index) => transactions + index,
        };
        let nodes = transactions + tree.sums();
        let mut counts = vec![0; nodes];
        let mut starts = vec![0_u32; nodes + 1];
        tree.walk(|node, codes| {
            counts[number(node.code())] = codes.len() as u32;
            for code in codes {
                starts[number(*code) + 1] += 1;
            }
        });
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut places = starts.clone();
        let mut waiters = vec![0; tree.edges()];
        tree.walk(|node, codes| {
            for code in codes {
                let place = &mut places[number(*code)];
                waiters[*place as usize] = number(node.code()) as u32;
                *place += 1;
            }
        });
        starts.remove(0);
        Self {
            transactions,
            counts,
            ends: starts,
            waiters,
        }
    }

    /// The transactions that wait for nothing.
    fn ready(&self) -> impl Iterator<Item = u32> {
        let counts = self.counts[..self.transactions].iter().enumerate();
        counts
            .filter(|(_, count)| **count == 0)
            .map(|(index, _)| index as u32)
    }

    /// Notes that a transaction is done, and finds those that wait for nothing else.
    fn done(&mut self, transaction: u32, ready: &mut Vec<u32>) {
        let mut open = vec![transaction as usize];
        while let Some(node) = open.pop() {
            let start = node.checked_sub(1).map_or(0, |before| self.ends[before]);
            for place in start..self.ends[node] {
                let waiter = self.waiters[place as usize];
                let count = &mut self.counts[waiter as usize];
                *count -= 1;
                if *count > 0 {
                    continue;
                }
                if (waiter as usize) < self.transactions {
                    ready.push(waiter);
                } else {
                    open.push(waiter as usize);
                }
            }
        }
    }
}
