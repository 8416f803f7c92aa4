//! Executes Ethereum blocks on the state before them and checks them against their headers.
//!
//! `cargo run --release -p pleach-evm --example replay_block [BLOCK-FILE]`; without a file, the sample chain.

use std::{error::Error, path::Path};

use pleach::{CancelToken, SerialExecutor};
use pleach_evm::{BlockFile, Chain, ChainSpec, Content, EvmBlock, EvmState, check, sample};

fn main() -> Result<(), Box<dyn Error>> {
    let content = match std::env::args().nth(1) {
        Some(path) => Content::read(Path::new(&path))?,
        None => Content::Chain(Box::new(sample::chain())),
    };
    match content {
        Content::Block(file) => {
            let BlockFile {
                spec,
                block,
                mut state,
            } = *file;
            replay(&spec, &block, &mut state, false)
        }
        Content::Chain(chain) => {
            let Chain {
                spec,
                genesis: mut state,
                blocks,
            } = *chain;
            for block in blocks.iter().take(3) {
                replay(&spec, block, &mut state, true)?;
                state.insert_block_hash(block.header.number, block.hash);
            }
            Ok(())
        }
    }
}

/// Executes a block, applies what it changed, and compares it with its header.
fn replay(
    spec: &ChainSpec,
    block: &EvmBlock,
    state: &mut EvmState,
    whole: bool,
) -> Result<(), Box<dyn Error>> {
    let prepared = block.prepare(spec)?;
    let result = prepared.execute(&SerialExecutor::new(), state, &CancelToken::new())?;
    prepared.apply(&result, state);
    println!(
        "block {}: {} transactions, {} gas, {} keys changed",
        block.header.number,
        block.transactions.len(),
        result.gas_used,
        result.changes.len(),
    );
    for check in check(&prepared, &result, whole.then_some(&*state)) {
        println!("  {:<18} {:?}", check.name, check.result);
    }
    Ok(())
}
