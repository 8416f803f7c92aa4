//! The whole engine on small blocks, for each shape of conflict: in every interleaving it comes to what the serial executor
//! comes to.
#![cfg(pleach_loom)]

use pleach::{
    Executor, ParallelExecutor, Runtime, SerialExecutor, Strategy,
    testkit::{Declared, Program, ProgramVm, Step, TestBlock, assert_same},
};

fn explore(steps: &[&[Step]]) {
    let block = TestBlock {
        transactions: steps
            .iter()
            .map(|steps| Program::new(*steps).declaring(Declared::Exactly))
            .collect(),
        ..TestBlock::default()
    };
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    let mut builder = loom::model::Builder::new();
    // Beyond that, the models of the parts are exhaustive.
    builder.preemption_bound = Some(2);
    let shared = std::sync::Arc::new((block, expected));
    builder.check(move || {
        let (block, expected) = &*shared;
        let workers = 2.try_into().expect("two is not zero");
        let runtime = Runtime::builder().workers(workers).build();
        let runtime = runtime.expect("there are threads");
        let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Exact);
        let found = executor.execute(block.to_pleach(&ProgramVm));
        assert_same(expected, &found).expect("they are the same");
    });
}

#[test]
fn transactions_that_share_nothing() {
    explore(&[&[Step::Put(1, 1)], &[Step::Put(2, 2)]]);
}

#[test]
fn a_chain() {
    explore(&[
        &[Step::Add(1, 5)],
        &[Step::Get(1), Step::PutRegister(1)],
        &[Step::Get(1)],
    ]);
}

#[test]
fn one_that_waits_for_two() {
    explore(&[
        &[Step::Put(1, 1)],
        &[Step::Put(2, 2)],
        &[Step::Get(1), Step::Get(2), Step::PutRegister(3)],
    ]);
}

#[test]
fn two_that_wait_for_one() {
    explore(&[
        &[Step::Put(1, 1)],
        &[Step::Get(1), Step::PutRegister(2)],
        &[Step::Get(1), Step::PutRegister(3)],
    ]);
}

#[test]
fn a_write_that_does_not_happen_passes_on_what_was_there() {
    explore(&[
        &[Step::Put(1, 9)],
        &[Step::Put(1, 3), Step::Fail],
        &[Step::Get(1)],
    ]);
}
