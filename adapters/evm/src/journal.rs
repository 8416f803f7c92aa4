//! revm's journal, with every look at a balance or a nonce made visible to Pleach.
//!
//! All bookkeeping is revm's own ([`JournalInner`]). This layer stands between it and its callers and answers the
//! questions that revm would answer from the account at hand: a comparison becomes a predicate on the state, and a look
//! at the number itself reads it and puts it in the placeholder's place. The rules, for the callers that revm 43 has:
//!
//! | caller | looks at | here |
//! | --- | --- | --- |
//! | value transfers | is there enough? | predicate ([`LazyJournal::can_pay`]) |
//! | CALL, EXTCODEHASH, SELFDESTRUCT | is the account empty? | predicates on nonce and balance |
//! | BALANCE, SELFBALANCE | the balance | read ([`LazyJournal::show_next_balance`]) |
//! | SELFDESTRUCT | the balance that moves | read |
//! | CREATE | the creator's nonce; has the target one? | read; predicate |
//! | EIP-7702 authorisations | all of the authority | read |
//!
//! Where a predicate says no, the number is read too, so that revm's own comparison then finds the same.

use std::borrow::Cow;

use alloy_primitives::{
    Address, B256, Log, U256,
    map::{AddressMap, AddressSet, HashSet},
};
use revm::{
    context::journaled_state::{
        AccountInfoLoad, AccountLoad, JournalCheckpoint, JournalLoadError, StateLoad,
        TransferError, account::JournaledAccount,
    },
    context::{JournalEntry, JournalInner, JournalTr},
    context_interface::context::{SStoreResult, SelfDestructResult},
    primitives::{StorageKey, StorageValue, hardfork::SpecId},
    state::{Account, AccountId, AccountInfo, AccountStatus, Bytecode, EvmState},
};

use crate::{
    database::{Before, LARGE, PLACEHOLDER_BALANCE, ViewDatabase, ViewError},
    key::Key,
    settle::Adds,
};

type LoadResult<T> = Result<StateLoad<T>, JournalLoadError<ViewError>>;

/// The journal of one transaction.
#[derive(Debug)]
pub(crate) struct LazyJournal<'a> {
    pub(crate) database: ViewDatabase<'a>,
    pub(crate) inner: JournalInner<JournalEntry>,
    /// A buffer for what is settled by adds.
    pub(crate) adds: Adds,
    /// Fees of a beneficiary that the transaction did not load: added without looking.
    pub(crate) fees: U256,
    /// An error from a method that cannot return one; the frame that called it takes it.
    error: Option<ViewError>,
    show_next_balance: bool,
    /// An account got more than fits, which lazy balances show only later than revm would.
    pub(crate) overflowed: bool,
}

impl<'a> LazyJournal<'a> {
    /// The journal of a transaction, on emptied buffers.
    pub(crate) fn with_buffers(
        database: ViewDatabase<'a>,
        inner: JournalInner<JournalEntry>,
        adds: Adds,
    ) -> Self {
        Self {
            database,
            inner,
            adds,
            fees: U256::ZERO,
            error: None,
            show_next_balance: false,
            overflowed: false,
        }
    }

    /// The error of a method that could not return it.
    pub(crate) fn take_error(&mut self) -> Option<ViewError> {
        self.error.take()
    }

    /// Whether the next account that an instruction loads shows its balance to the program.
    pub(crate) fn show_next_balance(&mut self, show: bool) {
        self.show_next_balance = show;
    }

    /// The account, which the transaction has loaded before.
    pub(crate) fn account_mut(&mut self, address: Address) -> &mut Account {
        self.inner
            .state
            .get_mut(&address)
            .expect("the account was loaded before")
    }

    /// The index of an account in `database.loaded`; `None` for accounts that did not exist, whose numbers are known.
    fn index(&self, address: Address) -> Option<usize> {
        let account = self.inner.state.get(&address)?;
        account.info.account_id.map(AccountId::get)
    }

    /// Puts the balance in the placeholder's place, with what the transaction added to that.
    pub(crate) fn read_balance(&mut self, address: Address) -> Result<(), ViewError> {
        let Some(index) = self.index(address) else {
            return Ok(());
        };
        if self.database.loaded[index].balance.is_none() {
            let balance = self.database.read_balance(address)?;
            self.database.loaded[index].balance = Some(balance);
            let info = &mut self.account_mut(address).info;
            let change = info.balance.wrapping_sub(PLACEHOLDER_BALANCE);
            let overflows =
                info.balance > PLACEHOLDER_BALANCE && balance.checked_add(change).is_none();
            info.balance = balance.wrapping_add(change);
            self.overflowed |= overflows;
        }
        Ok(())
    }

    /// Puts the nonce in the placeholder's place.
    pub(crate) fn read_nonce(&mut self, address: Address) -> Result<(), ViewError> {
        let Some(index) = self.index(address) else {
            return Ok(());
        };
        if self.database.loaded[index].nonce.is_none() {
            let nonce = self.database.read_nonce(address)?;
            self.database.loaded[index].nonce = Some(nonce);
            self.account_mut(address).info.nonce = nonce;
        }
        Ok(())
    }

    /// Whether the account has `amount` now. If not, its balance is read, so that revm finds the same.
    pub(crate) fn can_pay(&mut self, address: Address, amount: U256) -> Result<bool, ViewError> {
        if amount >= LARGE {
            self.read_balance(address)?;
        }
        let can_pay = self.has(address, amount)?;
        if !can_pay {
            self.read_balance(address)?;
        }
        Ok(can_pay)
    }

    /// Whether the account has `amount` now. `amount` is small, or the balance was read.
    fn has(&mut self, address: Address, amount: U256) -> Result<bool, ViewError> {
        let info = &self.account_mut(address).info;
        let (balance, id) = (info.balance, info.account_id);
        let database = &mut self.database;
        let index = match id.map(AccountId::get) {
            Some(index) if database.loaded[index].balance.is_none() => index,
            _ => return Ok(balance >= amount),
        };
        // What the account must have had before the transaction.
        let needed = (PLACEHOLDER_BALANCE + amount).saturating_sub(balance);
        if needed <= database.loaded[index].at_least {
            return Ok(true);
        }
        let has = database.at_least(&Key::balance(address), needed)?;
        if has {
            database.loaded[index].at_least = needed;
        }
        Ok(has)
    }

    /// Whether the loaded account has no code, no nonce and no balance (EIP-161).
    fn is_empty(&mut self, address: Address) -> Result<bool, ViewError> {
        let account = self.account_mut(address);
        if !account.info.is_empty_code_hash() {
            return Ok(false);
        }
        let Some(index) = self.index(address) else {
            return Ok(self.account_mut(address).info.is_empty());
        };
        let has_nonce = match self.database.loaded[index].nonce {
            Some(_) => self.account_mut(address).info.nonce != 0,
            None => self.database.has_nonce(address)?,
        };
        Ok(!has_nonce && !self.has(address, U256::ONE)?)
    }

    /// Reads both numbers of a loaded account, and whether it existed at all.
    fn read_all(&mut self, address: Address) -> Result<(), ViewError> {
        self.read_balance(address)?;
        self.read_nonce(address)?;
        if let Some(index) = self.index(address) {
            let loaded = &self.database.loaded[index];
            if loaded.balance == Some(U256::ZERO)
                && loaded.nonce == Some(0)
                && matches!(loaded.before, Before::Unmarked)
            {
                self.account_mut(address).status |= AccountStatus::LoadedAsNotExisting;
            }
        }
        Ok(())
    }

    /// Reads the balances of both sides of a transfer that placeholders cannot hold.
    fn read_if_large(&mut self, from: Address, to: Address, amount: U256) -> Result<(), ViewError> {
        if amount >= LARGE {
            self.read_balance(from)?;
            self.read_balance(to)?;
        }
        Ok(())
    }

    fn prepare_transfer(
        &mut self,
        from: Address,
        to: Address,
        amount: U256,
    ) -> Result<(), ViewError> {
        if !amount.is_zero() {
            self.read_if_large(from, to, amount)?;
            self.can_pay(from, amount)?;
        }
        Ok(())
    }

    fn prepare_creation(
        &mut self,
        caller: Address,
        target: Address,
        amount: U256,
    ) -> Result<(), ViewError> {
        self.read_if_large(caller, target, amount)?;
        let Some(index) = self.index(target) else {
            return Ok(());
        };
        if self.database.loaded[index].nonce.is_none() {
            if self.database.has_nonce(target)? {
                return self.read_nonce(target);
            }
            self.database.loaded[index].nonce = Some(0);
            self.account_mut(target).info.nonce = 0;
        }
        Ok(())
    }

    fn journaled(
        &mut self,
        address: Address,
    ) -> JournaledAccount<'_, ViewDatabase<'a>, JournalEntry> {
        self.inner
            .get_account_mut(&mut self.database, address)
            .expect("the account was loaded before")
    }
}

impl<'a> JournalTr for LazyJournal<'a> {
    type Database = ViewDatabase<'a>;
    type State = EvmState;
    type JournaledAccount<'b>
        = JournaledAccount<'b, ViewDatabase<'a>, JournalEntry>
    where
        Self: 'b;

    fn new(database: ViewDatabase<'a>) -> Self {
        Self::with_buffers(database, JournalInner::new(), Adds::new())
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
        Ok(self.inner.transfer_loaded(from, to, balance))
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
        self.inner.transfer_loaded(from, to, balance)
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
        if let Err(error) = self.prepare_creation(caller, address, balance) {
            self.error = Some(error);
            return Err(TransferError::OutOfFunds);
        }
        self.inner
            .create_account_checkpoint(caller, address, balance, spec_id)
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
