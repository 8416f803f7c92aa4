//! Hints, times, and results that come before the block ends: for all ways of executing a block.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use pleach::{
    AccessSet, Block, Executor, MemoryState, SerialExecutor, StateView, Stop, Strategy, Trust, Vm,
    dtt::{Dtt, OpenTree},
    testkit::{Declared, Program, ProgramVm, Step, TestBlock, assert_same, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::executor;

/// The tree of these access sets.
fn tree(sets: &[AccessSet<u8>]) -> Dtt {
    let mut tree = OpenTree::new();
    for set in sets {
        tree.push(set, Trust::Predicted).expect("it is small");
    }
    tree.into_tree()
}

/// A tree in which each transaction depends on the one before.
fn chain(length: usize) -> Dtt {
    let mut set = AccessSet::new();
    set.update(0);
    tree(&vec![set; length])
}

#[test]
fn hints_right_or_wrong_change_nothing() {
    let executors = [
        executor(1, Strategy::Optimistic),
        executor(2, Strategy::Optimistic),
        executor(3, Strategy::Optimistic),
        executor(2, Strategy::Auto),
    ];
    for profile in strategies::Profile::all() {
        let blocks = (strategies::block(&profile), strategies::block(&profile));
        let mut runner = TestRunner::new(ProptestConfig::with_cases(40));
        runner
            .run(&(blocks, 0..9_usize), |((mut block, mut other), cut)| {
                for block in [&mut block, &mut other] {
                    for program in &mut block.transactions {
                        program.steps.retain(|step| *step != Step::Panic);
                    }
                }
                let record =
                    |block: &TestBlock| SerialExecutor::new().record(block.to_pleach(&ProgramVm));
                let (Ok((expected, right)), Ok((_, wrong))) = (record(&block), record(&other))
                else {
                    return Ok(());
                };
                let expected = Ok(expected);
                let mut shifted = right.clone();
                shifted.rotate_left(cut.min(right.len()));
                let short = &right[..cut.min(right.len())];
                let (tree_right, tree_wrong) = (tree(&right), tree(&wrong));
                let chain = chain(block.transactions.len());
                let hints: [(&[_], _); 8] = [
                    (&right, None),
                    (&right, Some(&tree_right)),
                    (&[], Some(&tree_right)),
                    (&wrong, None),
                    (&shifted, Some(&chain)),
                    (short, Some(&tree_wrong)),
                    (&[], Some(&tree_wrong)),
                    (&[], Some(&chain)),
                ];
                for (place, (predicted, tree)) in hints.into_iter().enumerate() {
                    for executor in &executors {
                        let mut hinted = block.to_pleach(&ProgramVm).predicted(predicted);
                        if let Some(tree) = tree {
                            hinted = hinted.tree(tree);
                        }
                        let found = executor.record(hinted);
                        let (outcome, touched) = found.map_err(|error| {
                            TestCaseError::fail(format!("hint {place}, {executor:?}: {error}"))
                        })?;
                        prop_assert_eq!(&touched, &right, "hint {}, {:?}", place, executor);
                        assert_same(&expected, &Ok(outcome)).map_err(TestCaseError::fail)?;
                    }
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
    }
}

#[test]
fn who_is_known_to_depend_on_others_waits_for_them() {
    let steps = [Step::Get(1), Step::PutRegister(1)];
    let block = TestBlock {
        transactions: vec![Program::new(steps); 60],
        ..TestBlock::default()
    };
    let executor = executor(2, Strategy::Optimistic);
    let (_, accesses) = executor
        .record(block.to_pleach(&ProgramVm))
        .expect("nothing fails");
    let tree = tree(&accesses);
    let told = [
        block.to_pleach(&ProgramVm).predicted(&accesses),
        block.to_pleach(&ProgramVm).tree(&tree),
    ];
    for block in told {
        let statistics = executor.execute(block).expect("nothing fails").statistics;
        assert_eq!(statistics.executed, 60);
        assert_eq!(statistics.deceived, 0, "{statistics:?}");
    }
}

#[test]
fn times_are_there_if_they_were_asked_for() {
    let steps = |declared| {
        let programs = (0..200).map(|key| Program::new([Step::Put(key, 1)]).declaring(declared));
        programs.collect::<Vec<_>>()
    };
    let state = MemoryState::new();
    for (declared, strategy) in [
        (Declared::Nothing, Strategy::Serial),
        (Declared::Exactly, Strategy::Exact),
        (Declared::Nothing, Strategy::Optimistic),
        (Declared::Nothing, Strategy::Auto),
    ] {
        let executor = executor(2, strategy);
        let programs = steps(declared);
        let block = || Block::new(&ProgramVm, &state, &programs);
        let outcome = executor.execute(block()).expect("nothing fails");
        assert_eq!(outcome.times, None);
        let outcome = executor.execute(block().timed()).expect("nothing fails");
        let times = outcome.times.expect("they were asked for");
        assert_eq!(times.committed.len(), 200, "{strategy:?}");
        assert!(times.committed.is_sorted(), "{strategy:?}");
        assert!(times.executing > std::time::Duration::ZERO, "{strategy:?}");
        assert!(times.time_to_commit(1.0) <= Some(times.total));
    }
}

/// Counts how many transactions have run.
#[derive(Default)]
struct Counting {
    ran: AtomicUsize,
}

impl Vm for Counting {
    type Transaction = u32;
    type Key = u32;
    type Value = u64;
    type Output = ();
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, key: &u32, set: &mut AccessSet<u32>) -> Trust {
        set.write(*key);
        Trust::Exact
    }

    fn execute<S: StateView<u32, u64>>(
        &self,
        key: &u32,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<Infallible>> {
        self.ran.fetch_add(1, Ordering::Relaxed);
        Ok(state.put(key, 1)?)
    }
}

#[test]
fn results_are_streamed_before_the_block_ends() {
    let keys: Vec<u32> = (0..5_000).collect();
    let state = MemoryState::new();
    for strategy in [Strategy::Exact, Strategy::Optimistic, Strategy::Split] {
        for workers in [1, 3] {
            let vm = Counting::default();
            let mut ran = Vec::new();
            let block = Block::new(&vm, &state, &keys)
                .on_commit(|_, _| ran.push(vm.ran.load(Ordering::Relaxed)));
            executor(workers, strategy)
                .execute(block)
                .expect("nothing fails");
            assert_eq!(ran.len(), keys.len());
            assert!(ran[0] < keys.len(), "{strategy:?} on {workers}");
        }
    }
}

/// Adds to one counter and says so.
struct Mint;

impl Vm for Mint {
    type Transaction = u32;
    type Key = u32;
    type Value = u64;
    type Output = ();
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, key: &u32, set: &mut AccessSet<u32>) -> Trust {
        set.add(0).write(*key);
        Trust::Exact
    }

    fn execute<S: StateView<u32, u64>>(
        &self,
        key: &u32,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<Infallible>> {
        let mut number = u64::from(*key) | 1;
        for _ in 0..5_000 {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
        }
        state.add(&0, pleach::Delta::Plus(1))?;
        Ok(state.put(key, number)?)
    }
}

#[test]
fn adds_to_one_key_do_not_make_a_chain_of_a_block() {
    let keys: Vec<u32> = (1..=2_000).collect();
    let state = MemoryState::new();
    let block = || Block::new(&Mint, &state, &keys);
    let outcome = executor(2, Strategy::Auto)
        .execute(block())
        .expect("nothing fails");
    let expected = SerialExecutor::new()
        .execute(block())
        .expect("nothing fails");
    assert_eq!(outcome.changes, expected.changes);
    assert_eq!(outcome.changes.get(&0), Some(Some(&2_000)));
    let serial = outcome.statistics.serial;
    assert!(serial < keys.len(), "{:?}", outcome.statistics);
}
