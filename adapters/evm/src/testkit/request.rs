//! Transactions as a test asks for them: relative to what their sender has when it is their turn.

#![expect(missing_docs, reason = "the fields are named as in a transaction")]

use alloy_consensus::{
    Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy, crypto::secp256k1,
};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};

use serde::{Deserialize, Serialize};

use super::{CHAIN_ID, key, signer};

/// A transaction to be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The number of the signer that sends it.
    pub from: usize,
    /// `None` creates a contract.
    pub to: Option<Address>,
    pub value: Value,
    pub data: Bytes,
    pub gas: u64,
    /// How far its nonce is off.
    pub nonce_off: i8,
    /// The most that it pays for gas, above (or below) the base fee.
    pub above_base: i64,
    pub tip: u64,
    pub kind: Kind,
}

/// How much a transaction sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Value {
    Wei(U256),
    /// All that its sender has beside the most that the gas may cost, and this much more.
    RestAnd(i8),
}

/// The type of a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    Legacy,
    Eip2930(Vec<(Address, Vec<u64>)>),
    Eip1559(Vec<(Address, Vec<u64>)>),
    Blobs(u8),
    Eip7702(Vec<Permit>),
}

/// An EIP-7702 authorisation to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Permit {
    /// The number of the signer that gives it.
    pub from: usize,
    pub to: Address,
    pub nonce_off: i8,
    pub chain_id: u64,
    /// Whether its signature is no good.
    pub broken: bool,
}

impl Request {
    /// A legacy transaction that is valid if its sender has the money.
    pub fn new(from: usize, to: impl Into<Option<Address>>) -> Self {
        Self {
            from,
            to: to.into(),
            value: Value::Wei(U256::ZERO),
            data: Bytes::new(),
            gas: 1_000_000,
            nonce_off: 0,
            above_base: 10,
            tip: 1,
            kind: Kind::Legacy,
        }
    }

    #[must_use]
    pub fn value(mut self, value: impl Into<Value>) -> Self {
        self.value = value.into();
        self
    }

    /// Runs this function of the contract that it calls.
    #[must_use]
    pub fn function(mut self, number: u8) -> Self {
        self.data = vec![number].into();
        self
    }

    #[must_use]
    pub fn gas(mut self, gas: u64) -> Self {
        self.gas = gas;
        self
    }

    #[must_use]
    pub fn price(mut self, above_base: i64) -> Self {
        self.above_base = above_base;
        self
    }

    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    pub fn sender(&self) -> Address {
        signer(self.from)
    }

    /// The transaction, on a state that tells balances and nonces.
    pub fn transaction(&self, base_fee: u64, state: impl Fn(Address) -> (U256, u64)) -> TxEnvelope {
        let (balance, nonce) = state(self.sender());
        let nonce = nonce.wrapping_add_signed(self.nonce_off.into());
        let price = u128::from(base_fee.saturating_add_signed(self.above_base));
        let tip = u128::from(self.tip).min(price);
        let to = self.to.map_or(TxKind::Create, TxKind::Call);
        // These types have no other form.
        let call = self.to.unwrap_or_default();
        let value = match self.value {
            Value::Wei(wei) => wei,
            Value::RestAnd(more) => {
                let rest = balance.saturating_sub(U256::from(price) * U256::from(self.gas));
                let more_or_less = U256::from(more.unsigned_abs());
                if more < 0 {
                    rest.saturating_sub(more_or_less)
                } else {
                    rest.saturating_add(more_or_less)
                }
            }
        };
        let input = self.data.clone();
        match &self.kind {
            Kind::Legacy => envelope(TxLegacy {
                chain_id: None,
                nonce,
                gas_price: price,
                gas_limit: self.gas,
                to,
                value,
                input,
            }),
            Kind::Eip2930(list) => envelope(TxEip2930 {
                chain_id: CHAIN_ID,
                nonce,
                gas_price: price,
                gas_limit: self.gas,
                to,
                value,
                access_list: access_list(list),
                input,
            }),
            Kind::Eip1559(list) => envelope(TxEip1559 {
                chain_id: CHAIN_ID,
                nonce,
                gas_limit: self.gas,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list: access_list(list),
                input,
            }),
            Kind::Blobs(count) => envelope(TxEip4844 {
                chain_id: CHAIN_ID,
                nonce,
                gas_limit: self.gas,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to: call,
                value,
                access_list: AccessList::default(),
                blob_versioned_hashes: vec![B256::with_last_byte(1) | VERSION; (*count).into()],
                max_fee_per_blob_gas: 10,
                input,
            }),
            Kind::Eip7702(permits) => envelope(TxEip7702 {
                chain_id: CHAIN_ID,
                nonce,
                gas_limit: self.gas,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to: call,
                value,
                access_list: AccessList::default(),
                authorization_list: permits
                    .iter()
                    .map(|permit| permit.sign(state(signer(permit.from)).1))
                    .collect(),
                input,
            }),
        }
    }
}

/// The hash of a blob starts with the version of its commitment.
const VERSION: B256 = {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    B256::new(bytes)
};

impl Permit {
    /// A permit that is valid if its signer sends nothing in the meantime.
    #[must_use]
    pub fn new(from: usize, to: Address) -> Self {
        Self {
            from,
            to,
            nonce_off: 0,
            chain_id: CHAIN_ID,
            broken: false,
        }
    }

    fn sign(self, nonce: u64) -> SignedAuthorization {
        let authorization = Authorization {
            chain_id: U256::from(self.chain_id),
            address: self.to,
            nonce: nonce.wrapping_add_signed(self.nonce_off.into()),
        };
        let signature = if self.broken {
            Signature::new(U256::ZERO, U256::ZERO, false)
        } else {
            secp256k1::sign_message(key(self.from), authorization.signature_hash())
                .expect("the key is valid")
        };
        authorization.into_signed(signature)
    }
}

impl From<U256> for Value {
    fn from(wei: U256) -> Self {
        Value::Wei(wei)
    }
}

impl From<u64> for Value {
    fn from(wei: u64) -> Self {
        Value::Wei(U256::from(wei))
    }
}

fn access_list(list: &[(Address, Vec<u64>)]) -> AccessList {
    let items = list.iter().map(|(address, slots)| AccessListItem {
        address: *address,
        storage_keys: slots.iter().map(|slot| U256::from(*slot).into()).collect(),
    });
    AccessList(items.collect())
}

/// Execution takes the sender as given and never looks at the signature.
fn envelope<T>(transaction: T) -> TxEnvelope
where
    TxEnvelope: From<Signed<T>>,
{
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    Signed::new_unhashed(transaction, signature).into()
}
