//! Executors that are wrong, on purpose: a check has to see it, and to say that it is their fault.

use super::{
    Blame, Check, Difference, Divergence, Failure, Hints, Kind, Schedule, Troubled,
    compare::Recorded,
};
use crate::{
    block::Block,
    error::ExecuteError,
    execute::{Executor, SerialExecutor},
    parallel::Strategy,
    state::{Changes, MemoryState},
    testkit::{Program, ProgramVm, Step},
};

type State = MemoryState<u8, u64>;
type OnTrouble<'b> = Block<'b, ProgramVm, Troubled<'b, State>>;

const SCHEDULE: Schedule = Schedule {
    workers: 2,
    strategy: Strategy::Optimistic,
    hints: Hints::None,
    kind: Kind::Threads,
    seed: 1,
    is_recorded: true,
    trouble: None,
};

/// What a check says of an executor that executes a block of these transactions so.
fn judged<E>(transactions: &[Program], execute: E) -> Result<(), Box<Divergence>>
where
    E: for<'b> Fn(OnTrouble<'b>) -> Result<Recorded<ProgramVm>, ExecuteError> + Sync,
{
    let state = State::new();
    let check = Check::new(&ProgramVm, &state);
    let expected = check.serially_in(None, transactions);
    let found = check.ran(transactions, None, None, execute);
    match check.judge(&expected, &found, transactions, SCHEDULE) {
        Ok(()) => Ok(()),
        Err(Failure::Diverged(divergence)) => Err(divergence),
        Err(other) => panic!("{other}"),
    }
}

fn right(block: OnTrouble<'_>) -> Result<Recorded<ProgramVm>, ExecuteError> {
    let (outcome, accesses) = SerialExecutor::new().record(block)?;
    Ok((outcome, Some(accesses)))
}

/// The first one writes what the second one reads.
fn programs() -> Vec<Program> {
    let steps = [
        vec![Step::Put(1, 5)],
        vec![Step::Get(1), Step::PutRegister(2)],
        vec![Step::Put(3, 7)],
    ];
    steps.map(Program::new).to_vec()
}

#[test]
fn who_is_right_is_not_blamed() {
    judged(&programs(), right).expect("it is the serial executor");
    let executes = |block: OnTrouble<'_>| Ok((SerialExecutor::new().execute(block)?, None));
    judged(&programs(), executes).expect("nothing was recorded");
}

#[test]
fn a_change_that_is_not_right_is_the_executors_fault() {
    let divergence = judged(&programs(), |block| {
        let (mut outcome, accesses) = right(block)?;
        let changes = outcome.changes.iter().copied();
        let spoilt =
            changes.map(|(key, value)| (key, value.map(|value| value + u64::from(key == 3))));
        outcome.changes = Changes::from_unsorted(spoilt.collect());
        Ok((outcome, accesses))
    });
    let divergence = divergence.expect_err("it is wrong");
    assert_eq!(divergence.blame, Blame::Executor);
    assert_eq!(divergence.schedule, Some(SCHEDULE));
    let change = Difference::Change {
        transaction: Some(2),
        key: "3".to_owned(),
        expected: "Some(7)".to_owned(),
        found: "Some(8)".to_owned(),
    };
    assert_eq!(divergence.difference, change);
}

/// An executor that forgets the first transaction.
fn forgetful(
    block: &OnTrouble<'_>,
    is_recorded: bool,
) -> Result<Recorded<ProgramVm>, ExecuteError> {
    let mut others = block.transactions.to_vec();
    others[0].steps.clear();
    let (outcome, accesses) =
        SerialExecutor::new().record(Block::new(&ProgramVm, block.state, &others))?;
    Ok((outcome, is_recorded.then_some(accesses)))
}

#[test]
fn an_outcome_that_is_not_right_is_the_executors_fault_and_names_a_key() {
    for is_recorded in [true, false] {
        let divergence = judged(&programs(), |block| forgetful(&block, is_recorded));
        let divergence = divergence.expect_err("it is wrong");
        assert_eq!(divergence.blame, Blame::Executor);
        let text = divergence.to_string();
        let Difference::Outcome {
            transaction, key, ..
        } = divergence.difference
        else {
            panic!("{text}");
        };
        assert_eq!(transaction, 1);
        let key = key.expect("the first one has not written it");
        let of_key = ("1", "Some(5)", "unchanged");
        assert_eq!((&*key.key, &*key.expected, &*key.found), of_key);
        assert!(
            text.contains("; key 1: expected Some(5), found unchanged"),
            "{text}"
        );
    }
}

#[test]
fn an_outcome_names_a_key_that_is_only_touched_otherwise_or_none() {
    let touches = judged(&programs(), |block| {
        let (mut outcome, accesses) = right(block)?;
        outcome.transactions.swap(1, 2);
        let mut accesses = accesses.unwrap_or_default();
        accesses[1].read(9);
        Ok((outcome, Some(accesses)))
    });
    let Difference::Outcome { key, .. } = touches.expect_err("it is wrong").difference else {
        panic!("outputs were swapped");
    };
    let key = key.expect("another one is read");
    let of_key = ("9", "not touched", "read");
    assert_eq!((&*key.key, &*key.expected, &*key.found), of_key);

    let nothing = judged(&programs(), |block| {
        let (mut outcome, accesses) = right(block)?;
        outcome.transactions.swap(1, 2);
        Ok((outcome, accesses))
    });
    let text = nothing.expect_err("it is wrong").to_string();
    assert!(text.contains("; no key differs"), "{text}");
}

#[test]
fn what_was_streamed_before_an_error_is_compared() {
    let mut failing = programs();
    failing.push(Program::new([Step::Panic]));
    // The same error; but nothing was streamed before it.
    let silent = |block: OnTrouble<'_>| right(block.on_commit(|_, _| {}));
    let divergence = judged(&failing, silent).expect_err("it streams nothing");
    assert_eq!(divergence.blame, Blame::Executor);
    let Difference::Commit { place, found, .. } = divergence.difference else {
        panic!("{divergence}");
    };
    assert_eq!((place, &*found), (0, "nothing"));
    judged(&failing, right).expect("it is the serial executor");
}
