//! BOHM on any workload: what transactions touch is known of all of them.

use std::sync::Arc;

use pleach::Value;

use super::{
    Engine, Fault, Job, Left,
    lineup::{Entry, Threads},
};
use crate::{
    bohm::{self, Outcome},
    workloads::{Key, Output, Workload},
};

pub(super) struct Bohm(bohm::Bohm);

impl Entry for Bohm {
    const NAME: &'static str = "bohm";

    fn engine<W: Workload>(threads: &Threads) -> Box<dyn Engine<W>> {
        Box::new(Self(bohm::Bohm::on(Arc::clone(&threads.pool))))
    }
}

impl<W: Workload> Engine<W> for Bohm {
    fn run<'a>(&'a mut self, job: &'a Job<'_, W>) -> Result<Box<dyn Left<W::Value> + 'a>, Fault> {
        Ok(Box::new(Done(self.0.execute(job))))
    }
}

struct Done<V>(Outcome<V>);

impl<V: Value> Left<V> for Done<V> {
    fn outputs(&self) -> Vec<Output> {
        self.0.outputs.clone()
    }

    fn changes(&self, _: &[Key]) -> Vec<(Key, Option<V>)> {
        self.0.changes.clone()
    }
}
