//! What an executed block gives: receipts, bloom filter, requests, changes.

use alloy_consensus::{EthereumReceipt, ReceiptWithBloom, TxType};
use alloy_eips::{eip6110::DEPOSIT_REQUEST_TYPE, eip7685::Requests};
use alloy_evm::eth::eip6110::accumulate_deposits_from_receipts;
use alloy_primitives::{
    B256, Bloom, Log, keccak256,
    map::{AddressMap, B256Map},
};
use pleach::{Changes, Statistics, TxOutcome};
use rayon::prelude::*;

use crate::{
    block::{BlockError, PreparedBlock},
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
) -> Result<BlockResult, BlockError> {
    let logs: usize = transactions.iter().map(logs).sum();
    let count = prepared.block.transactions.len();
    let mut receipts = Vec::with_capacity(count);
    let mut summaries = Vec::with_capacity(count);
    let mut collected = Vec::new();
    let mut blooms = Blooms::default();
    let (mut cumulative, mut regular, mut state) = (0, 0, 0);
    let mut signed = prepared.block.transactions.iter();
    for outcome in transactions {
        let execution = match outcome {
            TxOutcome::Executed(Output::Executed(execution)) => execution,
            TxOutcome::Executed(Output::System(requests)) => {
                collected.extend(requests);
                continue;
            }
            // A validator's block has no other entries, and a builder's skipped ones have no receipt.
            _ => continue,
        };
        let Some(transaction) = signed.next() else {
            continue;
        };
        cumulative += execution.gas_used;
        regular += execution.block_gas_used;
        state += execution.state_gas_used;
        summaries.push(ExecutionSummary {
            gas_used: execution.gas_used,
        });
        let receipt = receipt(transaction.tx_type(), execution, cumulative);
        receipts.push(Receipt {
            logs_bloom: if logs < MANY_LOGS {
                blooms.of(&receipt.logs)
            } else {
                Bloom::ZERO
            },
            receipt,
        });
    }
    if logs >= MANY_LOGS {
        fill_blooms(&mut receipts);
    }
    let gas_used = if prepared.is_amsterdam() {
        regular.max(state)
    } else {
        cumulative
    };
    let mut logs_bloom = Bloom::ZERO;
    for receipt in &receipts {
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

/// So many logs are worth waking other threads for: that takes some tens of microseconds.
const MANY_LOGS: usize = 256;

/// Makes bloom filters, and keeps what goes into them: most logs of a block are of a few contracts, and of a few kinds.
#[derive(Default)]
struct Blooms {
    addresses: AddressMap<B256>,
    topics: B256Map<B256>,
}

impl Blooms {
    /// The filter of these logs.
    fn of(&mut self, logs: &[Log]) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for log in logs {
            let address = self.addresses.entry(log.address);
            bloom.m3_2048_hashed(address.or_insert_with_key(|word| keccak256(word)));
            for topic in log.topics() {
                let topic = self.topics.entry(*topic);
                bloom.m3_2048_hashed(topic.or_insert_with_key(|word| keccak256(word)));
            }
        }
        bloom
    }
}

/// So many logs at a time are one thread's: a single transaction may have left nearly all of a block's.
const SOME_LOGS: usize = 64;

/// Makes the filters of many logs, on all of rayon's threads.
fn fill_blooms(receipts: &mut [Receipt]) {
    let pieces = receipts.iter().enumerate().flat_map(|(index, receipt)| {
        let logs = receipt.receipt.logs.chunks(SOME_LOGS);
        logs.map(move |logs| (index, logs))
    });
    let pieces: Vec<(usize, &[Log])> = pieces.collect();
    let blooms = pieces
        .into_par_iter()
        .map_init(Blooms::default, |blooms, (index, logs)| {
            (index, blooms.of(logs))
        });
    let blooms: Vec<(usize, Bloom)> = blooms.collect();
    for (index, bloom) in blooms {
        receipts[index].logs_bloom |= bloom;
    }
}

/// How many logs a transaction has left.
fn logs(outcome: &TxOutcome<Output, TransactionError>) -> usize {
    match outcome {
        TxOutcome::Executed(Output::Executed(execution)) => execution.logs.len(),
        _ => 0,
    }
}

fn receipt(tx_type: TxType, execution: Execution, cumulative_gas_used: u64) -> EthereumReceipt {
    EthereumReceipt {
        tx_type,
        success: execution.success,
        cumulative_gas_used,
        logs: execution.logs,
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::TxReceipt;
    use alloy_primitives::{Address, Bytes};

    use super::*;

    #[test]
    fn blooms_are_those_of_the_logs() {
        let log = |address: u8, topics: &[u8]| {
            let topics = topics.iter().map(|topic| B256::repeat_byte(*topic));
            let address = Address::repeat_byte(address);
            Log::new(address, topics.collect(), Bytes::new())
                .expect("there are four topics at most")
        };
        let logs = [
            vec![log(1, &[1, 2]), log(2, &[]), log(1, &[2, 3, 1])],
            vec![],
            vec![log(2, &[2]), log(3, &[1, 4, 5, 6])],
            (0..=SOME_LOGS as u8)
                .map(|number| log(number, &[number]))
                .collect(),
        ];
        let mut blooms = Blooms::default();
        let receipts = logs.map(|logs| EthereumReceipt {
            tx_type: TxType::Eip1559,
            success: true,
            cumulative_gas_used: 21_000,
            logs,
        });
        for receipt in &receipts {
            assert_eq!(blooms.of(&receipt.logs), receipt.bloom());
        }
        let empty = |receipt| Receipt {
            receipt,
            logs_bloom: Bloom::ZERO,
        };
        let mut filled = receipts.map(empty);
        fill_blooms(&mut filled);
        for receipt in &filled {
            assert_eq!(receipt.logs_bloom, receipt.receipt.bloom());
        }
    }
}
