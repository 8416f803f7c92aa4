//! The whole engine on small blocks, for each shape of conflict: in every interleaving it comes to what the serial executor
//! comes to.
#![cfg(pleach_loom)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loom_tests::blocks::{block, explore_block, explore_executor};
use pleach::{
    CancelToken, ExecuteErrorKind, Executor, OnFailure, Over, SerialExecutor, Strategy,
    testkit::{Declared, Program, ProgramVm, Step, TestBlock, assert_same},
};

fn explore(steps: &[&[Step]]) {
    explore_block(block(steps, Declared::Exactly), Strategy::Exact, 2);
}

fn explore_optimistic(steps: &[&[Step]]) {
    explore_block(block(steps, Declared::Nothing), Strategy::Optimistic, 3);
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

#[test]
fn adds_side_by_side() {
    explore(&[&[Step::Add(1, 5)], &[Step::Add(1, 3), Step::Subtract(1, 1)]]);
}

#[test]
fn a_read_after_two_adds() {
    let steps: &[&[Step]] = &[
        &[Step::Add(1, 5)],
        &[Step::Add(1, 3)],
        &[Step::Get(1), Step::PutRegister(2)],
    ];
    let block = block(steps, Declared::Exactly);
    let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
    explore_executor(Strategy::Exact, 2, move |executor| {
        let found = executor.execute(block.to_pleach(&ProgramVm));
        assert_same(&expected, &found).expect("they are the same");
        // Nobody has slept while the last one could run.
        let statistics = found.expect("nothing fails").statistics;
        assert_eq!(statistics.serial, 0);
    });
}

#[test]
fn a_check_that_holds_only_when_it_is_committed() {
    // The second one is told that there is not enough, and leaves what it would leave anyway.
    explore(&[&[Step::Add(1, 5)], &[Step::Subtract(1, 3)], &[Step::Get(1)]]);
}

#[test]
fn a_check_on_which_a_write_hangs() {
    // What it puts depends on what it was told: the plan ends there.
    explore(&[
        &[Step::Add(1, 5)],
        &[Step::AtLeast(1, 3), Step::PutRegister(2)],
        &[Step::Get(2)],
    ]);
}

#[test]
fn an_add_to_what_was_put() {
    explore(&[
        &[Step::Put(1, 4)],
        &[Step::Add(1, 3)],
        &[Step::Get(1), Step::Delete(1)],
    ]);
}

#[test]
fn a_prediction_that_is_left() {
    let steps: &[&[Step]] = &[&[Step::Put(1, 1)], &[Step::Get(1), Step::PutRegister(2)]];
    explore_block(block(steps, Declared::Guessed(1)), Strategy::Auto, 2);
}

#[test]
fn a_prediction_that_holds() {
    let steps: &[&[Step]] = &[&[Step::Add(1, 2)], &[Step::Subtract(1, 2)], &[Step::Get(1)]];
    explore_block(block(steps, Declared::Guessed(0)), Strategy::Auto, 2);
}

#[test]
fn optimistic_transactions_that_share_nothing() {
    explore_optimistic(&[&[Step::Put(1, 1)], &[Step::Put(2, 2)]]);
}

#[test]
fn optimistic_one_that_sees_another() {
    explore_optimistic(&[&[Step::Put(1, 1)], &[Step::Get(1), Step::PutRegister(2)]]);
}

#[test]
fn optimistic_a_chain() {
    explore_optimistic(&[
        &[Step::Get(1), Step::PutRegister(1)],
        &[Step::Get(1), Step::PutRegister(1)],
    ]);
}

#[test]
fn optimistic_a_scan_over_what_is_forecast() {
    let block = block(
        &[&[Step::Add(1, 5)], &[Step::ScanAll]],
        Declared::Guessed(0),
    );
    explore_block(block, Strategy::Optimistic, 2);
}

#[test]
fn optimistic_adds_that_another_asks_about() {
    explore_optimistic(&[&[Step::Add(1, 5)], &[Step::Subtract(1, 3)]]);
}

#[test]
fn optimistic_who_has_looked_at_what_others_add_to_hears_of_it() {
    // The last one makes it a key to which adds are held until they are committed, and the first one holds its own then.
    let steps: &[&[Step]] = &[&[Step::Add(1, 5)], &[Step::Get(1)], &[Step::Add(1, 3)]];
    explore_block(block(steps, Declared::Nothing), Strategy::Optimistic, 1);
}

#[test]
fn optimistic_a_scan_over_what_is_held() {
    let steps: &[&[Step]] = &[&[Step::Add(1, 5)], &[Step::ScanAll], &[Step::Add(1, 3)]];
    explore_block(block(steps, Declared::Nothing), Strategy::Optimistic, 1);
}

#[test]
fn optimistic_what_comes_between_two_questions() {
    let steps: &[&[Step]] = &[&[Step::Add(1, 5)], &[Step::Contains(1), Step::Contains(1)]];
    // One change between two questions takes no more.
    explore_block(block(steps, Declared::Nothing), Strategy::Optimistic, 2);
}

#[test]
fn optimistic_a_write_that_is_taken_back() {
    // What the second one writes depends on what it sees.
    explore_optimistic(&[
        &[Step::Put(1, 1)],
        &[
            Step::Get(1),
            Step::SkipIfOdd(1),
            Step::Put(2, 2),
            Step::Put(3, 3),
        ],
    ]);
}

#[test]
fn optimistic_a_scan_beside_a_first_write() {
    explore_optimistic(&[&[Step::Put(2, 1)], &[Step::Scan(1, 3, 5)]]);
}

#[test]
fn optimistic_with_predictions() {
    let block = block(
        &[&[Step::Put(1, 1)], &[Step::Get(1), Step::PutRegister(2)]],
        Declared::Guessed(0),
    );
    explore_block(block, Strategy::Optimistic, 2);
}

#[test]
fn optimistic_one_that_fails() {
    explore_optimistic(&[&[Step::Put(1, 1), Step::Fail], &[Step::Get(1)]]);
}

/// Its name lets it begin among the first: it takes the longest, and the others run beside it.
#[test]
fn a_row_of_three_optimistic() {
    let steps: &[&[Step]] = &[
        &[Step::Put(1, 1)],
        &[Step::Get(1), Step::PutRegister(2)],
        &[Step::Get(2)],
    ];
    explore_block(block(steps, Declared::Nothing), Strategy::Optimistic, 2);
}

#[test]
fn optimistic_a_rule_takes_back_what_another_has_seen() {
    let mut block = block(
        &[&[Step::Put(1, 1), Step::Get(1)], &[Step::Get(1)]],
        Declared::Nothing,
    );
    // The first one uses more than there is, once it has run.
    block.limit = Some((2, Over::Skip));
    block.transactions[0]
        .steps
        .extend([Step::Get(1), Step::Get(1)]);
    explore_block(block, Strategy::Optimistic, 2);
}

#[test]
fn optimistic_one_in_turn() {
    let steps: &[&[Step]] = &[
        &[Step::Put(1, 1)],
        &[Step::Light, Step::Get(1), Step::PutRegister(1)],
        &[Step::Get(1)],
    ];
    // Two by two with more preemptions than all of them.
    for (steps, preemptions) in [(&steps[..2], 2), (&steps[1..], 2), (steps, 1)] {
        let block = block(steps, Declared::Nothing);
        explore_block(block, Strategy::Optimistic, preemptions);
    }
}

#[test]
fn optimistic_a_scan_over_what_is_left_in_turn() {
    explore_block(
        block(
            &[&[Step::Light, Step::Put(1, 1)], &[Step::ScanAll]],
            Declared::Nothing,
        ),
        Strategy::Optimistic,
        2,
    );
}

#[test]
fn optimistic_who_knows_waits_for_one_in_turn() {
    // That it will write is known, so the second one waits for it.
    explore_block(
        block(
            &[&[Step::Light, Step::Add(1, 1)], &[Step::Get(1)]],
            Declared::Guessed(0),
        ),
        Strategy::Optimistic,
        2,
    );
}

#[test]
fn optimistic_a_failure_ends_the_block() {
    // Whether the second one has run by then makes no difference.
    let mut block = block(&[&[Step::Fail], &[Step::Put(1, 1)]], Declared::Nothing);
    block.on_failure = OnFailure::SkipRest;
    explore_block(block, Strategy::Optimistic, 2);
}

#[test]
fn optimistic_a_chain_that_is_known() {
    // Who waits has nothing in hand that another waits for.
    let steps: &[Step] = &[Step::Get(1), Step::PutRegister(1)];
    explore_block(
        block(&[steps; 3], Declared::Guessed(0)),
        Strategy::Optimistic,
        1,
    );
}

#[test]
fn optimistic_a_panic_of_the_caller_ends_it_for_all() {
    let block = block(&[&[Step::Put(1, 1)], &[Step::Put(2, 2)]], Declared::Nothing);
    explore_executor(Strategy::Optimistic, 2, move |executor| {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let block = block.to_pleach(&ProgramVm);
            let _ =
                executor.execute(block.on_commit(|_, _| resume_unwind(Box::new("the caller's"))));
        }));
        let panic = result.expect_err("it comes through");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the caller's"));
    });
}

#[test]
fn optimistic_a_cancelled_block_ends() {
    let block = block(&[&[Step::Put(1, 1)], &[Step::Get(1)]], Declared::Nothing);
    explore_executor(Strategy::Optimistic, 2, move |executor| {
        // Between two transactions, by who happens to commit the first.
        let cancel = CancelToken::new();
        let block = block.to_pleach(&ProgramVm).cancel(&cancel);
        let result = executor.execute(block.on_commit(|_, _| cancel.cancel()));
        match result {
            Ok(outcome) => assert_eq!(outcome.transactions.len(), 2),
            Err(error) => assert!(matches!(error.kind(), ExecuteErrorKind::Cancelled)),
        }
    });
}
