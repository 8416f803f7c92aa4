//! How long a store takes for a read.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

/// A wait before each read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency(pub(crate) Duration);

impl Latency {
    /// Sleeps for so long, as a thread does that waits for a disk: others have the core meanwhile.
    #[inline]
    pub(crate) fn wait(self) {
        if !self.0.is_zero() {
            self.sleep();
        }
    }

    #[cold]
    fn sleep(self) {
        thread_local! {
            static PRECISE: Cell<bool> = const { Cell::new(false) };
        }
        if !PRECISE.replace(true) {
            sleep_precisely();
        }
        thread::sleep(self.0);
    }

    /// How long a read really takes, if it takes any time: the system wakes threads a little later. The mean of some times.
    pub(crate) fn measure(self) -> Option<Duration> {
        const TIMES: u32 = 100;
        if self.0.is_zero() {
            return None;
        }
        let start = Instant::now();
        for _ in 0..TIMES {
            self.wait();
        }
        Some(start.elapsed() / TIMES)
    }
}

/// Linux lets a thread sleep up to 50 us longer, to wake several at once, unless it says otherwise.
#[cfg(target_os = "linux")]
fn sleep_precisely() {
    // Where that is refused, reads take longer, which is measured and shown.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(not(target_os = "linux"))]
fn sleep_precisely() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_take_as_long_as_asked_at_least() {
        assert_eq!(Latency::default().measure(), None);
        let asked = Duration::from_micros(200);
        assert!(Latency(asked).measure() >= Some(asked));
    }
}
