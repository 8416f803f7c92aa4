//! What must come of a block, and the comparison with what did.

use std::{collections::HashSet, convert::Infallible};

use foldhash::fast::RandomState;
use pleach::Value;

use super::{Base, Job, Left};
use crate::workloads::{Access, InPlace, Key, Output, Table, Workload};

/// What the plain loop gives: each transaction's output, and the keys whose value at the end is not that of the beginning.
pub(super) struct Expected<V> {
    outputs: Vec<Output>,
    /// By key.
    changes: Vec<(Key, Option<V>)>,
    /// All that was written.
    pub(super) written: Vec<Key>,
}

/// A map that is changed in place, and what of it was.
struct Noting<'a, T> {
    map: InPlace<'a, T>,
    written: HashSet<Key, RandomState>,
}

impl<V: Value, T: Table<V>> Access<V> for Noting<'_, T> {
    type Stop = Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<V>, Infallible> {
        self.map.get(key)
    }

    fn put(&mut self, key: &Key, value: V) -> Result<(), Infallible> {
        self.written.insert(*key);
        self.map.put(key, value)
    }

    fn scan(&mut self, keys: &[Key], visit: &mut dyn FnMut(&V)) -> Result<(), Infallible> {
        self.map.scan(keys, visit)
    }
}

impl<V: Value> Expected<V> {
    /// Executes the block in a loop over a map of its own. Nothing if it was cancelled.
    pub(super) fn new<W: Workload<Value = V>>(job: &Job<'_, W>) -> Option<Self> {
        let mut map = job.base.map().clone();
        let mut noting = Noting {
            map: InPlace(&mut map),
            written: HashSet::default(),
        };
        let mut outputs = Vec::with_capacity(job.block.len());
        for transaction in job.block {
            if job.cancel.is_cancelled() {
                return None;
            }
            let Ok(output) = job.workload.execute(transaction, &mut noting);
            outputs.push(output);
        }
        let written: Vec<_> = noting.written.into_iter().collect();
        let changes = written.iter().map(|key| (*key, map.value(key).cloned()));
        Some(Self {
            outputs,
            changes: normal(job.base, changes.collect()),
            written,
        })
    }

    /// Says what differs, if anything does.
    pub(super) fn compare(
        &self,
        base: &Base<impl Table<V>>,
        left: &dyn Left<V>,
    ) -> Result<(), String> {
        let outputs = left.outputs();
        if outputs.len() != self.outputs.len() {
            let (found, expected) = (outputs.len(), self.outputs.len());
            return Err(format!(
                "{found} transactions were executed, not {expected}"
            ));
        }
        let mut pairs = outputs.iter().zip(&self.outputs);
        if let Some(index) = pairs.position(|(found, expected)| found != expected) {
            let (found, expected) = (outputs[index], self.outputs[index]);
            return Err(format!(
                "transaction {index} gave {found:?}, not {expected:?}"
            ));
        }
        let changes = normal(base, left.changes(&self.written));
        if changes.len() != self.changes.len() {
            let (found, expected) = (changes.len(), self.changes.len());
            return Err(format!("{found} keys were changed, not {expected}"));
        }
        let mut pairs = changes.iter().zip(&self.changes);
        match pairs.find(|(found, expected)| found != expected) {
            None => Ok(()),
            Some(((key, found), (other, _))) if key != other => {
                Err(format!("another key was changed: to {found:?}"))
            }
            Some(((_, found), (_, expected))) => {
                Err(format!("a key holds {found:?}, not {expected:?}"))
            }
        }
    }
}

/// In the order of keys, without those that hold what they held in the beginning: who writes that has changed nothing.
fn normal<V: Value>(
    base: &Base<impl Table<V>>,
    mut changes: Vec<(Key, Option<V>)>,
) -> Vec<(Key, Option<V>)> {
    changes.retain(|(key, value)| base.map().value(key) != value.as_ref());
    changes.sort_unstable_by_key(|(key, _)| *key);
    changes
}
