//! A state, and blocks on it, as data.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_consensus::{Header, crypto::secp256k1};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use pleach::{OnFailure, Over};
use revm::primitives::hardfork::SpecId;
use serde::{Deserialize, Serialize};

use super::{
    code::{Function, contract, program},
    request::Request,
};
use crate::{Account, ChainSpec, EvmBlock, EvmState};

/// The forks that are tested, by the names that [`ChainSpec::with_fork`] takes.
pub const FORKS: [&str; 14] = [
    "frontier",
    "homestead",
    "tangerine",
    "spuriousdragon",
    "byzantium",
    "petersburg",
    "istanbul",
    "berlin",
    "london",
    "paris",
    "shanghai",
    "cancun",
    "prague",
    "osaka",
];

/// The chain of all scenarios.
pub const CHAIN_ID: u64 = 1337;
/// The number of the first block of a scenario. It has a few block hashes before it, and no more.
pub const FIRST: u64 = 1_000;
/// How far back the block hashes lie that a program may ask for; the last one is too far.
pub const HASHES_BACK: [u16; 5] = [0, 1, 2, 256, 257];
const BLOCK_GAS: u64 = 1_000_000_000;

/// More than any gas costs, and far below what placeholders can hold.
pub const ETHER: u64 = 1_000_000_000_000_000_000;

/// An account before the first block.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Before {
    /// In wei.
    pub balance: U256,
    /// How many transactions it has sent, or contracts created.
    pub nonce: u64,
    /// Its bytecode; none if that is empty.
    pub code: Bytes,
    /// Words by slot.
    pub storage: BTreeMap<u64, u64>,
}

/// A name that is known beforehand, and not borrowed from what is deserialized.
type Name = &'static str;

/// A state, and blocks on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// One of [`FORKS`].
    #[serde(with = "fork")]
    pub fork: Name,
    /// Who gets the fees.
    pub coinbase: Address,
    /// What gas costs at least, in wei, from London on.
    pub base_fee: u64,
    /// The most gas that a block may use. Whoever makes transactions ready looks at it, and a block's rules.
    pub gas_limit: u64,
    /// What becomes of a block that has no gas left for a transaction.
    #[serde(default = "skip_rest")]
    pub over: Over,
    /// What becomes of a block when a transaction is not valid.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// The state before the first block.
    pub accounts: BTreeMap<Address, Before>,
    /// The transactions of each block.
    pub blocks: Vec<Vec<Request>>,
}

fn skip_rest() -> Over {
    Over::SkipRest
}

/// The name of a fork that there is.
mod fork {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::FORKS;

    pub(super) fn serialize<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
        name.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<&'static str, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = FORKS.into_iter().find(|fork| *fork == name);
        known.ok_or_else(|| D::Error::custom(format!("there is no fork {name}")))
    }
}

/// revm's name of a fork.
///
/// # Panics
///
/// If it is not one of [`FORKS`].
#[must_use]
pub fn spec_id(fork: &str) -> SpecId {
    let specs = [
        SpecId::FRONTIER,
        SpecId::HOMESTEAD,
        SpecId::TANGERINE,
        SpecId::SPURIOUS_DRAGON,
        SpecId::BYZANTIUM,
        SpecId::PETERSBURG,
        SpecId::ISTANBUL,
        SpecId::BERLIN,
        SpecId::LONDON,
        SpecId::MERGE,
        SpecId::SHANGHAI,
        SpecId::CANCUN,
        SpecId::PRAGUE,
        SpecId::OSAKA,
    ];
    let position = FORKS.iter().position(|name| *name == fork);
    specs[position.expect("there is such a fork")]
}

/// Four accounts that can sign, by number; from there they begin again.
///
/// # Panics
///
/// Never: the keys are good.
#[must_use]
pub fn signer(number: usize) -> Address {
    static SIGNERS: LazyLock<[Address; 4]> = LazyLock::new(|| {
        [0, 1, 2, 3].map(|number| {
            let hash = B256::repeat_byte(1);
            let signature = secp256k1::sign_message(key(number), hash).expect("the key is valid");
            secp256k1::recover_signer(&signature, hash).expect("the signature is valid")
        })
    });
    SIGNERS[number % 4]
}

/// The key of a signer.
#[must_use]
pub fn key(number: usize) -> B256 {
    B256::with_last_byte((number % 4) as u8 + 1)
}

impl Scenario {
    /// One block on an empty state. The coinbase is an account of its own.
    #[must_use]
    pub fn new(fork: &'static str) -> Self {
        Self {
            fork,
            coinbase: Address::repeat_byte(0xcb),
            base_fee: 0,
            gas_limit: BLOCK_GAS,
            over: skip_rest(),
            on_failure: OnFailure::Skip,
            accounts: BTreeMap::new(),
            blocks: vec![Vec::new()],
        }
    }

    /// The rules of its chain.
    ///
    /// # Panics
    ///
    /// If there is no such fork.
    #[must_use]
    pub fn spec(&self) -> ChainSpec {
        ChainSpec::with_fork(CHAIN_ID, self.fork).expect("there is such a fork")
    }

    fn header(&self, index: usize) -> Header {
        let spec = spec_id(self.fork);
        let london = spec.is_enabled_in(SpecId::LONDON);
        let cancun = spec.is_enabled_in(SpecId::CANCUN);
        Header {
            number: FIRST + index as u64,
            timestamp: 1_000_000,
            beneficiary: self.coinbase,
            gas_limit: self.gas_limit,
            base_fee_per_gas: london.then_some(self.base_fee),
            excess_blob_gas: cancun.then_some(0),
            blob_gas_used: cancun.then_some(0),
            ..Header::default()
        }
    }

    /// A block without its transactions: their signatures are not real, so they cannot be recovered.
    #[must_use]
    pub fn block(&self, index: usize) -> EvmBlock {
        EvmBlock {
            header: self.header(index),
            hash: B256::ZERO,
            transactions: Vec::new(),
            senders: Vec::new(),
            ommers: Vec::new(),
            withdrawals: None,
        }
    }

    /// The state before the first block.
    ///
    /// # Panics
    ///
    /// Never: codes are found by their own hashes.
    #[must_use]
    pub fn state(&self) -> EvmState {
        let mut state = EvmState::default();
        for (address, before) in &self.accounts {
            let code = (!before.code.is_empty()).then(|| {
                let hash = keccak256(&before.code);
                let code = before.code.clone();
                state.insert_code(hash, code).expect("that is its hash");
                hash
            });
            let storage = before.storage.iter();
            let account = Account {
                balance: before.balance,
                nonce: before.nonce,
                code,
                storage: storage
                    .map(|(slot, word)| (U256::from(*slot), U256::from(*word)))
                    .collect(),
            };
            state.insert_account(*address, account);
        }
        for (number, hash) in block_hashes() {
            state.insert_block_hash(number, hash);
        }
        state
    }
}

/// How to make one by hand.
impl Scenario {
    /// A scenario in which the first three signers have one ether each.
    #[must_use]
    pub fn funded(fork: &'static str) -> Self {
        (0..3).fold(Self::new(fork), |scenario, number| {
            scenario.balance(signer(number), ETHER)
        })
    }

    /// Puts an account into the state.
    #[must_use]
    pub fn account(mut self, address: Address, before: Before) -> Self {
        self.accounts.insert(address, before);
        self
    }

    /// Gives an account this much ether, in wei.
    #[must_use]
    pub fn balance(mut self, address: Address, wei: impl IntoWei) -> Self {
        self.accounts.entry(address).or_default().balance = wei.into_wei();
        self
    }

    /// An account that exists with zero everything.
    #[must_use]
    pub fn legacy(self, address: Address) -> Self {
        self.account(address, Before::default())
    }

    /// Makes an account a contract of these functions.
    #[must_use]
    pub fn contract(mut self, address: Address, functions: &[Function]) -> Self {
        let code = contract(functions, spec_id(self.fork));
        let account = self.accounts.entry(address).or_default();
        account.nonce = 1;
        account.code = code;
        self
    }

    /// An account whose code is init code.
    #[must_use]
    pub fn init(mut self, address: Address, function: &Function) -> Self {
        let code = program(function, spec_id(self.fork));
        let account = self.accounts.entry(address).or_default();
        account.nonce = 1;
        account.code = code;
        self
    }

    /// Says who gets the fees.
    #[must_use]
    pub fn coinbase(mut self, address: Address) -> Self {
        self.coinbase = address;
        self
    }

    /// Says what gas costs at least, in wei.
    #[must_use]
    pub fn base_fee(mut self, wei: u64) -> Self {
        self.base_fee = wei;
        self
    }

    /// Adds a transaction to the last block.
    #[must_use]
    pub fn send(mut self, request: Request) -> Self {
        match self.blocks.last_mut() {
            Some(block) => block.push(request),
            None => self.blocks.push(vec![request]),
        }
        self
    }

    /// Begins another block.
    #[must_use]
    pub fn next_block(mut self) -> Self {
        self.blocks.push(Vec::new());
        self
    }
}

/// An amount of ether, however it is written.
pub trait IntoWei {
    /// The amount in wei.
    fn into_wei(self) -> U256;
}

impl IntoWei for u64 {
    fn into_wei(self) -> U256 {
        U256::from(self)
    }
}

impl IntoWei for U256 {
    fn into_wei(self) -> U256 {
        self
    }
}

/// The hashes of the blocks that programs may ask for.
pub fn block_hashes() -> impl Iterator<Item = (u64, B256)> {
    let numbers = (FIRST - 2..=FIRST).chain(FIRST - 256..=FIRST - 255);
    numbers.map(|number| (number, keccak256(number.to_be_bytes())))
}
