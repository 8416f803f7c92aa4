//! What is expected of blocks of which some transactions have run.

use super::*;
use crate::testkit::{Program, ProgramVm, Step};

#[test]
fn those_before_the_first_are_no_part_of_it() {
    let programs = [Program::new([Step::Get(1)]), Program::new([Step::Get(2)])];
    let outlook = Outlook::new(&ProgramVm, &programs, 1, &Before::default());
    let classes = [0, 1, 2].map(|index| outlook.class(index).is_some());
    assert_eq!((classes, outlook.left()), ([false, true, false], 1));
    assert_eq!(
        Outlook::new(&ProgramVm, &programs, 2, &Before::default()).left(),
        0
    );
}

fn outlook(left: &[usize]) -> Outlook {
    // The lightest first, so that there are others after them.
    let of = left.iter().enumerate();
    let of = of.flat_map(|(class, left)| std::iter::repeat_n(class as u8, *left));
    Outlook::of(of.collect(), 0)
}

#[test]
fn nothing_is_known_before_two_of_a_class_have_run_unless_one_is_long() {
    let mut outlook = outlook(&[10, 10]);
    assert!(outlook.coming(2).is_none());
    outlook.ran(0, 1, 1e-5, 4);
    assert!(outlook.coming(2).is_none());
    outlook.ran(0, 1, 1e-6, 4);
    let estimate = outlook.coming(2).expect("one has run that counts");
    // Those of the other class weigh twice as much, but that is a guess.
    assert!((estimate.alone - 20e-6).abs() < 1e-9, "{estimate:?}");
}

#[test]
fn dear_ones_are_for_many_and_cheap_ones_are_not() {
    let mut outlook = outlook(&[10, 0, 0, 0, 10]);
    for _ in 0..3 {
        outlook.ran(0, 1, 0.5e-6, 4);
        outlook.ran(4, 1, 20e-6, 12);
    }
    let all = outlook.coming(2).expect("both are known").speed();
    (0..10).for_each(|_| outlook.done(4));
    let dear = outlook.past(2).expect("both are known").speed();
    let cheap = outlook.coming(2).expect("both are known").speed();
    assert!(
        dear > all && all > 1.4 && cheap < 0.7,
        "{dear} {all} {cheap}"
    );
    assert_eq!(outlook.left(), 10);
}

#[test]
fn cheap_ones_are_executed_in_turn_beside_dear_ones_unless_many_workers_could_share_them() {
    let mut outlook = outlook(&[100, 0, 0, 0, 10]);
    for _ in 0..3 {
        outlook.ran(0, 1, 0.5e-6, 4);
        outlook.ran(4, 1, 20e-6, 12);
    }
    assert_eq!(outlook.in_turn(2), 1);
    assert_eq!(outlook.in_turn(64), 0);
    let left = outlook.coming(2).expect("both are known");
    assert!(left.speed() > 1.4, "{left:?}");
    // The last of the dear ones, on one of two workers.
    assert!((left.end - 5e-6).abs() < 1e-9, "{left:?}");
}

#[test]
fn cheap_ones_that_come_after_all_dear_ones_are_for_one() {
    let known = |of: Vec<u8>| {
        let mut outlook = Outlook::of(of, 0);
        for _ in 0..3 {
            outlook.ran(0, 1, 0.5e-6, 4);
            outlook.ran(4, 1, 100e-6, 12);
        }
        let left = outlook.coming(2).expect("both are known");
        left.alone - left.together - left.end
    };
    let cheap = [0; 100];
    let before = known([&cheap[..], &[4]].concat());
    let after = known([&[4], &cheap[..]].concat());
    assert!(before > 10e-6 && after < 1e-9, "{before} {after}");
    // With nothing else left, one thread is better.
    let cheap = known(cheap.to_vec());
    assert!(cheap < -10e-6, "{cheap}");
}

#[test]
fn costs_are_by_weight_until_something_is_known() {
    let mut outlook = outlook(&[100, 0, 10]);
    let [light, dear] = [99, 100].map(outlook.costs());
    assert!((light - 1.0).abs() + (dear - 4.0).abs() < 1e-9);
    for _ in 0..3 {
        outlook.ran(0, 1, 1e-6, 4);
        outlook.ran(2, 1, 9e-6, 4);
    }
    let [light, dear] = [99, 100].map(outlook.costs());
    assert!((light - 1e-6).abs() + (dear - 9e-6).abs() < 1e-12);
}

#[test]
fn stretches_are_for_many_that_take_little() {
    let two = NonZeroUsize::new(2).expect("two is not zero");
    let pays = |count: usize, each: f64| {
        let mut outlook = outlook(&[count]);
        (0..3).for_each(|_| outlook.ran(0, 1, each, 4));
        let beside = outlook.is_for_many(two);
        let stretches = outlook.is_for_stretches(two);
        outlook.go_on_at(count - 1);
        assert_eq!(outlook.left(), 1);
        (beside, stretches)
    };
    assert_eq!(pays(200, 1e-6), (false, false));
    assert_eq!(pays(1_000, 1e-6), (false, true));
    // Beside others they are faster than one after another too.
    assert_eq!(pays(1_000, 5e-6), (true, true));
    // More of them are right beside others.
    assert_eq!(pays(200, 20e-6), (true, false));
    // How many shows when some go first, which has to cost next to nothing.
    assert_eq!(pays(10_000, 2e-6), (true, false));
    assert_eq!(pays(10_000, 20e-6), (true, true));
}

#[test]
fn stretches_are_for_blocks_of_which_others_were_right() {
    let two = NonZeroUsize::new(2).expect("two is not zero");
    let pays = |count: usize, each: f64, again: f64| {
        let mut outlook = outlook(&[count]);
        (0..3).for_each(|_| outlook.ran(0, 1, each, 4));
        outlook.before.again = Some(again);
        (outlook.is_for_stretches(two), outlook.is_probably_right(4))
    };
    assert_eq!(pays(1_000, 5e-6, 0.0), (true, true));
    assert_eq!(pays(1_000, 5e-6, 0.9), (false, false));
    // Some go first, and show how it is in this block.
    assert_eq!(pays(10_000, 20e-6, AGAIN), (true, true));
    assert_eq!(pays(10_000, 20e-6, 0.9), (false, false));
}

#[test]
fn hints_are_for_dear_ones() {
    let mut cheap = outlook(&[10]);
    assert!(cheap.affords(1_000));
    (0..3).for_each(|_| cheap.ran(0, 1, 2e-6, 4));
    assert!(!cheap.affords(80));
    let mut dear = outlook(&[10]);
    (0..3).for_each(|_| dear.ran(0, 1, 40e-6, 4));
    assert!(dear.affords(80));
}

#[test]
fn lanes_are_for_blocks_in_which_no_group_is_most_of_it() {
    let two = NonZeroUsize::new(2).expect("two is not zero");
    let mut outlook = outlook(&[0, 0, 0, 0, 100]);
    assert_eq!(outlook.in_lanes(2, 0.0), None);
    assert!(!outlook.is_for_lanes(two, 0.0), "nothing is known");
    (0..3).for_each(|_| outlook.ran(4, 1, 30e-6, 12));
    let dearest = [0.0, 0.3, 0.8, 1.0].map(|dearest| outlook.is_for_lanes(two, dearest));
    assert_eq!(dearest, [true, true, false, false]);
    // If most was executed again, or all was in vain, they are not.
    outlook.before.mended = Some(1.0);
    assert!(!outlook.is_for_lanes(two, 0.0));
}
