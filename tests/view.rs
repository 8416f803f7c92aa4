//! What a transaction sees, one property at a time; `equivalence` has them in all mixtures.

use pleach::{
    AccessSet, Amount, Block, Bounds, Delta, Executor, MemoryState, SerialExecutor, StateView,
    Stop, Trust, Value, Vm,
    testkit::{Step, faults::NotMyFault},
};

use crate::{ABSENT, run, seen};

#[test]
fn own_changes_are_seen_and_those_of_others_only_once_kept() {
    let outcome = run(&[
        &[Step::Put(1, 5), Step::Get(1), Step::Delete(1), Step::Get(1)],
        &[Step::Put(2, 6), Step::Fail],
        &[Step::Get(1), Step::Get(2), Step::Put(3, 7)],
        &[Step::Get(3)],
    ]);
    assert_eq!(*seen(&outcome, 0), [5, ABSENT]);
    assert_eq!(*seen(&outcome, 2), [ABSENT, ABSENT]);
    assert_eq!(*seen(&outcome, 3), [7]);
    assert_eq!(
        outcome.changes.get(&1),
        Some(None),
        "written and removed is changed"
    );
    assert_eq!(outcome.changes.get(&2), None);
}

#[test]
fn absent_counts_as_zero_for_numbers() {
    let outcome = run(&[&[
        Step::AtLeast(1, 0),
        Step::AtLeast(1, 1),
        Step::Contains(1),
        Step::Subtract(1, 1),
        Step::Add(1, 0),
        Step::Contains(1),
    ]]);
    assert_eq!(*seen(&outcome, 0), [1, 0, 0, 0, 1, 1]);
}

#[test]
fn adds_stay_within_their_bounds() {
    let outcome = run(&[&[
        Step::AddWithin(1, 5, 6, 10),
        Step::AddWithin(1, 5, 0, 4),
        Step::AddWithin(1, 5, 5, 5),
        Step::Add(1, u64::MAX),
        Step::Subtract(1, 6),
        Step::Get(1),
    ]]);
    assert_eq!(*seen(&outcome, 0), [0, 0, 1, 0, 0, 5]);
}

#[test]
fn scans_merge_the_block_with_the_state_in_order() {
    let outcome = run(&[
        &[Step::Put(2, 20), Step::Put(8, 80)],
        &[
            Step::Put(4, 40),
            Step::Put(1, 10),
            Step::Delete(8),
            Step::ScanAll,
        ],
        &[Step::Put(3, 30), Step::Fail],
        &[
            Step::Scan(2, 4, 9),
            Step::Scan(4, 2, 9),
            Step::Scan(1, 9, 1),
        ],
    ]);
    assert_eq!(*seen(&outcome, 1), [1, 10, 2, 20, 4, 40]);
    assert_eq!(*seen(&outcome, 3), [2, 20, 4, 40, 1, 10]);
}

/// A value that may be a number or a name.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Item {
    Number(u64),
    Name(&'static str),
}

impl Value for Item {
    type Amount = u64;

    fn amount(&self) -> Option<u64> {
        match self {
            Item::Number(number) => Some(*number),
            Item::Name(_) => None,
        }
    }

    /// Zero is not stored.
    fn from_amount(amount: u64) -> Option<Self> {
        (amount != u64::ZERO).then_some(Item::Number(amount))
    }
}

/// Runs a closure as the one transaction of a block, over a view behind `dyn`.
struct Once;

type Body = fn(&mut dyn StateView<u8, Item>) -> Result<(), Stop<NotMyFault>>;

impl Vm for Once {
    type Transaction = Body;
    type Key = u8;
    type Value = Item;
    type Output = ();
    type Error = NotMyFault;
    type Scratch = ();

    fn accesses(&self, _: &Body, _: &mut AccessSet<u8>) -> Trust {
        Trust::Predicted
    }

    fn execute<S: StateView<u8, Item>>(
        &self,
        body: &Body,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<NotMyFault>> {
        body(state)
    }
}

#[test]
fn what_is_not_a_number_cannot_be_added_to() {
    let state: MemoryState<u8, Item> = [(1, Item::Name("bob")), (2, Item::Number(5))]
        .into_iter()
        .collect();
    let body: Body = |state| {
        assert!(!state.add(&1, Delta::Plus(0))?);
        assert!(!state.at_least(&1, 0)?);
        assert!(state.contains(&1)?);
        assert!(state.add_within(&2, Delta::Minus(5), Bounds::ALL)?);
        assert!(!state.contains(&2)?, "zero is not stored");
        assert_eq!(state.get(&1)?, Some(Item::Name("bob")));
        Ok(())
    };
    let outcome = SerialExecutor::new()
        .execute(Block::new(&Once, &state, &[body]))
        .expect("an outcome");
    assert_eq!(outcome.statistics.executed, 1);
    assert_eq!(outcome.changes.iter().collect::<Vec<_>>(), [&(2, None)]);
}
