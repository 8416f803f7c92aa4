//! Blocks in lanes: whoever executes them, what is put together is what the serial executor comes to.
#![cfg(pleach_loom)]

use loom_tests::blocks::{ADDS, LOOKS, NOT_ENOUGH, block, explore_block};
use pleach::{
    OnFailure, Strategy,
    testkit::{Declared, Step, TestBlock},
};

fn explore_lanes(steps: &[&[Step]]) {
    explore_block(block(steps, Declared::Nothing), Strategy::Lanes, 2);
}

#[test]
fn adds_come_to_their_sum() {
    explore_lanes(ADDS);
}

/// Nobody has said that the second one looks at what the first one writes, which is in another lane, and the third is with the second.
#[test]
fn who_looked_at_what_another_lane_writes_is_executed_again() {
    explore_lanes(LOOKS);
}

#[test]
fn what_is_not_enough_by_then_is_executed_again() {
    explore_lanes(NOT_ENOUGH);
}

/// Who is done takes over what nobody has begun, so that a lane may have what is before what it has executed.
#[test]
fn who_takes_over_executes_each_once_in_any_order() {
    explore_lanes(&[
        &[Step::Get(9), Step::Put(1, 1)],
        &[Step::Add(2, 1), Step::Put(4, 3)],
        &[Step::Get(9), Step::Contains(4), Step::Add(2, 3)],
        &[Step::Contains(1), Step::AtLeast(2, 2), Step::Put(4, 1)],
    ]);
}

/// It adds more the second time than the first, as what it has seen is even then, which the one behind it looks at.
#[test]
fn who_looks_at_what_is_mended_is_executed_again() {
    explore_lanes(&[
        &[Step::Put(1, 2)],
        &[
            Step::Get(1),
            Step::Contains(5),
            Step::Contains(5),
            Step::SkipIfOdd(1),
            Step::Add(3, 4),
            Step::Add(3, 1),
        ],
        &[Step::AtLeast(3, 3), Step::PutRegister(4)],
    ]);
}

#[test]
fn a_scan_ends_the_lanes() {
    explore_lanes(&[&[Step::Put(1, 1)], &[Step::ScanAll], &[Step::Put(2, 2)]]);
    explore_lanes(&[&[Step::ScanAll], &[Step::Put(2, 2)]]);
}

#[test]
fn what_the_block_does_not_keep_is_not_there() {
    let steps: &[&[Step]] = &[&[Step::Add(1, 5)], &[Step::Fail], &[Step::Add(1, 3)]];
    let block = TestBlock {
        on_failure: OnFailure::SkipRest,
        ..block(steps, Declared::Nothing)
    };
    explore_block(block, Strategy::Lanes, 2);
}
