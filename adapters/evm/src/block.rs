//! Ethereum blocks: decoded, made ready for an executor, and executed.

use std::{borrow::Cow, collections::HashSet};

use alloy_consensus::{Header, TxEnvelope};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::Transaction as RpcTransaction;
use pleach::{
    Block, CancelToken, Changes, ExecuteError, Executor, OnFailure, Outcome, Reason, State,
    TxOutcome, dtt::Dtt,
};
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;

use crate::{
    bloom::StreamedBlooms,
    key::Key,
    receipt::{BlockResult, collect},
    rule::GasRule,
    spec::ChainSpec,
    state::{EvmState, StateError, StateUnder},
    transaction::{Transaction, TransactionError, recover_sender, recover_senders},
    value::Value,
    vm::BlockVm,
};

/// A block as it came from a file or a node.
#[derive(Clone, Debug)]
pub struct EvmBlock {
    /// Its header.
    pub header: Header,
    /// The hash that it was given under.
    pub hash: B256,
    /// Its signed transactions, in order.
    pub transactions: Vec<TxEnvelope>,
    /// The senders that it was given with, one for each transaction; none if it was given without them.
    pub senders: Vec<Address>,
    /// The headers of its uncles, as far as they are known: a node gives only their hashes with the block.
    pub ommers: Vec<Header>,
    /// Its withdrawals, `None` before Shanghai.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

/// A block of JSON is not what `eth_getBlockByNumber` returns.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {source}")]
pub struct DecodeError {
    /// Where in the block.
    at: String,
    source: serde_json::Error,
}

impl DecodeError {
    /// Decodes `json` at a place that errors name.
    pub(crate) fn decode<'a, T: Deserialize<'a>>(at: &str, json: &'a str) -> Result<T, Self> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let at = if path == "." {
                at.to_owned()
            } else {
                format!("{at}.{path}")
            };
            Self {
                at,
                source: error.into_inner(),
            }
        })
    }
}

/// The parts of a block of JSON that are not in its header.
#[derive(Deserialize)]
struct Parts<'a> {
    hash: B256,
    #[serde(borrow, default)]
    transactions: Vec<&'a serde_json::value::RawValue>,
    withdrawals: Option<Withdrawals>,
}

impl EvmBlock {
    /// Decodes what `eth_getBlockByNumber(number, true)` returns. `ommers` are the headers of its uncles, if known.
    ///
    /// # Errors
    ///
    /// If a field is missing or of the wrong kind. The error names it.
    pub fn from_rpc(json: &str, ommers: Vec<Header>) -> Result<Self, DecodeError> {
        let header = DecodeError::decode("block", json)?;
        let parts: Parts<'_> = DecodeError::decode("block", json)?;
        let mut transactions = Vec::with_capacity(parts.transactions.len());
        let mut senders = Vec::with_capacity(parts.transactions.len());
        for (index, raw) in parts.transactions.iter().enumerate() {
            let at = format!("block.transactions[{index}]");
            let transaction: RpcTransaction = DecodeError::decode(&at, raw.get())?;
            let (transaction, sender) = transaction.inner.into_parts();
            transactions.push(transaction);
            senders.push(sender);
        }
        Ok(Self {
            header,
            hash: parts.hash,
            transactions,
            senders,
            ommers,
            withdrawals: parts.withdrawals.map(Withdrawals::into_inner),
        })
    }

    /// Makes the block ready for execution under the rules of `spec`: recovers the senders, on all of rayon's threads.
    ///
    /// # Errors
    ///
    /// If a signature has no sender.
    pub fn prepare(&self, spec: &ChainSpec) -> Result<PreparedBlock<'_>, BlockError> {
        let senders = recover_senders(&self.transactions, self.is_homestead(spec));
        PreparedBlock::new(Cow::Borrowed(self), spec, senders)
    }

    /// The same, with senders that are known already, for example from a pool of transactions: they are believed, and no
    /// signature is looked at.
    ///
    /// # Errors
    ///
    /// If there are fewer senders than transactions. Those past the last transaction are left out.
    pub fn prepare_with_senders(
        &self,
        spec: &ChainSpec,
        senders: &[Address],
    ) -> Result<PreparedBlock<'_>, BlockError> {
        let known = (0..self.transactions.len()).map(|index| senders.get(index).copied());
        PreparedBlock::new(Cow::Borrowed(self), spec, known.collect())
    }

    /// The same, and keeps the block; on the thread of the caller alone, who may prepare several blocks side by side.
    ///
    /// # Errors
    ///
    /// If a signature has no sender.
    pub fn into_prepared(self, spec: &ChainSpec) -> Result<PreparedBlock<'static>, BlockError> {
        let homestead = self.is_homestead(spec);
        let transactions = self.transactions.iter();
        let senders = transactions.map(|transaction| recover_sender(transaction, homestead));
        let senders = senders.collect();
        PreparedBlock::new(Cow::Owned(self), spec, senders)
    }

    fn is_homestead(&self, spec: &ChainSpec) -> bool {
        spec.is_homestead_active_at_block(self.header.number)
    }
}

/// A block that is ready for execution.
#[derive(Debug)]
pub struct PreparedBlock<'a> {
    pub(crate) block: Cow<'a, EvmBlock>,
    vm: BlockVm,
    /// The signed transactions, with the protocol's steps around them.
    steps: Vec<Transaction>,
    /// The senders that the signatures give.
    pub(crate) recovered: Vec<Address>,
    blob_gas_limit: u64,
    /// Whether receipts hold a status, and not a state root.
    pub(crate) byzantium: bool,
    /// Whether the block carries requests (EIP-7685).
    pub(crate) requests: bool,
    pub(crate) deposit_contract: Option<Address>,
}

impl<'a> PreparedBlock<'a> {
    fn new(
        block: Cow<'a, EvmBlock>,
        spec: &ChainSpec,
        senders: Vec<Option<Address>>,
    ) -> Result<Self, BlockError> {
        let senders = senders.into_iter().enumerate();
        let recovered = senders
            .map(|(transaction, sender)| sender.ok_or(BlockError::Signature { transaction }))
            .collect::<Result<Vec<_>, _>>()?;

        let header = &block.header;
        let (number, timestamp) = (header.number, header.timestamp);
        let withdrawals = block.withdrawals.as_deref().unwrap_or_default();
        let vm = BlockVm::new(spec, header, &block.ommers, withdrawals);
        let signed = block
            .transactions
            .iter()
            .zip(&recovered)
            .map(|(transaction, sender)| Transaction::signed(transaction, *sender));
        let begin = vm.has_begin().then(Transaction::begin);
        let end = vm.has_end().then(Transaction::end);
        let mut steps: Vec<_> = begin.into_iter().chain(signed).chain(end).collect();
        let mut senders = HashSet::with_capacity(recovered.len());
        let signed = steps.iter_mut().rev().filter(|step| step.is_signed());
        for (step, sender) in signed.zip(recovered.iter().rev()) {
            if senders.insert(sender) {
                step.mark_as_last();
            }
        }
        Ok(Self {
            block,
            steps,
            blob_gas_limit: spec
                .blob_params(timestamp)
                .map_or(0, |params| params.max_blob_gas_per_block()),
            byzantium: spec.is_byzantium_active_at_block(number),
            deposit_contract: alloy_evm::eth::spec::EthExecutorSpec::deposit_contract_address(spec),
            requests: spec.is_prague_active_at_timestamp(timestamp),
            vm,
            recovered,
        })
    }

    /// The same, with accounts that are read whole when they are loaded.
    #[cfg(test)]
    pub(crate) fn eager(mut self) -> Self {
        self.vm.make_eager();
        self
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> &EvmBlock {
        &self.block
    }

    /// The VM that executes it.
    #[must_use]
    pub fn vm(&self) -> &BlockVm {
        &self.vm
    }

    /// What it executes: its transactions, with the protocol's own steps before and after, where there are any.
    #[must_use]
    pub fn steps(&self) -> &[Transaction] {
        &self.steps
    }

    /// `state` as this block sees it.
    #[must_use]
    pub fn view<'s>(&self, state: &'s EvmState) -> StateUnder<'s> {
        state.under(self.vm.spec_id())
    }

    /// The block as a validator executes it: within its gas limit, and valid as a whole or not at all. `state` is a
    /// [`view`](Self::view), or any other state that answers as one does.
    pub fn to_pleach<'s, S: State<Key, Value>>(&'s self, state: &'s S) -> Block<'s, BlockVm, S> {
        let header = &self.block.header;
        Block::new(&self.vm, state, &self.steps)
            .number(header.number)
            .rule(GasRule::new(header.gas_limit, self.blob_gas_limit))
            .on_failure(OnFailure::Fatal)
    }

    /// Executes the block on `state`, as a validator does, and collects its receipts.
    ///
    /// # Errors
    ///
    /// [`BlockError::Invalid`] names the first transaction that cannot be part of this block; everything else is the
    /// state's or the caller's.
    pub fn execute(
        &self,
        executor: &impl Executor,
        state: &EvmState,
        cancel: &CancelToken,
    ) -> Result<BlockResult, BlockError> {
        self.execute_on(executor, &self.view(state), None, cancel)
    }

    /// The same, with a [tree](Self::tree) that tells an optimistic executor which transactions had better wait for which. A
    /// wrong one costs time, never the result.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn execute_hinted(
        &self,
        executor: &impl Executor,
        state: &EvmState,
        tree: &Dtt,
        cancel: &CancelToken,
    ) -> Result<BlockResult, BlockError> {
        self.execute_on(executor, &self.view(state), Some(tree), cancel)
    }

    /// The same on a state that answers as a [`view`](Self::view) does, with a tree or without one.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn execute_on<S: State<Key, Value>>(
        &self,
        executor: &impl Executor,
        state: &S,
        tree: Option<&Dtt>,
        cancel: &CancelToken,
    ) -> Result<BlockResult, BlockError> {
        let mut blooms = StreamedBlooms::default();
        let block = self.to_pleach(state).cancel(cancel);
        let mut block = block.on_commit(|step, outcome| blooms.push(step, outcome));
        if let Some(tree) = tree {
            block = block.tree(tree);
        }
        let outcome = executor.execute(block);
        self.collect(outcome.map_err(|error| self.locate(error))?, blooms)
    }

    /// Turns an outcome into receipts and what else the header commits to.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute), if a transaction was fatal.
    pub fn finish(&self, outcome: Outcome<BlockVm>) -> Result<BlockResult, BlockError> {
        self.collect(outcome, StreamedBlooms::default())
    }

    /// The same if some bloom filters are made already.
    fn collect(
        &self,
        outcome: Outcome<BlockVm>,
        blooms: StreamedBlooms,
    ) -> Result<BlockResult, BlockError> {
        let Outcome {
            mut transactions,
            changes,
            statistics,
            conflicts,
            times: _,
        } = outcome;
        if let Some(TxOutcome::Fatal(_)) = transactions.last() {
            let index = transactions.len() - 1;
            let Some(TxOutcome::Fatal(reason)) = transactions.pop() else {
                unreachable!("the last entry was just looked at");
            };
            let transaction = self.signed_index(index);
            return Err(BlockError::Invalid {
                transaction,
                reason: Box::new(reason),
            });
        }
        collect(self, transactions, changes, statistics, conflicts, blooms)
    }

    /// Applies the changes of this block to the state that it was executed on.
    pub fn apply(&self, result: &BlockResult, state: &mut EvmState) {
        self.apply_changes(&result.changes, state);
    }

    /// The same for changes that are not a block's result.
    pub(crate) fn apply_changes(&self, changes: &Changes<Key, Value>, state: &mut EvmState) {
        state.apply(changes, self.vm.spec_id());
    }

    /// Whether growing the state has a gas limit of its own.
    pub(crate) fn is_amsterdam(&self) -> bool {
        self.vm.spec_id().is_enabled_in(SpecId::AMSTERDAM)
    }

    /// The index of a step among the signed transactions.
    fn signed_index(&self, step: usize) -> Option<usize> {
        self.steps.get(step).filter(|step| step.is_signed())?;
        Some(step - self.first_signed())
    }

    /// How many steps come before the signed transactions.
    pub(crate) fn first_signed(&self) -> usize {
        usize::from(self.vm.has_begin())
    }

    pub(crate) fn locate(&self, error: ExecuteError) -> BlockError {
        let transaction = error.transaction().and_then(|step| self.signed_index(step));
        BlockError::Execute { transaction, error }
    }
}

/// A block cannot be executed, or is not valid.
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockError {
    /// The signature of a transaction has no sender.
    Signature {
        /// Its index.
        transaction: usize,
    },
    /// A transaction cannot be part of the block.
    Invalid {
        /// Its index; `None` for the protocol's own steps.
        transaction: Option<usize>,
        /// Why.
        reason: Box<Reason<TransactionError>>,
    },
    /// The block could not be executed.
    Execute {
        /// The index of the transaction at which that happened; `None` for the protocol's own steps.
        transaction: Option<usize>,
        /// Why.
        error: ExecuteError,
    },
    /// A chain has come to EIP-161, where one store ends and another one begins.
    OtherSide {
        /// The number of the block.
        number: u64,
    },
    /// The logs of the deposit contract cannot be read as deposits (EIP-6110).
    Deposits(String),
    /// The state does not say what something was before it was changed.
    State(StateError),
}

impl std::fmt::Display for BlockError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BlockError::Signature { transaction } => {
                write!(f, "transaction {transaction}: its signature has no sender")
            }
            BlockError::Invalid {
                transaction: Some(index),
                reason,
            } => write!(f, "transaction {index} is not valid here: {reason}"),
            BlockError::Invalid {
                transaction: None,
                reason,
            } => write!(f, "the protocol's own step failed: {reason}"),
            BlockError::Execute { transaction, error } => {
                if let Some(transaction) = transaction {
                    write!(f, "transaction {transaction}: ")?;
                }
                write!(f, "{}", error.kind())
            }
            BlockError::OtherSide { number } => {
                write!(
                    f,
                    "block {number} is on the other side of EIP-161 than its store"
                )
            }
            BlockError::Deposits(message) => write!(f, "deposits: {message}"),
            BlockError::State(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for BlockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its message is part of ours; what caused it is not.
            BlockError::Execute { error, .. } => error.source(),
            BlockError::Invalid { reason, .. } => reason.source(),
            _ => None,
        }
    }
}
