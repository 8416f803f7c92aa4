//! The contracts that gigagas blocks call: the code and the storage that their deployment leaves.
//!
//! They are those of the sample chain, whose first block deploys them: a token of `OpenZeppelin`, a pair of Uniswap V2, and a router
//! in front of it. So nothing of them is kept here.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use pleach::{CancelToken, SerialExecutor};
use pleach_evm::{Account, EvmState, sample};

/// A contract as it was deployed, and can be put at any address.
#[derive(Clone, Debug)]
pub(super) struct Template {
    hash: B256,
    code: Bytes,
    /// The words that are no entries of mappings.
    words: Vec<(U256, U256)>,
}

/// Mappings keep their entries at hashes, everything else is in front.
const FIXED_SLOTS: u64 = 64;

impl Template {
    fn new(state: &EvmState, address: Address) -> Self {
        let account = state.account(address).expect("it was deployed");
        let hash = account.code.expect("it is a contract");
        let code = state.code(hash).expect("its code is there");
        let words = account.storage.iter().map(|(slot, word)| (*slot, *word));
        Self {
            hash,
            code: Bytes::copy_from_slice(code.bytes()),
            words: words
                .filter(|(slot, _)| *slot < U256::from(FIXED_SLOTS))
                .collect(),
        }
    }

    /// An account with this contract.
    pub(super) fn account(&self) -> Account {
        Account {
            nonce: 1,
            code: Some(self.hash),
            storage: self.words.iter().copied().collect(),
            ..Account::default()
        }
    }

    pub(super) fn insert_code(&self, state: &mut EvmState) {
        let inserted = state.insert_code(self.hash, self.code.clone());
        inserted.expect("the hash is that of the code");
    }
}

/// The contracts that blocks call.
#[derive(Clone, Debug)]
pub(super) struct Contracts {
    pub(super) token: Template,
    pub(super) pair: Template,
    pub(super) router: Template,
}

/// What the first block of the sample chain deploys before its router, and which transaction makes the first pair.
const TOKEN: u64 = 0;
const ROUTER: u64 = 6;
const FIRST_PAIR: usize = 15;

impl Contracts {
    /// Executes the first block of the sample chain, and takes what it deploys.
    pub(super) fn deploy() -> Self {
        let chain = sample::chain();
        let mut state = chain.genesis;
        let prepared = chain.blocks[0].prepare(&chain.spec);
        let prepared = prepared.expect("the sample is signed");
        let result = prepared.execute(&SerialExecutor::new(), &state, &CancelToken::new());
        let result = result.expect("the sample is valid");
        prepared.apply(&result, &mut state);
        let deployer = chain.blocks[0].senders[0];
        // The factory logs where it has put a pair.
        let log = &result.receipts[FIRST_PAIR].receipt.logs[0];
        let pair = Address::from_word(B256::from_slice(&log.data.data[..32]));
        Self {
            token: Template::new(&state, deployer.create(TOKEN)),
            pair: Template::new(&state, pair),
            router: Template::new(&state, deployer.create(ROUTER)),
        }
    }
}

/// Where a token keeps what a holder has.
pub(super) fn balance_slot(holder: Address) -> U256 {
    entry(holder, U256::ZERO)
}

/// Where a token keeps how much a spender may take from an owner.
pub(super) fn allowance_slot(owner: Address, spender: Address) -> U256 {
    entry(spender, entry(owner, U256::ONE))
}

/// Where Solidity keeps an entry of the mapping at `slot`.
fn entry(key: Address, slot: U256) -> U256 {
    let mut bytes = [0; 64];
    bytes[12..32].copy_from_slice(key.as_slice());
    bytes[32..].copy_from_slice(&slot.to_be_bytes::<32>());
    keccak256(bytes).into()
}

/// The words of a pair that say what it trades.
pub(super) mod pair {
    use super::{Address, U256};

    const TOKENS: [u64; 2] = [6, 7];
    const RESERVES: u64 = 8;
    const PRICES: [u64; 2] = [9, 10];

    /// A pair of these tokens that holds as much of both, and has seen trade at `time` before.
    pub(in super::super) fn words(
        tokens: [Address; 2],
        reserve: u128,
        time: u32,
    ) -> Vec<(U256, U256)> {
        let reserve = U256::from(reserve);
        let reserves = reserve | reserve << 112 | U256::from(time) << 224;
        let tokens = tokens.map(|token| U256::from_be_slice(token.as_slice()));
        let slots = TOKENS.into_iter().chain([RESERVES]).chain(PRICES);
        let words = tokens
            .into_iter()
            .chain([reserves, U256::ONE << 112, U256::ONE << 112]);
        slots.map(U256::from).zip(words).collect()
    }
}

/// What is said to a contract: a function and its arguments, in words.
pub(super) fn call<const N: usize>(signature: &str, arguments: [U256; N]) -> Bytes {
    let mut input = keccak256(signature)[..4].to_vec();
    for argument in arguments {
        input.extend(argument.to_be_bytes::<32>());
    }
    input.into()
}

/// An address as an argument.
pub(super) fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}
