//! The parallel executor against the serial one, for every number of workers and every kind of block.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use pleach::{
    AccessSet, Block, CancelToken, ExecuteErrorKind, Executor, MemoryState, OnFailure,
    OnUndeclared, Over, ParallelExecutor, Runtime, SerialExecutor, StateView, Stop, Strategy,
    Trust, TxOutcome, Vm, WeightLimit,
    testkit::{Declared, Program, ProgramVm, Seen, Step, TestBlock, assert_same, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{runtime, silence_panics};

const WORKERS: [usize; 4] = [1, 2, 3, 8];

/// Executes on so many workers, and compares with the serial executor: outcome, and what was streamed.
fn check(runtimes: &[Runtime], block: &TestBlock) -> Result<(), TestCaseError> {
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    let recording = SerialExecutor::new().record(block.to_pleach(&ProgramVm));
    for runtime in runtimes {
        for strategy in crate::STRATEGIES {
            let executor = ParallelExecutor::new(runtime).strategy(strategy);
            let mut streamed = Vec::new();
            let found = executor.execute(block.to_pleach(&ProgramVm).on_commit(
                |index, outcome: &TxOutcome<_, _>| {
                    streamed.push((index, format!("{outcome:?}")));
                },
            ));
            assert_same(&expected, &found).map_err(|error| {
                let workers = runtime.workers();
                TestCaseError::fail(format!("{strategy:?} on {workers}: {error}"))
            })?;
            let recorded = executor.record(block.to_pleach(&ProgramVm));
            match (&recording, &recorded) {
                (Ok((_, expected)), Ok((_, found))) => prop_assert_eq!(expected, found),
                (_, recorded) => prop_assert_eq!(recorded.is_ok(), expected.is_ok()),
            }
            if let Ok(found) = found {
                let outcomes = found.transactions.iter().enumerate();
                let outcomes = outcomes.map(|(index, outcome)| (index, format!("{outcome:?}")));
                prop_assert!(outcomes.eq(streamed));
            }
        }
    }
    Ok(())
}

/// The block with programs that all declare exactly what they may do, but for a few steps that some conceal.
fn exact(block: &TestBlock) -> TestBlock {
    let mut block = block.clone();
    for program in &mut block.transactions {
        program
            .steps
            .retain(|step| !matches!(step, Step::Scan(..) | Step::ScanAll));
        if !matches!(program.declared, Declared::AllBut(_)) {
            program.declared = Declared::Exactly;
        }
    }
    block
}

#[test]
fn every_block_comes_to_the_same() {
    silence_panics("a program panicked");
    let runtimes = WORKERS.map(runtime);
    for profile in strategies::Profile::all() {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(150));
        runner
            .run(&strategies::block(&profile), |block| {
                check(&runtimes, &block)?;
                check(&runtimes, &exact(&block))
            })
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
    }
}

#[test]
fn so_do_large_ones() {
    silence_panics("a program panicked");
    let runtimes = [2, 3].map(runtime);
    for profile in [
        strategies::Profile::skewed(),
        strategies::Profile::uncontended(),
        strategies::Profile::hot(),
    ] {
        let profile = profile.transactions(300..=900);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(6));
        runner
            .run(&strategies::block(&profile), |block| {
                let mut block = exact(&block);
                for program in &mut block.transactions {
                    program.declared = Declared::Exactly;
                }
                check(&runtimes, &block)
            })
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
    }
}

/// Programs that declare exactly what they do.
fn programs(steps: impl IntoIterator<Item = Vec<Step>>) -> Vec<Program> {
    let programs = steps.into_iter().map(Program::new);
    programs
        .map(|program| program.declaring(Declared::Exactly))
        .collect()
}

#[test]
fn what_only_the_order_can_settle_ends_the_block_where_it_would_serially() {
    silence_panics("a program panicked");
    let runtimes = [2, 4].map(runtime);
    let all = |special: Step, at: usize| {
        programs((0..200).map(|index| {
            let key = (index % 50) as u8;
            let mut steps = vec![Step::Get(key), Step::PutRegister(key)];
            if index == at {
                steps.push(special.clone());
            }
            steps
        }))
    };
    for at in [0, 1, 77, 199] {
        for (special, on_failure) in [
            (Step::Panic, OnFailure::Skip),
            (Step::Fail, OnFailure::Skip),
            (Step::Fail, OnFailure::SkipRest),
            (Step::Fail, OnFailure::Fatal),
        ] {
            let block = TestBlock {
                transactions: all(special, at),
                on_failure,
                ..TestBlock::default()
            };
            check(&runtimes, &block).expect("they are the same");
        }
        let mut block = TestBlock {
            transactions: all(Step::Get(99), at),
            on_undeclared: OnUndeclared::Abort,
            ..TestBlock::default()
        };
        block.transactions[at].declared = Declared::AllBut(2);
        check(&runtimes, &block).expect("they are the same");
    }
}

#[test]
fn what_a_rule_refuses_afterwards_leaves_nothing() {
    let runtime = runtime(2);
    // Each adds to a key that later ones look at; every seventh uses more than there is left.
    let transactions = programs((0..200).map(|index| {
        let looks = if index % 7 == 3 { 9 } else { 1 };
        let key = u8::try_from(index % 20).expect("it is small");
        let mut steps = vec![Step::PutRegister(key)];
        steps.extend((0..looks).map(|_| Step::Get(key)));
        steps
    }));
    let state = MemoryState::new();
    for over in [Over::Skip, Over::SkipRest, Over::Fatal] {
        for limit in [8, 150, 10_000] {
            let block = || {
                let limit = WeightLimit::new(limit, |_: &Program| 0);
                let limit = limit.used(|_: &Program, seen: &Seen| seen.len() as u64);
                Block::new(&ProgramVm, &state, &transactions).rule(limit.over(over))
            };
            let expected = SerialExecutor::new().execute(block());
            let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Exact);
            assert_same(&expected, &executor.execute(block())).expect("they are the same");
        }
    }
}

#[test]
fn a_cancelled_block_has_no_outcome_and_the_runtime_goes_on() {
    let runtime = runtime(2);
    let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Exact);
    let state = MemoryState::new();
    let transactions = programs((0..100).map(|key| vec![Step::Put(key, 1)]));
    let cancel = CancelToken::new();
    cancel.cancel();
    let block = Block::new(&ProgramVm, &state, &transactions).cancel(&cancel);
    let error = executor.execute(block).expect_err("it is cancelled");
    assert!(matches!(error.kind(), ExecuteErrorKind::Cancelled));
    let block = Block::new(&ProgramVm, &state, &transactions);
    assert_eq!(executor.execute(block).expect("it runs").changes.len(), 100);
}

/// Counts on one key, and cancels the block at the tenth transaction.
struct Cancels {
    token: CancelToken,
    executed: AtomicUsize,
}

impl Vm for Cancels {
    type Transaction = u64;
    type Key = u64;
    type Value = u64;
    type Output = ();
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, key: &u64, set: &mut AccessSet<u64>) -> Trust {
        set.update(*key);
        Trust::Exact
    }

    fn execute<S: StateView<u64, u64>>(
        &self,
        key: &u64,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<Infallible>> {
        if self.executed.fetch_add(1, Ordering::Relaxed) == 9 {
            self.token.cancel();
        }
        let count = state.get(key)?.unwrap_or_default();
        state.put(key, count + 1)?;
        Ok(())
    }
}

#[test]
fn a_block_ends_soon_after_it_is_cancelled() {
    let runtime = runtime(2);
    let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Exact);
    let state = MemoryState::new();
    // One chain, which is dataflow; many keys, which are batches.
    for keys in [1, 500] {
        let vm = Cancels {
            token: CancelToken::new(),
            executed: AtomicUsize::new(0),
        };
        let transactions: Vec<u64> = (0..1_000).map(|index| index % keys).collect();
        let block = Block::new(&vm, &state, &transactions).cancel(&vm.token);
        let error = executor.execute(block).expect_err("it is cancelled");
        assert!(matches!(error.kind(), ExecuteErrorKind::Cancelled));
        // The other worker may have been in the middle of one.
        assert!(vm.executed.into_inner() <= 11);
    }
}

#[test]
fn many_blocks_at_a_time_on_one_runtime() {
    let runtime = runtime(3);
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for seed in 0..4_u64 {
            let (runtime, done) = (&runtime, &done);
            scope.spawn(move || {
                let executor = ParallelExecutor::new(runtime).strategy(Strategy::Exact);
                for round in 0..50 {
                    let block = TestBlock {
                        transactions: programs((0..64).map(|index| {
                            let key = (index * (seed + 3) + round) % 40;
                            vec![Step::Add(key as u8, 1), Step::Get((key / 2) as u8)]
                        })),
                        ..TestBlock::default()
                    };
                    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
                    let found = executor.execute(block.to_pleach(&ProgramVm));
                    assert_same(&expected, &found).expect("they are the same");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 200);
}
