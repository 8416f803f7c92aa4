//! The transactions of a block as the VM executes them, and what they leave.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable};
use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, Bytes, Log};
use pleach::BoxError;
use rayon::prelude::*;
use revm::context::{
    TxEnv,
    result::{ExecutionResult, InvalidTransaction},
};

/// One step of a block: a signed transaction, or what the protocol itself does before and after them.
#[derive(Clone, Debug)]
pub struct Transaction(pub(crate) Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// What happens before the first transaction.
    Begin,
    /// A signed transaction.
    Signed(Box<Signed>),
    /// What happens after the last transaction.
    End,
}

/// A signed transaction, ready for revm.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) env: TxEnv,
    pub(crate) blob_gas: u64,
    /// Whether its sender may have sent another one that comes later in the block.
    pub(crate) is_followed: bool,
}

impl Transaction {
    /// What the protocol does before the first transaction of the block: system calls, the DAO fork.
    #[must_use]
    pub fn begin() -> Self {
        Self(Kind::Begin)
    }

    /// A signed transaction of `sender`.
    #[must_use]
    pub fn signed(transaction: &TxEnvelope, sender: Address) -> Self {
        let env = TxEnv::from_recovered_tx(transaction, sender);
        let blob_gas = transaction.blob_gas_used().unwrap_or_default();
        Self(Kind::Signed(Box::new(Signed {
            env,
            blob_gas,
            is_followed: true,
        })))
    }

    /// Says that its sender has sent no other one that comes later in the block.
    pub(crate) fn mark_as_last(&mut self) {
        if let Kind::Signed(signed) = &mut self.0 {
            signed.is_followed = false;
        }
    }

    /// What the protocol does after the last transaction of the block: requests, withdrawals, rewards.
    #[must_use]
    pub fn end() -> Self {
        Self(Kind::End)
    }

    /// Whether somebody signed it: the others are the protocol's own.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        matches!(self.0, Kind::Signed(_))
    }

    /// The most gas that it may use; the protocol's own steps use none of the block's.
    #[must_use]
    pub fn gas_limit(&self) -> u64 {
        match &self.0 {
            Kind::Signed(signed) => signed.env.gas_limit,
            Kind::Begin | Kind::End => 0,
        }
    }

    /// The gas that its blobs use.
    #[must_use]
    pub fn blob_gas(&self) -> u64 {
        match &self.0 {
            Kind::Signed(signed) => signed.blob_gas,
            Kind::Begin | Kind::End => 0,
        }
    }
}

/// What a [`Transaction`] leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Output {
    /// A signed transaction was executed.
    Executed(Execution),
    /// The protocol's steps were done; these are the EIP-7685 requests that they collected, each with its type in
    /// front.
    System(Vec<Bytes>),
}

impl Output {
    /// The execution of a signed transaction.
    #[must_use]
    pub fn execution(&self) -> Option<&Execution> {
        match self {
            Output::Executed(execution) => Some(execution),
            Output::System(_) => None,
        }
    }
}

/// How a signed transaction was executed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Execution {
    /// Whether it succeeded; if not, only its fee and its nonce are left of it.
    pub success: bool,
    /// The gas that it paid for.
    pub gas_used: u64,
    /// The gas that counts against the block's limit. Differs from `gas_used` from Amsterdam on.
    pub block_gas_used: u64,
    /// The gas for growing the state that counts against a limit of its own from Amsterdam on.
    pub state_gas_used: u64,
    /// What it logged.
    pub logs: Vec<Log>,
    /// What it returned, or why it reverted.
    pub output: Bytes,
}

impl Execution {
    /// `amsterdam` counts gas before refunds against the block's limit (EIP-8037).
    pub(crate) fn new(result: ExecutionResult, amsterdam: bool) -> Self {
        let gas = *result.gas();
        let success = result.is_success();
        let output = result.output().cloned().unwrap_or_default();
        Self {
            success,
            gas_used: gas.tx_gas_used(),
            block_gas_used: if amsterdam {
                gas.block_regular_gas_used()
            } else {
                gas.tx_gas_used()
            },
            state_gas_used: gas.block_state_gas_used(),
            logs: result.into_logs(),
            output,
        }
    }
}

/// Why a transaction cannot be part of a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// It is not valid here: wrong nonce, too little money, a gas limit that is too low, …
    #[error("{0}")]
    Invalid(#[source] BoxError),
    /// A contract that the protocol calls after the transactions failed, which no block may cause.
    #[error("the system call to {contract} failed: {message}")]
    SystemCall {
        /// The contract.
        contract: Address,
        /// How it failed.
        message: String,
    },
    /// The interpreter failed.
    #[error("the interpreter failed: {0}")]
    Interpreter(String),
}

impl From<InvalidTransaction> for TransactionError {
    fn from(invalid: InvalidTransaction) -> Self {
        TransactionError::Invalid(Box::new(invalid))
    }
}

/// Recovers the senders of `transactions` from their signatures, on all of rayon's threads: about 40 us each with the C
/// library. `None` where a signature is no point of the curve, or, if `homestead` (EIP-2), where it could be
/// another's.
#[must_use]
pub fn recover_senders(transactions: &[TxEnvelope], homestead: bool) -> Vec<Option<Address>> {
    transactions
        .par_iter()
        .map(|transaction| recover_sender(transaction, homestead))
        .collect()
}

/// The sender that a signature gives, if there is one.
pub(crate) fn recover_sender(transaction: &TxEnvelope, homestead: bool) -> Option<Address> {
    if homestead {
        transaction.recover_signer().ok()
    } else {
        transaction.recover_signer_unchecked().ok()
    }
}
