//! The stages on a terminal, while they work: how many blocks wait before each, and how many it has.

use std::{sync::Arc, thread, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::{Condvar, Mutex};
use pleach::{
    CancelToken,
    pipeline::seda_stages::{Snapshot, StageSnapshot},
};

use super::{Blocks, Reading, measured::has_work};
use crate::{progress::BAR, text::milliseconds};

/// How often the stages are looked at.
const REFRESH: Duration = Duration::from_millis(80);

/// What can be looked at, and stopped.
pub(super) trait Watched: Send + Sync {
    fn snapshot(&self) -> Snapshot;

    /// Ends it before all is done.
    fn stop(&self);
}

impl Watched for Reading {
    fn snapshot(&self) -> Snapshot {
        self.snapshot()
    }

    fn stop(&self) {
        self.abort();
    }
}

impl Watched for Blocks {
    fn snapshot(&self) -> Snapshot {
        self.stages().snapshot()
    }

    fn stop(&self) {
        // What it has executed is of no use to anybody afterwards, so it does not matter where it is kept.
        let _ = self.abort();
    }
}

/// All stages that work.
pub(super) struct Board {
    area: MultiProgress,
    blocks: ProgressBar,
    rows: Mutex<Vec<Rows>>,
    /// Whether nobody needs to look any more.
    is_over: Mutex<bool>,
    ended: Condvar,
}

/// The stages of a pipeline, a line each.
struct Rows {
    watched: Arc<dyn Watched>,
    lines: Vec<ProgressBar>,
}

impl Board {
    /// A board for so many files.
    pub(super) fn new(hidden: bool, files: usize) -> Self {
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let area = MultiProgress::with_draw_target(target);
        let blocks = area.add(ProgressBar::new(files as u64));
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            blocks.set_style(style);
        }
        Self {
            area,
            blocks,
            rows: Mutex::default(),
            is_over: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// A file that counted as one block has so many.
    pub(super) fn expand(&self, blocks: usize) {
        self.blocks.inc_length((blocks as u64).saturating_sub(1));
    }

    /// A block, or an unreadable file, is done.
    pub(super) fn step(&self) {
        self.blocks.inc(1);
    }

    /// Shows the stages of one more pipeline.
    pub(super) fn add(&self, watched: Arc<dyn Watched>) {
        let line = |_: &StageSnapshot| {
            let line = self.area.add(ProgressBar::no_length());
            line.with_style(
                ProgressStyle::with_template("{msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        };
        let lines = shown(watched.snapshot()).iter().map(line).collect();
        self.rows.lock().push(Rows { watched, lines });
    }

    /// Shows the last one no more.
    pub(super) fn remove(&self) {
        if let Some(rows) = self.rows.lock().pop() {
            rows.lines.iter().for_each(ProgressBar::finish_and_clear);
        }
    }

    /// Shows the stages as long as `work` lasts, and stops them if `cancel` says so.
    pub(super) fn watch<T>(&self, cancel: &CancelToken, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut is_over = self.is_over.lock();
                while !*is_over {
                    self.ended.wait_for(&mut is_over, REFRESH);
                    self.look(cancel.is_cancelled());
                }
            });
            let _over = Over(self);
            work()
        })
    }

    fn look(&self, is_cancelled: bool) {
        let rows = self.rows.lock();
        for Rows { watched, lines } in &*rows {
            if is_cancelled {
                watched.stop();
            }
            if self.area.is_hidden() {
                continue;
            }
            for (line, stage) in lines.iter().zip(shown(watched.snapshot())) {
                line.set_message(describe(&stage));
            }
        }
    }
}

/// Ends the watch, also if the work panics.
struct Over<'a>(&'a Board);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        *self.0.is_over.lock() = true;
        self.0.ended.notify_one();
        self.0.blocks.finish_and_clear();
        while !self.0.rows.lock().is_empty() {
            self.0.remove();
        }
    }
}

/// The stages that are shown.
fn shown(snapshot: Snapshot) -> Vec<StageSnapshot> {
    let mut stages = snapshot.stages;
    stages.retain(|stage| has_work(&stage.name));
    stages
}

fn describe(stage: &StageSnapshot) -> String {
    let StageSnapshot { name, work, .. } = stage;
    let waiting = "▪".repeat(stage.queue_length + stage.early);
    let running = stage.running;
    let took = milliseconds(work.service.quantile_time(0.5));
    format!(
        "{name:>9} {running} at work, {:>5} done, {took:>7.2} ms each  {waiting}",
        work.handled
    )
}
