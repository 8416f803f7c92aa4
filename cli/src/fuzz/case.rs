//! One block under one schedule, as a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use pleach::{
    Strategy,
    determinism::{Divergence, Hints, Kind, Schedule},
};
use serde::{Deserialize, Serialize};

use super::subject::Subject;

/// All that it takes to see a divergence again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What was seen.
    pub(crate) found: String,
    pub(crate) schedule: Schedule,
    pub(crate) block: Subject,
}

/// So often a block is tried that diverges by chance.
const TRIES: u64 = 40;
/// So often a smaller block is looked for.
const SHRINKS: usize = 2_000;

/// The block under a schedule like this under which it diverges: of another block the same seed makes another run.
fn diverging(block: &Subject, like: Schedule, tried: &mut impl FnMut(&Case)) -> Option<Case> {
    (0..TRIES).find_map(|number| {
        let mut case = Case {
            found: "nothing yet".to_owned(),
            schedule: Schedule {
                seed: like.seed.wrapping_add(number),
                ..like
            },
            block: block.clone(),
        };
        tried(&case);
        let divergence = block.under(&[case.schedule], &mut |_| true).ok()??;
        case.found = divergence.to_string();
        Some(case)
    })
}

impl Case {
    /// The case, if it shows anything.
    pub(crate) fn run(&self) -> anyhow::Result<Option<Divergence>> {
        for _ in 0..self.tries() {
            if let Some(divergence) = self.block.under(&[self.schedule], &mut |_| true)? {
                return Ok(Some(divergence));
            }
        }
        Ok(None)
    }

    /// Where the system schedules, once may not be enough.
    fn tries(&self) -> u64 {
        if self.schedule.kind == Kind::Threads {
            TRIES
        } else {
            1
        }
    }

    /// The smallest case that is found. `tried` is told of each that is run.
    pub(crate) fn shrunk(mut self, mut tried: impl FnMut(&Case)) -> Self {
        let simpler: [fn(Schedule) -> Schedule; 4] = [
            |schedule| Schedule {
                trouble: None,
                ..schedule
            },
            |schedule| Schedule {
                is_recorded: false,
                ..schedule
            },
            |schedule| Schedule {
                hints: Hints::None,
                ..schedule
            },
            // Automatically, small blocks are executed serially: what shows by optimism too becomes smaller.
            |schedule| match schedule.strategy {
                Strategy::Auto => Schedule {
                    strategy: Strategy::Optimistic,
                    ..schedule
                },
                _ => schedule,
            },
        ];
        for simpler in simpler {
            let schedule = simpler(self.schedule);
            if schedule != self.schedule
                && let Some(case) = diverging(&self.block, schedule, &mut tried)
            {
                self = case;
            }
        }
        let mut best = self.clone();
        self.block.shrunk(SHRINKS, |block| {
            let found = diverging(block, best.schedule, &mut tried);
            found.is_some_and(|case| {
                best = case;
                true
            })
        });
        best
    }

    /// Writes it into a folder, by a name that follows from what is in it.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let path = folder.join(format!("case-{:016x}.json", self.schedule.seed));
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&path, text + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }

    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a case", path.display()))
    }
}
