//! How long blocks were in the stages.

use std::{sync::Arc, time::Duration};

use pleach::pipeline::seda_stages::{Histogram, Snapshot, StageSnapshot};

/// What was measured of a run, of all its pipelines together.
#[derive(Debug, Default)]
pub(in crate::replay) struct Measured {
    /// From the first file to the last result.
    pub(in crate::replay) took: Duration,
    /// In nanoseconds, from when a block was read to when it was executed and kept.
    pub(in crate::replay) response: Option<Histogram>,
    /// The first stage first.
    pub(in crate::replay) stages: Vec<StageMeasured>,
}

/// What was measured of a stage.
#[derive(Debug)]
pub(in crate::replay) struct StageMeasured {
    pub(in crate::replay) name: Arc<str>,
    pub(in crate::replay) handled: u64,
    /// In nanoseconds, before the stage began.
    pub(in crate::replay) waiting: Histogram,
    /// In nanoseconds, in the stage.
    pub(in crate::replay) service: Histogram,
}

impl Measured {
    /// Adds what a pipeline of blocks has measured.
    pub(super) fn add(&mut self, snapshot: Snapshot) {
        match &mut self.response {
            Some(response) => response.merge(&snapshot.response),
            None => self.response = Some(snapshot.response),
        }
        for stage in snapshot.stages {
            self.add_stage(stage);
        }
    }

    fn add_stage(&mut self, stage: StageSnapshot) {
        let StageSnapshot { name, work, .. } = stage;
        match self.stages.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                known.handled += work.handled;
                known.waiting.merge(&work.waiting);
                known.service.merge(&work.service);
            }
            None => self.stages.push(StageMeasured {
                name,
                handled: work.handled,
                waiting: work.waiting,
                service: work.service,
            }),
        }
    }

    /// All is done. Files were read in a pipeline of their own.
    pub(super) fn finish(&mut self, took: Duration, reading: Snapshot) {
        self.took = took;
        let blocks = std::mem::take(&mut self.stages);
        reading
            .stages
            .into_iter()
            .for_each(|stage| self.add_stage(stage));
        let blocks = blocks.into_iter();
        self.stages
            .extend(blocks.filter(|stage| has_work(&stage.name)));
    }
}

/// Whether a stage does anything: states are in memory here, so nothing is read ahead, and blocks do not announce what they touch.
pub(super) fn has_work(stage: &str) -> bool {
    !matches!(stage, "analyse" | "prefetch")
}
