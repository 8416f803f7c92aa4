//! revm's database interface over a Pleach view, and what is known of each account that a transaction loaded.
//!
//! revm loads accounts whole: balance, nonce and code at once. Loading must not read all three, or every payment to an
//! account would wait for every other. So a loaded account gets *placeholders* for its balance and nonce, and only when
//! the program (or revm itself) really looks at one of them is it read. What was added to a placeholder in the
//! meantime is the change that the transaction makes.

use std::fmt;

use alloy_primitives::{Address, B256, U256};
use pleach::{Amount, Bounds, Delta, Interrupt, StateView};
use revm::{
    database_interface::{DBErrorMarker, Database},
    primitives::{StorageKey, StorageValue, hardfork::SpecId},
    state::{AccountId, AccountInfo, Bytecode},
};

use crate::{
    key::Key,
    value::{Code, Value, Wei},
};

/// Stands for a balance that nobody has read. It lies in the middle of the range: adding or subtracting amounts below
/// [`LARGE`] never leaves it, and a number that leaks from it is wrong beyond all doubt.
pub(crate) const PLACEHOLDER_BALANCE: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

/// Amounts from here on are not added to placeholders; the balances are read instead.
pub(crate) const LARGE: U256 = U256::from_limbs([0, 0, 1, 0]);

/// Stands for a nonce that nobody has read.
const PLACEHOLDER_NONCE: u64 = 1 << 62;

/// A view of the state, as an object: one copy of the interpreter serves every executor.
pub(crate) type View<'a> = dyn StateView<Key, Value> + 'a;

/// The view could not answer.
#[derive(Debug)]
pub(crate) struct ViewError(pub(crate) Interrupt);

impl From<Interrupt> for ViewError {
    fn from(interrupt: Interrupt) -> Self {
        Self(interrupt)
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ViewError {}

impl DBErrorMarker for ViewError {
    fn is_fatal(&self) -> bool {
        false
    }
}

/// What a transaction knows of an account that it loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) address: Address,
    /// Its code and life-cycle before the transaction.
    pub(crate) before: Before,
    /// The balance before the transaction, if it was read.
    pub(crate) balance: Option<U256>,
    /// The nonce before the transaction, if it was read or asked for.
    pub(crate) nonce: Option<u64>,
    /// Whether it was only asked for: it is what the transaction says.
    pub(crate) is_nonce_asked: bool,
    /// The balance before the transaction is at least this much: a predicate that was asked and held.
    pub(crate) at_least: U256,
    /// The highest that its placeholder ever stood, even if it came down again.
    pub(crate) peak: U256,
    /// Which incarnation of its storage the transaction found, if it looked.
    incarnation: Option<u32>,
}

/// The life-cycle of an account.
#[derive(Clone, Debug)]
pub(crate) enum Before {
    /// Nothing says that it exists; since EIP-161 it may have a balance or a nonce all the same.
    Unmarked,
    /// It exists without code, see [`Value::Existing`].
    Existing,
    /// It has code, with this hash.
    Code(B256),
}

/// How a transaction works on the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Balances and nonces are placeholders until somebody looks.
    Lazy,
    /// Balances and nonces are read when an account is loaded.
    Eager,
}

/// The database of one transaction.
pub(crate) struct ViewDatabase<'a> {
    pub(crate) view: &'a mut View<'a>,
    pub(crate) mode: Mode,
    /// Whether empty accounts do not exist (EIP-161).
    pub(crate) clearing: bool,
    pub(crate) loaded: Vec<Loaded>,
}

impl fmt::Debug for ViewDatabase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewDatabase")
            .field("mode", &self.mode)
            .field("loaded", &self.loaded)
            .finish_non_exhaustive()
    }
}

impl<'a> ViewDatabase<'a> {
    /// A database over `view` under the rules of `spec`. `loaded` is an empty buffer.
    pub(crate) fn new(
        view: &'a mut View<'a>,
        mode: Mode,
        spec: SpecId,
        loaded: Vec<Loaded>,
    ) -> Self {
        Self {
            view,
            mode,
            clearing: spec.is_enabled_in(SpecId::SPURIOUS_DRAGON),
            loaded,
        }
    }

    pub(crate) fn read_balance(&mut self, address: Address) -> Result<U256, ViewError> {
        let value = self.view.get(&Key::balance(address))?;
        Ok(Value::into_number(value.as_ref()))
    }

    pub(crate) fn read_nonce(&mut self, address: Address) -> Result<u64, ViewError> {
        let value = self.view.get(&Key::nonce(address))?;
        Ok(Value::into_number(value.as_ref()).saturating_to())
    }

    /// Whether the nonce is this, without looking at it.
    pub(crate) fn is_nonce(&mut self, address: Address, nonce: u64) -> Result<bool, ViewError> {
        let key = Key::nonce(address);
        let nonce = U256::from(nonce);
        Ok(self.at_least(&key, nonce)? && !self.at_least(&key, nonce + U256::ONE)?)
    }

    /// Adds one to the nonce if it is this, without looking at it.
    pub(crate) fn use_nonce(&mut self, address: Address, nonce: u64) -> Result<bool, ViewError> {
        let next = Wei(U256::from(nonce) + U256::ONE);
        let bounds = Bounds {
            floor: next,
            ceiling: next,
        };
        let one = Delta::Plus(Wei(U256::ONE));
        Ok(self.view.add_within(&Key::nonce(address), one, bounds)?)
    }

    /// Adds to a nonce.
    pub(crate) fn bump_nonce(&mut self, address: Address, by: u64) -> Result<bool, ViewError> {
        self.add(&Key::nonce(address), Delta::Plus(Wei(U256::from(by))))
    }

    /// Whether the account has sent a transaction or created a contract.
    pub(crate) fn has_nonce(&mut self, address: Address) -> Result<bool, ViewError> {
        self.at_least(&Key::nonce(address), U256::ONE)
    }

    /// Whether the account has code, or is marked as existing without code.
    pub(crate) fn is_marked(&mut self, address: Address) -> Result<bool, ViewError> {
        Ok(self.view.contains(&Key::code(address))?)
    }

    /// What says that the account exists: its code, or a mark.
    pub(crate) fn life(&mut self, address: Address) -> Result<Option<Value>, ViewError> {
        Ok(self.view.get(&Key::code(address))?)
    }

    /// Whether the number at `key` is at least `amount`.
    pub(crate) fn at_least(&mut self, key: &Key, amount: U256) -> Result<bool, ViewError> {
        Ok(self.view.at_least(key, Wei(amount))?)
    }

    /// Takes `cost` from a balance that is `most` at least, which is no less than that.
    pub(crate) fn pay(
        &mut self,
        address: Address,
        most: U256,
        cost: U256,
    ) -> Result<bool, ViewError> {
        let key = Key::balance(address);
        // Nothing is no change, as for revm.
        if cost.is_zero() {
            return self.at_least(&key, most);
        }
        let bounds = Bounds {
            floor: Wei(most.saturating_sub(cost)),
            ceiling: Wei::MAX,
        };
        Ok(self
            .view
            .add_within(&key, Delta::Minus(Wei(cost)), bounds)?)
    }

    /// Adds to a balance, if the sum fits.
    pub(crate) fn add(&mut self, key: &Key, delta: Delta<Wei>) -> Result<bool, ViewError> {
        Ok(self.view.add(key, delta)?)
    }

    /// Sets or removes a value.
    pub(crate) fn put(&mut self, key: &Key, value: Option<Value>) -> Result<(), ViewError> {
        match value {
            Some(value) => self.view.put(key, value)?,
            None => self.view.delete(key)?,
        }
        Ok(())
    }

    /// Which incarnation of the account's storage the transaction finds.
    pub(crate) fn incarnation(&mut self, index: usize) -> Result<u32, ViewError> {
        if let Some(incarnation) = self.loaded[index].incarnation {
            return Ok(incarnation);
        }
        let value = self
            .view
            .get(&Key::incarnation(self.loaded[index].address))?;
        let incarnation = Value::into_number(value.as_ref()).saturating_to();
        self.loaded[index].incarnation = Some(incarnation);
        Ok(incarnation)
    }

    /// Whether the account has a storage that no code has written.
    pub(crate) fn is_orphan(&mut self, address: Address) -> Result<bool, ViewError> {
        let Some(life) = self.view.get(&Key::orphan(address))? else {
            return Ok(false);
        };
        // Since then it may have ceased to exist, and its storage with it.
        let now = self.view.get(&Key::incarnation(address))?;
        Ok(Value::into_number(Some(&life)) == Value::into_number(now.as_ref()) + U256::ONE)
    }

    /// Reads what `mode` asks to be read of an account that is being loaded.
    fn load(&mut self, address: Address) -> Result<Option<AccountInfo>, ViewError> {
        let (before, code) = match self.life(address)? {
            Some(Value::Code(Code { bytecode, hash })) => {
                (Before::Code(hash), Some((bytecode, hash)))
            }
            Some(Value::Existing) => (Before::Existing, None),
            _ => (Before::Unmarked, None),
        };
        // Before EIP-161 what is not marked does not exist, and has neither balance nor nonce.
        let absent = !self.clearing && matches!(before, Before::Unmarked);
        let (balance, nonce) = match self.mode {
            _ if absent => (Some(U256::ZERO), Some(0)),
            Mode::Lazy => (None, None),
            Mode::Eager => (
                Some(self.read_balance(address)?),
                Some(self.read_nonce(address)?),
            ),
        };
        let id = AccountId::new(self.loaded.len());
        self.loaded.push(Loaded {
            address,
            before,
            balance,
            nonce,
            is_nonce_asked: false,
            at_least: U256::ZERO,
            peak: PLACEHOLDER_BALANCE,
            incarnation: None,
        });
        if absent {
            return Ok(None);
        }
        let mut info = AccountInfo {
            balance: balance.unwrap_or(PLACEHOLDER_BALANCE),
            nonce: nonce.unwrap_or(PLACEHOLDER_NONCE),
            account_id: id,
            ..AccountInfo::default()
        };
        if let Some((bytecode, hash)) = code {
            info.code = Some(bytecode);
            info.code_hash = hash;
        }
        Ok(Some(info))
    }
}

impl Database for ViewDatabase<'_> {
    type Error = ViewError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ViewError> {
        self.load(address)
    }

    fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, ViewError> {
        // Accounts are always loaded with their code.
        Ok(Bytecode::default())
    }

    fn storage(&mut self, address: Address, slot: StorageKey) -> Result<StorageValue, ViewError> {
        // Accounts without an id did not exist when they were loaded: O(accounts), on a path that no real block takes.
        let index = self
            .loaded
            .iter()
            .position(|loaded| loaded.address == address);
        let incarnation = match index {
            Some(index) => self.incarnation(index)?,
            None => 0,
        };
        let value = self.view.get(&Key::slot(address, incarnation, slot))?;
        Ok(Value::into_number(value.as_ref()))
    }

    fn storage_by_account_id(
        &mut self,
        address: Address,
        id: AccountId,
        slot: StorageKey,
    ) -> Result<StorageValue, ViewError> {
        let incarnation = self.incarnation(id.get())?;
        let value = self.view.get(&Key::slot(address, incarnation, slot))?;
        Ok(Value::into_number(value.as_ref()))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ViewError> {
        match self.view.get(&Key::BlockHash(number))? {
            Some(Value::Hash(hash)) => Ok(hash.into()),
            _ => Ok(B256::ZERO),
        }
    }
}
