//! `MemoryState` and `Changes`.

use std::ops::{
    Bound::{self, Excluded, Included, Unbounded},
    ControlFlow,
};

use pleach::{MemoryState, RangeSupport, State, testkit::Step};

use crate::run;

#[test]
fn changes_are_in_key_order_and_hold_what_was_changed_back() {
    let mut state: MemoryState<u8, u64> = [(1, 1), (9, 9)].into_iter().collect();
    let outcome = run(&[
        &[Step::Put(9, 5), Step::Put(3, 3), Step::Put(1, 2)],
        &[Step::Delete(9), Step::Put(1, 1)],
    ]);
    let changes: Vec<_> = outcome.changes.iter().copied().collect();
    assert_eq!(changes, [(1, Some(1)), (3, Some(3)), (9, None)]);
    assert_eq!(outcome.changes.get(&2), None);
    state.apply(outcome.changes);
    assert_eq!(state, [(1, 1), (3, 3)].into_iter().collect());
}

#[test]
fn ranges_that_end_before_they_start_are_empty() {
    let state: MemoryState<u8, u64> = (0..10).map(|key| (key, 0)).collect();
    let visit = |from: Bound<&u8>, to: Bound<&u8>, most: usize| {
        let mut keys = Vec::new();
        let support = state.range(from, to, &mut |key, _| {
            keys.push(*key);
            if keys.len() < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        assert_eq!(support, Ok(RangeSupport::Visited));
        keys
    };
    assert_eq!(visit(Included(&5), Included(&3), 9), []);
    assert_eq!(visit(Excluded(&5), Excluded(&5), 9), []);
    assert_eq!(visit(Included(&5), Excluded(&5), 9), []);
    assert_eq!(visit(Included(&5), Included(&5), 9), [5]);
    assert_eq!(visit(Excluded(&7), Unbounded, 9), [8, 9]);
    assert_eq!(visit(Unbounded, Excluded(&9), 2), [0, 1]);
}
