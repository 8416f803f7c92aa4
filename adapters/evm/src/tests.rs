//! Real blocks with and without placeholders for balances and nonces: nobody may see a difference.

use std::path::Path;

use pleach::{CancelToken, SerialExecutor};

use crate::{BlockResult, ChainSpec, Content, EvmBlock, EvmState, sample};

/// Executes the block both ways, and returns what both agree on.
fn execute(spec: &ChainSpec, block: &EvmBlock, state: &EvmState) -> BlockResult {
    let number = block.header.number;
    let prepared = block.prepare(spec).expect("all signatures have senders");
    let executor = SerialExecutor::new();
    let lazy = prepared
        .execute(&executor, state, &CancelToken::new())
        .expect("the block is valid");
    let eager = prepared
        .eager()
        .execute(&executor, state, &CancelToken::new())
        .expect("the block is valid");
    assert_eq!(lazy.receipts, eager.receipts, "block {number}");
    assert_eq!(lazy.executions, eager.executions, "block {number}");
    assert_eq!(lazy.gas_used, eager.gas_used, "block {number}");
    assert_eq!(lazy.requests, eager.requests, "block {number}");
    let differences = lazy
        .changes
        .iter()
        .zip(eager.changes.iter())
        .find(|(lazy, eager)| lazy != eager);
    assert_eq!(differences, None, "block {number}");
    assert_eq!(lazy.changes.len(), eager.changes.len(), "block {number}");
    // Where accounts are read whole, more is read.
    assert!(lazy.statistics.state_reads <= eager.statistics.state_reads);
    lazy
}

#[test]
fn the_sample_chain() {
    let chain = sample::chain();
    let mut state = chain.genesis;
    for block in &chain.blocks {
        let result = execute(&chain.spec, block, &state);
        let prepared = block.prepare(&chain.spec).expect("it was prepared before");
        prepared.apply(&result, &mut state);
        state.insert_block_hash(block.header.number, block.hash);
    }
}

#[test]
fn mainnet_blocks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ethereum/blocks");
    let Ok(entries) = folder.read_dir() else {
        println!("skipped: there is no folder {}", folder.display());
        return;
    };
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        match Content::read(&path) {
            Ok(Content::Block(file)) => {
                execute(&file.spec, &file.block, &file.state);
            }
            other => panic!("{} is no block file: {other:?}", path.display()),
        }
    }
}
