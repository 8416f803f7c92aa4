//! The limits of a block, and how a transaction that exceeds one is named.

use alloy_consensus::{TxEip4844, TxEnvelope};
use alloy_primitives::{Address, B256, Signature, U256};
use pleach::{Block, Executor, Outcome, Over, SerialExecutor, TxOutcome};
use pleach_evm::{BlockError, BlockVm, GasRule, PreparedBlock};

use crate::harness::{
    CHAIN_ID,
    block::{Whole, payment, sign},
    build::ETHER,
    signer,
};

const X: Address = Address::repeat_byte(0x99);

/// Forks without and with a step of the protocol before the first transaction.
const FORKS: [&str; 4] = ["byzantium", "london", "cancun", "osaka"];

/// A block with payments of this gas limit each. What one uses is 21,000.
fn payments(fork: &str, gas_limits: impl IntoIterator<Item = u64>) -> Whole {
    let mut whole = Whole::new(fork);
    whole.balance(signer(0), ETHER);
    whole.block.header.gas_limit = 100_000;
    for (nonce, gas_limit) in (0..).zip(gas_limits) {
        whole.push(sign(0, payment(X, nonce, gas_limit)));
    }
    whole
}

/// The index and the message of the transaction that makes the block invalid.
#[track_caller]
fn invalid(whole: &Whole) -> (Option<usize>, String) {
    match whole.execute() {
        Err(error @ BlockError::Invalid { .. }) => {
            let message = error.to_string();
            let BlockError::Invalid { transaction, .. } = error else {
                unreachable!("it was just looked at");
            };
            (transaction, message)
        }
        other => panic!("the block is not invalid: {other:?}"),
    }
}

#[test]
fn a_transaction_that_wants_more_gas_than_the_block_has_left() {
    for fork in FORKS {
        // What is left is what the others did not use, not what they did not want.
        let (index, message) = invalid(&payments(fork, [40_000, 40_000, 40_000, 37_001]));
        assert_eq!(index, Some(3), "{fork}");
        assert_eq!(
            message,
            "transaction 3 is not valid here: its gas limit of 37001 is more than the 37000 that the block has left"
        );
        let fits = payments(fork, [40_000, 40_000, 40_000, 37_000]);
        let result = fits.execute().expect("the block is valid");
        assert_eq!(result.gas_used, 84_000, "{fork}");
        let cumulative = result
            .receipts
            .last()
            .map(|last| last.receipt.cumulative_gas_used);
        assert_eq!(cumulative, Some(84_000), "{fork}");
    }
}

#[test]
fn a_transaction_that_wants_more_gas_than_the_whole_block() {
    for fork in FORKS {
        let (index, message) = invalid(&payments(fork, [100_001]));
        assert_eq!(index, Some(0), "{fork}");
        assert!(
            message.contains("100001 is more than the 100000"),
            "{message}"
        );
    }
}

#[test]
fn a_transaction_that_is_not_valid_is_named_by_its_index() {
    for fork in FORKS {
        let mut whole = payments(fork, [30_000, 30_000]);
        whole.push(sign(0, payment(X, 7, 30_000)));
        let (index, message) = invalid(&whole);
        assert_eq!(index, Some(2), "{fork}");
        assert!(
            message.starts_with("transaction 2 is not valid here: nonce 7 too high"),
            "{message}"
        );
    }
}

#[test]
fn a_signature_without_a_sender_is_named_by_its_index() {
    let mut whole = payments("osaka", [30_000, 30_000]);
    let transaction = payment(X, 2, 30_000);
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    whole.push(TxEnvelope::Legacy(alloy_consensus::Signed::new_unhashed(
        transaction,
        signature,
    )));
    match whole.execute() {
        Err(BlockError::Signature { transaction: 2 }) => {}
        other => panic!("the signature has a sender: {other:?}"),
    }
}

/// A block with a transaction of as many blobs each.
fn blobs(fork: &str, counts: impl IntoIterator<Item = usize>) -> Whole {
    let mut whole = Whole::new(fork);
    whole.balance(signer(0), ETHER);
    let mut hash = B256::ZERO;
    hash.0[0] = 1;
    for (nonce, count) in (0..).zip(counts) {
        let transaction = TxEip4844 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10,
            max_fee_per_blob_gas: 10,
            to: X,
            blob_versioned_hashes: vec![hash; count],
            ..TxEip4844::default()
        };
        whole.push(sign(0, transaction));
    }
    whole
}

#[test]
fn more_blobs_than_the_block_may_carry() {
    for (fork, most) in [("cancun", 6), ("prague", 9), ("osaka", 9)] {
        let (index, message) = invalid(&blobs(fork, [1, most - 3, 3]));
        assert_eq!(index, Some(2), "{fork}");
        let expected =
            "its blob gas limit of 393216 is more than the 262144 that the block has left";
        assert!(message.ends_with(expected), "{message}");
        let fits = blobs(fork, [most - 3, 3]).execute();
        assert!(fits.is_ok(), "{fork}: {fits:?}");
    }
}

#[test]
fn blobs_in_a_block_that_knows_none() {
    let (index, message) = invalid(&blobs("shanghai", [1]));
    assert_eq!(index, Some(0));
    assert!(message.contains("more than the 0 that"), "{message}");
}

/// Executes the block under a rule of its own.
fn under(prepared: &PreparedBlock<'_>, whole: &Whole, rule: GasRule) -> Outcome<BlockVm> {
    let view = prepared.view(&whole.state);
    SerialExecutor::new()
        .execute(Block::new(prepared.vm(), &view, prepared.steps()).rule(rule))
        .expect("nothing fails here")
}

fn executed(outcome: &Outcome<BlockVm>) -> Vec<bool> {
    let outcomes = outcome.transactions.iter();
    outcomes
        .map(|outcome| matches!(outcome, TxOutcome::Executed(_)))
        .collect()
}

#[test]
fn a_builder_leaves_out_what_does_not_fit() {
    // Without a step of the protocol before or after them.
    let mut whole = payments("paris", [60_000, 60_000, 30_000]);
    let mut other = payment(X, 1, 50_000);
    other.chain_id = None;
    whole.push(sign(0, other));
    let prepared = whole.block.prepare(&whole.spec).expect("it is signed");
    let skip = under(&prepared, &whole, GasRule::new(70_000, 0).over(Over::Skip));
    // The third one has the nonce of one that was left out.
    assert_eq!(executed(&skip), [true, false, false, false]);
    let wider = GasRule::new(71_000, 0).over(Over::Skip);
    let skip = under(&prepared, &whole, wider.clone());
    assert_eq!(executed(&skip), [true, false, false, true]);
    let rest = under(&prepared, &whole, wider.over(Over::SkipRest));
    assert_eq!(executed(&rest), [true, false, false, false]);
    let capped = GasRule::new(70_000, 0).tx_gas_cap(21_000);
    let all = under(&prepared, &whole, capped);
    assert_eq!(executed(&all), [true, true, true, false]);
}
