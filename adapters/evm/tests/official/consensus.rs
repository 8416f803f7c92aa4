//! What a consensus client checks before it has a block executed: the header against its parent's.
//!
//! It is no part of the adapter, which executes blocks. The tests need it, since blocks that break these rules are among
//! those that must be rejected.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, proofs::calculate_ommers_root};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};
use alloy_primitives::{B64, U256};
use pleach_evm::{ChainSpec, EvmBlock};

use super::{chain::Chain, work};

/// What the blocks of the DAO fork, and the nine after each, say of themselves.
const DAO_EXTRA: &[u8] = b"dao-hard-fork";

/// Fails with `message` unless `holds`.
pub(super) fn require(holds: bool, message: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(message.to_owned())
    }
}

/// Whether a block with this header follows by proof of stake.
pub(super) fn is_staked(rules: &ChainSpec, header: &Header) -> bool {
    rules.is_paris_active_at_block(header.number)
}

/// Checks `block`, whose parent is in `chain`.
pub(super) fn check(
    rules: &ChainSpec,
    chain: &Chain<'_>,
    parent: &Header,
    block: &EvmBlock,
) -> Result<(), String> {
    let header = &block.header;
    check_header(rules, parent, header)?;
    let uncles_hash = calculate_ommers_root(&block.ommers);
    require(header.ommers_hash == uncles_hash, "uncles' hash")?;
    if is_staked(rules, header) {
        require(block.ommers.is_empty(), "uncles in proof of stake")
    } else {
        work::check_uncles(rules, chain, block)
    }
}

/// Checks a header, of a block or of an uncle, against its parent's.
pub(super) fn check_header(
    rules: &ChainSpec,
    parent: &Header,
    header: &Header,
) -> Result<(), String> {
    let (number, timestamp) = (header.number, header.timestamp);
    require(
        parent.number.checked_add(1) == Some(number),
        "number does not follow",
    )?;
    require(timestamp > parent.timestamp, "timestamp is not later")?;
    check_extra_data(rules, header)?;

    require(
        i64::try_from(header.gas_limit).is_ok(),
        "gas limit is too big",
    )?;
    require(
        header.gas_limit.abs_diff(parent.gas_limit) < parent.gas_limit / 1024
            && header.gas_limit >= 5000,
        "gas limit moves too far",
    )?;
    require(
        header.gas_used <= header.gas_limit,
        "gas used is over the limit",
    )?;
    let london = rules.is_london_active_at_block(number);
    let base_fee = london
        .then(|| parent.next_block_base_fee(BaseFeeParams::ethereum()))
        .flatten();
    require(header.base_fee_per_gas == base_fee, "base fee")?;

    if is_staked(rules, header) {
        require(
            header.difficulty.is_zero()
                && header.nonce == B64::ZERO
                && header.ommers_hash == EMPTY_OMMER_ROOT_HASH,
            "proof of work in proof of stake",
        )?;
    } else {
        let difficulty = work::difficulty(rules, parent, header);
        require(header.difficulty == difficulty, "difficulty")?;
    }
    let shanghai = rules.is_shanghai_active_at_timestamp(timestamp);
    require(
        header.withdrawals_root.is_some() == shanghai,
        "withdrawals' root of another fork",
    )?;
    check_blobs(rules, parent, header)
}

fn check_extra_data(rules: &ChainSpec, header: &Header) -> Result<(), String> {
    require(header.extra_data.len() <= 32, "extra data is too long")?;
    let dao = rules.ethereum_fork_activation(EthereumHardfork::Dao);
    let since = dao
        .block_number()
        .and_then(|dao| header.number.checked_sub(dao));
    let is_right = since.is_none_or(|since| since > 9) || *header.extra_data == *DAO_EXTRA;
    require(is_right, "extra data is not the DAO fork's")
}

fn check_blobs(rules: &ChainSpec, parent: &Header, header: &Header) -> Result<(), String> {
    let Some(params) = rules.blob_params(header.timestamp) else {
        return require(
            header.blob_gas_used.is_none()
                && header.excess_blob_gas.is_none()
                && header.parent_beacon_block_root.is_none(),
            "header has fields of a later fork",
        );
    };
    let (Some(_), Some(excess), Some(_)) = (
        header.blob_gas_used,
        header.excess_blob_gas,
        header.parent_beacon_block_root,
    ) else {
        return Err("header lacks fields of its fork".to_owned());
    };
    let parent_excess = parent.excess_blob_gas.unwrap_or_default();
    let parent_used = parent.blob_gas_used.unwrap_or_default();
    let target = params.target_blob_gas_per_block();
    let expected = (parent_excess + parent_used).saturating_sub(target);
    require(excess == expected, "excess blob gas")
}

/// Whether a chain that ends with `header` is to be preferred over the one that was.
pub(super) fn is_better(total: U256, header: &Header, best: U256) -> bool {
    // Where work no longer counts, the latest block is the head: whoever sent it has decided so.
    total > best || header.difficulty.is_zero()
}
