//! What is not a transaction's own fault: the state fails, the VM misbehaves, the caller cancels.

use std::error::Error;

use pleach::{
    AccessKind, Block, CancelToken, ExecuteError, ExecuteErrorKind, Executor, MemoryState,
    OnUndeclared, Reason, SerialExecutor, TxOutcome,
    testkit::{
        Declared, Program, ProgramVm, Step, TestBlock,
        faults::{Cancels, FailsAfter, Misuse, Misuser, Unavailable, Unordered},
    },
};

fn get(key: u8) -> Program {
    Program::new([Step::Get(key)])
}

#[test]
fn a_failing_state_ends_the_block_and_is_named() {
    let programs: Vec<_> = (0..5).map(get).collect();
    for reads in 0..5 {
        let state = FailsAfter::new(MemoryState::new(), reads);
        let block = Block::new(&ProgramVm, &state, &programs).number(17);
        let error = SerialExecutor::new().execute(block).unwrap_err();
        assert_eq!(error.block(), 17);
        assert_eq!(error.transaction(), Some(reads));
        assert_eq!(
            error.to_string(),
            format!("block 17, transaction {reads}: the state could not be read")
        );
        let source = error.source().expect("the state's error is kept");
        assert_eq!(source.downcast_ref(), Some(&Unavailable));
    }
    let state = FailsAfter::new(MemoryState::new(), 5);
    let outcome = SerialExecutor::new()
        .execute(Block::new(&ProgramVm, &state, &programs))
        .expect("every key is read once");
    assert_eq!(outcome.statistics.state_reads, 5);
}

#[test]
fn a_state_without_order_cannot_be_scanned() {
    let programs = [get(1), Program::new([Step::ScanAll])];
    let block = Block::new(&ProgramVm, &Unordered, &programs);
    let error = SerialExecutor::new().execute(block).unwrap_err();
    assert_eq!(error.transaction(), Some(1));
    assert!(matches!(error.kind(), ExecuteErrorKind::RangeUnsupported));
}

#[test]
fn a_panic_is_an_error_and_the_executor_goes_on() {
    let programs = [get(1), Program::new([Step::Panic])];
    let state = MemoryState::new();
    let executor = SerialExecutor::new();
    let error = executor
        .execute(Block::new(&ProgramVm, &state, &programs))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "block 0, transaction 1: the VM panicked: a program panicked"
    );
    let outcome = executor.execute(Block::new(&ProgramVm, &state, &programs[..1]));
    assert_eq!(
        outcome.expect("nothing is left of it").statistics.executed,
        1
    );
}

#[test]
fn an_interrupt_counts_whatever_the_vm_makes_of_it() {
    for misuse in [Misuse::Ignore, Misuse::Fail, Misuse::Panic, Misuse::Keep] {
        let state = FailsAfter::new(MemoryState::new(), 1);
        let vm = Misuser(misuse);
        let block = Block::new(&vm, &state, &[1, 2, 3]);
        let error = SerialExecutor::new().execute(block).unwrap_err();
        assert_eq!(error.transaction(), Some(1), "{misuse:?}");
        assert!(
            matches!(error.kind(), ExecuteErrorKind::State(_)),
            "{misuse:?}"
        );
    }
}

/// A VM that declares nothing of the key that it reads, although it says that it declares all.
struct Liar(Misuser);

impl pleach::Vm for Liar {
    type Transaction = u8;
    type Key = u8;
    type Value = u64;
    type Output = Option<u64>;
    type Error = pleach::testkit::faults::NotMyFault;
    type Scratch = Option<pleach::Interrupt>;

    fn accesses(&self, _: &u8, _: &mut pleach::AccessSet<u8>) -> pleach::Trust {
        pleach::Trust::Exact
    }

    fn execute<S: pleach::StateView<u8, u64>>(
        &self,
        key: &u8,
        state: &mut S,
        kept: &mut Option<pleach::Interrupt>,
    ) -> Result<Option<u64>, pleach::Stop<Self::Error>> {
        self.0.execute(key, state, kept)
    }
}

#[test]
fn an_interrupt_of_another_transaction_is_a_stray() {
    let state = MemoryState::new();
    let vm = Liar(Misuser(Misuse::Keep));
    let block = Block::new(&vm, &state, &[1, 2]);
    let error = SerialExecutor::new().execute(block).unwrap_err();
    assert_eq!(error.transaction(), Some(1));
    assert!(matches!(error.kind(), ExecuteErrorKind::StrayInterrupt));
}

#[test]
fn cancelling_ends_the_block_before_the_next_transaction() {
    let token = CancelToken::new();
    let state = Cancels(token.clone());
    let programs = [get(1), get(2)];
    let block = Block::new(&ProgramVm, &state, &programs).cancel(&token);
    let error = SerialExecutor::new().execute(block).unwrap_err();
    assert_eq!(error.transaction(), Some(1));
    assert!(matches!(error.kind(), ExecuteErrorKind::Cancelled));

    let other = Block::new(&ProgramVm, &Unordered, &programs).cancel(&CancelToken::new());
    assert!(SerialExecutor::new().execute(other).is_ok());
}

#[test]
fn undeclared_accesses_are_named() {
    let cases = [
        (Step::Get(7), AccessKind::Read, "7"),
        (Step::AtLeast(7, 1), AccessKind::Check, "7"),
        (Step::Contains(7), AccessKind::Check, "7"),
        (Step::Put(7, 1), AccessKind::Write, "7"),
        (Step::Delete(7), AccessKind::Write, "7"),
        (Step::Add(7, 1), AccessKind::Add, "7"),
        (
            Step::Scan(3, 9, 5),
            AccessKind::Range,
            "Included(3)..Included(9)",
        ),
        (Step::ScanAll, AccessKind::Range, "Unbounded..Unbounded"),
    ];
    for (step, access, key) in cases {
        let mut block = TestBlock {
            transactions: vec![
                Program::new([Step::Put(1, 1), step.clone()]).declaring(Declared::AllBut(1)),
                Program::new([step.clone()]).declaring(Declared::Exactly),
            ],
            ..TestBlock::default()
        };
        let outcome = SerialExecutor::new()
            .execute(block.to_pleach(&ProgramVm))
            .expect("only the transaction fails");
        let TxOutcome::Skipped(Reason::Undeclared(undeclared)) = &outcome.transactions[0] else {
            panic!("{step:?}: {:?}", outcome.transactions[0]);
        };
        assert_eq!((undeclared.access, undeclared.key.as_str()), (access, key));
        assert!(
            outcome.transactions[1].output().is_some(),
            "{step:?} was declared"
        );
        assert_eq!(outcome.changes.get(&1), None, "nothing of it is left");

        block.on_undeclared = OnUndeclared::Abort;
        let error = SerialExecutor::new()
            .execute(block.to_pleach(&ProgramVm))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("block 0, transaction 0: undeclared {access} of {key}")
        );
    }
}

#[test]
fn errors_and_executors_can_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<ExecuteError>();
    crosses::<SerialExecutor>();
    crosses::<CancelToken>();
    crosses::<MemoryState<u8, u64>>();
    crosses::<pleach::Outcome<ProgramVm>>();
}
