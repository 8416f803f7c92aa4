//! Blocks that look harmless, and would take hours, or all memory, if that were not bounded by what they say.

use std::ops::Bound;

use pleach_dtt::{AccessSet, OpenTree, Trust};

const MANY: usize = 20_000;

fn push(open: &mut OpenTree<usize>, fill: impl FnOnce(&mut AccessSet<usize>)) {
    let mut set = AccessSet::new();
    fill(&mut set);
    open.push(&set, Trust::Exact).expect("it is not too large");
}

#[test]
fn many_adds_and_many_looks_at_them() {
    let mut open = OpenTree::new();
    for _ in 0..2 {
        for index in 0..MANY {
            push(&mut open, |set| {
                if index % 2 == 0 {
                    set.add(0);
                } else {
                    set.read(0);
                }
            });
        }
        assert!(open.tree().edges() < 3 * MANY);
        assert_eq!(open.tree().branches().len(), 1);
        open.next_block();
    }
}

#[test]
fn one_that_says_a_thing_many_times() {
    let mut open = OpenTree::new();
    for _ in 0..MANY {
        push(&mut open, |set| {
            set.add(0);
        });
    }
    push(&mut open, |set| {
        for _ in 0..MANY {
            set.read(0);
        }
    });
    assert_eq!(open.tree().edges(), MANY + 1);
}

#[test]
fn many_scans_over_everything() {
    let mut open = OpenTree::new();
    for index in 0..MANY / 4 {
        push(&mut open, |set| {
            if index % 2 == 0 {
                set.write(index * 7919 % 10_007);
            } else {
                set.range(Bound::Unbounded, Bound::Excluded(10_000));
            }
        });
    }
    assert!(
        open.tree().edges() < 100 * MANY / 4,
        "{}",
        open.tree().edges()
    );
}
