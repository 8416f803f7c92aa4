//! Larger blocks than loom can explore, under random schedules: `loom-tests/random`.
//!
//! shuttle decides at every step of every protocol which thread goes on: at random, or by priorities that change a few
//! times (PCT: Burckhardt et al., ASPLOS 2010), which finds bugs of small depth sooner. A failure prints the seeds that
//! bring it back.

#[cfg(pleach_shuttle)]
mod explore {
    use std::{env, num::NonZeroUsize, process::ExitCode};

    use loom_tests::random;
    use pleach::{
        Executor, ParallelExecutor, Runtime, SerialExecutor, Strategy,
        testkit::{ProgramVm, TestBlock, assert_same},
    };

    const USAGE: &str = "usage: random [BLOCKS [SCHEDULES]] | random --replay BLOCK SCHEDULE";

    /// One block under one schedule.
    #[derive(Clone, Copy)]
    struct Case {
        block: u64,
        schedule: u64,
    }

    impl Case {
        fn workers(self) -> NonZeroUsize {
            NonZeroUsize::MIN.saturating_add(1 + (self.schedule % 3) as usize)
        }

        fn strategy(self) -> Strategy {
            match self.schedule % 6 {
                0 => Strategy::Exact,
                1 | 2 => Strategy::Auto,
                3 => Strategy::Optimistic,
                4 => Strategy::Split,
                _ => Strategy::Lanes,
            }
        }

        /// Whether it comes to the same as serially, and ends.
        fn holds(self) -> bool {
            let test = move || {
                let block = TestBlock::from_seed(self.block);
                let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
                let runtime = Runtime::builder().workers(self.workers()).build();
                let runtime = runtime.expect("there are threads");
                let executor = ParallelExecutor::new(&runtime).strategy(self.strategy());
                for _ in 0..2 {
                    let found = executor.execute(block.to_pleach(&ProgramVm));
                    assert_same(&expected, &found).expect("they are the same");
                }
            };
            random::holds(self.schedule, test)
        }
    }

    pub(super) fn main() -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let is_replay = arguments.first().is_some_and(|first| first == "--replay");
        let numbers = arguments[usize::from(is_replay)..].iter();
        let numbers: Result<Vec<u64>, _> = numbers.map(|text| text.parse()).collect();
        let cases: Vec<Case> = match (is_replay, numbers.as_deref()) {
            (true, Ok(&[block, schedule])) => vec![Case { block, schedule }],
            (false, Ok(rest @ ([] | [_] | [_, _]))) => {
                let blocks = rest.first().copied().unwrap_or(100);
                let schedules = rest.get(1).copied().unwrap_or(20);
                let of = |block| (0..schedules).map(move |schedule| Case { block, schedule });
                (0..blocks).flat_map(of).collect()
            }
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        };
        for case in &cases {
            if !case.holds() {
                let Case { block, schedule } = case;
                eprintln!("to see it again: loom-tests/random --replay {block} {schedule}");
                return ExitCode::FAILURE;
            }
        }
        println!("{} blocks under schedules: all as serially", cases.len());
        ExitCode::SUCCESS
    }
}

#[cfg(pleach_shuttle)]
fn main() -> std::process::ExitCode {
    explore::main()
}

#[cfg(not(pleach_shuttle))]
fn main() {
    eprintln!("run loom-tests/random, which brings shuttle in");
    std::process::exit(2);
}
