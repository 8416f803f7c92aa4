//! A block against its own header.

use alloy_consensus::proofs::{
    calculate_receipt_root, calculate_transaction_root, calculate_withdrawals_root,
};
use alloy_primitives::B256;

use crate::{
    block::PreparedBlock, receipt::BlockResult, state::EvmState, transaction::Transaction,
};

/// One thing that a header says of its block, compared with what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What was compared, by the header's field: `gas_used`, `receipts_root`, …
    pub name: &'static str,
    /// What came of it.
    pub result: CheckResult,
}

/// What came of a [`Check`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckResult {
    /// Both are the same.
    Passed,
    /// They differ.
    Failed {
        /// What the header says.
        expected: String,
        /// What was found.
        found: String,
    },
    /// It cannot be checked here, for this reason.
    Impossible(&'static str),
}

impl CheckResult {
    fn compare<T: PartialEq + ToString>(expected: &T, found: &T) -> Self {
        if expected == found {
            CheckResult::Passed
        } else {
            CheckResult::Failed {
                expected: expected.to_string(),
                found: found.to_string(),
            }
        }
    }

    /// `Some(true)` if it passed, `Some(false)` if not, `None` if it could not be checked.
    #[must_use]
    pub fn passed(&self) -> Option<bool> {
        match self {
            CheckResult::Passed => Some(true),
            CheckResult::Failed { .. } => Some(false),
            CheckResult::Impossible(_) => None,
        }
    }
}

/// Compares what `result` holds, and the block itself, with the header. `after` is the whole state after the block, if
/// that is known: computing its root takes O(accounts + storage), on all of rayon's threads.
#[must_use]
pub fn check(
    prepared: &PreparedBlock<'_>,
    result: &BlockResult,
    after: Option<&EvmState>,
) -> Vec<Check> {
    let block = prepared.block();
    let header = &block.header;
    let mut checks = Vec::new();
    let mut add = |name, result| checks.push(Check { name, result });

    add(
        "block_hash",
        CheckResult::compare(&block.hash, &header.hash_slow()),
    );
    add("senders", check_senders(prepared));
    let (receipts_root, transactions_root) = rayon::join(
        || {
            prepared
                .byzantium
                .then(|| calculate_receipt_root(&result.receipts))
        },
        || calculate_transaction_root(&block.transactions),
    );
    add(
        "transactions_root",
        CheckResult::compare(&header.transactions_root, &transactions_root),
    );
    add(
        "withdrawals_root",
        match (header.withdrawals_root, &block.withdrawals) {
            (None, None) => CheckResult::Impossible("there are no withdrawals before Shanghai"),
            (expected, withdrawals) => {
                let found = withdrawals.as_deref().map(calculate_withdrawals_root);
                compare_optional(expected, found)
            }
        },
    );
    add(
        "gas_used",
        CheckResult::compare(&header.gas_used, &result.gas_used),
    );
    add(
        "blob_gas_used",
        match header.blob_gas_used {
            Some(expected) => {
                let signed = prepared.steps().iter();
                let found = signed.map(Transaction::blob_gas).sum();
                CheckResult::compare(&expected, &found)
            }
            None => CheckResult::Impossible("there are no blobs before Cancun"),
        },
    );
    add(
        "logs_bloom",
        CheckResult::compare(&header.logs_bloom, &result.logs_bloom),
    );
    add(
        "receipts_root",
        match receipts_root {
            Some(found) => CheckResult::compare(&header.receipts_root, &found),
            None => CheckResult::Impossible("receipts before Byzantium hold state roots"),
        },
    );
    add(
        "requests_hash",
        if prepared.requests {
            compare_optional(header.requests_hash, Some(result.requests.requests_hash()))
        } else {
            CheckResult::Impossible("there are no requests before Prague")
        },
    );
    add(
        "state_root",
        match after {
            Some(state) => CheckResult::compare(&header.state_root, &state.root()),
            None => CheckResult::Impossible("the state is not known as a whole"),
        },
    );
    checks
}

fn compare_optional(expected: Option<B256>, found: Option<B256>) -> CheckResult {
    let text = |hash: Option<B256>| hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
    if expected == found {
        CheckResult::Passed
    } else {
        CheckResult::Failed {
            expected: text(expected),
            found: text(found),
        }
    }
}

/// The senders that the block was given with against those that its signatures give.
fn check_senders(prepared: &PreparedBlock<'_>) -> CheckResult {
    let pairs = prepared.block.senders.iter().zip(&prepared.recovered);
    match pairs
        .enumerate()
        .find(|(_, (given, recovered))| given != recovered)
    {
        None => CheckResult::Passed,
        Some((index, (given, recovered))) => CheckResult::Failed {
            expected: format!("{given} for transaction {index}"),
            found: recovered.to_string(),
        },
    }
}
