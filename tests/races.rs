//! Many blocks on many threads, without a test harness around them: for `ThreadSanitizer`, which `loom-tests/tsan` brings in,
//! and as a test like any other. With a number as argument, only the block of that seed is
//! executed, again and again; a second one says how often.

use std::{env, num::NonZeroUsize, process::ExitCode, thread};

use pleach::{
    Executor, ParallelExecutor, Runtime, SerialExecutor, Strategy,
    testkit::{ProgramVm, TestBlock, assert_same},
};

fn check(runtime: &Runtime, seed: u64) -> Result<(), String> {
    let block = TestBlock::from_seed(seed);
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    for strategy in [Strategy::Exact, Strategy::Auto, Strategy::Optimistic] {
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
