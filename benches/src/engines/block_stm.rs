//! Block-STM on any workload.

use std::sync::Arc;

use super::{
    Engine, Fault, Job, Left, Native,
    lineup::{Entry, Threads},
};
use crate::{
    block_stm::{self, Blocked, Program},
    workloads::{Access, Key, Output, Workload},
};

pub(super) struct BlockStm(block_stm::BlockStm);

impl Entry for BlockStm {
    const NAME: &'static str = "block-stm";

    fn engine<W: Workload>(threads: &Threads) -> Box<dyn Engine<W>> {
        Box::new(Self(block_stm::BlockStm::on(Arc::clone(&threads.pool))))
    }
}

impl<W: Workload> Engine<W> for BlockStm {
    fn run<'a>(&'a mut self, job: &'a Job<'_, W>) -> Result<Box<dyn Left<W::Value> + 'a>, Fault> {
        let state = |key: &Key| job.base.read(key);
        Ok(Box::new(Done(self.0.execute(job, state, job.block))))
    }
}

impl<W: Workload> Program for Job<'_, W> {
    type Transaction = W::Transaction;
    type Key = Key;
    type Value = W::Value;
    type Output = Output;

    fn execute<A: block_stm::Access<Key, W::Value>>(
        &self,
        transaction: &W::Transaction,
        state: &mut A,
    ) -> Result<Output, Blocked> {
        self.execute_unless_cancelled(transaction, &mut View(state))
    }
}

/// A workload on its own.
impl<W: Workload> Program for Native<W> {
    type Transaction = W::Transaction;
    type Key = Key;
    type Value = W::Value;
    type Output = Output;

    fn execute<A: block_stm::Access<Key, W::Value>>(
        &self,
        transaction: &W::Transaction,
        state: &mut A,
    ) -> Result<Output, Blocked> {
        self.workload.execute(transaction, &mut View(state))
    }
}

struct View<'a, A>(&'a mut A);

impl<V: pleach::Value, A: block_stm::Access<Key, V>> Access<V> for View<'_, A> {
    type Stop = Blocked;

    #[inline]
    fn get(&mut self, key: &Key) -> Result<Option<V>, Blocked> {
        self.0.read(key)
    }

    #[inline]
    fn put(&mut self, key: &Key, value: V) -> Result<(), Blocked> {
        self.0.write(*key, value);
        Ok(())
    }
}

struct Done<V>(block_stm::Outcome<Key, V, Output>);

impl<V: Clone> Left<V> for Done<V> {
    fn outputs(&self) -> Vec<Output> {
        self.0.outputs.clone()
    }

    fn changes(&self, _: &[Key]) -> Vec<(Key, Option<V>)> {
        let changes = self.0.changes.iter();
        changes
            .map(|(key, value)| (*key, Some(value.clone())))
            .collect()
    }
}
