//! Executors against the reference model, on blocks of every kind.

use pleach::{
    Executor, SerialExecutor,
    testkit::{ProgramVm, TestBlock, assert_same, reference, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

fn check(block: &TestBlock) -> Result<(), TestCaseError> {
    let expected = reference::execute(block);
    let found = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    assert_same(&expected, &found).map_err(TestCaseError::fail)
}

#[test]
fn the_serial_executor_is_what_the_model_says() {
    // Programs that panic are part of it; their messages would bury a failure.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("a program panicked") {
            hook(panic);
        }
    }));
    for profile in strategies::Profile::all() {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(1000));
        runner
            .run(&strategies::block(&profile), |block| check(&block))
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
    }
}

#[test]
fn blocks_of_one_and_of_many_transactions() {
    for size in [0, 1, 300] {
        let profile = strategies::Profile::skewed().transactions(size..=size);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(8));
        runner
            .run(&strategies::block(&profile), |block| check(&block))
            .unwrap_or_else(|error| panic!("{size} transactions: {error}"));
    }
}

#[test]
fn the_comparison_sees_differences() {
    use pleach::testkit::{Program, Step};
    let block = |value| TestBlock {
        transactions: vec![Program::new([Step::Put(1, value)])],
        ..TestBlock::default()
    };
    let same = assert_same(
        &reference::execute(&block(1)),
        &reference::execute(&block(1)),
    );
    let other = assert_same(
        &reference::execute(&block(1)),
        &reference::execute(&block(2)),
    );
    assert_eq!(same, Ok(()));
    assert_eq!(
        other.unwrap_err(),
        "the changes differ: key 1: expected Some(Some(1)), found Some(Some(2));"
    );
}
