//! Blocks in lanes: what is put together, and who is executed again.

use pleach::{
    Block, Executor, MemoryState, StateView, Statistics, Stop, Strategy, Vm,
    testkit::{Program, ProgramVm, Step},
};
use pleach_dtt::{AccessSet, Dtt, OpenTree, Trust};

use crate::split::Slow;

/// Executes the same, and says nothing of who depends on whom.
struct Silent;

impl Vm for Silent {
    type Transaction = Program;
    type Key = u8;
    type Value = u64;
    type Output = <ProgramVm as Vm>::Output;
    type Error = <ProgramVm as Vm>::Error;
    type Scratch = ();

    fn execute<S: StateView<u8, u64>>(
        &self,
        program: &Program,
        state: &mut S,
        scratch: &mut (),
    ) -> Result<Self::Output, Stop<Self::Error>> {
        ProgramVm.execute(program, state, scratch)
    }
}

/// How many blocks of each kind.
const CASES: u32 = 200;

#[test]
fn lanes_are_mended_to_what_the_serial_executor_does() {
    crate::split::compare(Strategy::Lanes, 1..=64, CASES);
    crate::split::compare(Strategy::Lanes, 65..=160, CASES / 4);
}

/// Executes transactions of these steps on two workers, compares with the serial executor, and says how that went.
fn lanes(programs: &[Program]) -> Statistics {
    crate::split::same_as_serial(&ProgramVm, programs, (Strategy::Lanes, None))
}

/// The tree of transactions that touch this.
fn tree(sets: impl IntoIterator<Item = AccessSet<u8>>) -> Dtt {
    let mut tree = OpenTree::new();
    for set in sets {
        tree.push(&set, Trust::Predicted).expect("it is small");
    }
    tree.into_tree()
}

#[test]
fn who_names_the_same_key_is_executed_once() {
    // Each of twenty counters is looked at and changed by ten, from all over the block.
    let programs: Vec<_> = (0..200_u64)
        .map(|number| {
            let key = (number % 20) as u8;
            Program::new([Step::Get(key), Step::PutRegister(key), Step::Add(100, 1)])
        })
        .collect();
    let statistics = lanes(&programs);
    assert_eq!((statistics.attempts, statistics.lanes), (200, 200));
    assert_eq!(statistics.keys, 21);
}

#[test]
fn only_who_looked_is_executed_again() {
    // Nobody names what is put here, so that anybody executes it.
    let programs: Vec<_> = (0..200_u64)
        .map(|number| match number {
            3 => Program::new([Step::Put(1, 5)]),
            150 => Program::new([Step::Get(1), Step::PutRegister(2), Step::Add(100, 7)]),
            // Who is with it looks at what it writes.
            151 => Program::new([Step::Get(2), Step::PutRegister(3), Step::Add(100, 2)]),
            _ => Program::new([
                Step::Put(200 + (number % 50) as u8, number),
                Step::Add(100, 1),
            ]),
        })
        .collect();
    let statistics = lanes(&programs);
    assert_eq!(statistics.lanes, 200);
    assert!(statistics.deceived <= 2, "{statistics:?}");
}

/// What it leaves the second time is less than it was, or more, of a key that it had not touched, or nothing at all.
#[test]
fn who_leaves_something_else_is_believed_the_second_time() {
    for value in 0..4 {
        let programs: Vec<_> = (0..60_u64)
            .map(|number| {
                Program::new(match number {
                    3 => vec![Step::Put(1, value), Step::Add(4, 3), Step::Put(6, 4)],
                    45 => vec![
                        Step::Contains(1),
                        Step::AtLeast(1, 2),
                        Step::SkipIfOdd(2),
                        Step::Add(4, 3),
                        Step::Put(5, 1),
                        Step::Add(10, 1),
                    ],
                    46 => vec![Step::Subtract(4, 3), Step::Add(5, 1)],
                    47 => vec![
                        Step::AtLeast(1, 3),
                        Step::FailIfMultiple(2),
                        Step::Add(4, 1),
                        Step::Put(6, 2),
                    ],
                    48 => vec![Step::AtLeast(4, 2), Step::Contains(6), Step::Add(7, 1)],
                    49 => vec![Step::AtLeast(5, 1), Step::Delete(8)],
                    50 => vec![Step::Contains(1), Step::Delete(1), Step::Add(9, 1)],
                    51 => vec![Step::Contains(1), Step::Subtract(9, 1)],
                    _ => vec![Step::Add(200, 1), Step::Put(100 + number as u8, 1)],
                })
            })
            .collect();
        let statistics = lanes(&programs);
        assert_eq!(statistics.lanes, 60, "{statistics:?}");
    }
}

#[test]
fn a_tree_says_who_depends_on_whom() {
    // Nobody names a key, but each of twenty is put and then asked about.
    let key = |number: u64| (number % 20) as u8;
    let programs: Vec<_> = (0..200_u64)
        .map(|number| {
            Program::new([
                Step::Contains(key(number)),
                Step::Delete(key(number)),
                Step::Put(key(number + number / 20 % 2), number),
            ])
        })
        .collect();
    let tree = tree((0..200_u64).map(|number| {
        let mut set = AccessSet::new();
        set.update(key(number)).write(key(number + number / 20 % 2));
        set
    }));
    let how = (Strategy::Lanes, Some(&tree));
    let statistics = crate::split::same_as_serial(&ProgramVm, &programs, how);
    assert_eq!(statistics.deceived, 0);
}

/// Whoever has other things to do may find several workers no faster after all, but not each time.
#[test]
fn blocks_with_a_tree_are_executed_in_lanes() {
    let executor = crate::executor(2, Strategy::Auto);
    let state = MemoryState::new();
    let transactions: Vec<_> = (0..200).collect();
    let mut tree = OpenTree::new();
    for key in &transactions {
        let mut set = AccessSet::new();
        set.write(*key);
        tree.push(&set, Trust::Predicted).expect("it is small");
    }
    let tree = tree.into_tree();
    let in_lanes = |_| {
        let block = Block::new(&Slow, &state, &transactions).tree(&tree);
        let outcome = executor.execute(block).expect("nothing is wrong");
        assert_eq!(outcome.changes.len(), 200);
        outcome.statistics.lanes > 0
    };
    assert!((0..100).any(in_lanes));
}

/// The tree says that nobody depends on anybody, and each looks at what the one before it writes.
#[test]
fn what_a_tree_says_wrongly_is_not_mended_to_the_end() {
    let programs: Vec<_> = (0..400)
        .map(|_| Program::new([Step::Get(1), Step::PutRegister(1)]))
        .collect();
    let tree = tree(programs.iter().map(|_| AccessSet::new()));
    let how = (Strategy::Lanes, Some(&tree));
    let Statistics {
        deceived, serial, ..
    } = crate::split::same_as_serial(&Silent, &programs, how);
    assert!((17..=101).contains(&deceived) && serial > 200, "{deceived}");
}

#[test]
fn who_scans_ends_the_lanes() {
    let mut programs = vec![Program::new([Step::Add(1, 1)]); 40];
    programs[30] = Program::new([Step::ScanAll, Step::Add(2, 1)]);
    let statistics = lanes(&programs);
    assert_eq!((statistics.serial, statistics.lanes), (10, 30));
}

#[test]
fn who_cancels_when_something_is_committed_hears_of_nothing_more() {
    crate::split::cancel(Strategy::Lanes);
}
