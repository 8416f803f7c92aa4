//! Blocks in stretches: what is put together, what is in vain, and what nobody asks for.

use std::convert::Infallible;

use pleach::{
    Block, CancelToken, ExecuteErrorKind, Executor, MemoryState, Outcome, SerialExecutor, State,
    Statistics, Strategy,
    testkit::{Program, ProgramVm, Step},
};

/// Executes transactions of these steps on two workers, compares with the serial executor, and says how that went.
fn split(programs: &[Program]) -> Statistics {
    let state = MemoryState::new();
    let block = || Block::new(&ProgramVm, &state, programs);
    let serial = SerialExecutor::new().execute(block());
    let serial = serial.expect("nothing is wrong");
    let found = crate::executor(2, Strategy::Split).execute(block());
    let found: Outcome<ProgramVm> = found.expect("nothing is wrong");
    assert_eq!(found.changes, serial.changes);
    let outcomes = |outcome: &Outcome<_>| format!("{:?}", outcome.transactions);
    assert_eq!(outcomes(&found), outcomes(&serial));
    assert_eq!(found.statistics.keys, serial.statistics.keys);
    found.statistics
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
    let result = crate::executor(2, Strategy::Split).execute(block);
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
