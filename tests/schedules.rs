//! Seeded schedules: the same seed gives the same run, and every run gives the serial outcome.

use std::num::NonZeroUsize;

use pleach::{
    Executor, ParallelExecutor, Runtime, Statistics, Strategy,
    determinism::{Check, Kind},
    schedules::{Choice, run},
    testkit::{ProgramVm, TestBlock},
};

/// What the executor says of a run, which depends on who ran when.
fn statistics(block: u64, choice: Choice, seed: u64) -> Statistics {
    let block = TestBlock::from_seed(block);
    run(choice, seed, || {
        let runtime = Runtime::builder()
            .workers(NonZeroUsize::new(3).expect("there are some"))
            .build()
            .expect("there are threads");
        let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Optimistic);
        let outcome = executor.execute(block.to_pleach(&ProgramVm));
        outcome.expect("nothing ends it").statistics
    })
}

#[test]
fn a_seed_gives_the_same_run() {
    for choice in [Choice::Walk, Choice::Pct] {
        let runs = |_| -> Vec<Statistics> {
            let each = (0..24).map(|seed| statistics(seed % 6, choice, seed));
            each.collect()
        };
        let (first, second) = (runs(0), runs(1));
        assert_eq!(first, second);
        let attempts = first.iter().map(|statistics| statistics.attempts);
        let again = attempts.zip(first.iter().map(|statistics| statistics.executed));
        assert!(
            again
                .into_iter()
                .any(|(attempts, executed)| attempts > executed)
        );
    }
}

#[test]
fn every_seed_gives_the_serial_outcome() {
    for seed in 0..20 {
        let block = TestBlock::from_seed(seed);
        let check = Check::new(&ProgramVm, &block.state).workers([2, 3]);
        let check = check.kinds([Kind::Walk, Kind::Pct]).seed(seed);
        check.run(&block.transactions).expect("nothing is odd");
    }
}

#[test]
#[should_panic(expected = "a schedule within a schedule")]
fn schedules_do_not_nest() {
    run(Choice::Walk, 1, || run(Choice::Pct, 2, || {}));
}
