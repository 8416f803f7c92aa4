//! Simulated schedules: against hand-worked ones, and against what no schedule can beat.

use std::num::NonZeroUsize;

use pleach_dtt::{AccessSet, Dtt, OpenTree, Schedule, Simulation, Trust};
use proptest::prelude::*;

use crate::{
    blocks::{block, open},
    oracle,
};

fn workers(count: usize) -> Simulation {
    Simulation::new(NonZeroUsize::new(count).expect("there are some"))
}

/// Transactions, each with those before it that it needs.
fn tree(needs: &[&[usize]]) -> Dtt {
    let mut open = OpenTree::new();
    for (index, needs) in needs.iter().enumerate() {
        let mut set = AccessSet::new();
        set.write(index);
        for needed in *needs {
            set.read(*needed);
        }
        open.push(&set, Trust::Exact).expect("it is small");
    }
    open.into_tree()
}

/// Who runs what, and when.
fn lines(schedule: &Schedule) -> Vec<(usize, usize, u64, u64)> {
    let spans = schedule.spans().iter();
    spans
        .map(|span| (span.worker, span.transaction, span.start, span.end))
        .collect()
}

#[test]
fn independent_transactions_are_taken_in_their_order() {
    let tree = tree(&[&[], &[], &[], &[]]);
    let schedule = workers(2).run(&tree, &[3, 1, 1, 4]);
    assert_eq!(
        lines(&schedule),
        [(0, 0, 0, 3), (1, 1, 0, 1), (1, 2, 1, 2), (1, 3, 2, 6)]
    );
    assert_eq!(schedule.makespan(), 6);
    assert_eq!(schedule.total(), 9);
    assert_eq!(schedule.bound(), 5);
    assert!((schedule.speedup() - 1.5).abs() < 1e-9);
    assert!((schedule.efficiency() - 5.0 / 6.0).abs() < 1e-9);
}

#[test]
fn a_chain_stays_on_its_worker() {
    // 0, 2 and 4 are a chain, the others are free.
    let tree = tree(&[&[], &[], &[0], &[], &[2]]);
    let simulation = workers(2).overhead(1).stealing(10);
    let schedule = simulation.run(&tree, &[2, 2, 2, 2, 2]);
    assert_eq!(
        lines(&schedule),
        [
            (0, 0, 0, 3),
            (1, 1, 0, 3),
            (0, 2, 3, 6),
            (1, 3, 3, 6),
            (0, 4, 6, 9)
        ]
    );
}

#[test]
fn what_else_a_worker_made_ready_can_be_stolen() {
    // Two wait for 0. Worker 0 goes on with the first; worker 1 steals the other when it is done.
    let tree = tree(&[&[], &[], &[0], &[0]]);
    let schedule = workers(2).stealing(5).run(&tree, &[2, 3, 9, 1]);
    assert_eq!(
        lines(&schedule),
        [(0, 0, 0, 2), (1, 1, 0, 3), (0, 2, 2, 11), (1, 3, 3, 9)]
    );
}

#[test]
fn who_waits_for_two_goes_on_where_the_later_ran() {
    let tree = tree(&[&[], &[], &[0, 1], &[]]);
    let schedule = workers(2).run(&tree, &[1, 5, 1, 6]);
    assert_eq!(
        lines(&schedule),
        [(0, 0, 0, 1), (1, 1, 0, 5), (0, 3, 1, 7), (1, 2, 5, 6)]
    );
}

#[test]
fn sums_take_no_time() {
    let mut open = OpenTree::new();
    for _ in 0..4 {
        let mut set = AccessSet::new();
        set.add("total");
        open.push(&set, Trust::Exact).expect("it is small");
    }
    let mut set = AccessSet::new();
    set.read("total");
    open.push(&set, Trust::Exact).expect("it is small");
    let schedule = workers(4).run(open.tree(), &[1, 2, 3, 4, 5]);
    assert_eq!(schedule.makespan(), 9);
    assert_eq!(schedule.critical_path(), 9);
    assert_eq!(lines(&schedule)[4], (3, 4, 4, 9));
}

#[test]
fn nothing_takes_no_time() {
    let schedule = workers(8).run(&Dtt::new(), &[]);
    assert_eq!(schedule.makespan(), 0);
    assert!((schedule.speedup() - 1.0).abs() < 1e-9);
    assert!((schedule.efficiency() - 1.0).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn schedules_are_possible_greedy_and_within_their_bounds(
        block in block(),
        count in 1..9_usize,
        costs in prop::collection::vec(0..50_u64, 120),
        overhead in 0..3_u64,
        stealing in 0..3_u64,
    ) {
        let tree = open(&block).into_tree();
        let costs = &costs[..tree.len()];
        let simulation = workers(count).overhead(overhead).stealing(stealing);
        let schedule = simulation.run(&tree, costs);
        prop_assert_eq!(&simulation.run(&tree, costs), &schedule);

        let dependencies = oracle::dependencies(&block);
        let mut span_of = vec![None; tree.len()];
        for span in schedule.spans() {
            prop_assert!(span_of[span.transaction].replace(*span).is_none(), "once");
            let took = span.end - span.start;
            let least = costs[span.transaction] + overhead;
            prop_assert!(took == least || took == least + stealing);
            prop_assert!(span.worker < count);
        }
        let spans: Vec<_> = span_of.into_iter().map(|span| span.expect("each runs")).collect();
        for (span, needed) in spans.iter().zip(&dependencies) {
            prop_assert!(needed.iter().all(|needed| spans[*needed].end <= span.start));
        }
        for worker in 0..count {
            let mut of_worker: Vec<_> = spans.iter().filter(|span| span.worker == worker).collect();
            of_worker.sort_by_key(|span| (span.start, span.end));
            prop_assert!(of_worker.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }

        prop_assert!(schedule.makespan() >= schedule.bound());
        // Graham's bound for schedules that let no worker idle while something is ready.
        let each = overhead + stealing;
        let dear: Vec<u64> = costs.iter().map(|cost| cost + each).collect();
        let (total, path) = (dear.iter().sum::<u64>(), tree.critical_path(&dear).cost);
        let workers = count as u64;
        prop_assert!(schedule.makespan() * workers <= total + path * (workers - 1));
    }
}
