//! A plain revm loop: one EVM, one cache database that holds all accounts from the start, one transaction after another.
//!
//! It does less than an executor of blocks: no limits, no rewards or withdrawals, no list of changes in key order, and
//! its accounts are in the cache before the clock starts. So a comparison with it leaves out nothing of Pleach's work.

use alloy_consensus::Header;
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_evm::{EvmEnv, FromRecoveredTx};
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY};
use pleach::Changes;
use pleach_evm::{Account, ChainSpec, EvmState, Key, Part, Value};
use revm::{
    Context, DatabaseRef, ExecuteCommitEvm, MainBuilder, MainContext, SystemCallCommitEvm,
    context::{TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};

use crate::blocks::Case;

/// A database with every account that the block needs.
pub type Database = CacheDB<EmptyDB>;

/// A block, ready to be executed by [`Plain::run`](Plain::run).
#[derive(Debug)]
pub struct Plain {
    env: EvmEnv,
    transactions: Vec<TxEnv>,
    /// The system calls before and after the transactions.
    before: Vec<(Address, Bytes)>,
    after: Vec<(Address, Bytes)>,
    database: Database,
}

impl Plain {
    /// Prepares a block: nothing of this is measured.
    #[must_use]
    pub fn new(case: &Case) -> Self {
        let file = &case.file;
        let header = &file.block.header;
        let transactions = file.block.transactions.iter().zip(&case.senders);
        let env = env(&file.spec, header);
        let spec = env.cfg_env.spec;
        let mut before = Vec::new();
        if let Some(root) = header.parent_beacon_block_root {
            before.push((BEACON_ROOTS_ADDRESS, root.into()));
        }
        let mut after = Vec::new();
        if spec.is_enabled_in(SpecId::PRAGUE) {
            before.push((HISTORY_STORAGE_ADDRESS, header.parent_hash.into()));
            after.push((WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, Bytes::new()));
            after.push((CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, Bytes::new()));
        }
        Self {
            env,
            transactions: transactions
                .map(|(transaction, sender)| TxEnv::from_recovered_tx(transaction, *sender))
                .collect(),
            before,
            after,
            database: database(case),
        }
    }

    /// A fresh copy of the database.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// Executes the block and returns the gas that it used.
    ///
    /// # Panics
    ///
    /// If a transaction is not valid.
    pub fn run<D: DatabaseRef>(&self, database: &mut CacheDB<D>) -> u64 {
        self.run_with(database, |_| ())
    }

    /// The same, and shows how each transaction was executed.
    ///
    /// # Panics
    ///
    /// If a transaction is not valid.
    pub fn run_with<D: DatabaseRef>(
        &self,
        database: &mut CacheDB<D>,
        mut see: impl FnMut(&ExecutionResult),
    ) -> u64 {
        let mut evm = Context::mainnet()
            .with_db(database)
            .with_cfg(self.env.cfg_env.clone())
            .with_block(self.env.block_env.clone())
            .build_mainnet();
        let mut gas = 0;
        for (contract, input) in &self.before {
            evm.system_call_commit(*contract, input.clone())
                .expect("system calls do not fail");
        }
        for transaction in &self.transactions {
            let result = evm
                .transact_commit(transaction.clone())
                .expect("the block is valid");
            gas += result.tx_gas_used();
            see(&result);
        }
        for (contract, input) in &self.after {
            evm.system_call_commit(*contract, input.clone())
                .expect("system calls do not fail");
        }
        gas
    }
}

/// The account in which a database differs from the state after a block that changed so much of it.
pub fn difference<D: DatabaseRef>(
    database: &CacheDB<D>,
    after: &EvmState,
    changes: &Changes<Key, Value>,
) -> Option<Address> {
    // What was executed does not say what was changed and left, so both directions are looked at.
    let nothing = Account::default();
    let cached = database.cache.accounts.iter();
    let other = cached.filter(|(address, found)| {
        let expected = after.account(**address).unwrap_or(&nothing);
        let code = expected.code.unwrap_or(KECCAK256_EMPTY);
        let info = &found.info;
        let word = |slot| expected.storage.get(slot).copied().unwrap_or_default();
        (info.balance, info.nonce) != (expected.balance, expected.nonce)
            || info.code_hash != code
            || found
                .storage
                .iter()
                .any(|(slot, found)| *found != word(slot))
    });
    let missing = changes.iter().filter_map(|(key, _)| {
        let Key::Account(address, part) = key else {
            return None;
        };
        let account = database.cache.accounts.get(address);
        let is_there = account.is_some_and(|account| match part {
            Part::Slot { slot, .. } => account.storage.contains_key(slot),
            _ => true,
        });
        (!is_there).then_some(*address)
    });
    other.map(|(address, _)| *address).chain(missing).next()
}

fn env(spec: &ChainSpec, header: &Header) -> EvmEnv {
    EvmEnv::for_eth_block(
        header,
        spec,
        spec.chain_id(),
        spec.blob_params(header.timestamp),
    )
}

fn database(case: &Case) -> Database {
    let state = &case.file.state;
    let mut database = Database::default();
    for (address, account) in state.accounts() {
        let code = account.code.and_then(|hash| state.code(hash));
        let bytecode = code.map(|code| Bytecode::new_raw(code.bytes().to_vec().into()));
        let mut info = AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            ..AccountInfo::default()
        };
        if let Some(bytecode) = bytecode {
            info.code_hash = bytecode.hash_slow();
            info.code = Some(bytecode);
        }
        database.insert_account_info(address, info);
        for (slot, word) in &account.storage {
            database
                .insert_account_storage(address, *slot, *word)
                .expect("an empty database cannot fail");
        }
    }
    for (number, hash) in state.block_hashes() {
        database
            .cache
            .block_hashes
            .insert(alloy_primitives::U256::from(number), hash);
    }
    database
}
