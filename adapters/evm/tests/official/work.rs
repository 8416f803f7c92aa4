//! The rules of proof of work: difficulty and uncles. That the work was done is not checked, and was not.

use std::collections::BTreeSet;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{B256, U256};
use pleach_evm::{ChainSpec, EvmBlock};

use super::{
    chain::Chain,
    consensus::{check_header, require},
};

const LEAST_DIFFICULTY: u64 = 131_072;
/// How many blocks back an uncle's parent may be.
const GENERATIONS: usize = 7;

/// The difficulty that a header must have. Without the part that doubles every 100,000 blocks: no test is that long.
pub(super) fn difficulty(rules: &ChainSpec, parent: &Header, header: &Header) -> U256 {
    let passed = header.timestamp.saturating_sub(parent.timestamp);
    // By how many steps it rises, and by how many it falls.
    let (up, down) = if rules.is_byzantium_active_at_block(header.number) {
        let has_uncles = parent.ommers_hash != EMPTY_OMMER_ROOT_HASH;
        (1 + u64::from(has_uncles), passed / 9)
    } else if rules.is_homestead_active_at_block(header.number) {
        (1, passed / 10)
    } else if passed < 13 {
        (1, 0)
    } else {
        (0, 1)
    };
    let step = parent.difficulty / U256::from(2048);
    let difficulty = if up >= down {
        parent.difficulty + step * U256::from(up - down)
    } else {
        parent
            .difficulty
            .saturating_sub(step * U256::from((down - up).min(99)))
    };
    difficulty.max(U256::from(LEAST_DIFFICULTY))
}

/// Checks the uncles of `block`: recent, valid, and in no block before.
pub(super) fn check_uncles(
    rules: &ChainSpec,
    chain: &Chain<'_>,
    block: &EvmBlock,
) -> Result<(), String> {
    require(block.ommers.len() <= 2, "more than two uncles")?;
    let ancestors: Vec<_> = chain
        .ancestors(block.header.parent_hash)
        .take(GENERATIONS)
        .collect();
    let mut taken: BTreeSet<B256> = ancestors
        .iter()
        .flat_map(|ancestor| ancestor.uncles.iter().copied())
        .chain(ancestors.iter().map(|ancestor| ancestor.hash))
        .collect();
    for uncle in &block.ommers {
        require(
            taken.insert(uncle.hash_slow()),
            "uncle is in the chain already",
        )?;
        let parent = ancestors
            .iter()
            .skip(1)
            .find(|ancestor| ancestor.hash == uncle.parent_hash);
        let parent = parent.ok_or("uncle's parent is no recent ancestor")?;
        check_header(rules, &parent.header, uncle).map_err(|error| format!("uncle: {error}"))?;
    }
    Ok(())
}
