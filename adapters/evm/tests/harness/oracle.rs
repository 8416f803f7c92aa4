//! The other way to execute a block: one revm, one cache database, one transaction after another.

use std::collections::BTreeMap;

use alloy_consensus::{Header, TxEnvelope};
use alloy_evm::{EvmEnv, FromRecoveredTx};
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use pleach_evm::{Account, ChainSpec};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{TxEnv, result::EVMError},
    database::{AccountState, CacheDB, EmptyDB},
    database_interface::DatabaseCommit,
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode, EvmState},
};

use super::{CHAIN_ID, Done, Ran, Scenario, block_hashes, request::Request};

/// A database with every account of a scenario.
#[derive(Debug)]
pub(crate) struct Oracle {
    database: CacheDB<EmptyDB>,
}

impl Oracle {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut database = CacheDB::<EmptyDB>::default();
        for (address, before) in &scenario.accounts {
            let mut info = AccountInfo {
                balance: before.balance,
                nonce: before.nonce,
                ..AccountInfo::default()
            };
            if !before.code.is_empty() {
                let code = Bytecode::new_raw(before.code.clone());
                info.code_hash = code.hash_slow();
                info.code = Some(code);
            }
            database.insert_account_info(*address, info);
            for (slot, word) in &before.storage {
                database
                    .insert_account_storage(*address, U256::from(*slot), U256::from(*word))
                    .expect("an empty database cannot fail");
            }
        }
        for (number, hash) in block_hashes() {
            let number = U256::from(number);
            database.cache.block_hashes.insert(number, hash);
        }
        Self { database }
    }

    /// Makes transactions of `requests`, each on the state that those before it leave, and executes them.
    pub(crate) fn block(
        &mut self,
        spec: &ChainSpec,
        header: &Header,
        requests: &[Request],
    ) -> (Vec<(TxEnvelope, Address)>, Vec<Ran>) {
        let env = EvmEnv::for_eth_block(header, spec, CHAIN_ID, spec.blob_params(header.timestamp));
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        requests
            .iter()
            .map(|request| {
                let sender = request.sender();
                let transaction = request.transaction(base_fee, |address| self.account(address));
                let ran = self.run(&env, &TxEnv::from_recovered_tx(&transaction, sender));
                ((transaction, sender), ran)
            })
            .unzip()
    }

    fn run(&mut self, env: &EvmEnv, transaction: &TxEnv) -> Ran {
        let spec = env.cfg_env.spec;
        let result = Context::mainnet()
            .with_db(&mut self.database)
            .with_cfg(env.cfg_env.clone())
            .with_block(env.block_env.clone())
            .build_mainnet()
            .transact(transaction.clone());
        match result {
            Ok(done) => {
                self.commit(done.state, spec);
                let result = done.result;
                Ok(Done {
                    success: result.is_success(),
                    gas_used: result.tx_gas_used(),
                    output: result.output().cloned().unwrap_or_default(),
                    logs: result.into_logs(),
                })
            }
            Err(EVMError::Transaction(invalid)) => Err(invalid.to_string()),
            Err(error) => panic!("an empty database cannot fail: {error}"),
        }
    }

    /// The cache database keeps empty accounts, which EIP-161 removes once they are touched.
    ///
    /// Before EIP-161, revm leaves an account out that is empty in the end. That is also one that a SELFDESTRUCT paid
    /// beyond 256 bits, exactly to zero.
    ///
    /// The cache database also writes slots that were only read. Where an account with a storage is created anew, and
    /// that fails, these are zeros that never were.
    fn commit(&mut self, mut state: EvmState, spec: SpecId) {
        if !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            for (address, account) in &mut state {
                if account.is_empty() && !self.account(*address).0.is_zero() {
                    account.mark_touch();
                }
            }
        }
        for account in state.values_mut() {
            account.storage.retain(|_, slot| slot.is_changed());
        }
        let gone: Vec<_> = state
            .iter()
            .filter(|(_, account)| account.is_touched() && account.is_empty())
            .map(|(address, _)| *address)
            .collect();
        self.database.commit(state);
        if spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            for address in gone {
                let account = self.database.cache.accounts.entry(address).or_default();
                account.storage.clear();
                account.info = AccountInfo::default();
                account.account_state = AccountState::NotExisting;
            }
        }
    }

    /// Balance and nonce of an account.
    fn account(&self, address: Address) -> (U256, u64) {
        let account = self.database.cache.accounts.get(&address);
        account.map_or((U256::ZERO, 0), |account| {
            (account.info.balance, account.info.nonce)
        })
    }

    /// All accounts that exist.
    pub(crate) fn accounts(&self) -> BTreeMap<Address, Account> {
        self.database
            .cache
            .accounts
            .iter()
            .filter(|(_, account)| account.account_state != AccountState::NotExisting)
            .map(|(address, account)| {
                let info = &account.info;
                let storage = account.storage.iter();
                let account = Account {
                    balance: info.balance,
                    nonce: info.nonce,
                    code: (info.code_hash != KECCAK256_EMPTY).then_some(info.code_hash),
                    storage: storage
                        .filter(|(_, word)| !word.is_zero())
                        .map(|(slot, word)| (*slot, *word))
                        .collect(),
                };
                (*address, account)
            })
            .collect()
    }
}
