//! Blocks in RLP, there and back.

use alloy_consensus::{
    Block, BlockBody, EthereumTxEnvelope, TxEip4844Variant, TxEip4844WithSidecar, TxEnvelope,
};
use alloy_eips::{
    eip4844::BlobTransactionSidecar, eip4895::Withdrawals, eip7594::BlobTransactionSidecarVariant,
};
use pleach_evm::{EvmBlock, sample};

fn encode(block: &EvmBlock) -> Vec<u8> {
    alloy_rlp::encode(Block {
        header: block.header.clone(),
        body: BlockBody {
            transactions: block.transactions.clone(),
            ommers: block.ommers.clone(),
            withdrawals: block.withdrawals.clone().map(Withdrawals::new),
        },
    })
}

#[test]
fn the_sample_chain_is_the_same_as_json_and_as_rlp() {
    for block in sample::chain().blocks {
        let found = EvmBlock::from_rlp(&encode(&block)).expect("it is a block");
        assert_eq!(found.header, block.header);
        assert_eq!(found.hash, block.hash);
        assert_eq!(found.transactions, block.transactions);
        assert_eq!(found.ommers, block.ommers);
        assert_eq!(found.withdrawals, block.withdrawals);
        assert!(found.senders.is_empty());
    }
}

#[test]
fn less_or_more_than_a_block_is_an_error() {
    let rlp = encode(&sample::chain().blocks[0]);
    for end in (0..rlp.len()).step_by(97).chain([rlp.len() - 1]) {
        assert!(EvmBlock::from_rlp(&rlp[..end]).is_err(), "{end}");
    }
    let error = EvmBlock::from_rlp(&[&rlp[..], &[0]].concat()).expect_err("that is too much");
    assert!(error.to_string().contains("not one block"), "{error}");
}

#[test]
fn blobs_are_no_part_of_a_block() {
    let mut blocks = sample::chain().blocks.into_iter();
    let has_blobs = |block: &EvmBlock| block.transactions.iter().any(TxEnvelope::is_eip4844);
    let mut block = blocks.find(has_blobs).expect("some have blobs");
    for transaction in &mut block.transactions {
        if let EthereumTxEnvelope::Eip4844(signed) = transaction {
            let whole = signed.clone().map(|tx| {
                let sidecar = BlobTransactionSidecar::default();
                TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar {
                    tx: tx.into(),
                    sidecar: BlobTransactionSidecarVariant::Eip4844(sidecar),
                })
            });
            *transaction = EthereumTxEnvelope::Eip4844(whole);
        }
    }
    assert!(EvmBlock::from_rlp(&encode(&block)).is_err());
}
