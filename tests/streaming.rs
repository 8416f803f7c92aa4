//! `on_commit`: final results as they become final.

use pleach::{
    Block, CancelToken, ExecuteErrorKind, Executor, MemoryState, OnFailure, SerialExecutor,
    testkit::{Program, ProgramVm, Step},
};

#[test]
fn every_transaction_is_streamed_once_and_in_order() {
    let programs = [
        Program::new([Step::Put(1, 1)]),
        Program::new([Step::Fail]),
        Program::new([Step::Get(1)]),
    ];
    let state = MemoryState::new();
    let mut streamed = Vec::new();
    let outcome = SerialExecutor::new()
        .execute(
            Block::new(&ProgramVm, &state, &programs)
                .on_commit(|index, outcome| streamed.push((index, format!("{outcome:?}")))),
        )
        .expect("an outcome");
    let whole = outcome
        .transactions
        .iter()
        .map(|outcome| format!("{outcome:?}"));
    assert_eq!(streamed, whole.enumerate().collect::<Vec<_>>());
}

#[test]
fn a_result_is_streamed_before_the_next_transaction_runs() {
    let programs = vec![Program::new([Step::Put(1, 1)]); 5];
    let state = MemoryState::new();
    let token = CancelToken::new();
    let mut streamed = 0;
    let block = Block::new(&ProgramVm, &state, &programs)
        .cancel(&token)
        .on_commit(|index, _| {
            streamed += 1;
            if index == 1 {
                token.cancel();
            }
        });
    let error = SerialExecutor::new().execute(block).unwrap_err();
    assert!(matches!(error.kind(), ExecuteErrorKind::Cancelled));
    assert_eq!((error.transaction(), streamed), (Some(2), 2));
}

#[test]
fn nothing_is_streamed_after_a_fatal_transaction() {
    let programs = vec![Program::new([Step::Fail]); 3];
    let state = MemoryState::new();
    let mut streamed = 0;
    let block = Block::new(&ProgramVm, &state, &programs)
        .on_failure(OnFailure::Fatal)
        .on_commit(|_, _| streamed += 1);
    assert!(SerialExecutor::new().execute(block).is_ok());
    assert_eq!(streamed, 1);
}
