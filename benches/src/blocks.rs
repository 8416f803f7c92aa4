//! The blocks that are measured: real ones where they lie beside the project, and the sample chain.

use std::path::Path;

use alloy_primitives::Address;
use pleach_evm::{BlockFile, Content, recover_senders, sample};

/// A block to measure, with its senders already recovered.
#[derive(Debug)]
pub struct Case {
    /// The block with its rules and the state before it.
    pub file: BlockFile,
    /// The sender of each transaction.
    pub senders: Vec<Address>,
}

impl Case {
    fn new(file: BlockFile) -> Self {
        let senders = recover_senders(&file.block.transactions, true)
            .into_iter()
            .zip(&file.block.senders)
            .map(|(recovered, given)| recovered.unwrap_or(*given))
            .collect();
        Self { file, senders }
    }
}

/// The mainnet blocks beside the project, by number; none where the folder is absent.
///
/// # Panics
///
/// If a file there is not a block.
#[must_use]
pub fn mainnet() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/ethereum/blocks");
    let Ok(entries) = folder.read_dir() else {
        return Vec::new();
    };
    let mut cases: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("the folder can be listed").path();
            match Content::read(&path) {
                Ok(Content::Block(file)) => Case::new(*file),
                other => panic!("{} is no block: {other:?}", path.display()),
            }
        })
        .collect();
    cases.sort_by_key(|case| case.file.block.header.number);
    cases
}

/// The blocks of the sample chain, each on the state that the one before left.
///
/// # Panics
///
/// If a block of it is not valid, which the tests rule out.
#[must_use]
pub fn sample_chain() -> Vec<Case> {
    let chain = sample::chain();
    let mut state = chain.genesis;
    let mut cases = Vec::with_capacity(chain.blocks.len());
    for block in chain.blocks {
        let before = state.clone();
        let prepared = block.prepare(&chain.spec).expect("the sample is signed");
        let executor = pleach::SerialExecutor::new();
        let result = prepared
            .execute(&executor, &state, &pleach::CancelToken::new())
            .expect("the sample is valid");
        prepared.apply(&result, &mut state);
        state.insert_block_hash(block.header.number, block.hash);
        drop(prepared);
        cases.push(Case::new(BlockFile {
            spec: chain.spec.clone(),
            block,
            state: before,
        }));
    }
    cases
}
