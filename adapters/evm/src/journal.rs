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
//! | the start of a transaction | is the sender's nonce the transaction's? | predicates ([`LazyJournal::expect_nonce`]) |
//! | CREATE | the creator's nonce; has the target one? | read, unless it is the sender's; predicate |
//! | CREATE | has the target a storage? | predicate ([`ViewDatabase::is_orphan`]) |
//! | EIP-7702 authorisations | all of the authority | read |
//!
//! Where a predicate says no, the number is read too, so that revm's own comparison then finds the same. Here is what is
//! asked of the state; `calls.rs` has the methods that revm calls.

mod calls;

use alloy_primitives::{Address, U256};
use revm::{
    context::{JournalEntry, JournalInner, journaled_state::account::JournaledAccount},
    state::{Account, AccountId, AccountStatus},
};

use crate::{
    database::{Before, LARGE, PLACEHOLDER_BALANCE, ViewDatabase, ViewError},
    key::Key,
    settle::Adds,
};

/// The journal of one transaction.
#[derive(Debug)]
pub(crate) struct LazyJournal<'a> {
    pub(crate) database: ViewDatabase<'a>,
    pub(crate) inner: Box<JournalInner<JournalEntry>>,
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
        inner: Box<JournalInner<JournalEntry>>,
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
            let loaded = &mut self.database.loaded[index];
            loaded.balance = Some(balance);
            let most = loaded.peak - PLACEHOLDER_BALANCE;
            self.overflowed |= balance.checked_add(most).is_none();
            let info = &mut self.account_mut(address).info;
            let change = info.balance.wrapping_sub(PLACEHOLDER_BALANCE);
            info.balance = balance.wrapping_add(change);
        }
        Ok(())
    }

    /// Remembers how high a placeholder stands after something was added to it. revm refuses what goes past 256 bits at
    /// once; here that shows later, when the account may have passed it on, or a revert may have taken it back.
    fn note_peak(&mut self, address: Address) {
        let info = &self.account_mut(address).info;
        let balance = info.balance;
        if let Some(index) = info.account_id.map(AccountId::get) {
            let loaded = &mut self.database.loaded[index];
            if loaded.balance.is_none() {
                loaded.peak = loaded.peak.max(balance);
            }
        }
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

    /// Puts the nonce in the placeholder's place: by asking whether it is this, so that transactions of one sender need not
    /// see each other's, and by reading it if it is not.
    pub(crate) fn expect_nonce(&mut self, address: Address, nonce: u64) -> Result<(), ViewError> {
        let Some(index) = self.index(address) else {
            return Ok(());
        };
        if self.database.loaded[index].nonce.is_none() && self.database.is_nonce(address, nonce)? {
            self.database.loaded[index].nonce = Some(nonce);
            self.database.loaded[index].is_nonce_asked = true;
            self.account_mut(address).info.nonce = nonce;
        }
        self.read_nonce(address)
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
