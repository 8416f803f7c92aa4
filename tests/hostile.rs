//! Blocks, hints and VMs that were made to mislead the parallel executor.

use std::{
    convert::Infallible,
    ops::{Bound, ControlFlow},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use pleach::{
    AccessSet, Block, Delta, ExecuteError, Executor, MemoryState, OnFailure, Outcome,
    ParallelExecutor, SerialExecutor, StateView, Stop, Strategy, Trust, Vm,
    testkit::{Program, ProgramVm, Step, TestBlock},
};

use crate::executor;

#[test]
fn a_scan_waits_for_a_key_that_is_forecast() {
    /// The first transaction adds what it has forecast, when the second one has begun to scan.
    struct Late(AtomicUsize);

    impl Vm for Late {
        type Transaction = bool;
        type Key = u8;
        type Value = u64;
        type Output = u64;
        type Error = Infallible;
        type Scratch = ();

        fn forecast(&self, adds: &bool, add: &mut dyn FnMut(u8, Delta<u64>)) {
            if *adds {
                add(1, Delta::Plus(8));
            }
        }

        fn execute<S: StateView<u8, u64>>(
            &self,
            adds: &bool,
            state: &mut S,
            (): &mut (),
        ) -> Result<u64, Stop<Infallible>> {
            if *adds {
                for _ in 0..1_000 {
                    if self.0.load(Ordering::Acquire) > 0 {
                        break;
                    }
                    thread::yield_now();
                }
                thread::sleep(Duration::from_millis(5));
                state.add(&1, Delta::Plus(8))?;
                return Ok(0);
            }
            self.0.store(1, Ordering::Release);
            let mut sum = 0;
            state.range(Bound::Unbounded, Bound::Unbounded, &mut |_, value| {
                sum += value;
                ControlFlow::Continue(())
            })?;
            Ok(sum)
        }
    }

    let vm = Late(AtomicUsize::new(0));
    let state = MemoryState::new();
    let block = Block::new(&vm, &state, &[true, false]);
    let outcome = executor(2, Strategy::Optimistic).execute(block);
    let outcome = outcome.expect("nothing fails");
    assert_eq!(outcome.outputs().last(), Some(Some(&8)));
}

/// Reads the key after the one that it declares, and panics when it is asked for something.
struct Unasked {
    accesses: bool,
    forecast: bool,
    weight: bool,
}

impl Vm for Unasked {
    type Transaction = u8;
    type Key = u8;
    type Value = u64;
    type Output = ();
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, key: &u8, set: &mut AccessSet<u8>) -> Trust {
        // Without a message on the screen.
        if self.accesses && *key == 2 {
            std::panic::resume_unwind(Box::new("accesses"));
        }
        set.read(*key);
        Trust::Exact
    }

    fn forecast(&self, key: &u8, _: &mut dyn FnMut(u8, Delta<u64>)) {
        if self.forecast && *key == 2 {
            std::panic::resume_unwind(Box::new("forecast"));
        }
    }

    fn weight(&self, key: &u8) -> u32 {
        if self.weight && *key == 2 {
            std::panic::resume_unwind(Box::new("weight"));
        }
        1
    }

    fn execute<S: StateView<u8, u64>>(
        &self,
        key: &u8,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<Infallible>> {
        state.get(&(key + 1))?;
        Ok(())
    }
}

#[test]
fn a_vm_that_panics_when_it_is_asked_for_hints() {
    let state: MemoryState<u8, u64> = MemoryState::new();
    for asked in 1..8 {
        for on_failure in [OnFailure::Skip, OnFailure::SkipRest] {
            let vm = Unasked {
                accesses: asked & 1 != 0,
                forecast: asked & 2 != 0,
                weight: asked & 4 != 0,
            };
            let block = || Block::new(&vm, &state, &[1, 2, 3]).on_failure(on_failure);
            let expected = show(SerialExecutor::new().execute(block()));
            for strategy in crate::STRATEGIES {
                let executor = executor(2, strategy);
                let found = show(executor.execute(block()));
                assert_eq!(expected, found, "{strategy:?}, {asked}");
            }
        }
    }
}

/// What came of a block, but for the statistics.
fn show<V: Vm<Output: std::fmt::Debug>>(result: Result<Outcome<V>, ExecuteError>) -> String {
    format!("{:?}", result.map(|outcome| outcome.transactions))
}

#[test]
fn who_panics_on_another_thread_is_not_waited_for() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);

    /// Cannot be made on a thread of the pool.
    struct Picky;

    impl Default for Picky {
        fn default() -> Self {
            let thread = thread::current();
            if thread.name().is_some_and(|name| name.starts_with("pleach")) {
                ASKED.store(1, Ordering::Release);
                std::panic::resume_unwind(Box::new("picky"));
            }
            Self
        }
    }

    /// Waits until the other thread is there.
    struct Patient;

    impl Vm for Patient {
        type Transaction = u32;
        type Key = u32;
        type Value = u64;
        type Output = ();
        type Error = Infallible;
        type Scratch = Picky;

        fn accesses(&self, key: &u32, set: &mut AccessSet<u32>) -> Trust {
            set.write(*key);
            Trust::Exact
        }

        fn execute<S: StateView<u32, u64>>(
            &self,
            key: &u32,
            state: &mut S,
            _: &mut Picky,
        ) -> Result<(), Stop<Infallible>> {
            while ASKED.load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            Ok(state.put(key, 1)?)
        }
    }

    let transactions: Vec<u32> = (0..1_000).collect();
    let state = MemoryState::new();
    for strategy in [
        Strategy::Exact,
        Strategy::Optimistic,
        Strategy::Split,
        Strategy::Lanes,
    ] {
        ASKED.store(0, Ordering::Release);
        let executor = executor(2, strategy);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _ = executor.execute(Block::new(&Patient, &state, &transactions));
        }));
        let panic = result.expect_err("it comes through");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"picky"), "{strategy:?}");
    }
}

/// Counts how often it is called. The first transaction fails, all others read and write one key.
struct Counts(AtomicUsize);

#[derive(Debug, thiserror::Error)]
#[error("the first one fails")]
struct FirstFails;

impl Vm for Counts {
    type Transaction = u32;
    type Key = u32;
    type Value = u64;
    type Output = ();
    type Error = FirstFails;
    type Scratch = ();

    fn accesses(&self, _: &u32, set: &mut AccessSet<u32>) -> Trust {
        set.update(0);
        Trust::Predicted
    }

    fn execute<S: StateView<u32, u64>>(
        &self,
        index: &u32,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<FirstFails>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if *index == 0 {
            // So that others wait for it.
            thread::sleep(Duration::from_millis(5));
            return Err(Stop::Failed(FirstFails));
        }
        // So that whoever commits the first one is not outrun while it has no processor.
        thread::sleep(Duration::from_millis(1));
        let value = state.get(&0)?.unwrap_or(0);
        Ok(state.put(&0, value + 1)?)
    }
}

#[test]
fn what_follows_the_end_of_a_block_is_hardly_executed() {
    let transactions: Vec<u32> = (0..1_000).collect();
    let state = MemoryState::new();
    for workers in [1, 2, 3] {
        let executor = executor(workers, Strategy::Optimistic);
        for on_failure in [OnFailure::Fatal, OnFailure::SkipRest] {
            let vm = Counts(AtomicUsize::new(0));
            let block = Block::new(&vm, &state, &transactions).on_failure(on_failure);
            let outcome = executor.execute(block).expect("the block has an outcome");
            assert_eq!(outcome.statistics.executed, 0);
            // A worker settles what it has done after some transactions.
            let calls = vm.0.load(Ordering::Relaxed);
            assert!(calls < 300, "{on_failure:?} on {workers}: {calls} calls");
        }
    }
}

/// Executes a block of its own within each transaction, on the threads that execute this one.
struct Recursive(ParallelExecutor);

impl Vm for Recursive {
    type Transaction = u8;
    type Key = u8;
    type Value = u64;
    type Output = u64;
    type Error = Infallible;
    type Scratch = ();

    fn execute<S: StateView<u8, u64>>(
        &self,
        key: &u8,
        state: &mut S,
        (): &mut (),
    ) -> Result<u64, Stop<Infallible>> {
        let seen = state.get(key)?.unwrap_or(0);
        let steps = [Step::Get(0), Step::Add(0, seen % 7 + 1)];
        let inner = TestBlock {
            transactions: vec![Program::new(steps); 40],
            ..TestBlock::default()
        };
        let outcome = self.0.execute(inner.to_pleach(&ProgramVm));
        let changes = outcome.expect("nothing ends it").changes;
        let sum = changes.get(&0).flatten().copied().unwrap_or(0);
        state.put(key, seen + sum)?;
        Ok(sum)
    }
}

#[test]
fn a_vm_that_executes_blocks_itself() {
    let state: MemoryState<u8, u64> = MemoryState::new();
    let keys: Vec<u8> = (0..60).map(|number| number % 5).collect();
    for strategy in [
        Strategy::Auto,
        Strategy::Optimistic,
        Strategy::Split,
        Strategy::Lanes,
    ] {
        let executor = executor(2, strategy);
        let vm = Recursive(executor.clone());
        let expected = show(SerialExecutor::new().execute(Block::new(&vm, &state, &keys)));
        let found = show(executor.execute(Block::new(&vm, &state, &keys)));
        assert_eq!(expected, found, "{strategy:?}");
    }
}
