//! Many blocks on many threads, without a test harness around them: for `ThreadSanitizer`, which `loom-tests/tsan` brings in,
//! and as a test like any other. With a number as argument, only the block of that seed is
//! executed, again and again; a second one says how often.

use std::{env, num::NonZeroUsize, process::ExitCode, thread};

use pleach::{
    Executor, ParallelExecutor, Runtime, SerialExecutor, Strategy,
    testkit::{Declared, Program, ProgramVm, Step, TestBlock, assert_same},
};

/// A block that follows from a seed: some thirty transactions over a few keys, one in eight of which fails.
fn block(seed: u64) -> TestBlock {
    let mut number = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u64| {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        (number >> 11) % bound
    };
    let keys = 1 + below(24);
    // Range scans and guesses are for optimists.
    let scans = below(2) == 0;
    let declared = match below(if scans { 4 } else { 1 }) {
        0 => Declared::Exactly,
        1 => Declared::Guessed(u8::from(below(2) == 0)),
        _ => Declared::Nothing,
    };
    let transactions = (0..16 + below(48)).map(|_| {
        let mut steps: Vec<Step> = (0..=below(4))
            .map(|_| {
                let key = u8::try_from(below(keys)).expect("it is small");
                match below(16) {
                    0..4 => Step::Get(key),
                    4..7 => Step::Add(key, below(9)),
                    7..10 => Step::Subtract(key, below(9)),
                    10 => Step::AtLeast(key, below(9)),
                    11 => Step::Contains(key),
                    12 => Step::Delete(key),
                    13 if scans => Step::Scan(key, key.saturating_add(5), 3),
                    _ => Step::PutRegister(key),
                }
            })
            .collect();
        if below(8) == 0 {
            steps.push(Step::Fail);
        }
        Program::new(steps).declaring(declared)
    });
    TestBlock {
        transactions: transactions.collect(),
        ..TestBlock::default()
    }
}

fn check(runtime: &Runtime, seed: u64) -> Result<(), String> {
    let block = block(seed);
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    for strategy in [Strategy::Exact, Strategy::Optimistic] {
        let executor = ParallelExecutor::new(runtime).strategy(strategy);
        assert_same(&expected, &executor.execute(block.to_pleach(&ProgramVm)))
            .map_err(|error| format!("seed {seed}, {strategy:?}: {error}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let seed: Option<u64> = env::args().nth(1).and_then(|text| text.parse().ok());
    let count: Option<u64> = env::args().nth(2).and_then(|text| text.parse().ok());
    let count = count.unwrap_or(400);
    let mut failures = Vec::new();
    for workers in [2, 4] {
        let workers = NonZeroUsize::new(workers).expect("there are some");
        let runtime = Runtime::builder().workers(workers).build();
        let runtime = runtime.expect("there are threads");
        // Two callers at a time: one of them gets the threads.
        let callers: Vec<_> = (0..2)
            .map(|caller| {
                let runtime = runtime.clone();
                thread::spawn(move || {
                    let seeds = (0..count).map(|index| seed.unwrap_or(2 * index + caller));
                    seeds
                        .filter_map(|seed| check(&runtime, seed).err())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for caller in callers {
            failures.extend(caller.join().expect("no caller panics"));
        }
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}
