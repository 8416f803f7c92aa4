//! The tests as their files have them: JSON, of which the blocks themselves are RLP.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use pleach_evm::{Account, EvmState};
use serde::Deserialize;

/// The tests of one file, by name.
pub(crate) type Tests = BTreeMap<String, Test>;

/// A genesis, blocks, and what must come of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Test {
    /// The fork, or two with the moment at which the second takes over.
    pub(crate) network: String,
    #[serde(rename = "genesisRLP")]
    pub(crate) genesis: Bytes,
    pub(crate) pre: Accounts,
    pub(crate) blocks: Vec<Given>,
    #[serde(rename = "lastblockhash")]
    pub(crate) head: B256,
    pub(crate) post_state: Option<Accounts>,
    pub(crate) post_state_hash: Option<B256>,
}

/// A block, and what is said of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Given {
    pub(crate) rlp: Bytes,
    /// Why it must be rejected; several reasons if any of them will do.
    pub(crate) expect_exception: Option<String>,
    /// Its parts once more, unless it is to be rejected.
    pub(crate) block_header: Option<GivenHeader>,
    #[serde(default)]
    pub(crate) transactions: Vec<GivenTransaction>,
}

#[derive(Deserialize)]
pub(crate) struct GivenHeader {
    pub(crate) hash: B256,
}

#[derive(Deserialize)]
pub(crate) struct GivenTransaction {
    /// Left out where the signature has none.
    pub(crate) sender: Option<Address>,
}

/// Accounts before or after the blocks.
#[derive(Deserialize)]
pub(crate) struct Accounts(BTreeMap<Address, GivenAccount>);

#[derive(Deserialize)]
struct GivenAccount {
    balance: U256,
    nonce: U64,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

impl Accounts {
    /// The state that consists of them.
    pub(crate) fn state(&self) -> EvmState {
        let mut state = EvmState::default();
        for (address, given) in &self.0 {
            let code = (!given.code.is_empty()).then(|| {
                let hash = keccak256(&given.code);
                let code = given.code.clone();
                state.insert_code(hash, code).expect("that is its hash");
                hash
            });
            let storage = given.storage.iter();
            let account = Account {
                balance: given.balance,
                nonce: given.nonce.to(),
                code,
                storage: storage.map(|(slot, word)| (*slot, *word)).collect(),
            };
            state.insert_account(*address, account);
        }
        state
    }
}

/// In what `found` is not `expected`, if in anything.
pub(crate) fn difference(expected: &EvmState, found: &EvmState) -> Option<String> {
    let addresses = expected.accounts().chain(found.accounts());
    addresses.map(|(address, _)| address).find_map(|address| {
        let (expected, found) = (expected.account(address), found.account(address));
        let differs = expected != found;
        differs.then(|| format!("account {address}: expected {expected:?}, found {found:?}"))
    })
}
