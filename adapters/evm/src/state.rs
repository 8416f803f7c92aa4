//! Ethereum's accounts in memory: the parent state of blocks, whole or as much of it as a block needs.

use alloy_genesis::Genesis;
use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256,
    map::{AddressMap, B256Map, HashMap},
};
use pleach::{Changes, State};
use revm::primitives::hardfork::SpecId;

use crate::{
    key::{Key, Part},
    value::{Code, Value},
};

/// An account as a state holds it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Its balance in wei.
    pub balance: U256,
    /// Its nonce.
    pub nonce: u64,
    /// The hash of its code, `None` without code.
    pub code: Option<B256>,
    /// The words of its storage that are not zero.
    pub storage: HashMap<U256, U256>,
}

impl Account {
    fn is_empty(&self) -> bool {
        self.balance.is_zero() && self.nonce == 0 && self.code.is_none()
    }
}

/// Accounts, codes and block hashes in memory.
///
/// # Examples
///
/// ```
/// use alloy_primitives::{Address, U256};
/// use pleach_evm::{Account, EvmState};
///
/// let mut state = EvmState::default();
/// let balance = U256::from(10);
/// state.insert_account(Address::repeat_byte(1), Account { balance, ..Account::default() });
/// assert_eq!(state.len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct EvmState {
    pub(crate) accounts: AddressMap<Account>,
    /// The lives of those storages that are not in their first.
    incarnations: AddressMap<u32>,
    codes: B256Map<Code>,
    block_hashes: HashMap<u64, B256>,
}

/// The state does not hold what a block needs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// An account has code, but the code is not there.
    #[error("the code of account {address}, with hash {hash}, is missing")]
    MissingCode {
        /// The account.
        address: Address,
        /// The hash of its code.
        hash: B256,
    },
    /// The hash of an earlier block is not there.
    #[error("the hash of block {0} is missing")]
    MissingBlockHash(u64),
    /// Code does not have the hash that it was given for.
    #[error("code does not match its hash: expected {expected}, found {found}")]
    WrongCodeHash {
        /// The hash that it should have.
        expected: B256,
        /// The hash that it has.
        found: B256,
    },
}

impl EvmState {
    /// Adds an account or replaces it. [`insert_code`](Self::insert_code) brings its code.
    pub fn insert_account(&mut self, address: Address, mut account: Account) {
        account.code = account.code.filter(|hash| *hash != KECCAK256_EMPTY);
        account.storage.retain(|_, word| !word.is_zero());
        self.accounts.insert(address, account);
    }

    /// The accounts, in no particular order.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, &Account)> {
        self.accounts
            .iter()
            .map(|(address, account)| (*address, account))
    }

    /// The code with this hash.
    #[must_use]
    pub fn code(&self, hash: B256) -> Option<&Code> {
        self.codes.get(&hash)
    }

    /// The account at `address`, if there is one.
    #[must_use]
    pub fn account(&self, address: Address) -> Option<&Account> {
        self.accounts.get(&address)
    }

    /// Adds code under its hash.
    ///
    /// # Errors
    ///
    /// [`StateError::WrongCodeHash`] if it has another hash.
    pub fn insert_code(&mut self, hash: B256, code: Bytes) -> Result<(), StateError> {
        let found = keccak256(&code);
        if found != hash {
            let expected = hash;
            return Err(StateError::WrongCodeHash { expected, found });
        }
        self.codes.insert(hash, Code::new(code, hash));
        Ok(())
    }

    /// The state that a genesis file describes.
    #[must_use]
    pub fn from_genesis(genesis: &Genesis) -> Self {
        let mut state = Self::default();
        for (address, account) in &genesis.alloc {
            let code = account.code.as_ref().map(|code| {
                let hash = keccak256(code);
                state.codes.insert(hash, Code::new(code.clone(), hash));
                hash
            });
            let storage = account.storage.iter().flatten();
            let account = Account {
                balance: account.balance,
                nonce: account.nonce.unwrap_or_default(),
                code,
                storage: storage
                    .map(|(slot, word)| ((*slot).into(), (*word).into()))
                    .collect(),
            };
            state.insert_account(*address, account);
        }
        state
    }

    /// Adds the hash of a block, for BLOCKHASH.
    pub fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// The block hashes, in no particular order.
    pub fn block_hashes(&self) -> impl Iterator<Item = (u64, B256)> {
        self.block_hashes
            .iter()
            .map(|(number, hash)| (*number, *hash))
    }

    /// The number of accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is no account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The state as a block with these rules sees it.
    pub(crate) fn under(&self, spec: SpecId) -> StateUnder<'_> {
        let clearing = is_clearing(spec);
        StateUnder {
            state: self,
            clearing,
        }
    }

    /// Applies what a block with these rules changed. Takes O(changes), and O(storage) for an account whose storage was
    /// wiped.
    pub(crate) fn apply(&mut self, changes: &Changes<Key, Value>, spec: SpecId) {
        self.apply_sorted(changes.iter(), is_clearing(spec));
    }

    /// Applies changes in key order. `clearing` says whether empty accounts do not exist.
    pub(crate) fn apply_sorted<'c>(
        &mut self,
        changes: impl IntoIterator<Item = &'c (Key, Option<Value>)>,
        clearing: bool,
    ) {
        let mut parts = Vec::new();
        for (key, value) in changes {
            match (key, value) {
                (Key::Account(address, part), value) => {
                    parts.push((*address, *part, value.as_ref()));
                }
                (Key::BlockHash(number), Some(Value::Hash(hash))) => {
                    self.insert_block_hash(*number, (*hash).into());
                }
                (Key::BlockHash(_), _) => {}
            }
        }
        for parts in parts.chunk_by(|(a, ..), (b, ..)| a == b) {
            self.apply_account(parts[0].0, parts, clearing);
        }
    }

    /// Applies the changed parts of one account, in key order.
    fn apply_account(
        &mut self,
        address: Address,
        parts: &[(Address, Part, Option<&Value>)],
        clearing: bool,
    ) {
        let existed = self.accounts.contains_key(&address);
        let account = self.accounts.entry(address).or_default();
        // An empty account that is left from before EIP-161 stays until its code says that it was touched.
        let mut existing = existed && (!clearing || account.is_empty());
        let mut incarnation = self.incarnations.get(&address).copied().unwrap_or(0);
        for (_, part, value) in parts {
            match part {
                Part::Balance => account.balance = Value::into_number(*value),
                Part::Nonce => account.nonce = Value::into_number(*value).saturating_to(),
                Part::Code => {
                    existing = value.is_some();
                    account.code = None;
                    if let Some(Value::Code(code)) = value {
                        account.code = Some(code.hash);
                        self.codes.entry(code.hash).or_insert_with(|| code.clone());
                    }
                }
                // It stands before the slots in key order.
                Part::Incarnation => {
                    incarnation = Value::into_number(*value).saturating_to::<u32>();
                    self.incarnations.insert(address, incarnation);
                    account.storage.clear();
                }
                Part::Slot {
                    incarnation: of,
                    slot,
                } if *of == incarnation => {
                    match Value::into_number(*value) {
                        U256::ZERO => account.storage.remove(slot),
                        word => account.storage.insert(*slot, word),
                    };
                }
                // Wiped later.
                Part::Slot { .. } | Part::Orphan => {}
            }
        }
        if account.is_empty() && !existing {
            self.accounts.remove(&address);
        }
    }
}

/// Whether empty accounts do not exist (EIP-161).
pub(crate) fn is_clearing(spec: SpecId) -> bool {
    spec.is_enabled_in(SpecId::SPURIOUS_DRAGON)
}

/// An [`EvmState`] under the rules of one block.
#[derive(Clone, Copy, Debug)]
pub struct StateUnder<'a> {
    pub(crate) state: &'a EvmState,
    /// Whether empty accounts do not exist (EIP-161).
    pub(crate) clearing: bool,
}

impl State<Key, Value> for StateUnder<'_> {
    type Error = StateError;

    fn get(&self, key: &Key) -> Result<Option<Value>, StateError> {
        let (address, part) = match key {
            Key::Account(address, part) => (address, part),
            Key::BlockHash(number) => {
                let hash = self.state.block_hashes.get(number);
                let hash = hash.ok_or(StateError::MissingBlockHash(*number))?;
                return Ok(Some(Value::Hash((*hash).into())));
            }
        };
        let incarnation = || self.state.incarnations.get(address).copied().unwrap_or(0);
        if *part == Part::Incarnation {
            return Ok(Value::from_number(U256::from(incarnation())));
        }
        let Some(account) = self.state.accounts.get(address) else {
            return Ok(None);
        };
        Ok(match part {
            Part::Balance => Value::from_number(account.balance),
            Part::Nonce => Value::from_number(U256::from(account.nonce)),
            Part::Code => match account.code {
                Some(hash) => {
                    let address = *address;
                    let code = self.state.codes.get(&hash);
                    let code = code.ok_or(StateError::MissingCode { address, hash })?;
                    Some(Value::Code(code.clone()))
                }
                None if !self.clearing || account.is_empty() => Some(Value::Existing),
                None => None,
            },
            Part::Slot {
                incarnation: of,
                slot,
            } if *of == incarnation() => {
                let word = account.storage.get(slot);
                word.and_then(|word| Value::from_number(*word))
            }
            Part::Orphan if account.code.is_none() && account.nonce == 0 => {
                let life = U256::from(incarnation()) + U256::ONE;
                Value::from_number(life).filter(|_| !account.storage.is_empty())
            }
            Part::Incarnation | Part::Slot { .. } | Part::Orphan => None,
        })
    }
}
