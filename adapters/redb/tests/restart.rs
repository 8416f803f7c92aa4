//! A node that ends and starts again: which heights and names of blocks it still has, and what it is told of the others.

use std::path::Path;

use pleach::{
    Block, CancelToken, ExecuteError, Executor, HeightError, ParallelExecutor, Runtime, State,
    VersionedState,
    pipeline::{BlockTicket, Executed, Failed, Node, Pipeline},
    testkit::{Program, ProgramVm, Step},
};
use pleach_redb::{Integers, RedbStore};

type Accounts = RedbStore<u8, u64>;

/// Blocks that put their own name, on a parent.
struct Names;

impl Node for Names {
    type Key = u8;
    type Value = u64;
    type Input = (u64, u64);
    type Block = (u64, u64);
    type Id = u64;
    type Output = ();
    type Error = ExecuteError;

    fn decode(&self, block: (u64, u64)) -> Result<(u64, u64), ExecuteError> {
        Ok(block)
    }

    fn parent(&self, (parent, _): &(u64, u64)) -> u64 {
        *parent
    }

    fn id(&self, (_, id): &(u64, u64)) -> u64 {
        *id
    }

    fn execute<S: State<u8, u64>>(
        &self,
        (_, id): &mut (u64, u64),
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, ExecuteError> {
        let programs = [Program::new([Step::Put(1, *id)])];
        let outcome = executor.execute(Block::new(&ProgramVm, state, &programs).cancel(cancel))?;
        Ok(((), outcome.changes))
    }
}

const KEPT: u64 = 4;

/// The node goes on with the chain of a file.
fn start(path: &Path, latest: u64, ancestors: &[u64]) -> Pipeline<Names, Accounts> {
    let store = RedbStore::open(path, Integers).expect("it opens");
    let state = VersionedState::open(store).expect("it can be read");
    let runtime = Runtime::builder().build().expect("there are threads");
    let builder = Pipeline::builder(Names, state, latest, ParallelExecutor::new(&runtime));
    let builder = builder.kept(KEPT).ancestors(ancestors.iter().copied());
    builder.build().expect("there are threads")
}

/// What a ticket comes to: a height, or why not.
fn came(ticket: BlockTicket<Names>) -> Result<u64, String> {
    let done = ticket.wait().map(|done| done.height());
    done.map_err(|error| {
        let failed = Failed::<u64, ExecuteError>::of(&error);
        failed.expect("a stage says so").to_string()
    })
}

fn submit(pipeline: &Pipeline<Names, Accounts>, parent: u64, id: u64) -> Result<u64, String> {
    came(pipeline.submit((parent, id)).expect("it is open"))
}

fn revert(pipeline: &Pipeline<Names, Accounts>, to: u64) -> Result<u64, String> {
    came(pipeline.revert(to).expect("it is open"))
}

fn read(pipeline: &Pipeline<Names, Accounts>, height: u64) -> Result<Option<u64>, HeightError> {
    let snapshot = pipeline.state().at(height)?;
    Ok(snapshot.get(&1).expect("it can be read"))
}

/// Ten blocks, named 101 to 110 on 100.
fn ten(path: &Path) {
    let pipeline = start(path, 100, &[]);
    for height in 1..=10 {
        assert_eq!(submit(&pipeline, 99 + height, 100 + height), Ok(height));
    }
    pipeline.drain();
    assert_eq!(pipeline.state().first_height(), 10 - KEPT);
}

#[test]
fn heights_that_are_kept_are_there_again_and_others_are_typed_errors() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    ten(&path);
    let pipeline = start(&path, 110, &[]);
    for height in 6..=10 {
        assert_eq!(read(&pipeline, height), Ok(Some(100 + height)));
    }
    let (first, latest) = (6, 10);
    assert_eq!(
        read(&pipeline, 5),
        Err(HeightError::Pruned { height: 5, first })
    );
    assert_eq!(
        read(&pipeline, 11),
        Err(HeightError::Unknown { height: 11, latest })
    );
    let state = pipeline.state();
    assert_eq!(
        state.revert(5),
        Err(HeightError::Pruned { height: 5, first })
    );
}

#[test]
fn the_chain_goes_back_to_blocks_from_before() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    ten(&path);
    {
        // More names than there are heights: 105 and those before it are below the first one.
        let ancestors: Vec<_> = (100..110).rev().collect();
        let pipeline = start(&path, 110, &ancestors);
        assert_eq!(
            revert(&pipeline, 105),
            Err("105 is not among the blocks that the chain can go back to".to_owned())
        );
        assert_eq!(
            submit(&pipeline, 107, 208),
            Err("its parent is 107, but the chain ends with 110".to_owned())
        );
        assert_eq!(revert(&pipeline, 107), Ok(7));
        assert_eq!(submit(&pipeline, 107, 208), Ok(8));
        pipeline.drain();
    }
    let pipeline = start(&path, 208, &[107, 106]);
    assert_eq!(read(&pipeline, 8), Ok(Some(208)));
    assert_eq!(read(&pipeline, 7), Ok(Some(107)));
    assert_eq!(revert(&pipeline, 106), Ok(6));
    assert_eq!(revert(&pipeline, 106), Ok(6));
    assert_eq!(submit(&pipeline, 106, 307), Ok(7));
}

#[test]
fn without_their_names_the_chain_goes_back_to_none_of_them() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    ten(&path);
    let pipeline = start(&path, 110, &[]);
    for name in [109, 105, 999] {
        let error = revert(&pipeline, name).expect_err("it is not known");
        assert!(error.starts_with(&name.to_string()), "{error}");
    }
    assert_eq!(revert(&pipeline, 110), Ok(10));
    assert_eq!(submit(&pipeline, 110, 111), Ok(11));
    assert_eq!(revert(&pipeline, 110), Ok(10));
}

/// What was executed on a fork and not adopted is gone; and a fork of a height that is pruned has no place any more.
#[test]
fn forks_end_with_the_block_that_they_began_on() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("state");
    ten(&path);
    {
        let pipeline = start(&path, 110, &[]);
        let state = pipeline.state();
        let changes = || pleach::testkit::histories::changes(&[(1, Some(777))]);
        let late = state.at(10).expect("it is there").fork(changes());
        let early = state.at(6).expect("it is there").fork(changes());
        state.prune(8).expect("there is room");
        let orphaned = state.adopt(&early).expect_err("its parent is pruned");
        assert_eq!(orphaned.height, 6);
        // It is still a state, of its own.
        assert_eq!(early.get(&1).expect("it can be read"), Some(777));
        assert_eq!(late.height(), 11);
    }
    let pipeline = start(&path, 110, &[]);
    assert_eq!(pipeline.state().height(), 10);
    assert_eq!(read(&pipeline, 10), Ok(Some(110)));
}
