//! Lanes that begin in the middle of a block.

use std::num::NonZeroUsize;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::{
    block::{Block, Hints},
    execute::{Executor, SerialExecutor},
    outcome::Outcome,
    parallel::costs::Before,
    testkit::{Program, ProgramVm, Step, assert_same, strategies, strategies::Profile},
};

/// Executes so many transactions of a block serially, the others in lanes, and what is left then serially. Says how many lanes have settled.
fn run_from<S: State<u8, u64>>(
    runtime: &Runtime,
    block: Block<'_, ProgramVm, S>,
    first: usize,
) -> Result<(Outcome<ProgramVm>, usize), ExecuteError> {
    let hints = Hints { ..block.hints };
    let (mut fold, rest, state) = Rest::of(block, None);
    let input = Input {
        vm: rest.vm,
        state,
        transactions: fold.transactions,
        on_undeclared: rest.on_undeclared,
        cancel: None,
        hints,
        is_recording: false,
        is_timed: false,
    };
    let mut overlay = Overlay::new(state, 0);
    let mut recorder: Option<&mut Recorder<u8>> = None;
    if first > 0 {
        let is_enough = |index, _| index + 1 >= first;
        rest.some(&mut fold, &mut overlay, &mut recorder, is_enough)?;
    }
    let first = fold.settled();
    let mut outlook = Outlook::new(&ProgramVm, fold.transactions, first, &Before::default());
    let groups = Groups::new(&input, first, (&outlook, runtime.workers().get()), |_| true);
    let groups = groups.unwrap_or_else(|| Groups::none(fold.transactions.len() - first));
    let what = (&rest, &input, &mut outlook);
    let ran = run(runtime, what, &groups, fold, None, overlay)?;
    let lanes = ran.fold.statistics.lanes;
    let outcome = match ran.left {
        Left::Nothing(changes) => ran.fold.finish(changes),
        Left::Some { overlay, .. } => rest.run(ran.fold, overlay, &mut recorder)?,
    };
    Ok((outcome, lanes))
}

fn runtime(workers: usize) -> Runtime {
    let workers = NonZeroUsize::new(workers).expect("there are some");
    let runtime = Runtime::builder().workers(workers).build();
    runtime.expect("there are threads")
}

#[test]
fn whatever_was_before_the_lanes_the_outcome_is_that_of_the_serial_executor() {
    let runtimes = [2, 3].map(runtime);
    for profile in Profile::all() {
        let blocks = strategies::block(&profile.transactions(2..=60));
        let mut runner = TestRunner::new(Config::with_cases(100));
        let result = runner.run(&(blocks, 0_usize..40), |(block, first)| {
            let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
            for runtime in &runtimes {
                let found = run_from(runtime, block.to_pleach(&ProgramVm), first);
                let found = found.map(|(found, _)| found);
                prop_assert_eq!(assert_same(&expected, &found), Ok(()));
            }
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// One of them has changed it because of what was not so, and does not when it is executed again.
#[test]
fn what_was_changed_before_the_lanes_stays_if_they_only_seemed_to_change_it() {
    let mut programs = vec![
        Program::new([Step::Put(1, 5)]),
        Program::new([Step::Put(2, 1)]),
        Program::new([Step::Contains(2), Step::SkipIfOdd(1), Step::Put(1, 6)]),
    ];
    // Each of these is as dear, so that the two are not in one lane.
    programs.extend((0..8).map(|number| Program::new([Step::Put(10 + number, 1)])));
    let state = crate::MemoryState::new();
    let block = || Block::new(&ProgramVm, &state, &programs);
    let expected = SerialExecutor::new().execute(block());
    for _ in 0..20 {
        let (found, lanes) = run_from(&runtime(2), block(), 1).expect("nothing is wrong");
        assert_eq!(lanes, programs.len() - 1);
        assert_same(&expected, &Ok(found)).expect("they are the same");
    }
}
