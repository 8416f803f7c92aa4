//! The VM of one Ethereum block.

use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_evm::EvmEnv;
use alloy_primitives::{Address, TxKind, U256};
use pleach::{Delta, StateView, Stop, Vm};
use revm::{context::result::EVMError, primitives::hardfork::SpecId};

use crate::{
    constantinople,
    database::Mode,
    engine::{Entry, Environment, Scratch, run},
    handler::EvmError,
    key::Key,
    spec::ChainSpec,
    system::Protocol,
    transaction::{Execution, Kind, Output, Transaction, TransactionError},
    value::{Value, Wei},
};

/// Executes the transactions of one block: its rules, its environment, and what the protocol does around them.
///
/// # Examples
///
/// See the crate's page.
#[derive(Debug)]
pub struct BlockVm {
    environment: Environment,
    protocol: Protocol,
}

impl BlockVm {
    /// The VM of the block with this header on the chain of `spec`. `ommers` are the uncles that the block rewards.
    #[must_use]
    pub fn new(
        spec: &ChainSpec,
        header: &Header,
        ommers: &[Header],
        withdrawals: &[Withdrawal],
    ) -> Self {
        let blobs = spec.blob_params(header.timestamp);
        let EvmEnv {
            mut cfg_env,
            block_env,
        } = EvmEnv::for_eth_block(header, spec, spec.chain_id(), blobs);
        let constantinople = constantinople::is_active(spec, header.number);
        if constantinople {
            constantinople::configure(&mut cfg_env);
        }
        let environment = Environment {
            constantinople,
            ..Environment::new(block_env, cfg_env)
        };
        Self {
            environment,
            protocol: Protocol::new(spec, header, ommers, withdrawals),
        }
    }

    /// Which rules hold in the block.
    pub(crate) fn spec_id(&self) -> SpecId {
        self.environment.cfg.spec
    }

    /// Reads accounts whole from now on.
    #[cfg(test)]
    pub(crate) fn make_eager(&mut self) {
        self.environment.mode = Mode::Eager;
    }

    /// Whether the protocol has anything to do before the transactions.
    pub(crate) fn has_begin(&self) -> bool {
        self.protocol.has_begin()
    }

    /// Whether the protocol has anything to do after the transactions.
    pub(crate) fn has_end(&self) -> bool {
        self.protocol.has_end()
    }
}

impl Vm for BlockVm {
    type Transaction = Transaction;
    type Key = Key;
    type Value = Value;
    type Output = Output;
    type Error = TransactionError;
    type Scratch = Scratch;

    fn forecast(&self, transaction: &Transaction, add: &mut dyn FnMut(Key, Delta<Wei>)) {
        // Hardly anybody else asks about it.
        if let Kind::Signed(signed) = &transaction.0
            && signed.is_followed
            && self.environment.mode == Mode::Lazy
        {
            add(Key::nonce(signed.env.caller), Delta::Plus(Wei(U256::ONE)));
        }
    }

    /// The sender; the account that is called; and the accounts that it is told of.
    fn affinity(&self, transaction: &Transaction, name: &mut dyn FnMut(Key)) {
        /// So many words of what a contract is told are looked at.
        const WORDS: usize = 8;
        if let Kind::Signed(signed) = &transaction.0 {
            name(Key::nonce(signed.env.caller));
            if let TxKind::Call(called) = signed.env.kind {
                name(Key::nonce(called));
            }
            let words = signed.env.data.get(4..).unwrap_or_default();
            for word in words.chunks_exact(32).take(WORDS) {
                // Numbers have many zeros, or more bytes.
                let (before, address) = word.split_at(12);
                if before.iter().all(|byte| *byte == 0) && address[..4] != [0; 4] {
                    name(Key::nonce(Address::from_slice(address)));
                }
            }
        }
    }

    /// By the gas limit: moving ether takes a twentieth of what small contracts do. Limits are often far above what is used, so
    /// a limit of four times as much is taken for twice the work.
    fn weight(&self, transaction: &Transaction) -> u32 {
        match &transaction.0 {
            Kind::Signed(signed) if !signed.env.data.is_empty() || signed.env.kind.is_create() => {
                ((signed.env.gas_limit / 250).isqrt() as u32).max(16)
            }
            _ => 1,
        }
    }

    fn execute<S: StateView<Key, Value>>(
        &self,
        transaction: &Transaction,
        state: &mut S,
        scratch: &mut Scratch,
    ) -> Result<Output, Stop<TransactionError>> {
        match &transaction.0 {
            Kind::Signed(signed) => {
                let result = run(
                    &self.environment,
                    Entry::Transaction,
                    &signed.env,
                    state,
                    scratch,
                );
                let amsterdam = self.spec_id().is_enabled_in(SpecId::AMSTERDAM);
                let execution = Execution::new(result.map_err(stop)?, amsterdam);
                Ok(Output::Executed(execution))
            }
            Kind::Begin => {
                self.protocol.begin(&self.environment, state, scratch)?;
                Ok(Output::System(Vec::new()))
            }
            Kind::End => {
                let requests = self.protocol.end(&self.environment, state, scratch)?;
                Ok(Output::System(requests))
            }
        }
    }
}

/// What revm's error means for Pleach.
pub(crate) fn stop(error: EvmError) -> Stop<TransactionError> {
    match error {
        EVMError::Database(error) => Stop::Interrupted(error.0),
        EVMError::Transaction(invalid) => Stop::Failed(invalid.into()),
        other => Stop::Failed(TransactionError::Interpreter(other.to_string())),
    }
}
