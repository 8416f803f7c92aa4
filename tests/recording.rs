//! Recordings: what they say is exactly what was touched.

use pleach::{
    AccessSet, Block, Executor, SerialExecutor, StateView, Stop, Trust, Vm,
    dtt::OpenTree,
    testkit::{Program, ProgramError, ProgramVm, Seen, Step, TestBlock, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::run;

/// Programs that declare given sets.
struct Declared {
    sets: Vec<AccessSet<u8>>,
}

impl Vm for Declared {
    type Transaction = (usize, Program);
    type Key = u8;
    type Value = u64;
    type Output = Seen;
    type Error = ProgramError;
    type Scratch = ();

    fn accesses(&self, (index, _): &(usize, Program), set: &mut AccessSet<u8>) -> Trust {
        set.clone_from(&self.sets[*index]);
        Trust::Exact
    }

    fn execute<S: StateView<u8, u64>>(
        &self,
        (_, program): &(usize, Program),
        state: &mut S,
        scratch: &mut (),
    ) -> Result<Seen, Stop<ProgramError>> {
        ProgramVm.execute(program, state, scratch)
    }
}

/// What a block comes to, in a form that can be compared, when its transactions declare these sets.
fn outcome(block: &TestBlock, sets: Vec<AccessSet<u8>>) -> String {
    let programs: Vec<(usize, Program)> = block.transactions.iter().cloned().enumerate().collect();
    let vm = Declared { sets };
    let block = Block::new(&vm, &block.state, &programs).on_failure(block.on_failure);
    let outcome = SerialExecutor::new().execute(block);
    let outcome = outcome.expect("programs that panic were left out");
    format!("{:?} {:?}", outcome.transactions, outcome.changes)
}

#[test]
fn recorded_sets_can_be_declared_as_exact_and_nothing_less() {
    let profile = strategies::Profile::skewed();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(1_000));
    runner
        .run(&strategies::block(&profile), |mut block| {
            for program in &mut block.transactions {
                program.steps.retain(|step| *step != Step::Panic);
                for step in &mut program.steps {
                    // What is declared is where a scan may go; what is recorded, where it went.
                    if let Step::Scan(_, _, most) = step {
                        *most = usize::from(u8::MAX);
                    }
                }
            }
            block.limit = None;
            let plain = TestBlock {
                transactions: block
                    .transactions
                    .iter()
                    .map(|program| Program::new(program.steps.clone()))
                    .collect(),
                ..block
            };
            let expected = SerialExecutor::new().execute(plain.to_pleach(&ProgramVm));
            let expected = expected.expect("nothing ends the block");
            let expected = format!("{:?} {:?}", expected.transactions, expected.changes);

            let recorded = SerialExecutor::new().record(plain.to_pleach(&ProgramVm));
            let (found, sets) = recorded.expect("nothing ends the block");
            let found = format!("{:?} {:?}", found.transactions, found.changes);
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(&outcome(&plain, sets.clone()), &expected);

            // Each entry is needed: without it, its transaction fails.
            for (index, set) in sets
                .iter()
                .enumerate()
                .filter(|(_, set)| set.ranges().is_empty())
            {
                for (key, _) in set.entries() {
                    let mut less = sets.clone();
                    less[index].retain(|other, _| other != key);
                    prop_assert_ne!(&outcome(&plain, less), &expected, "{} {}", index, key);
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_transaction_that_runs_is_timed() {
    let block = TestBlock {
        transactions: vec![Program::new([Step::Get(1)]), Program::new([Step::Fail])],
        on_failure: pleach::OnFailure::Skip,
        ..TestBlock::default()
    };
    let (outcome, times) = SerialExecutor::new()
        .time(block.to_pleach(&ProgramVm))
        .expect("nothing ends the block");
    assert_eq!(outcome.transactions.len(), 2);
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|time| !time.is_zero()));
}

#[test]
fn scans_are_recorded_as_far_as_they_went() {
    let block = TestBlock {
        transactions: vec![
            Program::new([Step::Put(3, 1), Step::Put(5, 1), Step::Put(9, 1)]),
            Program::new([Step::Scan(2, 200, 2)]),
        ],
        ..TestBlock::default()
    };
    let recorded = SerialExecutor::new().record(block.to_pleach(&ProgramVm));
    let (_, sets) = recorded.expect("nothing ends the block");
    let [range] = sets[1].ranges() else {
        panic!("it scans once: {sets:?}");
    };
    assert_eq!(format!("{range:?}"), "(Included(2), Included(5))");
}

#[test]
fn the_tree_of_a_recording_is_the_one_that_held() {
    let steps: [&[Step]; 4] = [
        &[Step::Add(1, 5)],
        &[Step::Put(2, 1), Step::Get(2)],
        &[Step::Get(1)],
        &[Step::Get(2), Step::Add(1, 1)],
    ];
    assert_eq!(run(&steps).statistics.executed, 4);
    let block = TestBlock {
        transactions: steps.iter().map(|steps| Program::new(*steps)).collect(),
        ..TestBlock::default()
    };
    let recorded = SerialExecutor::new().record(block.to_pleach(&ProgramVm));
    let (_, sets) = recorded.expect("nothing ends the block");
    let mut open = OpenTree::new();
    for set in &sets {
        open.push(set, Trust::Predicted).expect("it is small");
    }
    let parents: Vec<_> = (0..4).map(|index| open.tree().parent(index)).collect();
    assert_eq!(parents, [None, None, Some(0), Some(1)]);
}
