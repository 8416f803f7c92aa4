//! Blocks that are executed twice: by Pleach, and by a plain revm loop over a cache database. Both must agree in all.

pub(crate) mod code;
pub(crate) mod oracle;
pub(crate) mod request;

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_consensus::{Header, TxEnvelope, crypto::secp256k1};
use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use alloy_consensus::transaction::SignerRecoverable as _;
use pleach::{Block, Executor, OnFailure, Reason, SerialExecutor, TxOutcome};
use pleach_evm::{
    Account, ChainSpec, EvmBlock, EvmState, Output, PreparedBlock, Transaction, TransactionError,
};

use oracle::Oracle;
use request::Request;

/// The forks that are tested, by the names that [`ChainSpec::with_fork`] takes.
pub(crate) const FORKS: [&str; 14] = [
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

pub(crate) const CHAIN_ID: u64 = 1337;
/// The number of the first block of a scenario. It has a few block hashes before it, and no more.
pub(crate) const FIRST: u64 = 1_000;
/// How far back the block hashes lie that a program may ask for; the last one is too far.
pub(crate) const HASHES_BACK: [u16; 5] = [0, 1, 2, 256, 257];
const BLOCK_GAS: u64 = 1_000_000_000;

/// An account before the first block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code: Vec<u8>,
    pub(crate) storage: BTreeMap<u64, u64>,
}

/// A state, and blocks on it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) fork: &'static str,
    pub(crate) coinbase: Address,
    pub(crate) base_fee: u64,
    pub(crate) accounts: BTreeMap<Address, Before>,
    pub(crate) blocks: Vec<Vec<Request>>,
}

/// What became of a transaction: what it did, or why it is not valid.
pub(crate) type Ran = Result<Done, String>;

/// What a transaction did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    pub(crate) success: bool,
    pub(crate) gas_used: u64,
    pub(crate) logs: Vec<Log>,
    pub(crate) output: Bytes,
}

/// What both executions agree on.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) transactions: Vec<Vec<Ran>>,
    pub(crate) state: BTreeMap<Address, Account>,
}

/// Four accounts that can sign, by number.
pub(crate) fn signer(number: usize) -> Address {
    static SIGNERS: LazyLock<[Address; 4]> = LazyLock::new(|| {
        [0, 1, 2, 3].map(|number| {
            let hash = B256::repeat_byte(1);
            let signature = secp256k1::sign_message(key(number), hash).expect("the key is valid");
            secp256k1::recover_signer(&signature, hash).expect("the signature is valid")
        })
    });
    SIGNERS[number]
}

/// The key of a signer.
pub(crate) fn key(number: usize) -> B256 {
    B256::with_last_byte(number as u8 + 1)
}

impl Scenario {
    /// One block on an empty state. The coinbase is an account of its own.
    pub(crate) fn new(fork: &'static str) -> Self {
        Self {
            fork,
            coinbase: Address::repeat_byte(0xcb),
            base_fee: 0,
            accounts: BTreeMap::new(),
            blocks: vec![Vec::new()],
        }
    }

    pub(crate) fn spec(&self) -> ChainSpec {
        ChainSpec::with_fork(CHAIN_ID, self.fork).expect("there is such a fork")
    }

    fn header(&self, index: usize) -> Header {
        let since = |fork| {
            let position = |name| FORKS.iter().position(|fork| *fork == name);
            position(self.fork) >= position(fork)
        };
        Header {
            number: FIRST + index as u64,
            timestamp: 1_000_000,
            beneficiary: self.coinbase,
            gas_limit: BLOCK_GAS,
            base_fee_per_gas: since("london").then_some(self.base_fee),
            excess_blob_gas: since("cancun").then_some(0),
            blob_gas_used: since("cancun").then_some(0),
            ..Header::default()
        }
    }

    fn block(&self, index: usize) -> EvmBlock {
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
    pub(crate) fn state(&self) -> EvmState {
        let mut state = EvmState::default();
        for (address, before) in &self.accounts {
            let code = (!before.code.is_empty()).then(|| {
                let hash = keccak256(&before.code);
                let code = before.code.clone().into();
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

    /// Executes the blocks both ways.
    ///
    /// # Errors
    ///
    /// In what they differ.
    pub(crate) fn agree(&self) -> Result<Agreed, String> {
        let spec = self.spec();
        let mut oracle = Oracle::new(self);
        let mut state = self.state();
        let mut transactions = Vec::new();
        for (index, requests) in self.blocks.iter().enumerate() {
            let block = self.block(index);
            let (signed, expected) = oracle.block(&spec, &block.header, requests);
            // Without transactions: their signatures are not real, so they cannot be recovered.
            let prepared = block.prepare(&spec).map_err(|error| error.to_string())?;
            let found = execute(&prepared, &signed, &mut state)?;
            for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
                if expected != found {
                    return Err(format!(
                        "block {index}, transaction {number}: expected {expected:#?}, found {found:#?}"
                    ));
                }
            }
            let (expected, found) = (oracle.accounts(), accounts(&state));
            compare(&expected, &found).map_err(|error| format!("after block {index}: {error}"))?;
            transactions.push(found_all(expected.len(), found.len(), signed.len(), || {
                // The outcomes agree, so either will do.
                Vec::new()
            }));
        }
        Ok(Agreed {
            transactions,
            state: accounts(&state),
        })
    }
}
