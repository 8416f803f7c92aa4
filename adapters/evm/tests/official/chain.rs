//! A chain with its side chains: which blocks are in it, and the state after each.

use std::{collections::BTreeMap, iter, sync::Arc};

use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use pleach_evm::{CheckResult, EvmBlock, EvmState, check};

use super::{
    consensus,
    engines::Engines,
    fixture::{Given, Test},
    network::Network,
    receipts,
};

/// All accepted blocks of a test.
pub(super) struct Chain<'a> {
    network: &'a Network,
    blocks: BTreeMap<B256, Accepted>,
    head: B256,
}

/// A block that was accepted.
pub(super) struct Accepted {
    pub(super) hash: B256,
    pub(super) header: Header,
    /// The hashes of its uncles.
    pub(super) uncles: Vec<B256>,
    /// The difficulty of the chain that ends with it.
    total_difficulty: U256,
    /// The state after it.
    pub(super) state: Arc<EvmState>,
}

/// Why a block was not accepted.
#[derive(Debug)]
pub(super) enum Rejection {
    /// It is not valid, for this reason.
    Invalid(String),
    /// It is not known whether it is: an executor did what it should not.
    Fault(String),
}

impl From<String> for Rejection {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

impl From<&str> for Rejection {
    fn from(reason: &str) -> Self {
        Self::Invalid(reason.to_owned())
    }
}

impl<'a> Chain<'a> {
    /// A chain of a genesis alone.
    ///
    /// # Errors
    ///
    /// If the accounts are not those that its header commits to.
    pub(super) fn new(network: &'a Network, test: &Test) -> Result<Self, String> {
        let block = EvmBlock::from_rlp(&test.genesis).map_err(|error| error.to_string())?;
        let mut state = test.pre.state();
        if state.root() != block.header.state_root {
            return Err("the genesis has another state root".to_owned());
        }
        state.insert_block_hash(block.header.number, block.hash);
        let head = block.hash;
        let genesis = Accepted {
            hash: head,
            total_difficulty: block.header.difficulty,
            header: block.header,
            uncles: Vec::new(),
            state: Arc::new(state),
        };
        Ok(Self {
            network,
            blocks: BTreeMap::from([(head, genesis)]),
            head,
        })
    }

    /// The last block of the chain that counts.
    pub(super) fn head(&self) -> &Accepted {
        &self.blocks[&self.head]
    }

    /// How many blocks there are, in all side chains.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The block with this hash, its parent, and so on.
    pub(super) fn ancestors(&self, hash: B256) -> impl Iterator<Item = &Accepted> {
        iter::successors(self.blocks.get(&hash), |block| {
            self.blocks.get(&block.header.parent_hash)
        })
    }

    /// Adds a block.
    ///
    /// # Errors
    ///
    /// Why it is rejected. The chain is what it was then.
    pub(super) fn add(&mut self, engines: &mut Engines, given: &Given) -> Result<(), Rejection> {
        let accepted = self.try_block(engines, given)?;
        if consensus::is_better(
            accepted.total_difficulty,
            &accepted.header,
            self.head().total_difficulty,
        ) {
            self.head = accepted.hash;
        }
        self.blocks.insert(accepted.hash, accepted);
        Ok(())
    }

    fn try_block(&self, engines: &mut Engines, given: &Given) -> Result<Accepted, Rejection> {
        let mut block = EvmBlock::from_rlp(&given.rlp).map_err(|error| format!("rlp: {error}"))?;
        if let Some(header) = &given.block_header {
            // Block and senders are compared with these below.
            block.hash = header.hash;
            if given.transactions.len() != block.transactions.len() {
                return Err("JSON has other transactions than RLP".into());
            }
            let senders = given.transactions.iter();
            let senders: Option<_> = senders.map(|transaction| transaction.sender).collect();
            block.senders = senders.unwrap_or_default();
        }
        let parent = self.blocks.get(&block.header.parent_hash);
        let parent = parent.ok_or("unknown parent")?;
        let rules = self.network.rules(parent.total_difficulty);
        consensus::check(rules, self, &parent.header, &block)
            .map_err(|error| format!("consensus: {error}"))?;

        let prepared = block
            .prepare(rules)
            .map_err(|error| format!("preparation: {error}"))?;
        let result = engines.execute(&prepared, &parent.state)?;
        let mut state = EvmState::clone(&parent.state);
        prepared.apply(&result, &mut state);
        for check in check(&prepared, &result, Some(&state)) {
            if check.name == "receipts_root" && check.result.passed().is_none() {
                let root = receipts::root_of_states(&prepared, &result, &parent.state)?;
                if root != block.header.receipts_root {
                    return Err("header: receipts_root, with states".into());
                }
            } else if let CheckResult::Failed { expected, found } = check.result {
                let name = check.name;
                let reason = format!("header: {name}: expected {expected}, found {found}");
                return Err(reason.into());
            }
        }
        state.insert_block_hash(block.header.number, block.hash);
        Ok(Accepted {
            hash: block.hash,
            uncles: block.ommers.iter().map(Header::hash_slow).collect(),
            total_difficulty: parent.total_difficulty + block.header.difficulty,
            header: block.header,
            state: Arc::new(state),
        })
    }
}
