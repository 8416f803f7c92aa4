//! The executors of Pleach.

use std::{convert::Infallible, ops::ControlFlow, time::Duration};

use pleach::{
    AccessSet, Block, Delta, Executor, Interrupt, Outcome, ParallelExecutor, SerialExecutor,
    StateView, Stop, Strategy, Trust, Value, Vm,
};

use super::{
    Engine, Fault, Job, Left,
    lineup::{Entry, OnBlocks, Threads},
};
use crate::workloads::{Access, Key, Output, Workload, ends};

/// The transactions of a workload, as a VM.
#[derive(Clone, Copy, Debug)]
pub struct Native<W> {
    /// What they mean.
    pub workload: W,
    /// Whether it says beforehand what they touch.
    pub declares: bool,
}

impl<W: Workload> Vm for Native<W> {
    type Transaction = W::Transaction;
    type Key = Key;
    type Value = W::Value;
    type Output = Output;
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, transaction: &W::Transaction, set: &mut AccessSet<Key>) -> Trust {
        if !self.declares {
            return Trust::Unknown;
        }
        self.workload.accesses(transaction, set);
        Trust::Exact
    }

    fn execute<S: StateView<Key, W::Value>>(
        &self,
        transaction: &W::Transaction,
        state: &mut S,
        (): &mut (),
    ) -> Result<Output, Stop<Infallible>> {
        let mut view = View {
            state,
            declares: self.declares,
        };
        Ok(self.workload.execute(transaction, &mut view)?)
    }
}

/// What a transaction sees.
struct View<'a, S> {
    state: &'a mut S,
    declares: bool,
}

impl<V: Value, S: StateView<Key, V>> Access<V> for View<'_, S> {
    type Stop = Interrupt;

    #[inline]
    fn get(&mut self, key: &Key) -> Result<Option<V>, Interrupt> {
        self.state.get(key)
    }

    #[inline]
    fn put(&mut self, key: &Key, value: V) -> Result<(), Interrupt> {
        self.state.put(key, value)
    }

    #[inline]
    fn add(&mut self, key: &Key, delta: Delta<V::Amount>) -> Result<bool, Interrupt> {
        self.state.add(key, delta)
    }

    /// Who has declared its keys asks for each of them: no plan has ranges.
    fn scan(&mut self, keys: &[Key], visit: &mut dyn FnMut(&V)) -> Result<(), Interrupt> {
        if self.declares {
            for key in keys {
                if let Some(value) = self.state.get(key)? {
                    visit(&value);
                }
            }
            return Ok(());
        }
        let Some((from, to)) = ends(keys) else {
            return Ok(());
        };
        self.state.range(from, to, &mut |_, value| {
            visit(value);
            ControlFlow::Continue(())
        })
    }
}

pub(super) struct Serial;

impl Entry for Serial {
    const NAME: &'static str = "serial";
    const IS_PARALLEL: bool = false;
    const ON_BLOCKS: Option<fn(&Threads) -> OnBlocks> = Some(|_| OnBlocks::Serial);

    fn engine<W: Workload>(_: &Threads) -> Box<dyn Engine<W>> {
        Box::new(Self)
    }
}

/// An executor with threads.
struct Parallel {
    executor: ParallelExecutor,
    declares: bool,
}

fn executor(threads: &Threads, strategy: Strategy) -> ParallelExecutor {
    ParallelExecutor::new(&threads.runtime).strategy(strategy)
}

pub(super) struct Exact;

impl Entry for Exact {
    const NAME: &'static str = "pleach-exact";

    fn engine<W: Workload>(threads: &Threads) -> Box<dyn Engine<W>> {
        Box::new(Parallel {
            executor: executor(threads, Strategy::Exact),
            declares: true,
        })
    }
}

pub(super) struct Optimistic;

impl Entry for Optimistic {
    const NAME: &'static str = "pleach-optimistic";
    const ON_BLOCKS: Option<fn(&Threads) -> OnBlocks> =
        Some(|threads| OnBlocks::Parallel(executor(threads, Strategy::Optimistic)));

    fn engine<W: Workload>(threads: &Threads) -> Box<dyn Engine<W>> {
        Box::new(Parallel {
            executor: executor(threads, Strategy::Optimistic),
            declares: false,
        })
    }
}

pub(super) struct Auto;

impl Entry for Auto {
    const NAME: &'static str = "pleach-auto";
    const ON_BLOCKS: Option<fn(&Threads) -> OnBlocks> =
        Some(|threads| OnBlocks::Parallel(executor(threads, Strategy::Auto)));

    fn engine<W: Workload>(threads: &Threads) -> Box<dyn Engine<W>> {
        Box::new(Parallel {
            executor: executor(threads, Strategy::Auto),
            declares: false,
        })
    }
}

impl<W: Workload> Engine<W> for Serial {
    fn run<'a>(&'a mut self, job: &'a Job<'_, W>) -> Result<Box<dyn Left<W::Value> + 'a>, Fault> {
        run(&SerialExecutor::new(), false, job)
    }
}

impl<W: Workload> Engine<W> for Parallel {
    fn run<'a>(&'a mut self, job: &'a Job<'_, W>) -> Result<Box<dyn Left<W::Value> + 'a>, Fault> {
        run(&self.executor, self.declares, job)
    }
}

fn run<'a, W: Workload>(
    executor: &impl Executor,
    declares: bool,
    job: &'a Job<'_, W>,
) -> Result<Box<dyn Left<W::Value> + 'a>, Fault> {
    let vm = Native {
        workload: Counted(job),
        declares,
    };
    let mut block = Block::new(&vm, job.base, job.block).cancel(job.cancel);
    if job.is_counted() {
        block = block.timed();
    }
    Ok(Box::new(Done(executor.execute(block)?)))
}

struct Done<'a, W: Workload>(Outcome<Native<Counted<'a, W>>>);

impl<W: Workload> Left<W::Value> for Done<'_, W> {
    fn outputs(&self) -> Vec<Output> {
        let outputs = self.0.outputs();
        outputs.map(|output| output.copied().flatten()).collect()
    }

    fn changes(&self, _: &[Key]) -> Vec<(Key, Option<W::Value>)> {
        self.0.changes.iter().cloned().collect()
    }

    fn committed(&self) -> Option<&[Duration]> {
        let times = self.0.times.as_ref()?;
        Some(&times.committed)
    }
}

/// The workload of a job, whose executions are counted where they are to be.
struct Counted<'a, W: Workload>(&'a Job<'a, W>);

impl<W: Workload> Workload for Counted<'_, W> {
    type Transaction = W::Transaction;
    type Value = W::Value;
    type Table = W::Table;

    fn begin(&self, put: &mut dyn FnMut(Key, W::Value)) {
        self.0.workload.begin(put);
    }

    fn block(&self) -> Vec<W::Transaction> {
        self.0.workload.block()
    }

    fn rounds(&self) -> u32 {
        self.0.workload.rounds()
    }

    fn accesses(&self, transaction: &W::Transaction, set: &mut AccessSet<Key>) {
        self.0.workload.accesses(transaction, set);
    }

    #[inline]
    fn execute<A: Access<W::Value>>(
        &self,
        transaction: &W::Transaction,
        state: &mut A,
    ) -> Result<Output, A::Stop> {
        self.0.execute(transaction, state)
    }
}
