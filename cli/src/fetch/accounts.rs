//! What traces do not show of the state before a block, asked of the node at the block before.

use std::collections::BTreeSet;

use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, Bytes, U256, address};
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    capture::quantity,
    prestate::{Account, PreState, number},
    rpc::{Client, Question},
};

const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
const BLOCK_HASHES: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");
const WITHDRAWAL_REQUESTS: Address = address!("00000961Ef480Eb55e80D19ad83579A64c007002");
const CONSOLIDATION_REQUESTS: Address = address!("0000BBdDc7CE488642fb579F8B00f3a590007251");

/// The contracts that the protocol calls: EIP-4788, EIP-2935, EIP-7002, EIP-7251.
const SYSTEM_CONTRACTS: [Address; 4] = [
    BEACON_ROOTS,
    BLOCK_HASHES,
    WITHDRAWAL_REQUESTS,
    CONSOLIDATION_REQUESTS,
];

/// How many entries the rings of EIP-4788 and EIP-2935 have.
const RING: u64 = 8191;

/// The queues that the protocol empties after the transactions: the contract, the slots that one request takes, and
/// how many requests a block takes at most.
const QUEUES: [(Address, u64, u64); 2] =
    [(WITHDRAWAL_REQUESTS, 3, 16), (CONSOLIDATION_REQUESTS, 4, 2)];

/// Brings what traces show to what was before `block`, and adds what they do not show. `uncles` are the headers of its
/// uncles.
pub(super) fn complete(
    client: &Client,
    state: &mut PreState,
    block: &Value,
    uncles: &[Value],
) -> anyhow::Result<()> {
    let before = Before {
        client,
        block: quantity(number(&block["number"])?.saturating_sub(1)),
    };
    let mut unsure = protocol_accounts(block, uncles);
    for address in authorities(block) {
        // Not every tracer shows whose nonce an authorization counts up.
        if state.get(address).is_none() {
            unsure.insert(address);
        }
    }

    // Who was empty before the block is not in every trace, but those after the one that changed it show it.
    let later = |account: &Account| account.first_seen > 0;
    let (contracts, plain): (Vec<_>, Vec<_>) = state
        .accounts()
        .filter(|(address, account)| later(account) && !unsure.contains(address))
        .map(|(address, account)| (address, account.code.clone()))
        .partition(|(_, code)| !code.is_empty());
    unsure.extend(plain.into_iter().map(|(address, _)| address));
    // Who had its code before was not empty, so the trace that shows it first shows all of it as it was.
    let addresses: Vec<Address> = contracts.iter().map(|(address, _)| *address).collect();
    for ((address, traced), code) in contracts.into_iter().zip(before.codes(&addresses)?) {
        if traced != code {
            unsure.insert(address);
        }
    }
    before.correct(state, unsure)?;

    let delegates: BTreeSet<Address> = state
        .accounts()
        .filter_map(|(_, account)| delegate(&account.code))
        .chain(authorizations(block).map(|authorization| authorization.address))
        .filter(|address| state.get(*address).is_none())
        .collect();
    before.correct(state, delegates)?;
    before.add_system_slots(state, block)
}

/// The accounts that the protocol itself pays or calls.
fn protocol_accounts(block: &Value, uncles: &[Value]) -> BTreeSet<Address> {
    let withdrawals = block["withdrawals"].as_array().into_iter().flatten();
    let paid = withdrawals
        .map(|withdrawal| &withdrawal["address"])
        .chain([&block["miner"]])
        .chain(uncles.iter().map(|uncle| &uncle["miner"]))
        .filter_map(|address| Address::deserialize(address).ok());
    let called = SYSTEM_CONTRACTS
        .into_iter()
        .filter(|_| !block["parentBeaconBlockRoot"].is_null());
    paid.chain(called).collect()
}

/// The authorizations of all transactions (EIP-7702).
fn authorizations(block: &Value) -> impl Iterator<Item = SignedAuthorization> {
    let transactions = block["transactions"].as_array().into_iter().flatten();
    transactions
        .filter_map(|transaction| transaction["authorizationList"].as_array())
        .flatten()
        .filter_map(|authorization| SignedAuthorization::deserialize(authorization).ok())
}

/// Who signed them. Signatures of nobody are left out: the block is valid nevertheless.
fn authorities(block: &Value) -> impl Iterator<Item = Address> {
    authorizations(block).filter_map(|authorization| authorization.recover_authority().ok())
}

/// Whose code runs for an account with this one (EIP-7702).
fn delegate(code: &[u8]) -> Option<Address> {
    Address::try_from(code.strip_prefix(&[0xef, 0x01, 0x00])?).ok()
}

/// A node at the block before.
struct Before<'a> {
    client: &'a Client,
    block: String,
}

impl Before<'_> {
    fn question(&self, method: &'static str, address: Address) -> Question {
        Question {
            method,
            params: json!([address, self.block]),
        }
    }

    /// Asks for these accounts without their storages, and notes them in the state.
    fn correct(&self, state: &mut PreState, addresses: BTreeSet<Address>) -> anyhow::Result<()> {
        const METHODS: [&str; 3] = ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"];
        let questions = addresses
            .iter()
            .flat_map(|address| METHODS.map(|method| self.question(method, *address)));
        let questions: Vec<_> = questions.collect();
        let answers = self.client.ask(&questions)?;
        for (address, answers) in addresses.into_iter().zip(answers.chunks_exact(3)) {
            let account = Account {
                balance: answers[0].decode()?,
                nonce: number(&answers[1].decode()?).context("eth_getTransactionCount")?,
                code: answers[2].decode()?,
                ..Account::default()
            };
            state.correct(address, account);
        }
        Ok(())
    }

    fn codes(&self, addresses: &[Address]) -> anyhow::Result<Vec<Bytes>> {
        let questions = addresses
            .iter()
            .map(|address| self.question("eth_getCode", *address));
        let questions: Vec<_> = questions.collect();
        let answers = self.client.ask(&questions)?;
        answers.iter().map(super::rpc::Answer::decode).collect()
    }

    /// Notes words of a contract in the state, and returns them.
    fn add_words(
        &self,
        state: &mut PreState,
        contract: Address,
        slots: impl IntoIterator<Item = U256>,
    ) -> anyhow::Result<Vec<U256>> {
        let slots: Vec<U256> = slots.into_iter().collect();
        let questions = slots.iter().map(|slot| Question {
            method: "eth_getStorageAt",
            params: json!([contract, format!("{slot:#066x}"), self.block]),
        });
        let questions: Vec<_> = questions.collect();
        let mut words = Vec::with_capacity(slots.len());
        for (slot, answer) in slots.into_iter().zip(self.client.ask(&questions)?) {
            let word = answer.decode()?;
            state.set_slot(contract, slot, word);
            words.push(word);
        }
        Ok(words)
    }

    /// What the protocol itself reads and writes: the rings' entries of this block, which transactions see only when
    /// they are overwritten; the queues' counters, and the requests that it takes out.
    fn add_system_slots(&self, state: &mut PreState, block: &Value) -> anyhow::Result<()> {
        let is_contract = |state: &PreState, address| {
            let account = state.get(address);
            account.is_some_and(|account| !account.code.is_empty())
        };
        if is_contract(state, BEACON_ROOTS) {
            let entry = number(&block["timestamp"])? % RING;
            self.add_words(state, BEACON_ROOTS, [entry, entry + RING].map(U256::from))?;
        }
        if block["requestsHash"].is_null() {
            return Ok(());
        }
        if is_contract(state, BLOCK_HASHES) {
            let entry = number(&block["number"])?.saturating_sub(1) % RING;
            self.add_words(state, BLOCK_HASHES, [U256::from(entry)])?;
        }
        for (contract, width, most) in QUEUES {
            if !is_contract(state, contract) {
                continue;
            }
            let counters = self.add_words(state, contract, (0..4).map(U256::from))?;
            let (head, tail) = (counters[2], counters[3]);
            let waiting = tail.saturating_sub(head).min(U256::from(most)).to::<u64>();
            let first = U256::from(4).wrapping_add(head.wrapping_mul(U256::from(width)));
            let requests = (0..waiting * width).map(|slot| first.wrapping_add(U256::from(slot)));
            self.add_words(state, contract, requests)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delegations() {
        let target = Address::repeat_byte(7);
        let code = [&[0xef, 0x01, 0x00], target.as_slice()].concat();
        assert_eq!(delegate(&code), Some(target));
        assert_eq!(delegate(&code[..22]), None);
        assert_eq!(delegate(&[]), None);
    }

    #[test]
    fn accounts_of_the_protocol() {
        let paid = [1, 2, 3].map(Address::repeat_byte);
        let block = json!({"miner": paid[0], "withdrawals": [{"address": paid[1]}, {}, 5]});
        let uncles = [json!({"miner": paid[2]}), json!(null)];
        assert_eq!(protocol_accounts(&block, &uncles), BTreeSet::from(paid));

        let block = json!({"miner": paid[0], "parentBeaconBlockRoot": "0x00"});
        let accounts = protocol_accounts(&block, &[]);
        assert!(accounts.contains(&BEACON_ROOTS) && accounts.len() == 5);
    }
}
