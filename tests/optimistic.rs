//! What is particular to optimistic execution: hints, streaming, statistics, and callers that panic.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use pleach::{
    Block, CancelToken, Delta, ExecuteErrorKind, Executor, MemoryState, Outcome, ParallelExecutor,
    SerialExecutor, StateView, Stop, Strategy, Vm,
    testkit::{Declared, Program, ProgramVm, Step, TestBlock, assert_same, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

fn executor(workers: usize) -> ParallelExecutor {
    crate::executor(workers, Strategy::Optimistic)
}

#[test]
fn large_blocks_of_which_nobody_says_anything() {
    let executors = [2, 3].map(executor);
    for profile in strategies::Profile::all() {
        let profile = profile.transactions(200..=400);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(5));
        runner
            .run(&strategies::block(&profile), |mut block| {
                block.limit = None;
                for program in &mut block.transactions {
                    program.steps.retain(|step| *step != Step::Panic);
                }
                let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
                for executor in &executors {
                    let found = executor.execute(block.to_pleach(&ProgramVm));
                    assert_same(&expected, &found).map_err(TestCaseError::fail)?;
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
    }
}

fn chain(length: usize, declared: Declared) -> TestBlock {
    let steps = [Step::Get(1), Step::PutRegister(1)];
    TestBlock {
        transactions: vec![Program::new(steps).declaring(declared); length],
        ..TestBlock::default()
    }
}

#[test]
fn who_is_known_to_depend_on_others_waits_for_them() {
    let block = chain(50, Declared::Guessed(0));
    let outcome = executor(2).execute(block.to_pleach(&ProgramVm));
    let statistics = outcome.expect("nothing fails").statistics;
    assert_eq!(statistics.executed, 50);
    assert_eq!(statistics.deceived, 0, "{statistics:?}");
}

#[test]
fn hints_that_are_wrong_change_nothing() {
    for shift in [1, 7] {
        let block = chain(50, Declared::Guessed(shift));
        let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
        for workers in [1, 2, 4] {
            let found = executor(workers).execute(block.to_pleach(&ProgramVm));
            assert_same(&expected, &found).expect("they are the same");
        }
    }
}

/// Adds to one counter, of which each transaction asks whether those before it were there. Takes a while.
struct Queue {
    /// What it says that each will add.
    forecast: u64,
}

impl Vm for Queue {
    type Transaction = u64;
    type Key = u8;
    type Value = u64;
    type Output = bool;
    type Error = Infallible;
    type Scratch = ();

    fn forecast(&self, _: &u64, add: &mut dyn FnMut(u8, Delta<u64>)) {
        add(0, Delta::Plus(self.forecast));
    }

    fn execute<S: StateView<u8, u64>>(
        &self,
        place: &u64,
        state: &mut S,
        (): &mut (),
    ) -> Result<bool, Stop<Infallible>> {
        let is_next = state.at_least(&0, *place)? && !state.at_least(&0, *place + 1)?;
        std::thread::sleep(Duration::from_micros(50));
        state.add(&0, Delta::Plus(1))?;
        Ok(is_next)
    }
}

fn queue(forecast: u64, workers: usize) -> Outcome<Queue> {
    let vm = Queue { forecast };
    let places: Vec<u64> = (0..40).collect();
    let state = MemoryState::new();
    let block = Block::new(&vm, &state, &places);
    let outcome = executor(workers).execute(block).expect("nothing fails");
    assert!(outcome.outputs().all(|output| output == Some(&true)));
    assert_eq!(outcome.changes.get(&0), Some(Some(&40)));
    outcome
}

#[test]
fn what_is_forecast_is_believed_until_it_is_known() {
    let statistics = queue(1, 4).statistics;
    assert_eq!(statistics.attempts, 40, "{statistics:?}");
    assert_eq!(statistics.refused, 0, "{statistics:?}");
}

#[test]
fn forecasts_that_are_wrong_change_nothing() {
    for forecast in [0, 2, u64::MAX] {
        queue(forecast, 3);
    }
}

#[test]
fn the_keys_that_cost_attempts_are_named() {
    // The second one has looked at key 1 before the first one puts it: it waits for that.
    struct Slow {
        has_looked: AtomicUsize,
    }

    impl Vm for Slow {
        type Transaction = bool;
        type Key = u8;
        type Value = u64;
        type Output = Option<u64>;
        type Error = Infallible;
        type Scratch = ();

        fn execute<S: StateView<u8, u64>>(
            &self,
            writes: &bool,
            state: &mut S,
            (): &mut (),
        ) -> Result<Option<u64>, Stop<Infallible>> {
            if *writes {
                while self.has_looked.load(Ordering::Acquire) == 0 {
                    std::thread::yield_now();
                }
                state.put(&1, 7)?;
                return Ok(None);
            }
            let value = state.get(&1)?;
            self.has_looked.store(1, Ordering::Release);
            Ok(value)
        }
    }

    let vm = Slow {
        has_looked: AtomicUsize::new(0),
    };
    let state = MemoryState::new();
    let block = Block::new(&vm, &state, &[true, false]);
    let outcome = executor(2).execute(block).expect("nothing fails");
    assert_eq!(outcome.outputs().last(), Some(Some(&Some(7))));
    assert_eq!(outcome.conflicts, [(1, 1)]);
    assert_eq!(outcome.statistics.deceived, 1);
    assert_eq!(outcome.statistics.attempts, 3);
}

#[test]
fn what_is_committed_is_streamed_before_the_block_ends() {
    /// The last transaction waits until all others are committed.
    struct Patient<'a>(&'a AtomicUsize);

    impl Vm for Patient<'_> {
        type Transaction = usize;
        type Key = usize;
        type Value = u64;
        type Output = ();
        type Error = Infallible;
        type Scratch = ();

        fn execute<S: StateView<usize, u64>>(
            &self,
            index: &usize,
            state: &mut S,
            (): &mut (),
        ) -> Result<(), Stop<Infallible>> {
            state.put(index, 1)?;
            while *index == 99 && self.0.load(Ordering::Acquire) < 99 {
                std::thread::yield_now();
            }
            Ok(())
        }
    }

    let committed = AtomicUsize::new(0);
    let vm = Patient(&committed);
    let transactions: Vec<usize> = (0..100).collect();
    let state = MemoryState::new();
    let block = Block::new(&vm, &state, &transactions).on_commit(|index, _| {
        assert_eq!(index, committed.fetch_add(1, Ordering::AcqRel));
    });
    executor(2).execute(block).expect("nothing fails");
    assert_eq!(committed.load(Ordering::Acquire), 100);
}

#[test]
fn a_panic_of_the_caller_comes_through_and_the_runtime_goes_on() {
    let executor = executor(3);
    let block = chain(30, Declared::Nothing);
    for _ in 0..20 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let block = block.to_pleach(&ProgramVm).on_commit(|index, _| {
                if index == 7 {
                    // Without a message on the screen.
                    std::panic::resume_unwind(Box::new("seven"));
                }
            });
            let _ = executor.execute(block);
        }));
        let panic = result.expect_err("it comes through");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"seven"));
        let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
        let found = executor.execute(block.to_pleach(&ProgramVm));
        assert_same(&expected, &found).expect("they are the same");
    }
}

#[test]
fn a_block_that_is_cancelled_in_the_middle_ends() {
    let executor = executor(2);
    let beside = chain(1_000, Declared::Nothing);
    let mut in_turn = beside.clone();
    for program in &mut in_turn.transactions {
        program.steps.push(Step::Light);
    }
    for block in [beside, in_turn] {
        let cancel = CancelToken::new();
        let block = block.to_pleach(&ProgramVm).cancel(&cancel);
        let result = executor.execute(block.on_commit(|index, _| {
            if index == 20 {
                cancel.cancel();
            }
        }));
        let error = result.expect_err("it is cancelled");
        assert!(matches!(error.kind(), ExecuteErrorKind::Cancelled));
    }
}

#[test]
fn a_chain_is_left_to_the_serial_executor() {
    let block = chain(2_000, Declared::Nothing);
    let outcome = executor(2).execute(block.to_pleach(&ProgramVm));
    let statistics = outcome.expect("nothing fails").statistics;
    // Unless the second worker came too late to be in the way.
    assert!(
        statistics.serial > 0 || statistics.attempts < 4_000,
        "{statistics:?}"
    );
}

#[test]
fn a_block_does_not_run_away_from_its_first_transaction() {
    const AHEAD: usize = 1024;

    /// The first transaction waits until as many others were begun as may be, and a little longer.
    struct First(AtomicUsize);

    impl Vm for First {
        type Transaction = usize;
        type Key = usize;
        type Value = u64;
        type Output = usize;
        type Error = Infallible;
        type Scratch = ();

        fn execute<S: StateView<usize, u64>>(
            &self,
            index: &usize,
            state: &mut S,
            (): &mut (),
        ) -> Result<usize, Stop<Infallible>> {
            state.put(index, 1)?;
            if *index > 0 {
                return Ok(self.0.fetch_add(1, Ordering::AcqRel));
            }
            while self.0.load(Ordering::Acquire) < AHEAD {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(5));
            Ok(self.0.load(Ordering::Acquire))
        }
    }

    let vm = First(AtomicUsize::new(0));
    let transactions: Vec<usize> = (0..4 * AHEAD).collect();
    let state = MemoryState::new();
    let block = Block::new(&vm, &state, &transactions);
    let outcome = executor(2).execute(block).expect("nothing fails");
    assert_eq!(outcome.outputs().next(), Some(Some(&AHEAD)));
    assert_eq!(outcome.statistics.attempts, 4 * AHEAD);
    // Each one at most once.
    let waited = outcome.statistics.waited;
    assert!((1..3 * AHEAD).contains(&waited), "{waited}");
}
