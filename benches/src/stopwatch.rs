//! How long something takes, and how many cores are busy meanwhile.

use std::time::{Duration, Instant};

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The time that went by.
    pub wall: Duration,
    /// Processor time of all threads of the process, where the system tells it.
    pub processors: Option<Duration>,
}

impl Run {
    /// Measures a run.
    pub fn time<T>(run: impl FnOnce() -> T) -> (T, Self) {
        let before = processors();
        let start = Instant::now();
        let result = run();
        let wall = start.elapsed();
        let processors = before
            .zip(processors())
            .map(|(before, after)| after.saturating_sub(before));
        (result, Self { wall, processors })
    }

    /// This run and a later one together, without what was between them.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        let processors = self.processors.zip(later.processors);
        Self {
            wall: self.wall + later.wall,
            processors: processors.map(|(one, other)| one + other),
        }
    }

    /// How many cores were busy on average.
    #[must_use]
    pub fn cores_busy(&self) -> Option<f64> {
        // A clock that does not resolve a run says nothing about it.
        let wall = Some(self.wall.as_secs_f64()).filter(|wall| *wall > 0.0)?;
        Some(self.processors?.as_secs_f64() / wall)
    }
}

/// Processor time that the process has taken so far.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(crate) fn processors() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    clock_gettime(ClockId::ProcessCPUTime).try_into().ok()
}

/// Other systems are not asked.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn processors() -> Option<Duration> {
    None
}

/// The number in the middle, or the mean of the two that are.
pub fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = *numbers.get(middle)?;
    Some(if numbers.len().is_multiple_of(2) {
        f64::midpoint(numbers[middle - 1], upper)
    } else {
        upper
    })
}

/// The root of the product of so many numbers. Nothing if there are none, or one is not above zero.
#[must_use]
pub fn geometric_mean(numbers: &[f64]) -> Option<f64> {
    if numbers.is_empty() || !numbers.iter().all(|number| *number > 0.0) {
        return None;
    }
    let logarithms: f64 = numbers.iter().map(|number| number.ln()).sum();
    Some((logarithms / numbers.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |numbers: &[f64]| median(numbers.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn geometric_means_are_of_what_is_above_zero() {
        let mean = geometric_mean(&[2.0, 8.0, 4.0]).expect("there are some");
        assert!((mean - 4.0).abs() < 1e-9, "{mean}");
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(geometric_mean(&[1.0, 0.0]), None);
        assert_eq!(geometric_mean(&[f64::NAN]), None);
    }

    #[test]
    fn two_runs_take_the_time_of_both() {
        let run = |wall, processors: Option<u64>| Run {
            wall: Duration::from_secs(wall),
            processors: processors.map(Duration::from_secs),
        };
        let both = run(1, Some(2)).and(run(3, Some(6)));
        assert_eq!((both.wall.as_secs(), both.cores_busy()), (4, Some(2.0)));
        assert_eq!(run(1, Some(2)).and(run(3, None)).cores_busy(), None);
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn threads_of_the_process_count() {
        let spin = || {
            let start = processors();
            while processors() < start.map(|start| start + Duration::from_millis(20)) {}
        };
        let ((), run) = Run::time(|| thread::spawn(spin).join().expect("it ends"));
        assert!(run.processors >= Some(Duration::from_millis(20)), "{run:?}");
        assert!(run.cores_busy() > Some(0.0), "{run:?}");
    }
}
