//! Blocks in stretches: whoever executes them, what is put together is what the serial executor comes to.
#![cfg(pleach_loom)]

use loom_tests::blocks::{ADDS, LOOKS, NOT_ENOUGH, block, explore_block};
use pleach::{
    OnFailure, Strategy,
    testkit::{Declared, Step, TestBlock},
};

fn explore_split(steps: &[&[Step]]) {
    explore_block(block(steps, Declared::Nothing), Strategy::Split, 2);
}

#[test]
fn adds_come_to_their_sum() {
    explore_split(ADDS);
}

#[test]
fn a_stretch_that_looked_was_in_vain() {
    explore_split(LOOKS);
}

#[test]
fn what_is_not_enough_by_then_was_in_vain() {
    explore_split(NOT_ENOUGH);
}

#[test]
fn a_scan_ends_all_stretches_behind_it() {
    explore_split(&[&[Step::Put(1, 1)], &[Step::ScanAll], &[Step::Put(2, 2)]]);
    explore_split(&[&[Step::ScanAll], &[Step::Put(2, 2)]]);
}

#[test]
fn what_the_block_does_not_keep_is_not_there() {
    let steps: &[&[Step]] = &[&[Step::Add(1, 5)], &[Step::Fail], &[Step::Add(1, 3)]];
    let block = TestBlock {
        on_failure: OnFailure::SkipRest,
        ..block(steps, Declared::Nothing)
    };
    explore_block(block, Strategy::Split, 2);
}

/// Who is done with its three transactions takes over some of the other's; whoever executes the last one, it has to be executed again.
#[test]
fn who_takes_over_executes_each_once() {
    explore_split(&[
        &[Step::Put(1, 1)],
        &[Step::Add(2, 1)],
        &[Step::Add(2, 1)],
        &[Step::Add(2, 3)],
        &[Step::Put(3, 1)],
        &[Step::Get(1), Step::PutRegister(4), Step::Add(2, 1)],
    ]);
}

/// It adds more the second time than the first, as what it has seen is even then, which the one behind it looks at.
#[test]
fn who_looks_at_what_is_repaired_is_executed_again() {
    explore_split(&[
        &[Step::Put(1, 2)],
        &[Step::Add(2, 1)],
        &[
            Step::Get(1),
            Step::Contains(5),
            Step::Contains(5),
            Step::SkipIfOdd(1),
            Step::Add(3, 4),
            Step::Add(3, 1),
        ],
        &[Step::Get(3), Step::PutRegister(4)],
    ]);
}

/// It leaves something else the second time than the first, which the one behind it does not look at, and something that it does.
#[test]
fn who_was_told_what_is_not_so_is_executed_again() {
    explore_split(&[
        &[Step::Put(1, 3)],
        &[Step::Add(2, 5)],
        &[Step::Get(1), Step::PutRegister(3), Step::Add(2, 4)],
        &[Step::Get(3), Step::Subtract(2, 1), Step::PutRegister(4)],
    ]);
}
