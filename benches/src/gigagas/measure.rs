//! A block on every engine.

use std::num::NonZeroUsize;

use pleach::CancelToken;

use super::{Prepared, Settings, Terms, prepared::Once};
use crate::{
    engines::{Entrant, Name, OnBlocks},
    latency::Latency,
    race::{Counts, Course, Failure, Measured, Racer},
    stopwatch::Run,
};

/// Has those engines that can execute Ethereum blocks execute one in turns, so many times. What comes of each run is compared with
/// what the serial executor leaves: receipts and changes, and of the plain loop its gas and all that it has in its cache. After
/// each round, `done` is called.
///
/// Measured is execution alone. Not measured are the recovery of senders, which there is none of, and receipts' bloom filters;
/// and the plain loop has its accounts in its cache beforehand, unless the store takes time.
///
/// A block that is cancelled has the figures of the turns that were done; none if there was no whole turn.
///
/// # Errors
///
/// If an engine fails, or something else comes of it than serially. Then there are no figures at all.
pub fn measure(
    (settings, prepared): (&Settings, &Prepared<'_>),
    terms: &Terms,
    entrants: &[Entrant],
    repeat: usize,
    cancel: &CancelToken,
    mut done: impl FnMut(),
) -> Result<Measured, Failure> {
    let lanes = entrants.iter();
    let lanes = lanes.filter_map(|entrant| {
        Some(Lane {
            name: entrant.name(),
            workers: entrant.workers(),
            text: entrant.to_string(),
            engine: entrant.on_blocks()?,
            prepared,
            terms,
            cancel,
        })
    });
    let course = Course {
        workload: settings.workload.to_string(),
        params: settings.params(terms),
        transactions: prepared.transactions(),
        gas: Some(prepared.gas()),
        read: Latency(terms.latency).measure(),
        tree: Some(prepared.tree().clone()),
        repeat,
        cancel,
    };
    course.race(&mut lanes.collect::<Vec<_>>(), &mut done)
}

/// An engine with a block.
struct Lane<'a> {
    name: Name,
    workers: NonZeroUsize,
    text: String,
    engine: OnBlocks,
    prepared: &'a Prepared<'a>,
    terms: &'a Terms,
    cancel: &'a CancelToken,
}

impl Lane<'_> {
    fn once(&self, is_counted: bool) -> Once<'_> {
        Once {
            text: &self.text,
            engine: &self.engine,
            terms: self.terms,
            is_counted,
            cancel: self.cancel,
        }
    }
}

impl Racer for Lane<'_> {
    fn name(&self) -> &str {
        self.name.text()
    }

    fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    fn count(&mut self) -> Result<Counts, Failure> {
        let (_, counts) = self.prepared.run(&self.once(true))?;
        Ok(counts)
    }

    fn time(&mut self) -> Result<Run, Failure> {
        let (run, _) = self.prepared.run(&self.once(false))?;
        Ok(run)
    }
}
