//! How a block is executed in one of the many ways, as data.

use std::{
    fmt,
    ops::{Bound, ControlFlow},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::{
    parallel::Strategy,
    state::{RangeSupport, State},
};

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
}

/// What the executor is told of the block beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Hints {
    /// Nothing.
    None,
    /// What each transaction touches when the block is executed serially.
    Right,
    /// What the next transaction touches then.
    Wrong,
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
        } = self;
        write!(
            f,
            "{strategy:?} on {workers} workers, hints {hints:?}, scheduled by {kind:?} {seed}"
        )
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

/// A state whose answers take different times: what [`Check`](super::Check) executes on.
#[derive(Debug)]
pub struct Delayed<'a, S> {
    inner: &'a S,
    /// Nobody is delayed without one.
    seed: Option<u64>,
    reads: AtomicU64,
}

impl<'a, S> Delayed<'a, S> {
    pub(super) fn new(inner: &'a S, seed: Option<u64>) -> Self {
        Self {
            inner,
            seed,
            reads: AtomicU64::new(0),
        }
    }

    fn delay(&self) {
        let Some(seed) = self.seed else {
            return;
        };
        // ORDERING: Relaxed. It only tells reads apart.
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        let number = mix(seed ^ mix(read));
        match number % 16 {
            0..2 => thread::yield_now(),
            2..5 => {
                for _ in 0..(number >> 8) % 4096 {
                    std::hint::spin_loop();
                }
            }
            _ => {}
        }
    }
}

impl<K, V, S: State<K, V>> State<K, V> for Delayed<'_, S> {
    type Error = S::Error;

    fn get(&self, key: &K) -> Result<Option<V>, S::Error> {
        self.delay();
        self.inner.get(key)
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, S::Error> {
        self.delay();
        self.inner.range(from, to, visit)
    }
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
