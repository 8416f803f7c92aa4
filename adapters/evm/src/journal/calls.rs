//! revm's side of the journal: every method that revm calls, with what has to be asked of the state first.

use std::borrow::Cow;

use alloy_primitives::{
    Address, B256, Log, U256,
    map::{AddressMap, AddressSet, HashSet},
};
use revm::{
    context::{
        JournalEntry, JournalInner, JournalTr,
        journaled_state::{
            AccountInfoLoad, AccountLoad, JournalCheckpoint, JournalLoadError, StateLoad,
            TransferError, account::JournaledAccount,
        },
    },
    context_interface::context::{SStoreResult, SelfDestructResult},
    primitives::{StorageKey, StorageValue, hardfork::SpecId},
    state::{Account, AccountInfo, Bytecode, EvmState},
};

use super::LazyJournal;
use crate::{
    database::{ViewDatabase, ViewError},
    settle::Adds,
};

type LoadResult<T> = Result<StateLoad<T>, JournalLoadError<ViewError>>;

impl<'a> JournalTr for LazyJournal<'a> {
    type Database = ViewDatabase<'a>;
    type State = EvmState;
    type JournaledAccount<'b>
        = JournaledAccount<'b, ViewDatabase<'a>, JournalEntry>
    where
        Self: 'b;

    fn new(database: ViewDatabase<'a>) -> Self {
        Self::with_buffers(database, Box::new(JournalInner::new()), Adds::new())
    }

    fn db_and_state(&self) -> (&Self::Database, &EvmState) {
        (&self.database, &self.inner.state)
    }

    fn db_and_state_mut(&mut self) -> (&mut Self::Database, &mut EvmState) {
        (&mut self.database, &mut self.inner.state)
    }

    fn sload_skip_cold_load(
        &mut self,
        address: Address,
        key: StorageKey,
        skip_cold_load: bool,
    ) -> LoadResult<StorageValue> {
        self.inner
            .sload_assume_account_present(&mut self.database, address, key, skip_cold_load)
    }

    fn sstore_skip_cold_load(
        &mut self,
        address: Address,
        key: StorageKey,
        value: StorageValue,
        skip_cold_load: bool,
    ) -> LoadResult<SStoreResult> {
        self.inner.sstore_assume_account_present(
            &mut self.database,
            address,
            key,
            value,
            skip_cold_load,
        )
    }

    fn tload(&mut self, address: Address, key: StorageKey) -> StorageValue {
        self.inner.tload(address, key)
    }

    fn tstore(&mut self, address: Address, key: StorageKey, value: StorageValue) {
        self.inner.tstore(address, key, value);
    }

    fn log(&mut self, log: Log) {
        self.inner.log(log);
    }

    fn take_logs(&mut self) -> Vec<Log> {
        self.inner.take_logs()
    }

    fn logs(&self) -> &[Log] {
        &self.inner.logs
    }

    fn selfdestruct(
        &mut self,
        address: Address,
        target: Address,
        skip_cold_load: bool,
    ) -> LoadResult<SelfDestructResult> {
        let load =
            self.inner
                .load_account_optional(&mut self.database, target, false, skip_cold_load)?;
        let is_cold = load.is_cold;
        let target_exists = if self.database.clearing {
            !self.is_empty(target)?
        } else {
            !self
                .account_mut(target)
                .is_loaded_as_not_existing_not_touched()
        };
        self.read_balance(address)?;
        let moved = self.account_mut(address).info.balance;
        self.read_if_large(address, target, moved)?;
        let mut result =
            self.inner
                .selfdestruct(&mut self.database, address, target, skip_cold_load)?;
        // The target is warm by now, and revm judged it by placeholders.
        self.note_peak(target);
        result.is_cold = is_cold;
        result.data.target_exists = target_exists;
        Ok(result)
    }

    fn warm_access_list(&mut self, access_list: AddressMap<HashSet<StorageKey>>) {
        self.inner.warm_addresses.set_access_list(access_list);
    }

    fn warm_coinbase_account(&mut self, address: Address) {
        self.inner.warm_addresses.set_coinbase(address);
    }

    fn warm_precompiles(&mut self, addresses: &AddressSet) {
        self.inner
            .warm_addresses
            .set_precompile_addresses(addresses);
    }

    fn precompile_addresses(&self) -> &AddressSet {
        self.inner.warm_addresses.precompiles()
    }

    fn set_spec_id(&mut self, spec_id: SpecId) {
        self.inner.set_spec_id(spec_id);
    }

    fn set_eip7708_config(&mut self, disabled: bool, eip8246_delayed_clear_disabled: bool) {
        self.inner
            .set_eip7708_config(disabled, eip8246_delayed_clear_disabled);
    }

    fn touch_account(&mut self, address: Address) {
        self.inner.touch(address);
    }

    fn transfer(
        &mut self,
        from: Address,
        to: Address,
        balance: U256,
    ) -> Result<Option<TransferError>, ViewError> {
        self.inner.load_account(&mut self.database, from)?;
        self.inner.load_account(&mut self.database, to)?;
        self.prepare_transfer(from, to, balance)?;
        let refused = self.inner.transfer_loaded(from, to, balance);
        self.note_peak(to);
        Ok(refused)
    }

    fn transfer_loaded(
        &mut self,
        from: Address,
        to: Address,
        balance: U256,
    ) -> Option<TransferError> {
        if let Err(error) = self.prepare_transfer(from, to, balance) {
            self.error = Some(error);
            return Some(TransferError::OutOfFunds);
        }
        let refused = self.inner.transfer_loaded(from, to, balance);
        if !balance.is_zero() {
            self.note_peak(to);
        }
        refused
    }

    #[expect(deprecated, reason = "the trait still requires it")]
    fn caller_accounting_journal_entry(
        &mut self,
        address: Address,
        old_balance: U256,
        bump_nonce: bool,
    ) {
        self.inner
            .caller_accounting_journal_entry(address, old_balance, bump_nonce);
    }

    fn balance_incr(&mut self, address: Address, balance: U256) -> Result<(), ViewError> {
        self.inner.load_account(&mut self.database, address)?;
        self.read_balance(address)?;
        self.inner
            .balance_incr(&mut self.database, address, balance)
    }

    #[expect(deprecated, reason = "the trait still requires it")]
    fn nonce_bump_journal_entry(&mut self, address: Address) {
        self.inner.nonce_bump_journal_entry(address);
    }

    /// Callers use it to make the account warm, and look at nothing.
    fn load_account(&mut self, address: Address) -> Result<StateLoad<&Account>, ViewError> {
        self.inner.load_account(&mut self.database, address)
    }

    /// Callers use it for the code: that of the account that a transaction calls.
    fn load_account_with_code(
        &mut self,
        address: Address,
    ) -> Result<StateLoad<&Account>, ViewError> {
        self.inner.load_code(&mut self.database, address)
    }

    fn load_account_delegated(
        &mut self,
        address: Address,
    ) -> Result<StateLoad<AccountLoad>, ViewError> {
        let mut load = self
            .inner
            .load_account_delegated(&mut self.database, address)?;
        if self.database.clearing {
            load.data.is_empty = self.is_empty(address)?;
        }
        Ok(load)
    }

    /// Callers use it for the creator of a contract, whose nonce they look at; [`LazyJournal::can_pay`] has looked at
    /// its balance before.
    fn load_account_mut_skip_cold_load(
        &mut self,
        address: Address,
        skip_cold_load: bool,
    ) -> LoadResult<Self::JournaledAccount<'_>> {
        let load =
            self.inner
                .load_account_mut_optional(&mut self.database, address, skip_cold_load)?;
        let is_cold = load.is_cold;
        self.read_nonce(address)?;
        Ok(StateLoad::new(self.journaled(address), is_cold))
    }

    /// Callers use it for the authority of an EIP-7702 authorisation, all of which they look at.
    fn load_account_mut_optional_code(
        &mut self,
        address: Address,
        load_code: bool,
    ) -> Result<StateLoad<Self::JournaledAccount<'_>>, ViewError> {
        let load = self
            .inner
            .load_account_mut_optional_code(&mut self.database, address, load_code, false)
            .map_err(JournalLoadError::unwrap_db_error)?;
        let is_cold = load.is_cold;
        self.read_all(address)?;
        Ok(StateLoad::new(self.journaled(address), is_cold))
    }

    fn set_code_with_hash(&mut self, address: Address, code: Bytecode, hash: B256) {
        self.inner.set_code_with_hash(address, code, hash);
    }

    fn checkpoint(&mut self) -> JournalCheckpoint {
        self.inner.checkpoint()
    }

    fn checkpoint_commit(&mut self) {
        self.inner.checkpoint_commit();
    }

    fn checkpoint_revert(&mut self, checkpoint: JournalCheckpoint) {
        self.inner.checkpoint_revert(checkpoint);
    }

    fn create_account_checkpoint(
        &mut self,
        caller: Address,
        address: Address,
        balance: U256,
        spec_id: SpecId,
    ) -> Result<JournalCheckpoint, TransferError> {
        let is_orphan = self
            .prepare_creation(caller, address, balance)
            .and_then(|()| self.database.is_orphan(address));
        match is_orphan {
            Ok(false) => {}
            // EIP-7610, which revm leaves to its callers.
            Ok(true) => return Err(TransferError::CreateCollision),
            Err(error) => {
                self.error = Some(error);
                return Err(TransferError::OutOfFunds);
            }
        }
        let created = self
            .inner
            .create_account_checkpoint(caller, address, balance, spec_id);
        if !balance.is_zero() {
            self.note_peak(address);
        }
        created
    }

    fn depth(&self) -> usize {
        self.inner.depth
    }

    fn commit_tx(&mut self) {
        self.inner.commit_tx();
    }

    fn discard_tx(&mut self) {
        self.inner.discard_tx();
    }

    fn finalize(&mut self) -> EvmState {
        self.inner.finalize()
    }

    /// Instructions use it, for the code, for whether the account is empty, or to show its balance.
    fn load_account_info_skip_cold_load(
        &mut self,
        address: Address,
        load_code: bool,
        skip_cold_load: bool,
    ) -> Result<AccountInfoLoad<'_>, JournalLoadError<ViewError>> {
        let load = self.inner.load_account_optional(
            &mut self.database,
            address,
            load_code,
            skip_cold_load,
        )?;
        let is_cold = load.is_cold;
        let is_empty = if self.show_next_balance {
            self.read_balance(address)?;
            false
        } else if self.database.clearing {
            self.is_empty(address)?
        } else {
            self.account_mut(address)
                .is_loaded_as_not_existing_not_touched()
        };
        if is_empty && self.database.clearing {
            let account = Cow::Owned(AccountInfo::default());
            return Ok(AccountInfoLoad {
                account,
                is_cold,
                is_empty,
            });
        }
        Ok(AccountInfoLoad::new(
            &self.account_mut(address).info,
            is_cold,
            is_empty,
        ))
    }
}
