//! Events in the pipeline, from a target for the response time.

use std::time::Duration;

use super::{Admission, AdmissionSample};
use crate::histogram::whole;

/// Keeps the response time that nine in ten events do not exceed near a target, or the one that 99 in 100 do not exceed
/// [below it](Self::p99).
///
/// After M. Welsh and D. Culler, "Adaptive Overload Control for Busy Internet Servers" (USITS 2003): the 90th percentile is
/// smoothed, and what is let in grows slowly below the target and shrinks quickly above it. They limit a rate; here it is the
/// number of events inside, which by Little's law comes to the same, and follows by itself when handlers become faster or
/// slower. It begins with few, and lets twice as many in as long as they take less than half of the target.
///
/// ```
/// use std::time::Duration;
/// use seda_stages::{Pipeline, ResponseTarget, Settings, from_fn};
///
/// let pipeline = Pipeline::builder()
///     .stage("double", Settings::new(), from_fn(|number: u32| Ok::<_, std::io::Error>(2 * number)))
///     .admission(ResponseTarget::new(Duration::from_millis(50))?.at_least(2))
///     .build()?;
/// // Two are let in whatever they take; more when it is known how long that is.
/// assert_eq!(pipeline.snapshot().allowed, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResponseTarget {
    target: f64,
    of: Share,
    least: usize,
    smooth: Option<f64>,
    /// How many events have to leave before the next of the first steps; none when it is known how many are too many.
    starting: Option<u64>,
}

/// Of which events the slowest one counts.
#[derive(Clone, Copy, Debug)]
enum Share {
    NineInTen,
    NinetyNineInHundred,
}

impl Share {
    fn time(self, sample: &AdmissionSample) -> f64 {
        let time = match self {
            Self::NineInTen => sample.p90,
            Self::NinetyNineInHundred => sample.p99,
        };
        time.as_secs_f64()
    }

    /// Below which part of the target more is let in, and above which part less. What the slowest take varies more, and is to stay
    /// below: so that it does when everything takes twice as long for some time, before that is noticed, half is the most.
    fn band(self) -> (f64, f64) {
        match self {
            Self::NineInTen => (0.9, 1.0),
            Self::NinetyNineInHundred => (0.35, 0.5),
        }
    }
}

/// A target of zero cannot be met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the target for the response time is zero")]
pub struct ResponseTargetError;

/// How much the last percentiles count.
const SMOOTHING: f64 = 0.5;
/// By what the number is divided above the target, at least and at most.
const SHRINK: (f64, f64) = (1.2, 2.0);
/// How much more is let in at a time.
const GROW: f64 = 1.05;
/// How many events have to leave between two of the first steps, at least.
const STARTING: u64 = 8;

fn count(events: f64) -> usize {
    usize::try_from(whole(events)).unwrap_or(usize::MAX)
}

impl ResponseTarget {
    /// Nine in ten results should come within this time from when their events are let in. What a caller waits for room before that
    /// is not in it.
    pub fn new(p90: Duration) -> Result<Self, ResponseTargetError> {
        Self::of(Share::NineInTen, p90)
    }

    /// 99 in 100 results should come within this time from when their events are let in, and do so in half of it as long as handlers take what they
    /// took: the other half is for a time in which these take longer, and events are inside already. So fewer are let in than for
    /// nine in ten.
    pub fn p99(p99: Duration) -> Result<Self, ResponseTargetError> {
        Self::of(Share::NinetyNineInHundred, p99)
    }

    fn of(of: Share, target: Duration) -> Result<Self, ResponseTargetError> {
        if target.is_zero() {
            return Err(ResponseTargetError);
        }
        Ok(Self {
            target: target.as_secs_f64(),
            of,
            least: 1,
            smooth: None,
            starting: Some(STARTING),
        })
    }

    /// How many events are let in however long they take, and in the beginning. Default: 1. As many as there are workers keep
    /// these busy.
    #[must_use]
    pub fn at_least(mut self, events: usize) -> Self {
        self.least = events.max(1);
        self
    }
}

impl Admission for ResponseTarget {
    fn begin(&mut self, capacity: usize) -> usize {
        self.least.min(capacity)
    }

    fn events(&self) -> u64 {
        self.starting.unwrap_or(100)
    }

    fn adjust(&mut self, sample: &AdmissionSample) -> usize {
        let allowed = sample.allowed.min(sample.capacity);
        if sample.finished == 0 {
            return allowed;
        }
        let time = self.of.time(sample);
        let (low, high) = self.of.band();
        let most = high * self.target;
        if self.starting.is_some() {
            if sample.peak < allowed {
                return allowed;
            }
            // Twice as many take twice as long at most.
            if 2.0 * time < most && allowed < sample.capacity {
                let allowed = (2 * allowed).min(sample.capacity);
                // Those that leave first came when there were fewer.
                self.starting = Some(STARTING.max(2 * allowed as u64));
                return allowed;
            }
            self.starting = None;
        }
        let smooth = self
            .smooth
            .map_or(time, |before| SMOOTHING * before + (1.0 - SMOOTHING) * time);
        self.smooth = Some(smooth);
        let ratio = smooth / most;
        if ratio > 1.0 && time > most {
            // What was never inside need not be taken away first.
            let inside = allowed.min(sample.peak.max(1)) as f64;
            let fewer = inside / ratio.clamp(SHRINK.0, SHRINK.1);
            return count(fewer.floor()).max(self.least);
        }
        if smooth < low * self.target && sample.peak >= allowed {
            let more = count(allowed as f64 * GROW);
            return more.min(sample.capacity).max(self.least);
        }
        allowed.max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events come faster than they can be handled, each takes `service` of one server: what does the controller allow?
    fn settles(target: f64, service: impl Fn(usize) -> f64, rounds: usize) -> Vec<usize> {
        let target = Duration::from_secs_f64(target);
        let mut controller = ResponseTarget::new(target).expect("it is not zero");
        let mut allowed = 10_000;
        (0..rounds)
            .map(|round| {
                allowed = controller.adjust(&AdmissionSample {
                    finished: 100,
                    // Little's law: who comes last waits for all before.
                    p90: Duration::from_secs_f64(allowed as f64 * service(round)),
                    allowed,
                    peak: allowed,
                    capacity: 10_000,
                    ..AdmissionSample::default()
                });
                allowed
            })
            .collect()
    }

    #[test]
    fn overload_settles_at_the_target() {
        // 10 ms each, and 1 s at most: 100 inside.
        let allowed = settles(1.0, |_| 0.01, 200);
        for late in &allowed[100..] {
            assert!((80..=110).contains(late), "{allowed:?}");
        }
    }

    #[test]
    fn slower_and_faster_handlers_are_followed() {
        let service = |round| if round < 150 { 0.01 } else { 0.002 };
        let allowed = settles(1.0, service, 400);
        assert!((80..=110).contains(&allowed[149]), "{allowed:?}");
        assert!((400..=550).contains(&allowed[399]), "{allowed:?}");
    }

    #[test]
    fn the_slowest_stay_below_their_target() {
        let mut controller = ResponseTarget::p99(Duration::from_secs(1)).expect("it is not zero");
        let mut allowed = 10;
        for round in 0..400 {
            // Some take 1.4 times as long as most do.
            let time = |factor: f64| Duration::from_secs_f64(allowed as f64 * 0.01 * factor);
            let sample = AdmissionSample {
                finished: 100,
                p90: time(1.0),
                p99: time(1.4),
                allowed,
                peak: allowed,
                capacity: 10_000,
                ..AdmissionSample::default()
            };
            assert!(round < 100 || (22..=36).contains(&allowed), "{allowed}");
            allowed = controller.adjust(&sample);
        }
        ResponseTarget::p99(Duration::ZERO).expect_err("nothing comes so soon");
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let mut controller = ResponseTarget::new(Duration::from_secs(1)).expect("it is not zero");
        let sample = AdmissionSample {
            finished: 100,
            p90: Duration::from_millis(1),
            allowed: 50,
            peak: 10,
            capacity: 1000,
            ..AdmissionSample::default()
        };
        assert_eq!(controller.adjust(&sample), 50);
    }

    #[test]
    fn some_are_let_in_however_long_they_take() {
        let target = Duration::from_nanos(1);
        let mut controller = ResponseTarget::new(target)
            .expect("it is not zero")
            .at_least(2);
        let mut allowed = 1000;
        for _ in 0..50 {
            allowed = controller.adjust(&AdmissionSample {
                finished: 1,
                p90: Duration::from_secs(9),
                allowed,
                peak: allowed,
                capacity: 1000,
                ..AdmissionSample::default()
            });
        }
        assert_eq!(allowed, 2);
        assert!(ResponseTarget::new(Duration::ZERO).is_err());
    }
}
