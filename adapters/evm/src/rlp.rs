//! Blocks as Ethereum's network and its databases hold them: in RLP.

use alloy_consensus::{Block, BlockBody, EthereumTxEnvelope, TxEip4844, TxEnvelope};
use alloy_eips::eip4895::Withdrawals;

use crate::block::EvmBlock;

/// Bytes are not one block in RLP.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("is not one block in RLP: {0}")]
pub struct RlpError(#[source] alloy_rlp::Error);

/// In a block, a transaction with blobs comes without them.
type Transaction = EthereumTxEnvelope<TxEip4844>;

impl EvmBlock {
    /// Decodes a block of the form `[header, transactions, uncles]`, with `withdrawals` as a fourth since Shanghai. Its hash is
    /// that of its header. Senders are not part of this form.
    ///
    /// # Errors
    ///
    /// If that is not what the bytes are, or not all of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach_evm::EvmBlock;
    ///
    /// assert!(EvmBlock::from_rlp(&[0xc0]).is_err(), "a list, but empty");
    /// ```
    pub fn from_rlp(mut bytes: &[u8]) -> Result<Self, RlpError> {
        let block = Block::<Transaction>::decode_sealed(&mut bytes).map_err(RlpError)?;
        if !bytes.is_empty() {
            return Err(RlpError(alloy_rlp::Error::UnexpectedLength));
        }
        let (Block { header, body }, hash) = block.into_parts();
        let BlockBody {
            transactions,
            ommers,
            withdrawals,
        } = body;
        Ok(Self {
            header,
            hash,
            transactions: transactions.into_iter().map(TxEnvelope::from).collect(),
            senders: Vec::new(),
            ommers,
            withdrawals: withdrawals.map(Withdrawals::into_inner),
        })
    }
}
