//! The state before a block, from the traces of its transactions.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// An account as a trace or a node shows it.
#[derive(Clone, Debug, Default)]
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
pub(super) struct PreState(pub(super) BTreeMap<Address, Account>);

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
    /// Reads what `debug_traceBlockByNumber` answers with the prestate tracer.
    ///
    /// What a transaction finds of an account, or of a slot, is as it was before the block if no transaction before it
    /// has touched that.
    pub(super) fn from_traces(traces: &Value) -> anyhow::Result<Self> {
        let mut state = Self::default();
        let traces = traces.as_array().context("the traces are not a list")?;
        for (transaction, trace) in traces.iter().enumerate() {
            let trace = trace.get("result").unwrap_or(trace);
            let trace: BTreeMap<Address, Traced> =
                Deserialize::deserialize(trace).with_context(|| {
                    format!("the trace of transaction {transaction} cannot be read")
                })?;
            for (address, traced) in trace {
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

    /// Whether some code can ask for the hash of an earlier block.
    pub(super) fn asks_for_block_hashes(&self) -> bool {
        self.0.values().any(|account| has_block_hash(&account.code))
    }

    /// `preState` and `codes` of a block file.
    pub(super) fn to_json(&self) -> (Value, Value) {
        let mut accounts = Map::new();
        let mut codes = Map::new();
        for (address, account) in &self.0 {
            let mut fields = Map::new();
            if !account.code.is_empty() {
                let hash = keccak256(&account.code);
                fields.insert("codeHash".to_owned(), json!(hash));
                codes.insert(hash.to_string(), json!(account.code));
            }
            let storage: BTreeMap<B256, U256> = account
                .storage
                .iter()
                .filter(|(_, word)| !word.is_zero())
                .map(|(slot, word)| (B256::from(*slot), *word))
                .collect();
            let is_absent =
                account.balance.is_zero() && account.nonce == 0 && account.code.is_empty();
            if is_absent && storage.is_empty() {
                continue;
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
    let number: U256 = U256::deserialize(value).with_context(|| format!("{value} is no number"))?;
    number
        .try_into()
        .with_context(|| format!("{value} is too large"))
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

    #[test]
    fn the_first_value_wins() {
        let a = Address::repeat_byte(0xaa);
        let traces = json!([
            {"result": {a.to_string(): {"balance": "0x5", "nonce": 1, "storage": {"0x1": "0x7"}}}},
            {"result": {a.to_string(): {"balance": "0x9", "storage": {"0x1": "0x8", "0x2": "0x3"}}}},
        ]);
        let state = PreState::from_traces(&traces).unwrap();
        let account = &state.0[&a];
        assert_eq!((account.balance, account.nonce), (U256::from(5), 1));
        assert_eq!(account.storage[&U256::from(1)], U256::from(7));
        assert_eq!(account.storage[&U256::from(2)], U256::from(3));
    }

    #[test]
    fn pushed_bytes_are_no_instructions() {
        assert!(has_block_hash(&[0x43, 0x40]));
        assert!(!has_block_hash(&[0x60, 0x40, 0x52]));
        assert!(!has_block_hash(&[0x7f, 0x40]));
        assert!(has_block_hash(&[0x60, 0x40, 0x40]));
    }
}
