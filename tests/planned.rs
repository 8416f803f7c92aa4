//! Plans for sets that are only predicted, and adds in plans that wait for nobody: against the serial executor.

use std::convert::Infallible;

use pleach::{
    AccessSet, Block, CancelToken, Delta, ExecuteErrorKind, Executor, MemoryState, Over,
    ParallelExecutor, SerialExecutor, StateView, Statistics, Stop, Strategy, Trust, Vm,
    testkit::{Declared, Program, ProgramVm, Step, TestBlock, assert_same, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{executor, silence_panics};

/// So many are enough for a plan.
const ENOUGH: usize = 32;

fn profiles() -> Vec<strategies::Profile> {
    let profiles = strategies::Profile::all().into_iter();
    let large = profiles.map(|profile| profile.transactions(ENOUGH..=90));
    // Few steps, so that there is something to run side by side.
    large
        .flat_map(|profile| [profile.clone().steps(0..=2), profile])
        .collect()
}

/// The same block with programs that have no scans, and declare this; those that conceal something still do.
fn declaring(block: &TestBlock, declared: impl Fn(usize) -> Declared) -> TestBlock {
    let mut block = block.clone();
    for (index, program) in block.transactions.iter_mut().enumerate() {
        program
            .steps
            .retain(|step| !matches!(step, Step::Scan(..) | Step::ScanAll));
        program.declared = declared(index);
    }
    block
}

/// Executes and records, and compares both with the serial executor.
fn check(
    executors: &[ParallelExecutor],
    block: &TestBlock,
    predicted: &[AccessSet<u8>],
) -> Result<(), TestCaseError> {
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    let recording = SerialExecutor::new().record(block.to_pleach(&ProgramVm));
    for executor in executors {
        let hinted = || block.to_pleach(&ProgramVm).predicted(predicted);
        assert_same(&expected, &executor.execute(hinted()))
            .map_err(|error| TestCaseError::fail(format!("{executor:?}: {error}")))?;
        // What is found out before comes to the same, though one thread does it.
        let analysis = executor.analyse(&ProgramVm, &block.transactions, predicted);
        assert_same(&expected, &executor.execute(hinted().analysed(analysis)))
            .map_err(|error| TestCaseError::fail(format!("{executor:?}, analysed: {error}")))?;
        match (&recording, executor.record(hinted())) {
            (Ok((_, expected)), Ok((_, found))) => prop_assert_eq!(expected, &found),
            (_, found) => prop_assert_eq!(found.is_ok(), expected.is_ok()),
        }
    }
    Ok(())
}

/// More than two stretches of a block, so that all threads make the plan, each of some of the keys.
#[test]
fn so_do_plans_that_are_made_on_several_threads() {
    silence_panics("a program panicked");
    let executors = [
        executor(2, Strategy::Auto),
        executor(3, Strategy::Auto),
        executor(4, Strategy::Exact),
    ];
    for profile in profiles() {
        let profile = profile.transactions(520..=800);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(2));
        runner
            .run(&strategies::block(&profile), |block| {
                for declared in [Declared::Exactly, Declared::Guessed(0)] {
                    check(&executors, &declaring(&block, |_| declared), &[])?;
                }
                Ok(())
            })
            .expect("plans change nothing");
    }
}

#[test]
fn predicted_sets_right_or_wrong_change_nothing() {
    silence_panics("a program panicked");
    let executors = [2, 3].map(|workers| executor(workers, Strategy::Auto));
    for profile in profiles() {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(25));
        runner
            .run(
                &(strategies::block(&profile), 0..90_usize),
                |(block, at)| {
                    check(
                        &executors,
                        &declaring(&block, |_| Declared::Guessed(0)),
                        &[],
                    )?;
                    // From some point on, or at some places, they are wrong.
                    let wrong = |index| Declared::Guessed(u8::from(index >= at));
                    check(&executors, &declaring(&block, wrong), &[])?;
                    let mixed = |index| match index % 5 {
                        0 | 1 => Declared::Exactly,
                        2 if index > at => Declared::AllBut(1),
                        _ => Declared::Guessed(0),
                    };
                    check(&executors, &declaring(&block, mixed), &[])
                },
            )
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
    }
}

#[test]
fn recorded_sets_right_or_wrong_change_nothing() {
    silence_panics("a program panicked");
    let executors = [2, 3].map(|workers| executor(workers, Strategy::Auto));
    for profile in profiles() {
        let blocks = (strategies::block(&profile), strategies::block(&profile));
        let mut runner = TestRunner::new(ProptestConfig::with_cases(25));
        runner
            .run(&(blocks, 0..90_usize), |((block, other), cut)| {
                // Forecasts are wrong where the recording has nothing of them.
                let declared = |index| Declared::Guessed(u8::from(index % 7 == 6));
                let block = declaring(&block, declared);
                let other = declaring(&other, declared);
                let record = |block: &TestBlock| {
                    let recording = SerialExecutor::new().record(block.to_pleach(&ProgramVm));
                    recording.map(|(_, accesses)| accesses)
                };
                let (Ok(right), Ok(wrong)) = (record(&block), record(&other)) else {
                    return Ok(());
                };
                check(&executors, &block, &right)?;
                check(&executors, &block, &wrong)?;
                check(&executors, &block, &right[..cut.min(right.len())])?;
                let mut shifted = right;
                let places = cut.min(shifted.len());
                shifted.rotate_left(places);
                check(&executors, &block, &shifted)
            })
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
    }
}

/// Executes exactly declared programs by a plan, after it is as serially, and gives the statistics.
fn run(block: &TestBlock) -> Statistics {
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    let mut last = None;
    for workers in [1, 2, 3] {
        let found = executor(workers, Strategy::Exact).execute(block.to_pleach(&ProgramVm));
        assert_same(&expected, &found).expect("they are the same");
        last = found.ok().map(|outcome| outcome.statistics);
    }
    last.expect("the block has an outcome")
}

fn block(steps: impl IntoIterator<Item = Vec<Step>>) -> TestBlock {
    let programs = steps.into_iter().map(Program::new);
    let programs = programs.map(|program| program.declaring(Declared::Exactly));
    TestBlock {
        transactions: programs.collect(),
        ..TestBlock::default()
    }
}

#[test]
fn adds_near_their_bounds() {
    // Each one by one reaches the end, and is refused there.
    let steps = (0..200).map(|index| match index % 3 {
        0 => vec![Step::AddWithin(1, 3, 0, 20)],
        1 => vec![Step::Subtract(1, 2)],
        _ => vec![Step::Add(2, u64::MAX / 50), Step::AtLeast(1, 18)],
    });
    let statistics = run(&block(steps));
    assert!(statistics.refused > 0, "{statistics:?}");
    assert_eq!(statistics.serial, 0, "{statistics:?}");
}

#[test]
fn who_is_funded_by_an_earlier_transaction_runs_again() {
    let steps = (0..100_u8).map(|index| match index {
        10 => vec![Step::Add(200, 5)],
        90 => vec![Step::Subtract(200, 5), Step::Add(201, 5)],
        _ => vec![Step::PutRegister(index)],
    });
    let statistics = run(&block(steps));
    assert_eq!(statistics.refused, 1, "{statistics:?}");
    assert_eq!(statistics.attempts, 101, "{statistics:?}");
    assert_eq!(statistics.serial, 0, "{statistics:?}");
}

#[test]
fn a_write_that_hangs_on_a_wrong_answer_ends_the_plan_and_not_the_block() {
    let steps = (0..100_u8).map(|index| match index {
        10 => vec![Step::Add(200, 5)],
        50 => vec![Step::Subtract(200, 5), Step::PutRegister(201)],
        60 => vec![Step::Get(201)],
        _ => vec![Step::PutRegister(index), Step::Add(202, 1)],
    });
    let statistics = run(&block(steps));
    assert!(statistics.refused >= 1, "{statistics:?}");
    assert_eq!(statistics.executed, 100, "{statistics:?}");
}

#[test]
fn reads_after_adds_wait_for_all_of_them() {
    let steps = (0..300_u32).map(|index| match index % 100 {
        40 => vec![Step::Get(0), Step::PutRegister(1)],
        60 => vec![Step::Get(1), Step::Add(0, 7)],
        80 => vec![Step::Get(0), Step::Put(0, 3)],
        99 => vec![Step::Get(0), Step::Delete(0)],
        _ => vec![Step::Add(0, 1), Step::AtLeast(1, 2)],
    });
    let statistics = run(&block(steps));
    assert_eq!(statistics.executed, 300, "{statistics:?}");
}

#[test]
fn what_a_rule_discards_adds_nothing() {
    for over in [Over::Skip, Over::SkipRest, Over::Fatal] {
        for limit in [4, 40, 95] {
            let steps = (0..100_u8).map(|index| match index % 10 {
                3 => vec![Step::Add(1, 5), Step::Add(2, 5), Step::AtLeast(1, 9)],
                7 => vec![Step::Get(1)],
                _ => vec![Step::Subtract(1, 1)],
            });
            let mut block = block(steps);
            block.limit = Some((limit, over));
            run(&block);
            for program in &mut block.transactions {
                program.declared = Declared::Guessed(0);
            }
            check(&[executor(2, Strategy::Auto)], &block, &[]).expect("they are the same");
        }
    }
}

#[test]
fn a_cancelled_plan_with_adds_ends() {
    let steps = (0..500_u32).map(|index| vec![Step::Add(0, 1), Step::Put(index as u8, 1)]);
    let block = block(steps);
    for workers in [1, 3] {
        let cancel = CancelToken::new();
        let hinted = block.to_pleach(&ProgramVm).cancel(&cancel);
        let hinted = hinted.on_commit(|index, _| {
            if index == 100 {
                cancel.cancel();
            }
        });
        match executor(workers, Strategy::Exact).execute(hinted) {
            // All had run by then.
            Ok(outcome) => assert_eq!(outcome.transactions.len(), 500),
            Err(error) => assert!(matches!(error.kind(), ExecuteErrorKind::Cancelled)),
        }
    }
}

/// Moves money, if there is enough.
struct Purses {
    trust: Trust,
}

impl Vm for Purses {
    type Transaction = (u32, u32, u64);
    type Key = u32;
    type Value = u64;
    type Output = bool;
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, (from, to, _): &Self::Transaction, set: &mut AccessSet<u32>) -> Trust {
        set.add(*from).add(*to);
        self.trust
    }

    fn forecast(
        &self,
        (from, to, amount): &Self::Transaction,
        add: &mut dyn FnMut(u32, Delta<u64>),
    ) {
        assert!(*from != 13, "a forecast that panics is none");
        add(*from, Delta::Minus(*amount));
        add(*to, Delta::Plus(*amount));
    }

    fn execute<S: StateView<u32, u64>>(
        &self,
        (from, to, amount): &Self::Transaction,
        state: &mut S,
        (): &mut (),
    ) -> Result<bool, Stop<Infallible>> {
        if !state.add(from, Delta::Minus(*amount))? {
            return Ok(false);
        }
        Ok(state.add(to, Delta::Plus(*amount))?)
    }
}

#[test]
fn forecasts_let_money_go_through_many_hands() {
    silence_panics("a forecast that panics is none");
    let state: MemoryState<u32, u64> = [(0, 100)].into_iter().collect();
    for trust in [Trust::Exact, Trust::Predicted] {
        let vm = Purses { trust };
        let block: Vec<_> = (0..200).map(|index| (index, index + 1, 100)).collect();
        let serial = SerialExecutor::new().execute(Block::new(&vm, &state, &block));
        let serial = serial.expect("nothing fails");
        assert!(serial.outputs().all(|output| output == Some(&true)));
        let found = executor(2, Strategy::Auto).execute(Block::new(&vm, &state, &block));
        let found = found.expect("nothing fails");
        assert!(found.outputs().eq(serial.outputs()));
        assert_eq!(found.changes, serial.changes);
        // Of all the others it was known that they would have the money.
        assert_eq!(found.statistics.refused, 1, "{:?}", found.statistics);
        assert_eq!(found.statistics.serial, 0, "{:?}", found.statistics);
        assert_eq!(found.statistics.attempts, 201, "{:?}", found.statistics);
    }
}

/// An analysis of another block is not believed where that can be seen, and in any case harms nobody.
#[test]
fn an_analysis_of_another_block_is_no_more_than_that() {
    let program = |key| Program::new([Step::Put(key, 7)]).declaring(Declared::Exactly);
    let block: Vec<_> = (0..100).map(program).collect();
    let others: Vec<_> = (100..200).map(program).collect();
    let state = MemoryState::new();
    let executor = executor(2, Strategy::Exact);
    let run = |analysis| {
        let block = Block::new(&ProgramVm, &state, &block).analysed(analysis);
        executor.execute(block).expect("nothing fails")
    };
    assert_eq!(
        run(executor.analyse(&ProgramVm, &block, &[])).changes.len(),
        100
    );
    let longer = [&others[..], &block[..1]].concat();
    assert_eq!(
        run(executor.analyse(&ProgramVm, &longer, &[]))
            .changes
            .len(),
        100
    );
    // Nobody has announced what these touch.
    assert_eq!(
        run(executor.analyse(&ProgramVm, &others, &[]))
            .changes
            .len(),
        0
    );
}
