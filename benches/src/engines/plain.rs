//! The plain loop over a map, which it changes in place: what all engines are compared with.

use std::{
    convert::Infallible,
    marker::PhantomData,
    time::{Duration, Instant},
};

use pleach::Value;

use super::{
    Base, Engine, Fault, Job, Left,
    lineup::{Entry, OnBlocks, Threads},
};
use crate::workloads::{Access, InPlace, Key, Output, Table, Workload};

/// It looks so often whether it is cancelled: too seldom to cost anything.
const CHUNK: usize = 64;

/// The loop, in the table of engines.
pub(super) struct PlainLoop;

impl Entry for PlainLoop {
    const NAME: &'static str = "plain";
    const IS_PARALLEL: bool = false;
    const ON_BLOCKS: Option<fn(&Threads) -> OnBlocks> = Some(|_| OnBlocks::Plain);

    fn engine<W: Workload>(_: &Threads) -> Box<dyn Engine<W>> {
        Box::new(Plain::default())
    }
}

/// A loop, and its map: a copy of the state; or, where that takes its time, what was read or written so far.
struct Plain<T>(Option<T>);

impl<T> Default for Plain<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Plain<T> {
    /// The copy is made before anything is measured.
    fn map<W: Workload<Table = T>>(&mut self, job: &Job<'_, W>) -> &mut T
    where
        T: Table<W::Value>,
    {
        self.0.get_or_insert_with(|| {
            if job.base.is_slow() {
                T::default()
            } else {
                job.base.map().clone()
            }
        })
    }
}

impl<W: Workload> Engine<W> for Plain<W::Table> {
    fn run<'a>(&'a mut self, job: &'a Job<'_, W>) -> Result<Box<dyn Left<W::Value> + 'a>, Fault> {
        let map = self.map(job);
        let mut outputs = Vec::with_capacity(job.block.len());
        let mut committed = Vec::new();
        let begun = Instant::now();
        for chunk in job.block.chunks(CHUNK) {
            if job.cancel.is_cancelled() {
                break;
            }
            if job.base.is_slow() {
                for transaction in chunk {
                    let base = job.base;
                    let mut cache = Cache {
                        map,
                        base,
                        values: PhantomData,
                    };
                    let Ok(output) = job.execute(transaction, &mut cache);
                    outputs.push(output);
                    if job.is_counted() {
                        committed.push(begun.elapsed());
                    }
                }
            } else if job.is_counted() {
                for transaction in chunk {
                    let Ok(output) = job.execute(transaction, &mut InPlace(map));
                    outputs.push(output);
                    committed.push(begun.elapsed());
                }
            } else {
                let execute = |transaction| job.workload.execute_in_place(transaction, map);
                outputs.extend(chunk.iter().map(execute));
            }
        }
        Ok(Box::new(Done {
            outputs,
            committed,
            map,
            values: PhantomData,
        }))
    }

    /// Without what was there in the beginning it would execute another block the next time.
    fn again(&mut self, job: &Job<'_, W>, changed: &[Key]) {
        if job.base.is_slow() {
            // It begins with nothing, and has to read all of it again.
            self.0 = None;
            return;
        }
        let map = self.map(job);
        for key in changed {
            match job.base.map().value(key) {
                Some(value) => map.set(*key, value.clone()),
                None => map.forget(key),
            }
        }
    }
}

struct Done<'a, V, T> {
    outputs: Vec<Output>,
    committed: Vec<Duration>,
    map: &'a T,
    values: PhantomData<V>,
}

impl<V: Value, T: Table<V>> Left<V> for Done<'_, V, T> {
    fn outputs(&self) -> Vec<Output> {
        self.outputs.clone()
    }

    fn changes(&self, asked: &[Key]) -> Vec<(Key, Option<V>)> {
        let value = |key: &Key| (*key, self.map.value(key).cloned());
        asked.iter().map(value).collect()
    }

    fn committed(&self) -> Option<&[Duration]> {
        Some(&self.committed)
    }
}

/// A map over a state that takes its time: each key is read there once. What is not there is asked for again, and so are ranges.
struct Cache<'a, V, T> {
    map: &'a mut T,
    base: &'a Base<T>,
    values: PhantomData<V>,
}

impl<V: Value, T: Table<V>> Access<V> for Cache<'_, V, T> {
    type Stop = Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<V>, Infallible> {
        if let Some(value) = self.map.value(key) {
            return Ok(Some(value.clone()));
        }
        let value: Option<V> = self.base.read(key);
        if let Some(value) = &value {
            self.map.set(*key, value.clone());
        }
        Ok(value)
    }

    fn put(&mut self, key: &Key, value: V) -> Result<(), Infallible> {
        self.map.set(*key, value);
        Ok(())
    }

    fn scan(&mut self, keys: &[Key], visit: &mut dyn FnMut(&V)) -> Result<(), Infallible> {
        let base = self.base.at_leisure();
        // What was written in this block comes first; nothing is ever taken away.
        for key in keys {
            if let Some(value) = self.map.value(key).or_else(|| base.value(key)) {
                visit(value);
            }
        }
        Ok(())
    }
}
