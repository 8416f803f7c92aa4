//! The 44 mainnet blocks that lie beside the project, where they do: each executed and compared with its header.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use pleach::{
    Block, CancelToken, Changes, Executor, Outcome, ParallelExecutor, SerialExecutor, State,
    Strategy, Vm,
};
use pleach_evm::{BlockFile, BlockVm, Content, Key, PreparedBlock, Value, check};

use crate::harness::{in_turn::InTurn, runtime};

/// The block files, or none where the folder is absent.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ethereum/blocks");
    let Ok(entries) = folder.read_dir() else {
        println!("skipped: there is no folder {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    files.sort();
    files
}

pub(crate) fn blocks() -> impl Iterator<Item = (PathBuf, Box<BlockFile>)> {
    files().into_iter().map(|path| {
        let content = Content::read(&path).expect("the file can be read");
        let Content::Block(file) = content else {
            panic!("{} is no block file", path.display());
        };
        (path, file)
    })
}

fn prepare(file: &BlockFile) -> PreparedBlock<'_> {
    let prepared = file.block.prepare(&file.spec);
    prepared.expect("all signatures have senders")
}

/// What the serial executor comes to.
struct Expected {
    transactions: String,
    changes: Changes<Key, Value>,
}

impl Expected {
    fn of(outcome: Outcome<BlockVm>) -> Self {
        Self {
            transactions: format!("{:?}", outcome.transactions),
            changes: outcome.changes,
        }
    }

    fn serially(prepared: &PreparedBlock<'_>, state: &impl State<Key, Value>) -> Self {
        let outcome = SerialExecutor::new().execute(prepared.to_pleach(state));
        Self::of(outcome.expect("the block is valid"))
    }

    fn assert_same<V>(&self, found: &Outcome<V>, what: &str)
    where
        V: Vm<Key = Key, Value = Value, Output: Debug, Error: Debug>,
    {
        assert!(self.changes == found.changes, "changes of {what}");
        assert!(
            self.transactions == format!("{:?}", found.transactions),
            "outcomes of {what}"
        );
    }
}

#[test]
fn every_block_matches_its_header() {
    let mut failures = Vec::new();
    for (path, file) in blocks() {
        let prepared = prepare(&file);
        match prepared.execute(&SerialExecutor::new(), &file.state, &CancelToken::new()) {
            Ok(result) => {
                let failed = check(&prepared, &result, None)
                    .into_iter()
                    .filter(|check| check.result.passed() == Some(false));
                failures.extend(failed.map(|check| format!("{}: {check:?}", path.display())));
            }
            Err(error) => failures.push(format!("{}: {error}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_number_of_workers_comes_to_the_same() {
    for (path, file) in blocks() {
        let prepared = prepare(&file);
        let view = prepared.view(&file.state);
        let serial = Expected::serially(&prepared, &view);
        for workers in [1, 2, 3, 4, 8, 16] {
            for strategy in [
                Strategy::Optimistic,
                Strategy::Auto,
                Strategy::Split,
                Strategy::Lanes,
            ] {
                let executor = ParallelExecutor::new(&runtime(workers)).strategy(strategy);
                let found = executor
                    .execute(prepared.to_pleach(&view))
                    .expect("the block is valid");
                let what = format!("{} by {strategy:?} on {workers}", path.display());
                serial.assert_same(&found, &what);
            }
        }
    }
}

#[test]
fn what_runs_in_turn_comes_to_the_same() {
    for (path, file) in blocks() {
        let prepared = prepare(&file);
        let view = prepared.view(&file.state);
        let serial = Expected::serially(&prepared, &view);
        // What calls nothing, and all.
        for (up_to, workers) in [(1, 2), (1, 4), (u32::MAX, 2)] {
            let vm = InTurn {
                vm: prepared.vm(),
                up_to,
            };
            let executor = ParallelExecutor::new(&runtime(workers)).strategy(Strategy::Optimistic);
            let found = executor
                .execute(Block::new(&vm, &view, prepared.steps()))
                .expect("the block is valid");
            let what = format!("{} on {workers}, up to {up_to}", path.display());
            serial.assert_same(&found, &what);
        }
    }
}

#[test]
fn recorded_hints_of_any_block_change_nothing() {
    let mut others = Vec::new();
    for (path, file) in blocks() {
        let prepared = prepare(&file);
        let view = prepared.view(&file.state);
        let (serial, right) = SerialExecutor::new()
            .record(prepared.to_pleach(&view))
            .expect("the block is valid");
        let serial = Expected::of(serial);
        for hints in [&right, &others] {
            let executor = ParallelExecutor::new(&runtime(2));
            let (found, touched) = executor
                .record(prepared.to_pleach(&view).predicted(hints))
                .expect("the block is valid");
            let path = path.display().to_string();
            serial.assert_same(&found, &path);
            assert_eq!(right, touched, "accesses of {path}");
        }
        // They fit the next block no more, and there may be too few.
        others = right;
    }
}
