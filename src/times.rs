//! When the transactions of a block were committed, and what the time went into.

use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

/// How long a block took, if [`Block::timed`](crate::Block::timed) asked for that. Like the statistics, it differs from run to
/// run.
///
/// # Examples
///
/// ```
/// use pleach::testkit::{Program, ProgramVm, Step};
/// use pleach::{Block, Executor, MemoryState, SerialExecutor};
///
/// let state = MemoryState::new();
/// let programs = vec![Program::new([Step::Add(1, 1)]); 100];
/// let block = Block::new(&ProgramVm, &state, &programs).timed();
/// let times = SerialExecutor::new().execute(block)?.times.expect("they were asked for");
/// let (half, most) = (times.time_to_commit(0.5), times.time_to_commit(0.99));
/// assert!(half <= most && most <= Some(times.total));
/// # Ok::<(), pleach::ExecuteError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Times {
    /// From the beginning of the block until each transaction was committed, in block order: as many as there are outcomes.
    pub committed: Vec<Duration>,
    /// From the beginning of the block until its outcome was there.
    pub total: Duration,
    /// What all workers together spent in the VM, in attempts that count and others, and in the state that it asked.
    pub executing: Duration,
    /// What they spent on checking what attempts were told, and on committing them.
    pub committing: Duration,
    /// What else they spent from their first transaction to their last: looking for work, waiting for it, and publishing
    /// what attempts have left.
    pub waiting: Duration,
}

impl Times {
    /// The time within which this share of the transactions was committed: 0.5 asks for the median, 0.99 for what one in a
    /// hundred exceeds. `None` if there are none. What is below 0 counts as 0, what is above 1 as 1. O(n log n).
    #[must_use]
    pub fn time_to_commit(&self, share: f64) -> Option<Duration> {
        let last = self.committed.len().checked_sub(1)?;
        let mut sorted = self.committed.clone();
        sorted.sort_unstable();
        #[expect(clippy::cast_sign_loss, reason = "neither factor is negative")]
        let at = (last as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
        sorted.get(at.min(last)).copied()
    }
}

/// What workers have spent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// See [`Statistics`](crate::Statistics), as the two below.
    pub(crate) deceived: usize,
    pub(crate) waited: usize,
    pub(crate) state_reads: usize,
    /// From their first transaction to their last.
    pub(crate) all: Duration,
    /// In the VM, if that is measured.
    pub(crate) executing: Duration,
    /// See [`Times::committing`], if it is measured.
    pub(crate) committing: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.deceived += other.deceived;
        self.waited += other.waited;
        self.state_reads += other.state_reads;
        self.all += other.all;
        self.executing += other.executing;
        self.committing += other.committing;
    }
}

/// Measures a block.
#[derive(Debug)]
pub(crate) struct Clock {
    begun: Instant,
    times: Times,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            times: Times::default(),
        }
    }

    /// Another transaction is committed.
    pub(crate) fn commit(&mut self) {
        self.times.committed.push(self.begun.elapsed());
    }

    /// Workers have spent that.
    pub(crate) fn spent(&mut self, spent: Spent) {
        let known = spent.executing + spent.committing;
        self.times.executing += spent.executing;
        self.times.committing += spent.committing;
        self.times.waiting += spent.all.saturating_sub(known);
    }

    pub(crate) fn stop(mut self) -> Times {
        self.times.total = self.begun.elapsed();
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_transactions() {
        let mut times = Times::default();
        assert_eq!(times.time_to_commit(0.5), None);
        times.committed = (1..=101).map(Duration::from_micros).collect();
        let micros = |share| times.time_to_commit(share).map(|time| time.as_micros());
        assert_eq!(micros(0.0), Some(1));
        assert_eq!(micros(0.5), Some(51));
        assert_eq!(micros(0.99), Some(100));
        assert_eq!(micros(1.0), Some(101));
        assert_eq!(micros(7.0), Some(101));
        assert_eq!(micros(f64::NAN), Some(1));
    }

    #[test]
    fn what_is_neither_executing_nor_committing_is_waiting() {
        let micros = Duration::from_micros;
        let mut clock = Clock::new();
        let mut spent = |all, executing, committing| {
            clock.spent(Spent {
                all: micros(all),
                executing: micros(executing),
                committing: micros(committing),
                ..Spent::default()
            });
        };
        spent(10, 6, 1);
        spent(5, 6, 1);
        let times = clock.stop();
        assert_eq!(times.waiting, micros(3));
        assert_eq!((times.executing, times.committing), (micros(12), micros(2)));
    }
}
