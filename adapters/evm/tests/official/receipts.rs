//! The root of receipts as they were before Byzantium: with the root of the state after each transaction.

use alloy_consensus::{
    Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxReceipt,
    proofs::calculate_receipt_root,
};
use alloy_primitives::B256;
use pleach::{Block, Executor, OnFailure, SerialExecutor};
use pleach_evm::{BlockResult, EvmState, PreparedBlock};

/// Executes every beginning of the block, to come by the states in between: O(transactions squared).
pub(super) fn root_of_states(
    prepared: &PreparedBlock<'_>,
    result: &BlockResult,
    before: &EvmState,
) -> Result<B256, String> {
    let view = prepared.view(before);
    let steps = prepared.steps();
    let ends = (0..steps.len()).filter(|index| steps[*index].is_signed());
    let mut receipts = Vec::new();
    for (end, receipt) in ends.zip(&result.receipts) {
        let beginning = Block::new(prepared.vm(), &view, &steps[..=end]);
        let outcome = SerialExecutor::new()
            .execute(beginning.on_failure(OnFailure::Fatal))
            .map_err(|error| error.to_string())?;
        let ran = prepared
            .finish(outcome)
            .map_err(|error| error.to_string())?;
        let mut state = before.clone();
        prepared.apply(&ran, &mut state);
        receipts.push(ReceiptEnvelope::Legacy(ReceiptWithBloom {
            receipt: Receipt {
                status: Eip658Value::PostState(state.root()),
                cumulative_gas_used: receipt.receipt.cumulative_gas_used,
                logs: receipt.receipt.logs().to_vec(),
            },
            logs_bloom: receipt.logs_bloom,
        }));
    }
    Ok(calculate_receipt_root(&receipts))
}
