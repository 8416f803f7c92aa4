//! A store that takes its time for each read.

use std::sync::OnceLock;

use alloy_primitives::{Address, B256, U256, map::AddressMap};
use pleach::State;
use pleach_evm::{EvmState, Key, Part, Value};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};

use crate::{latency::Latency, plain::Database};

/// A state behind a store that reads accounts whole, each of them once, and words of storage one by one.
#[derive(Debug)]
pub(super) struct Slow<S> {
    state: S,
    latency: Latency,
    /// The accounts that there are. Who comes while one is being read waits for that.
    read: AddressMap<OnceLock<()>>,
}

impl<S> Slow<S> {
    /// `accounts` are those that `state` has.
    pub(super) fn new(state: S, accounts: &EvmState, latency: Latency) -> Self {
        let accounts = accounts.accounts();
        Self {
            state,
            latency,
            read: accounts
                .map(|(address, _)| (address, OnceLock::new()))
                .collect(),
        }
    }
}

impl<S: State<Key, Value>> State<Key, Value> for Slow<S> {
    type Error = S::Error;

    fn get(&self, key: &Key) -> Result<Option<Value>, S::Error> {
        match key {
            Key::Account(_, Part::Slot { .. }) | Key::BlockHash(_) => self.latency.wait(),
            Key::Account(address, _) => match self.read.get(address) {
                Some(read) => *read.get_or_init(|| self.latency.wait()),
                None => self.latency.wait(),
            },
        }
        self.state.get(key)
    }
}

/// The same for revm.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlowDatabase<'a> {
    pub(super) database: &'a Database,
    pub(super) latency: Latency,
}

impl DatabaseRef for SlowDatabase<'_> {
    type Error = <Database as DatabaseRef>::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.latency.wait();
        self.database.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.database.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.latency.wait();
        self.database.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.latency.wait();
        self.database.block_hash_ref(number)
    }
}
