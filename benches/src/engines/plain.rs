//! The plain loop over a hash map, which it changes in place: what all engines are compared with.

use std::{
    collections::hash_map::Entry,
    convert::Infallible,
    time::{Duration, Instant},
};

use pleach::Value;

use super::{Base, Engine, Fault, Job, Left};
use crate::workloads::{Access, InPlace, Key, Map, Output, Workload};

/// It looks so often whether it is cancelled: too seldom to cost anything.
const CHUNK: usize = 64;

/// A loop, and its map: a copy of the state; or, where that takes its time, what was read or written so far.
pub(super) struct Plain<V>(Option<Map<V>>);

impl<V> Default for Plain<V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V: Value> Plain<V> {
    /// The copy is made before anything is measured.
    fn map<W: Workload<Value = V>>(&mut self, job: &Job<'_, W>) -> &mut Map<V> {
        self.0.get_or_insert_with(|| {
            if job.base.is_slow() {
                Map::default()
            } else {
                job.base.map().clone()
            }
        })
    }
}

impl<W: Workload> Engine<W> for Plain<W::Value> {
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
                    let Ok(output) = job.execute(transaction, &mut Cache { map, base });
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
        }))
    }

    /// Without what was there in the beginning it would execute another block the next time.
    fn again(&mut self, job: &Job<'_, W>, changed: &[Key]) {
        if job.base.is_slow() {
            self.0 = None;
        }
        let map = self.map(job);
        for key in changed {
            match job.base.map().get(key) {
                Some(value) => drop(map.insert(*key, value.clone())),
                None => drop(map.remove(key)),
            }
        }
    }
}

struct Done<'a, V> {
    outputs: Vec<Output>,
    committed: Vec<Duration>,
    map: &'a Map<V>,
}

impl<V: Value> Left<V> for Done<'_, V> {
    fn outputs(&self) -> Vec<Output> {
        self.outputs.clone()
    }

    fn changes(&self, asked: &[Key]) -> Vec<(Key, Option<V>)> {
        let value = |key: &Key| (*key, self.map.get(key).cloned());
        asked.iter().map(value).collect()
    }

    fn committed(&self) -> Option<&[Duration]> {
        Some(&self.committed)
    }
}

/// A map over a state that takes its time: each key is read there once. What is not there is asked for again.
struct Cache<'a, V> {
    map: &'a mut Map<V>,
    base: &'a Base<V>,
}

impl<V: Value> Access<V> for Cache<'_, V> {
    type Stop = Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<V>, Infallible> {
        Ok(match self.map.entry(*key) {
            Entry::Occupied(entry) => Some(entry.get().clone()),
            Entry::Vacant(entry) => {
                let value = self.base.read(key);
                if let Some(value) = &value {
                    entry.insert(value.clone());
                }
                value
            }
        })
    }

    fn put(&mut self, key: &Key, value: V) -> Result<(), Infallible> {
        self.map.insert(*key, value);
        Ok(())
    }
}
