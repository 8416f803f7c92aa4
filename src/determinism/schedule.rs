//! How a block is executed in one of the many ways, as data.

use std::fmt;

use super::{hints::Hints, trouble::Trouble};
use crate::parallel::Strategy;

/// One way of executing a block in parallel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Schedule {
    /// How many threads execute it.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = |bytes: &mut arbitrary::Unstructured<'_>| bytes.int_in_range(1..=4)))]
    pub workers: usize,
    /// How it is executed.
    pub strategy: Strategy,
    /// What the executor is told beforehand.
    pub hints: Hints,
    /// Who decides which thread goes on.
    pub kind: Kind,
    /// By which numbers.
    pub seed: u64,
    /// Whether it is also recorded what transactions touch, and compared. If not, the block is executed as a node does.
    #[cfg_attr(feature = "serde", serde(default = "recorded"))]
    pub is_recorded: bool,
    /// What goes wrong meanwhile, if anything does.
    #[cfg_attr(feature = "serde", serde(default))]
    pub trouble: Option<Trouble>,
}

/// A case that does not say whether it was recorded was.
#[cfg(feature = "serde")]
fn recorded() -> bool {
    true
}

/// Who decides which thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Kind {
    /// The system does. Reads of the state are delayed, so that transactions meet that otherwise would not.
    Threads,
    /// The seed does, at random, at every step of every protocol. Needs the feature `schedules`.
    Walk,
    /// The seed does, by priorities that change a few times (PCT: Burckhardt et al., ASPLOS 2010). Needs the feature
    /// `schedules`.
    Pct,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workers,
            strategy,
            hints,
            kind,
            seed,
            is_recorded,
            trouble,
        } = self;
        let recorded = if *is_recorded { ", recorded" } else { "" };
        write!(
            f,
            "{strategy:?} on {workers} workers{recorded}, hints {hints:?}, scheduled by {kind:?} {seed}"
        )?;
        match trouble {
            Some(trouble) => write!(f, ", trouble {trouble:?}"),
            None => Ok(()),
        }
    }
}

/// Numbers that follow from a seed.
pub(super) fn mix(seed: u64) -> u64 {
    // SplitMix64 (Steele et al., OOPSLA 2014).
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Kind {
    /// All kinds that this build has.
    #[must_use]
    pub fn all() -> &'static [Kind] {
        if cfg!(feature = "schedules") {
            &[Kind::Walk, Kind::Pct, Kind::Threads]
        } else {
            &[Kind::Threads]
        }
    }

    /// Calls a function that starts threads, and has them scheduled so.
    #[cfg(all(feature = "schedules", not(any(pleach_loom, pleach_shuttle))))]
    pub(super) fn run<T>(self, seed: u64, call: impl FnOnce() -> T) -> T {
        match self {
            Kind::Threads => call(),
            Kind::Walk => crate::schedules::run(crate::schedules::Choice::Walk, seed, call),
            Kind::Pct => crate::schedules::run(crate::schedules::Choice::Pct, seed, call),
        }
    }

    /// Without the feature, the system schedules all threads.
    #[cfg(not(all(feature = "schedules", not(any(pleach_loom, pleach_shuttle)))))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    pub(super) fn run<T>(self, _: u64, call: impl FnOnce() -> T) -> T {
        call()
    }
}
