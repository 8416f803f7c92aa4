//! Blocks in stretches: what is put together, what is in vain, and what nobody asks for.

use std::{
    convert::Infallible,
    fmt::Debug,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use pleach::{
    Block, CancelToken, ExecuteErrorKind, Executor, MemoryState, Outcome, SerialExecutor, State,
    StateView, Statistics, Stop, Strategy, Vm,
    testkit::{Program, ProgramVm, Step, assert_same, strategies, strategies::Profile},
};
use pleach_dtt::Dtt;
use proptest::{
    prop_assert_eq,
    test_runner::{Config, TestRunner},
};

/// How many blocks of each kind.
const CASES: u32 = 200;

/// Executes transactions on two workers, with a tree if there is one, compares with the serial executor, and says how that went.
pub(crate) fn same_as_serial<V>(
    vm: &V,
    transactions: &[V::Transaction],
    (strategy, tree): (Strategy, Option<&Dtt>),
) -> Statistics
where
    V: Vm<Key = u8, Value = u64, Output: Debug, Error: Debug>,
{
    let state = MemoryState::new();
    let block = || Block::new(vm, &state, transactions);
    let serial = SerialExecutor::new().execute(block());
    let serial = serial.expect("nothing is wrong");
    let block = match tree {
        Some(tree) => block().tree(tree),
        None => block(),
    };
    let found = crate::executor(2, strategy).execute(block);
    let found: Outcome<V> = found.expect("nothing is wrong");
    assert_eq!(found.changes, serial.changes);
    let outcomes = |outcome: &Outcome<V>| format!("{:?}", outcome.transactions);
    assert_eq!(outcomes(&found), outcomes(&serial));
    found.statistics
}

/// The same for transactions of these steps, in stretches, which touch as many keys.
fn split(programs: &[Program]) -> Statistics {
    let statistics = same_as_serial(&ProgramVm, programs, (Strategy::Split, None));
    let state = MemoryState::new();
    let serial = SerialExecutor::new().execute(Block::new(&ProgramVm, &state, programs));
    let serial = serial.expect("nothing is wrong");
    assert_eq!(statistics.keys, serial.statistics.keys);
    statistics
}

#[test]
fn adds_need_no_second_attempt() {
    let steps = |number: u8| [Step::Add(0, 3), Step::Add(1 + number % 100, 1)];
    let programs: Vec<_> = (0..200).map(|number| Program::new(steps(number))).collect();
    let statistics = split(&programs);
    assert_eq!((statistics.attempts, statistics.split), (200, 200));
}

#[test]
fn a_chain_is_found_out_by_a_few() {
    let steps = [Step::Get(1), Step::Get(2), Step::PutRegister(1)];
    let programs = vec![Program::new(steps); 640];
    let statistics = split(&programs);
    let in_vain = statistics.attempts - 640;
    assert!((1..=20).contains(&in_vain), "{statistics:?}");
}

/// Few of them meet, so the first ones are right. What they look at and change says that others may not be.
#[test]
fn who_was_right_because_there_were_few_is_not_believed() {
    let programs: Vec<_> = (0..640_u64)
        .map(|number| {
            let key = 1 + (number % 200) as u8;
            Program::new([Step::Get(key), Step::PutRegister(key)])
        })
        .collect();
    let statistics = split(&programs);
    let in_vain = statistics.attempts - 640;
    // Without that it would be half of all but the first 20.
    assert!((1..=200).contains(&in_vain), "{statistics:?}");
}

/// Of 60 transactions, the second half begins on what the first has not left yet.
fn two_stretches(change: impl Fn(usize) -> Option<Vec<Step>>) -> Vec<Program> {
    let quiet = |number: usize| vec![Step::Add(200, 1), Step::Put(100 + number as u8, 1)];
    (0..60)
        .map(|number| Program::new(change(number).unwrap_or_else(|| quiet(number))))
        .collect()
}

#[test]
fn only_who_looked_is_executed_again() {
    let programs = two_stretches(|number| match number {
        3 => Some(vec![Step::Put(1, 5)]),
        // Looks at that, and the next one at what it writes. Both add to what all add to.
        50 => Some(vec![Step::Get(1), Step::PutRegister(2), Step::Add(200, 7)]),
        55 => Some(vec![Step::Get(2), Step::PutRegister(3), Step::Add(200, 2)]),
        _ => None,
    });
    let statistics = split(&programs);
    assert_eq!(statistics.split, 60);
    assert!((1..=2).contains(&statistics.deceived), "{statistics:?}");
}

/// What it leaves the second time is less than it was, or more; of a key that it had not touched, or nothing at all.
#[test]
fn who_leaves_something_else_is_believed_the_second_time() {
    for value in 0..4 {
        let programs = two_stretches(|number| {
            let steps = match number {
                3 => vec![Step::Put(1, value), Step::Add(4, 3), Step::Put(6, 4)],
                45 => vec![
                    Step::Get(1),
                    Step::SkipIfOdd(2),
                    Step::Add(4, 3),
                    Step::Put(5, 1),
                    Step::PutRegister(10),
                ],
                46 => vec![Step::Subtract(4, 3), Step::Add(5, 1)],
                47 => vec![
                    Step::Get(1),
                    Step::FailIfMultiple(2),
                    Step::Add(4, 1),
                    Step::Put(6, 2),
                ],
                48 => vec![Step::AtLeast(4, 2), Step::Get(6), Step::PutRegister(7)],
                49 => vec![Step::Get(5), Step::PutRegister(8)],
                50 => vec![Step::Get(1), Step::Delete(1), Step::Add(9, 1)],
                51 => vec![Step::Contains(1), Step::Subtract(9, 1)],
                _ => return None,
            };
            Some(steps)
        });
        let statistics = split(&programs);
        assert!(statistics.deceived > 0, "{statistics:?}");
    }
}

/// Panics if the second stretch is told that nothing is there.
#[test]
fn who_panics_because_of_what_is_not_so_does_not_panic() {
    let programs = two_stretches(|number| match number {
        3 => Some(vec![Step::Put(1, 1)]),
        50 => Some(vec![Step::Contains(1), Step::SkipIfOdd(1), Step::Panic]),
        _ => None,
    });
    assert_eq!(split(&programs).executed, 60);
}

/// Of the smaller blocks all go at once, so that stretches are long; of the larger ones some go first.
#[test]
fn stretches_are_repaired_to_what_the_serial_executor_does() {
    compare(Strategy::Split, 20..=64, CASES);
    compare(Strategy::Split, 65..=160, CASES / 4);
}

/// What blocks before them took decides at once how such blocks are executed.
#[test]
fn blocks_after_each_other_are_executed_as_by_the_serial_executor() {
    compare(Strategy::Auto, 300..=600, CASES / 20);
}

/// What takes long enough that it is worth sharing it.
pub(crate) struct Slow;

impl Vm for Slow {
    type Transaction = u64;
    type Key = u64;
    type Value = u64;
    type Output = ();
    type Error = Infallible;
    type Scratch = ();

    fn execute<S: StateView<u64, u64>>(
        &self,
        key: &u64,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<Infallible>> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(30) {
            std::hint::spin_loop();
        }
        Ok(state.put(key, 1)?)
    }
}

/// Whoever has other things to do may find several workers no faster after all, but not each time.
#[test]
#[cfg_attr(feature = "schedules", ignore = "nothing is kept from block to block")]
fn blocks_after_others_are_not_begun_serially() {
    let executor = crate::executor(2, Strategy::Auto);
    let state = MemoryState::new();
    let transactions: Vec<_> = (0..200).collect();
    let serially = || {
        let block = Block::new(&Slow, &state, &transactions);
        let outcome = executor.execute(block).expect("nothing is wrong");
        assert_eq!(outcome.changes.len(), 200);
        outcome.statistics.serial
    };
    assert!(serially() > 0, "nothing was known");
    assert!((0..100).any(|_| serially() == 0));
}

pub(crate) fn compare(strategy: Strategy, transactions: RangeInclusive<usize>, cases: u32) {
    let executors = [2, 3, 5].map(|workers| crate::executor(workers, strategy));
    for profile in Profile::all() {
        let blocks = strategies::block(&profile.transactions(transactions.clone()));
        let mut runner = TestRunner::new(Config::with_cases(cases));
        let result = runner.run(&blocks, |block| {
            let expected = SerialExecutor::new().execute(block.to_pleach(&ProgramVm));
            for executor in &executors {
                let found = executor.execute(block.to_pleach(&ProgramVm));
                prop_assert_eq!(assert_same(&expected, &found), Ok(()));
            }
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn who_scans_is_executed_serially() {
    let mut programs = vec![Program::new([Step::Add(1, 1)]); 40];
    programs[30] = Program::new([Step::ScanAll, Step::PutRegister(2)]);
    let statistics = split(&programs);
    let Statistics { serial, split, .. } = statistics;
    assert_eq!((serial, split), (10, 30));
}

#[test]
fn who_cancels_when_something_is_committed_hears_of_nothing_more() {
    cancel(Strategy::Split);
}

/// Cancels a block when so many of its transactions are committed.
pub(crate) fn cancel(strategy: Strategy) {
    let state = MemoryState::new();
    let programs = vec![Program::new([Step::Add(1, 1)]); 100];
    let cancel = CancelToken::new();
    let mut heard = 0;
    let block = Block::new(&ProgramVm, &state, &programs).cancel(&cancel);
    let block = block.on_commit(|_, _| {
        heard += 1;
        if heard == 60 {
            cancel.cancel();
        }
    });
    let result = crate::executor(2, strategy).execute(block);
    let error = result.expect_err("it is cancelled");
    assert!(
        matches!(error.kind(), ExecuteErrorKind::Cancelled),
        "{error}"
    );
    assert_eq!((heard, error.transaction()), (60, Some(60)));
}

/// Has no answer at all.
struct Silent;

impl State<u8, u64> for Silent {
    type Error = Infallible;

    fn get(&self, key: &u8) -> Result<Option<u64>, Infallible> {
        panic!("nobody wants to know what {key} is")
    }
}

#[test]
fn nobody_asks_for_what_is_only_written() {
    let programs = vec![Program::new([Step::Put(1, 1), Step::Put(2, 7)]); 100];
    let block = Block::new(&ProgramVm, &Silent, &programs);
    let outcome = crate::executor(3, Strategy::Split).execute(block);
    let statistics = outcome.expect("nothing is asked").statistics;
    assert_eq!((statistics.attempts, statistics.split), (100, 100));
}
