//! Seeded schedules: the same seed gives the same run, and every run gives the serial outcome.

use std::{env, num::NonZeroUsize, process::Command};

use pleach::{
    Executor, ParallelExecutor, Runtime, Statistics, Strategy,
    determinism::{Check, Kind},
    schedules::{Choice, run},
    testkit::{Program, ProgramVm, Step, TestBlock},
};

/// What the executor says of a run, which depends on who ran when.
fn statistics(block: &TestBlock, choice: Choice, seed: u64) -> Statistics {
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
            let each =
                (0..24).map(|seed| statistics(&TestBlock::from_seed(seed % 6), choice, seed));
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

/// Set where the test below runs itself.
const WITHIN: &str = "PLEACH_SEEDS_WITHIN";

#[test]
fn a_seed_gives_the_same_run_in_another_process() {
    let runs = [Choice::Walk, Choice::Pct].map(|choice| {
        let each = (0..8).map(|seed| statistics(&TestBlock::from_seed(seed % 3), choice, seed));
        each.collect::<Vec<_>>()
    });
    let runs = format!("runs {runs:?} end");
    if env::var_os(WITHIN).is_some() {
        println!("{runs}");
        return;
    }
    let mut again = Command::new(env::current_exe().expect("it runs"));
    let name = "schedules::a_seed_gives_the_same_run_in_another_process";
    again
        .args(["--exact", name, "--nocapture"])
        .env(WITHIN, "1");
    let output = again.output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&runs), "{runs}\nthere: {text}");
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

#[test]
fn who_waits_for_the_one_that_commits_lets_it_go_on() {
    // The second one of three subtracts what is there only until the first one has run; the third one looks, and what it sees
    // cannot be so. Until whoever commits the second one has taken that back, another attempt sees the same.
    let steps = (0..4).flat_map(|key| {
        [
            vec![Step::Get(100 + 10 * key), Step::Put(key, 1)],
            vec![Step::Subtract(key, 3)],
            vec![Step::Get(key)],
        ]
    });
    let block = TestBlock {
        state: (0..4).map(|key| (key, 5)).collect(),
        transactions: steps.map(Program::new).collect(),
        ..TestBlock::default()
    };
    // Under priorities nobody else would ever go on: with the mutant `retry_at_once` one of these ends the process.
    for seed in 0..1500 {
        let attempts = statistics(&block, Choice::Pct, seed).attempts;
        assert!(attempts < 50, "{attempts} under {seed}");
    }
}
