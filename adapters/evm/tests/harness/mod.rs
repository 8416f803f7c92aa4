//! Blocks that are executed twice: by Pleach, and by a plain revm loop over a cache database. Both must agree in all.

pub(crate) mod block;
pub(crate) mod build;
pub(crate) mod code;
pub(crate) mod layers;
pub(crate) mod oracle;
pub(crate) mod request;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{LazyLock, Mutex},
};

use alloy_consensus::{Header, TxEnvelope, crypto::secp256k1};
use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use pleach::{
    Block, Executor, OnFailure, ParallelExecutor, Reason, Runtime, SerialExecutor, Strategy,
    TxOutcome,
};
use pleach_evm::{
    Account, ChainSpec, EvmBlock, EvmState, Output, PreparedBlock, Transaction, TransactionError,
};
use revm::primitives::hardfork::SpecId;

use layers::Layers;
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
    pub(crate) code: Bytes,
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

/// revm's name of a fork.
pub(crate) fn spec_id(fork: &str) -> SpecId {
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
        let spec = spec_id(self.fork);
        let london = spec.is_enabled_in(SpecId::LONDON);
        let cancun = spec.is_enabled_in(SpecId::CANCUN);
        Header {
            number: FIRST + index as u64,
            timestamp: 1_000_000,
            beneficiary: self.coinbase,
            gas_limit: BLOCK_GAS,
            base_fee_per_gas: london.then_some(self.base_fee),
            excess_blob_gas: cancun.then_some(0),
            blob_gas_used: cancun.then_some(0),
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

    /// Executes the blocks both ways.
    ///
    /// # Errors
    ///
    /// In what they differ.
    pub(crate) fn agree(&self) -> Result<Agreed, String> {
        let spec = self.spec();
        let mut oracle = Oracle::new(self);
        let mut state = self.state();
        let layers = Layers::new(&self.state(), &spec)?;
        let mut transactions = Vec::new();
        for (index, requests) in self.blocks.iter().enumerate() {
            let block = self.block(index);
            let (signed, expected) = oracle.block(&spec, &block.header, requests);
            // Without transactions: their signatures are not real, so they cannot be recovered.
            let prepared = block.prepare(&spec).map_err(|error| error.to_string())?;
            let ran = execute(&prepared, &signed, &mut state, &layers)?;
            for (number, (expected, found)) in expected.iter().zip(&ran).enumerate() {
                if expected != found {
                    return Err(format!(
                        "block {index}, transaction {number}: expected {expected:#?}, found {found:#?}"
                    ));
                }
            }
            let (expected, found) = (oracle.accounts(), accounts(&state));
            compare(&expected, &found).map_err(|error| format!("after block {index}: {error}"))?;
            transactions.push(ran);
        }
        for (states, found) in layers.into_states()? {
            compare(&accounts(&state), &accounts(&found))
                .map_err(|error| format!("{states} states in memory: {error}"))?;
        }
        Ok(Agreed {
            transactions,
            state: accounts(&state),
        })
    }
}

/// So many workers, which are kept.
pub(crate) fn runtime(workers: usize) -> Runtime {
    static RUNTIMES: Mutex<BTreeMap<usize, Runtime>> = Mutex::new(BTreeMap::new());
    let mut runtimes = RUNTIMES.lock().expect("nobody panics with it");
    let runtime = runtimes.entry(workers).or_insert_with(|| {
        let workers = NonZeroUsize::new(workers).expect("there are some");
        let builder = Runtime::builder().workers(workers);
        builder.build().expect("there are threads")
    });
    runtime.clone()
}

/// Executes transactions with Pleach, serially and optimistically, skipping those that are not valid, and applies what they changed.
fn execute(
    prepared: &PreparedBlock<'_>,
    signed: &[(TxEnvelope, Address)],
    state: &mut EvmState,
    layers: &Layers,
) -> Result<Vec<Ran>, String> {
    let transactions: Vec<_> = signed
        .iter()
        .map(|(transaction, sender)| Transaction::signed(transaction, *sender))
        .collect();
    let view = prepared.view(state);
    let block = || Block::new(prepared.vm(), &view, &transactions).on_failure(OnFailure::Skip);
    let outcome = SerialExecutor::new()
        .execute(block())
        .map_err(|error| error.to_string())?;
    for workers in [2, 3] {
        let executor = ParallelExecutor::new(&runtime(workers)).strategy(Strategy::Optimistic);
        let found = executor
            .execute(block())
            .map_err(|error| error.to_string())?;
        let lists = [&outcome, &found].map(|outcome| format!("{:#?}", outcome.transactions));
        if lists[0] != lists[1] || outcome.changes != found.changes {
            let [expected, found] = [outcome, found].map(|outcome| format!("{outcome:#?}"));
            return Err(format!(
                "{workers} workers differ: expected {expected}, found {found}"
            ));
        }
    }
    layers.execute(prepared, &transactions, &outcome)?;
    let ran = outcome
        .transactions
        .iter()
        .map(|outcome| match outcome {
            TxOutcome::Executed(Output::Executed(execution)) => Ok(Ok(Done {
                success: execution.success,
                gas_used: execution.gas_used,
                logs: execution.logs.clone(),
                output: execution.output.clone(),
            })),
            TxOutcome::Skipped(Reason::Failed(TransactionError::Invalid(error))) => {
                Ok(Err(error.to_string()))
            }
            other => Err(format!("unexpected outcome {other:?}")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let result = prepared
        .finish(outcome)
        .map_err(|error| error.to_string())?;
    prepared.apply(&result, state);
    Ok(ran)
}

fn accounts(state: &EvmState) -> BTreeMap<Address, Account> {
    state
        .accounts()
        .map(|(address, account)| (address, account.clone()))
        .collect()
}

/// Both directions: what is missing, what is too much, and what differs.
fn compare(
    expected: &BTreeMap<Address, Account>,
    found: &BTreeMap<Address, Account>,
) -> Result<(), String> {
    for address in expected.keys().chain(found.keys()) {
        let (expected, found) = (expected.get(address), found.get(address));
        if expected != found {
            return Err(format!(
                "account {address}: expected {expected:#?}, found {found:#?}"
            ));
        }
    }
    Ok(())
}

/// The hashes of the blocks that programs may ask for.
pub(crate) fn block_hashes() -> impl Iterator<Item = (u64, B256)> {
    let numbers = (FIRST - 2..=FIRST).chain(FIRST - 256..=FIRST - 255);
    numbers.map(|number| (number, keccak256(number.to_be_bytes())))
}
