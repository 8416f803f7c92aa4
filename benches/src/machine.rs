//! What the machine tells: how much memory the process has, and how busy others are.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::stopwatch::processors;

/// If others have more than this share of the processors, figures are noisy.
const MUCH: f64 = 0.05;

/// Notices what others do meanwhile.
#[derive(Debug)]
pub struct Neighbours {
    begun: Instant,
    /// Seconds that all processors were busy, and that this process took of it.
    before: Option<(f64, f64)>,
}

impl Neighbours {
    /// From now on.
    #[must_use]
    pub fn watch() -> Self {
        Self {
            begun: Instant::now(),
            before: busy().zip(own()),
        }
    }

    /// The share of all processors that others have had since then, where the system tells it.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let (all, own) = self
            .before
            .zip(busy().zip(own()))
            .map(|((all_before, own_before), (all, own))| (all - all_before, own - own_before))?;
        let cores = thread::available_parallelism().ok()?.get() as f64;
        let there_was = self.begun.elapsed().as_secs_f64() * cores;
        Some(((all - own) / there_was).clamp(0.0, 1.0))
    }

    /// Whether that is too much to believe the figures. The clock of the system ticks too seldom to say so of a moment: if it has
    /// not been long enough, this waits until it has, and what others do meanwhile counts as well.
    #[must_use]
    pub fn were_noisy(self) -> bool {
        const LEAST: Duration = Duration::from_millis(250);
        thread::sleep(LEAST.saturating_sub(self.begun.elapsed()));
        self.share() > Some(MUCH)
    }
}

fn own() -> Option<f64> {
    processors().map(|time| time.as_secs_f64())
}

/// Seconds that all processors together were not idle, ever.
#[cfg(target_os = "linux")]
fn busy() -> Option<f64> {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let statistics = std::fs::read_to_string("/proc/stat").ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal
    let times = statistics.lines().next()?.split_whitespace().skip(1);
    let times = times.take(8).map(str::parse);
    let times: Vec<u64> = times.collect::<Result<_, _>>().ok()?;
    let all: u64 = times.iter().sum();
    let idle: u64 = times.get(3..5)?.iter().sum();
    Some((all - idle) as f64 / ticks)
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
fn busy() -> Option<f64> {
    None
}

/// Forgets the most memory that the process ever had, if the system can do that: [`peak_memory`] begins anew.
pub fn forget_peak_memory() {
    #[cfg(target_os = "linux")]
    {
        // Where it is not allowed, there is no figure.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }
}

/// The most bytes in memory that the process has had since that was forgotten, where the system tells it.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_there_is_seen() {
        let is_seen = || {
            forget_peak_memory();
            let before = peak_memory().expect("the system tells it");
            drop(std::hint::black_box(vec![1_u8; 64 << 20]));
            let after = peak_memory().expect("the system tells it");
            after >= before + (32 << 20)
        };
        // Other tests of this process may give more back at the same moment.
        assert!((0..100).any(|_| is_seen()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn shares_are_shares() {
        let neighbours = Neighbours::watch();
        thread::sleep(Duration::from_millis(30));
        let share = neighbours.share().expect("the system tells it");
        assert!((0.0..=1.0).contains(&share), "{share}");
        let begun = neighbours.begun;
        let _ = neighbours.were_noisy();
        assert!(
            begun.elapsed() >= Duration::from_millis(250),
            "it is too early to say"
        );
    }
}
