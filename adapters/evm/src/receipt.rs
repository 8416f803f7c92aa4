//! What an executed block gives: receipts, bloom filter, requests, changes.

use alloy_consensus::{EthereumReceipt, ReceiptWithBloom, TxType};
use alloy_eips::{eip6110::DEPOSIT_REQUEST_TYPE, eip7685::Requests};
use alloy_evm::eth::eip6110::accumulate_deposits_from_receipts;
use alloy_primitives::Bloom;
use pleach::{Changes, Statistics, TxOutcome};

use crate::{
    block::{BlockError, PreparedBlock},
    bloom::{self, StreamedBlooms},
    key::Key,
    transaction::{Execution, Output, TransactionError},
    value::Value,
};

/// A receipt with its bloom filter, of any type of transaction.
pub type Receipt = ReceiptWithBloom<EthereumReceipt>;

/// An executed block.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BlockResult {
    /// One receipt for each transaction.
    pub receipts: Vec<Receipt>,
    /// What each transaction returned, beside its receipt.
    pub executions: Vec<ExecutionSummary>,
    /// The gas that counts against the block's limit.
    pub gas_used: u64,
    /// The union of the receipts' bloom filters.
    pub logs_bloom: Bloom,
    /// The EIP-7685 requests that the block makes.
    pub requests: Requests,
    /// What it changed.
    pub changes: Changes<Key, Value>,
    /// How it was executed. The protocol's own steps count as transactions here.
    pub statistics: Statistics,
    /// The keys on which most attempts were wasted, see [`Outcome::conflicts`](pleach::Outcome::conflicts).
    pub conflicts: Vec<(Key, usize)>,
}

/// What is known of an executed transaction beside its receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecutionSummary {
    /// The gas that it paid for.
    pub gas_used: u64,
}

pub(crate) fn collect(
    prepared: &PreparedBlock<'_>,
    transactions: Vec<TxOutcome<Output, TransactionError>>,
    changes: Changes<Key, Value>,
    statistics: Statistics,
    conflicts: Vec<(Key, usize)>,
    blooms: StreamedBlooms,
) -> Result<BlockResult, BlockError> {
    let count = prepared.block.transactions.len();
    let mut receipts = Vec::with_capacity(count);
    let mut summaries = Vec::with_capacity(count);
    let mut collected = Vec::new();
    let mut blooms = blooms.into_made();
    // Receipts whose filters are still to be made.
    let mut left = Vec::new();
    let (mut cumulative, mut regular, mut state) = (0, 0, 0);
    let mut signed = prepared.block.transactions.iter();
    let steps = prepared.steps().iter();
    for ((step, outcome), kind) in transactions.into_iter().enumerate().zip(steps) {
        let transaction = kind.is_signed().then(|| signed.next()).flatten();
        let execution = match outcome {
            TxOutcome::Executed(Output::Executed(execution)) => execution,
            TxOutcome::Executed(Output::System(requests)) => {
                collected.extend(requests);
                continue;
            }
            // A validator's block has no other entries, and a builder's skipped ones have no receipt.
            _ => continue,
        };
        let Some(transaction) = transaction else {
            continue;
        };
        cumulative += execution.gas_used;
        regular += execution.block_gas_used;
        state += execution.state_gas_used;
        summaries.push(ExecutionSummary {
            gas_used: execution.gas_used,
        });
        let receipt = receipt(transaction.tx_type(), execution, cumulative);
        let bloom = blooms.of(step);
        if bloom.is_none() && !receipt.logs.is_empty() {
            left.push(receipts.len());
        }
        receipts.push(Receipt {
            logs_bloom: bloom.unwrap_or_default(),
            receipt,
        });
    }
    bloom::fill(&mut receipts, &left);
    let gas_used = if prepared.is_amsterdam() {
        regular.max(state)
    } else {
        cumulative
    };
    let mut logs_bloom = Bloom::ZERO;
    for receipt in receipts
        .iter()
        .filter(|receipt| !receipt.receipt.logs.is_empty())
    {
        logs_bloom |= receipt.logs_bloom;
    }

    let mut requests = Requests::default();
    if let Some(contract) = prepared.deposit_contract.filter(|_| prepared.requests) {
        let mut deposits = Vec::new();
        let plain = receipts.iter().map(|receipt| &receipt.receipt);
        accumulate_deposits_from_receipts(contract, plain, &mut deposits)
            .map_err(|error| BlockError::Deposits(error.to_string()))?;
        if !deposits.is_empty() {
            requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
        }
    }
    for request in collected {
        requests.push_request(request);
    }
    Ok(BlockResult {
        receipts,
        executions: summaries,
        gas_used,
        logs_bloom,
        requests,
        changes,
        statistics,
        conflicts,
    })
}

fn receipt(tx_type: TxType, execution: Execution, cumulative_gas_used: u64) -> EthereumReceipt {
    EthereumReceipt {
        tx_type,
        success: execution.success,
        cumulative_gas_used,
        logs: execution.logs,
    }
}
