//! A store in memory, which may take its time, as one does that is on a disk.

use std::{collections::HashMap, convert::Infallible};

use foldhash::fast::RandomState;
use parking_lot::RwLock;
use pleach::{State, Store, Writes};

use crate::{
    latency::Latency,
    payments::{Key, balances},
};

/// Payments' accounts, with a pause before each read.
pub(super) struct Slow {
    latency: Latency,
    held: RwLock<(u64, HashMap<Key, u64, RandomState>)>,
}

impl Slow {
    pub(super) fn new(accounts: u32, latency: Latency) -> Self {
        let accounts = balances(u64::from(accounts)).collect();
        Self {
            latency,
            held: RwLock::new((0, accounts)),
        }
    }

    /// What it holds, in no time.
    pub(super) fn balance(&self, key: &Key) -> Option<u64> {
        self.held.read().1.get(key).copied()
    }
}

impl State<Key, u64> for Slow {
    type Error = Infallible;

    fn get(&self, key: &Key) -> Result<Option<u64>, Infallible> {
        self.latency.wait();
        Ok(self.balance(key))
    }
}

impl Store<Key, u64> for Slow {
    fn height(&self) -> u64 {
        self.held.read().0
    }

    fn advance(&self, height: u64, changes: Writes<Key, u64>) -> Result<(), Infallible> {
        let (at, accounts) = &mut *self.held.write();
        for (key, value) in changes {
            match value {
                Some(value) => accounts.insert(key, value),
                None => accounts.remove(&key),
            };
        }
        *at = height;
        Ok(())
    }
}
