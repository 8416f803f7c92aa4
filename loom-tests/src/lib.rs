//! Loom models of every protocol of Pleach that crosses threads, run on the code that ships.
//!
//! `loom-tests/run` explores them all; `loom-tests/run ready` those of one protocol. `loom-tests/mutants` puts bugs back in,
//! one at a time, and shows that some model fails on each. README.md tells how to read a failure, and how to add a model.
//!
//! With `--cfg pleach_loom`, which `loom-tests/run` sets, there is what models of whole blocks share.
//! With `--cfg pleach_shuttle`, which `loom-tests/random` sets, there is what its two programs share.

#[cfg(all(pleach_loom, feature = "engine"))]
pub mod blocks;

/// Tests under random schedules.
#[cfg(pleach_shuttle)]
pub mod random {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use shuttle::{
        Config, FailurePersistence, Runner,
        scheduler::{PctScheduler, RandomScheduler},
    };

    /// Whether a test holds under the schedule of this number: at random if that is even, and by priorities that change a few times
    /// (PCT) otherwise.
    pub fn holds(schedule: u64, test: impl Fn() + Send + Sync + 'static) -> bool {
        let mut config = Config::new();
        config.failure_persistence = FailurePersistence::None;
        config.silence_warnings = true;
        config.stack_size = 1 << 20;
        let run = AssertUnwindSafe(|| {
            if schedule.is_multiple_of(2) {
                Runner::new(RandomScheduler::new_from_seed(schedule, 1), config).run(test)
            } else {
                Runner::new(PctScheduler::new_from_seed(schedule, 3, 1), config).run(test)
            }
        });
        catch_unwind(run).is_ok()
    }
}
