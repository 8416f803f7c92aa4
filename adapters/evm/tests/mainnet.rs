//! The 44 mainnet blocks that lie beside the project, where they do: each executed and compared with its header.

use std::path::{Path, PathBuf};

use pleach::{CancelToken, SerialExecutor};
use pleach_evm::{Content, check};

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

#[test]
fn every_block_matches_its_header() {
    let mut failures = Vec::new();
    for path in files() {
        let content = Content::read(&path).expect("the file can be read");
        let Content::Block(file) = content else {
            panic!("{} is no block file", path.display());
        };
        let prepared = file
            .block
            .prepare(&file.spec)
            .expect("all signatures have senders");
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
