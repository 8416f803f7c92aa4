//! What the protocol itself does in a block, before and after its transactions.
//!
//! Before: the DAO fork's transfer, and the calls that store the beacon root (EIP-4788) and the parent's hash
//! (EIP-2935). After: the calls that collect requests (EIP-7002, EIP-7251, EIP-8282), withdrawals (EIP-4895), and the
//! rewards of proof of work.

use alloy_consensus::{BlockHeader, Header};
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS,
    eip4788::BEACON_ROOTS_ADDRESS,
    eip4895::Withdrawal,
    eip7002::{SYSTEM_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE},
};
use alloy_evm::{
    block::{
        calc,
        system_calls::{
            BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_DEPOSIT_REQUEST_TYPE,
            BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_EXIT_REQUEST_TYPE,
        },
    },
    eth::dao_fork,
};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};
use alloy_primitives::{Address, B256, Bytes, U256};
use pleach::{Delta, Stop};
use revm::{
    context::{TxEnv, result::ExecutionResult},
    handler::SystemCallTx,
};

use crate::{
    database::View,
    engine::{Entry, Environment, Scratch, run},
    key::Key,
    spec::ChainSpec,
    transaction::TransactionError,
    value::{Value, Wei},
    vm::stop,
};

type Result<T> = std::result::Result<T, Stop<TransactionError>>;

/// What the protocol does in one block.
#[derive(Debug)]
pub(crate) struct Protocol {
    /// Contracts to call before the transactions, with what they are told.
    announcements: Vec<(Address, B256)>,
    dao_fork: bool,
    /// Contracts to call after the transactions, with the type of the requests that they give.
    request_sources: Vec<(u8, Address)>,
    /// Whether those contracts must be there.
    strict: bool,
    /// Accounts to pay after the transactions.
    payments: Vec<(Address, U256)>,
    /// Whether accounts exist only if they are not empty (EIP-161).
    clearing: bool,
}

impl Protocol {
    pub(crate) fn new(
        spec: &ChainSpec,
        header: &Header,
        ommers: &[Header],
        withdrawals: &[Withdrawal],
    ) -> Self {
        let (number, timestamp) = (header.number, header.timestamp);
        let mut announcements = Vec::new();
        if number > 0 && spec.is_cancun_active_at_timestamp(timestamp) {
            let root = header.parent_beacon_block_root().unwrap_or_default();
            announcements.push((BEACON_ROOTS_ADDRESS, root));
        }
        if number > 0 && spec.is_prague_active_at_timestamp(timestamp) {
            announcements.push((HISTORY_STORAGE_ADDRESS, header.parent_hash));
        }

        let mut request_sources = Vec::new();
        if spec.is_prague_active_at_timestamp(timestamp) {
            request_sources.extend([
                (
                    WITHDRAWAL_REQUEST_TYPE,
                    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                ),
                (
                    CONSOLIDATION_REQUEST_TYPE,
                    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                ),
            ]);
        }
        if spec.is_amsterdam_active_at_timestamp(timestamp) {
            request_sources.extend([
                (
                    BUILDER_DEPOSIT_REQUEST_TYPE,
                    BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS,
                ),
                (
                    BUILDER_EXIT_REQUEST_TYPE,
                    BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS,
                ),
            ]);
        }

        let mut payments = Vec::new();
        if let Some(base) = calc::base_block_reward(spec, number) {
            for ommer in ommers {
                // Nobody has checked the uncles: one that is out of reach would be worth more than there is.
                let reach = number.saturating_sub(8)..=number;
                if !reach.contains(&ommer.number) {
                    continue;
                }
                let reward = calc::ommer_reward(base, number, ommer.number);
                payments.push((ommer.beneficiary, U256::from(reward)));
            }
            let reward = calc::block_reward(base, ommers.len());
            payments.push((header.beneficiary, U256::from(reward)));
        }
        if spec.is_shanghai_active_at_timestamp(timestamp) {
            let withdrawn = withdrawals
                .iter()
                .map(|withdrawal| (withdrawal.address, withdrawal.amount_wei()));
            payments.extend(withdrawn);
        }

        Self {
            announcements,
            dao_fork: spec
                .ethereum_fork_activation(EthereumHardfork::Dao)
                .transitions_at_block(number),
            request_sources,
            strict: spec.requires_system_contracts(),
            payments,
            clearing: spec.is_spurious_dragon_active_at_block(number),
        }
    }

    pub(crate) fn has_begin(&self) -> bool {
        self.dao_fork || !self.announcements.is_empty()
    }

    pub(crate) fn has_end(&self) -> bool {
        !self.request_sources.is_empty() || !self.payments.is_empty()
    }

    /// What happens before the transactions.
    pub(crate) fn begin(
        &self,
        environment: &Environment,
        state: &mut View<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if self.dao_fork {
            self.drain_dao(state)?;
        }
        for (contract, word) in &self.announcements {
            // These calls may fail, and without the contract they do nothing.
            let input = Bytes::copy_from_slice(word.as_slice());
            call(environment, *contract, input, state, scratch)?;
        }
        Ok(())
    }

    /// What happens after the transactions. Returns the requests, each with its type in front.
    pub(crate) fn end(
        &self,
        environment: &Environment,
        state: &mut View<'_>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Bytes>> {
        let mut requests = Vec::new();
        for (kind, contract) in &self.request_sources {
            let fail = |message: String| {
                Stop::Failed(TransactionError::SystemCall {
                    contract: *contract,
                    message,
                })
            };
            if !matches!(state.get(&Key::code(*contract))?, Some(Value::Code(_))) {
                if self.strict {
                    return Err(fail("there is no contract".to_owned()));
                }
                continue;
            }
            match call(environment, *contract, Bytes::new(), state, scratch)? {
                ExecutionResult::Success { output, .. } => {
                    let data = output.into_data();
                    if !data.is_empty() {
                        requests.push([&[*kind], data.as_ref()].concat().into());
                    }
                }
                ExecutionResult::Revert { output, .. } => {
                    return Err(fail(format!("it reverted with {output}")));
                }
                ExecutionResult::Halt { reason, .. } => {
                    return Err(fail(format!("it halted: {reason:?}")));
                }
            }
        }
        for (address, amount) in &self.payments {
            self.pay(*address, *amount, state)?;
        }
        Ok(requests)
    }

    /// Adds to a balance, which touches the account even if there is nothing to add.
    fn pay(&self, address: Address, amount: U256, state: &mut View<'_>) -> Result<()> {
        if !amount.is_zero() {
            // Past 256 bits nothing is paid: there is not that much money.
            state.add(&Key::balance(address), Delta::Plus(Wei(amount)))?;
        }
        let key = Key::code(address);
        if !self.clearing {
            if !state.contains(&key)? {
                state.put(&key, Value::Existing)?;
            }
        } else if amount.is_zero() && state.get(&key)? == Some(Value::Existing) {
            state.delete(&key)?;
        }
        Ok(())
    }

    /// Takes all that these accounts have. All of them, and who gets it, are touched even if that is nothing.
    fn drain_dao(&self, state: &mut View<'_>) -> Result<()> {
        for address in dao_fork::DAO_HARDFORK_ACCOUNTS {
            let key = Key::balance(address);
            let balance = Value::into_number(state.get(&key)?.as_ref());
            if !balance.is_zero() {
                state.delete(&key)?;
            }
            self.pay(address, U256::ZERO, state)?;
            self.pay(dao_fork::DAO_HARDFORK_BENEFICIARY, balance, state)?;
        }
        Ok(())
    }
}

/// Calls a contract in the protocol's name.
fn call(
    environment: &Environment,
    contract: Address,
    input: Bytes,
    state: &mut View<'_>,
    scratch: &mut Scratch,
) -> Result<ExecutionResult> {
    let tx = TxEnv::new_system_tx_with_caller(SYSTEM_ADDRESS, contract, input);
    run(environment, Entry::System, &tx, state, scratch).map_err(stop)
}
