//! The state before a block, from the traces of its transactions.

use std::{collections::BTreeMap, mem};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::quote;

/// An account as a trace or a node shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Account {
    pub(super) balance: U256,
    pub(super) nonce: u64,
    pub(super) code: Bytes,
    pub(super) storage: BTreeMap<U256, U256>,
    /// The transaction that was the first to touch it.
    pub(super) first_seen: usize,
}

/// The accounts that a block touches, as they were before it.
#[derive(Debug, Default)]
pub(super) struct PreState(BTreeMap<Address, Account>);

/// The trace of one transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trace {
    /// Not every node tells.
    tx_hash: Option<B256>,
    result: Option<BTreeMap<Address, Traced>>,
    error: Option<Value>,
}

/// What the prestate tracer says of an account that a transaction touched.
#[derive(Deserialize)]
struct Traced {
    balance: Option<U256>,
    nonce: Option<Value>,
    code: Option<Bytes>,
    #[serde(default)]
    storage: BTreeMap<U256, U256>,
}

impl PreState {
    /// Reads what `debug_traceBlockByNumber` answers with the prestate tracer, for the transactions with these hashes.
    ///
    /// What a transaction finds of an account, or of a slot, is as it was before the block if no transaction before it
    /// has touched that. Accounts that were empty are not always in the trace, so a later transaction can be the first
    /// to show what an earlier one made: see `accounts.rs`.
    pub(super) fn from_traces(traces: Vec<Trace>, hashes: &[B256]) -> anyhow::Result<Self> {
        if traces.len() != hashes.len() {
            bail!(
                "the node traced {} transactions of a block of {}",
                traces.len(),
                hashes.len()
            );
        }
        let mut state = Self::default();
        for (transaction, (trace, hash)) in traces.into_iter().zip(hashes).enumerate() {
            if let Some(error) = trace.error.filter(|error| !error.is_null()) {
                bail!(
                    "the node cannot trace transaction {transaction}: {}",
                    quote(&error.to_string())
                );
            }
            if let Some(found) = trace.tx_hash.filter(|found| found != hash) {
                // The chain was reorganized in between.
                bail!(
                    "the node traced another transaction {transaction}: expected {hash}, found {found}"
                );
            }
            let accounts = trace.result;
            let accounts = accounts
                .with_context(|| format!("the trace of transaction {transaction} is empty"))?;
            for (address, traced) in accounts {
                state.merge(address, traced, transaction)?;
            }
        }
        Ok(state)
    }

    fn merge(
        &mut self,
        address: Address,
        traced: Traced,
        transaction: usize,
    ) -> anyhow::Result<()> {
        let nonce = traced.nonce.as_ref().map(number).transpose()?;
        let account = self.0.entry(address).or_insert_with(|| Account {
            balance: traced.balance.unwrap_or_default(),
            nonce: nonce.unwrap_or_default(),
            code: traced.code.unwrap_or_default(),
            storage: BTreeMap::new(),
            first_seen: transaction,
        });
        for (slot, word) in traced.storage {
            account.storage.entry(slot).or_insert(word);
        }
        Ok(())
    }

    pub(super) fn get(&self, address: Address) -> Option<&Account> {
        self.0.get(&address)
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = (Address, &Account)> {
        self.0.iter().map(|(address, account)| (*address, account))
    }

    /// Notes what an account was before the block, for what traces show of it.
    pub(super) fn correct(&mut self, address: Address, before: Account) {
        let account = self.0.entry(address).or_default();
        let mut storage = mem::take(&mut account.storage);
        if before.nonce == 0 && before.code.is_empty() {
            // Nothing could write to it: what traces show was written in the block.
            storage.clear();
        }
        *account = Account { storage, ..before };
    }

    /// Notes what a slot was before the block.
    pub(super) fn set_slot(&mut self, address: Address, slot: U256, word: U256) {
        let account = self.0.entry(address).or_default();
        account.storage.insert(slot, word);
    }

    /// Whether some code can ask for the hash of an earlier block.
    pub(super) fn asks_for_block_hashes(&self) -> bool {
        self.0.values().any(|account| has_block_hash(&account.code))
    }

    /// `preState` and `codes` of a block file.
    pub(super) fn to_json(&self) -> (Value, Value) {
        let mut accounts = Map::new();
        let mut codes = Map::new();
        for (address, account) in &self.0 {
            let storage: BTreeMap<B256, U256> = account
                .storage
                .iter()
                .filter(|(_, word)| !word.is_zero())
                .map(|(slot, word)| (B256::from(*slot), *word))
                .collect();
            let is_empty =
                account.balance.is_zero() && account.nonce == 0 && account.code.is_empty();
            if is_empty && storage.is_empty() {
                continue;
            }
            let mut fields = Map::new();
            if !account.code.is_empty() {
                let hash = keccak256(&account.code);
                fields.insert("codeHash".to_owned(), json!(hash));
                codes.insert(hash.to_string(), json!(account.code));
            }
            fields.insert("balance".to_owned(), json!(account.balance));
            fields.insert("nonce".to_owned(), json!(account.nonce));
            fields.insert("storage".to_owned(), json!(storage));
            accounts.insert(address.to_string().to_lowercase(), Value::Object(fields));
        }
        (Value::Object(accounts), Value::Object(codes))
    }
}

/// A number that some nodes write as such and others as a hexadecimal string.
pub(super) fn number(value: &Value) -> anyhow::Result<u64> {
    let shown = || quote(&value.to_string());
    let number = U256::deserialize(value).with_context(|| format!("{} is no number", shown()))?;
    number
        .try_into()
        .with_context(|| format!("{} is too large", shown()))
}

/// Whether the code holds the instruction BLOCKHASH, outside of what is pushed.
pub(super) fn has_block_hash(code: &[u8]) -> bool {
    const BLOCKHASH: u8 = 0x40;
    const PUSH1: u8 = 0x60;
    const PUSH32: u8 = 0x7f;
    let mut at = 0;
    while let Some(&instruction) = code.get(at) {
        match instruction {
            BLOCKHASH => return true,
            PUSH1..=PUSH32 => at += usize::from(instruction - PUSH1) + 2,
            _ => at += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: B256 = B256::repeat_byte(1);
    const TWO: B256 = B256::repeat_byte(2);
    const A: Address = Address::repeat_byte(0xaa);

    fn traces(json: Value) -> Vec<Trace> {
        serde_json::from_value(json).expect("these are traces")
    }

    #[test]
    fn the_first_value_wins() {
        let traces = traces(json!([
            {"txHash": ONE, "result": {A.to_string(): {"balance": "0x5", "nonce": 1, "storage": {"0x1": "0x7"}}}},
            {"result": {A.to_string(): {"balance": "0x9", "nonce": "0x2", "storage": {"0x1": "0x8", "0x2": "0x3"}}}},
        ]));
        let state = PreState::from_traces(traces, &[ONE, TWO]).unwrap();
        let account = state.get(A).unwrap();
        assert_eq!((account.balance, account.nonce), (U256::from(5), 1));
        assert_eq!(account.storage[&U256::from(1)], U256::from(7));
        assert_eq!(account.storage[&U256::from(2)], U256::from(3));
    }

    #[test]
    fn traces_must_be_of_the_block() {
        for (json, message) in [
            (json!([]), "the node traced 0 transactions of a block of 1"),
            (json!([{}]), "the trace of transaction 0 is empty"),
            (
                json!([{"error": "reaped"}]),
                "cannot trace transaction 0: \"reaped\"",
            ),
            (
                json!([{"txHash": TWO, "result": {}}]),
                "another transaction 0",
            ),
            (
                json!([{"result": {A.to_string(): {"nonce": "x"}}}]),
                "is no number",
            ),
        ] {
            let error = PreState::from_traces(traces(json), &[ONE]).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn what_was_written_in_the_block_is_not_before_it() {
        let traced = || {
            let traces = traces(json!([{"result": {A.to_string(): {
                "balance": "0x5", "nonce": 1, "code": "0x5f", "storage": {"0x1": "0x7"},
            }}}]));
            PreState::from_traces(traces, &[ONE]).unwrap()
        };
        let mut created = traced();
        created.correct(A, Account::default());
        assert_eq!(created.to_json(), (json!({}), json!({})));

        // An account without code can have a storage from when it was delegated.
        let mut delegated = traced();
        let before = Account {
            nonce: 3,
            ..Account::default()
        };
        delegated.correct(A, before);
        assert_eq!(delegated.get(A).unwrap().storage.len(), 1);
        assert!(delegated.get(A).unwrap().code.is_empty());
    }

    #[test]
    fn pushed_bytes_are_no_instructions() {
        assert!(has_block_hash(&[0x43, 0x40]));
        assert!(!has_block_hash(&[0x60, 0x40, 0x52]));
        assert!(!has_block_hash(&[0x7f, 0x40]));
        assert!(has_block_hash(&[0x60, 0x40, 0x40]));
    }
}
