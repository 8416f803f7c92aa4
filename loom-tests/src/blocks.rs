//! Small blocks, executed in every interleaving.

use pleach::{
    Executor, ParallelExecutor, Runtime, SerialExecutor, Strategy,
    testkit::{Declared, Program, ProgramVm, Step, TestBlock, assert_same},
};

/// Adds of several, with what each leaves of another key.
pub const ADDS: &[&[Step]] = &[
    &[Step::Add(1, 5)],
    &[Step::Put(2, 1)],
    &[Step::Add(1, 3), Step::Subtract(1, 1)],
    &[Step::Put(2, 3), Step::Contains(3)],
];

/// Each looks at what the one before it leaves.
pub const LOOKS: &[&[Step]] = &[
    &[Step::Put(1, 1)],
    &[Step::Get(1), Step::PutRegister(2)],
    &[Step::Get(2), Step::PutRegister(3)],
];

/// There is not enough for all.
pub const NOT_ENOUGH: &[&[Step]] = &[
    &[Step::Add(1, 5)],
    &[Step::Subtract(1, 3)],
    &[Step::Subtract(1, 2)],
    &[Step::Subtract(1, 1), Step::AtLeast(1, 1)],
];

/// A block of transactions of these steps.
pub fn block(steps: &[&[Step]], declared: Declared) -> TestBlock {
    TestBlock {
        transactions: steps
            .iter()
            .map(|steps| Program::new(*steps).declaring(declared))
            .collect(),
        ..TestBlock::default()
    }
}

/// Executes a block on two workers, with at most so many preemptions, or as many as `ENGINE_PREEMPTIONS` says if that is fewer: beyond that, the
/// models of the parts are exhaustive.
pub fn explore_block(block: TestBlock, strategy: Strategy, preemptions: usize) {
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    explore_executor(strategy, preemptions, move |executor| {
        let found = executor.execute(block.to_pleach(&ProgramVm));
        assert_same(&expected, &found).expect("they are the same");
    });
}

/// The same for whatever the executor is used for.
pub fn explore_executor(
    strategy: Strategy,
    preemptions: usize,
    check: impl Fn(ParallelExecutor) + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    let most = std::env::var("ENGINE_PREEMPTIONS");
    let most = most.map_or(preemptions, |most| most.parse().expect("it is a number"));
    builder.preemption_bound = Some(preemptions.min(most));
    builder.max_branches = 20_000;
    builder.check(move || {
        let workers = 2.try_into().expect("two is not zero");
        let runtime = Runtime::builder().workers(workers).build();
        let runtime = runtime.expect("there are threads");
        check(ParallelExecutor::new(&runtime).strategy(strategy));
    });
}
